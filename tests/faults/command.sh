#!/bin/sh
# shellcheck disable=SC3045  # ulimit -n -s -v: dash, bash and ksh have them
# The command under bad weather: limits, signals, odd files, full disks.  Every case must end with
# the right exit code and a message (or none), and never with a crash or half a file.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck disable=SC1091,SC2154  # it sets work, top, model, passed, failed, skipped
. tests/support/faults.sh
lull=$work/lull

# ---- limits

# One is left, whatever this shell was given.
few_files() { (exec 3>&- && ulimit -n 4 && "$LUA" scripts/bin/lull tell "$model" -p Tom -n 3); }
small_stack() { (ulimit -s 256 && "$lull" tell "$model" -p Tom -n 3 --threads 2); }
one_core() { taskset -c 0 "$lull" bench --threads 0 -n 2 --runs 1; }
bare() { env -i LULL_BUILD="$BUILD" "$lull" tell "$model" -p Tom -n 3; }

if [ -z "${SAN:-}" ]; then # sanitizers need descriptors, address space and stack of their own
  expect 'descriptors run out' 3 'Too many open files' few_files
  expect 'small stack' 0 '' small_stack
  for kilobytes in 6000 8000 10000 12000; do
    (ulimit -v $kilobytes && "$lull" tell "$model" -p Tom -n 3) > "$work/out" 2> "$work/err"
    code=$?
    # 127: the interpreter itself did not fit.
    check "$kilobytes kB of address space: exit $code" test $code -le 3 -o $code -eq 127
  done
fi
expect 'no environment' 0 '' bare
if command -v taskset > /dev/null; then
  expect 'one core of many' 0 '' one_core
fi

# ---- files that are no models

mkfifo "$work/fifo"
: > "$work/empty"
ln -s loop "$work/loop"
expect 'directory' 3 "$work" timeout 20 "$lull" tell "$work"
expect 'empty file' 1 'empty' "$lull" inspect "$work/empty"
expect 'symbolic link to itself' 3 'loop' "$lull" inspect "$work/loop"
for file in "$work/fifo" /dev/zero /dev/null /proc/self/maps; do
  timeout 20 "$lull" inspect "$file" > "$work/out" 2> "$work/err"
  code=$?
  check "$file: exit $code" test $code -eq 1 -o $code -eq 3
  check "$file is named" grep -qF "$file" "$work/err"
done
if truncate -s 1T "$work/vast" 2> /dev/null; then
  expect 'a terabyte of nothing' 1 "$work/vast" timeout 20 "$lull" tell "$work/vast"
else
  skipped=$((skipped + 1))
  echo 'skip  a terabyte of nothing: no sparse files here'
fi
cp "$model" "$work/name with 'quotes' and ü.bin"
cp examples/models/tokenizer.bin "$work"
expect 'odd file name' 0 '' "$lull" tell "$work/name with 'quotes' and ü.bin" -p Tom -n 2
head -c 9000000 /dev/zero | tr '\0' a > "$work/long"
expect 'prompt of 9 MB' 1 'context' timeout 60 "$lull" tell "$model" -f "$work/long"

# ---- signals

for signal in TERM HUP; do
  timeout --preserve-status -s $signal 0.3 "$lull" bench "$model" --runs 1000 -n 200 \
    > "$work/out" 2> "$work/err"
  code=$?
  check "$signal ends it: exit $code" test $code -gt 128
done
"$lull" tell "$model" -p Tom -n 200 --seed 1 > "$work/whole"
"$lull" tell "$model" -p Tom -n 200 --seed 1 > "$work/paused" &
pid=$!
for _ in 1 2 3; do
  kill -STOP $pid 2> /dev/null && sleep 0.02 && kill -CONT $pid 2> /dev/null
done
wait $pid
check 'stopped and continued, it tells the same' cmp -s "$work/whole" "$work/paused"

# ---- quantize: whole or absent

# A float checkpoint, made from nothing: one layer, dim 32, hidden 32, vocabulary 260.
"$LUA" - "$work/float.bin" <<'LUA'
local file = assert(io.open(arg[1], "wb"))
local function word(n)
  return string.char(n % 256, math.floor(n / 256) % 256, 0, 0)
end
for _, n in ipairs {32, 32, 1, 4, 4, 260, 16} do
  file:write(word(n))
end
local weights = 260 * 32 + 32 + 4 * 32 * 32 + 32 + 3 * 32 * 32 + 32 + 16 * 8
for i = 1, weights do
  file:write(string.char(0, i % 256, i % 128, 60 + i % 2 * 128))
end
assert(file:close())
LUA
expect 'quantize' 0 '' "$lull" quantize "$work/float.bin" "$work/q8.bin"
cp "$work/q8.bin" "$work/before"
cp "$work/float.bin" "$work/original"
expect 'output exists' 1 '--force' "$lull" quantize "$work/float.bin" "$work/q8.bin"
expect 'output is the input' 1 '' "$lull" quantize "$work/float.bin" "$work/float.bin" --force
ln "$work/float.bin" "$work/other-name"
expect 'output is a hard link to the input' 1 '' "$lull" quantize "$work/float.bin" "$work/other-name" --force
check 'the input is untouched' cmp -s "$work/float.bin" "$work/original"
expect 'no such folder' 3 'nowhere' "$lull" quantize "$work/float.bin" "$work/nowhere/q8.bin"
mkdir "$work/new"
expect 'damaged input' 1 '' "$lull" quantize "$work/long" "$work/new/q8.bin"
expect 'quantized already' 1 '8 bits already' "$lull" quantize "$model" "$work/new/q8.bin"
check 'and nothing is written' test -z "$(ls -A "$work/new")"
check 'what was there is untouched' cmp -s "$work/q8.bin" "$work/before"
expect 'replaced when asked' 0 '' "$lull" quantize "$work/float.bin" "$work/q8.bin" --force
check 'the same again' cmp -s "$work/q8.bin" "$work/before"
left=$(find "$work" -name '*q8.bin*' | grep -vc '/q8.bin$')
check "no temporary file stays ($left)" test "$left" -eq 0

# A process that is killed cannot tidy up, but the final name stays free.
limited() { (ulimit -f 4 && "$lull" quantize "$work/float.bin" "$work/new/q8.bin"); }
limited > "$work/out" 2> "$work/err"
code=$?
check "a limit on file size: exit $code" test $code -ne 0
check 'and no half file under the final name' test ! -e "$work/new/q8.bin"

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
