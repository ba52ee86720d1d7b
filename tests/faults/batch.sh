#!/bin/sh
# shellcheck disable=SC3045  # ulimit -f: dash, bash and ksh have it
# Batches under bad weather: killed at random moments, full disks, two writers, damaged files, odd
# records.  Every story must be there once, with the same bytes as in an undisturbed run.
set -u
cd "$(dirname "$0")/../.." || exit 1
# shellcheck disable=SC1091,SC2154  # it sets work, top, model, passed, failed, skipped
. tests/support/faults.sh
cd "$work" || exit 1

batch() { ./lull batch "$model" "$@"; }
# whole FILE: ends with a line end, or is empty
whole() { [ ! -s "$1" ] || [ -z "$(tail -c 1 "$1")" ]; }

"$LUA" -e '
  for i = 1, 60 do
    print(("{\"id\":\"s%d\",\"prompt\":\"Once upon a time, there was a little girl named Lily. %s\","
      .. "\"params\":{\"max_tokens\":%d}}"):format(i, ("She ran. "):rep(i % 3), 10 + i * 7 % 40))
  end' > in.jsonl
batch -i in.jsonl -o all.jsonl --parallel 8 2> /dev/null
check 'sixty stories' test "$(wc -l < all.jsonl)" -eq 60

# ---- a story depends on its record alone

for options in '--parallel 1' '--parallel 3 --threads 2' '--parallel 60 --ordered' '--cpu portable' '--sync 0'; do
  rm -f one.jsonl*
  # shellcheck disable=SC2086  # several words
  batch -i in.jsonl -o one.jsonl $options 2> /dev/null
  same "the same with $options" one.jsonl all.jsonl
done
batch -i in.jsonl -o ordered.jsonl --ordered 2> /dev/null
"$LUA" -e 'for l in io.lines("ordered.jsonl") do print(l:match("\"id\":\"(.-)\"")) end' > order
"$LUA" -e 'for i = 1, 60 do print("s" .. i) end' | cmp -s - order
check 'in the order of the input' test $? -eq 0
sort -r in.jsonl > reversed.jsonl
batch -i reversed.jsonl -o r.jsonl 2> /dev/null
same 'the same for lines in another order' r.jsonl all.jsonl
for i in 1 2 3; do batch -i in.jsonl -o shard$i.jsonl --shard $i/3 2> /dev/null; done
cat shard?.jsonl > shards
same 'three shards are the whole' shards all.jsonl
batch -i in.jsonl -o - 2> /dev/null > stdout.jsonl
same 'to standard output' stdout.jsonl all.jsonl
batch -i - -o stdin.jsonl < in.jsonl 2> /dev/null
same 'from standard input' stdin.jsonl all.jsonl
(head -n 20 in.jsonl; sleep 0.3; tail -n 40 in.jsonl) | batch -i - -o slow.jsonl 2> /dev/null
same 'from a pipe that stalls' slow.jsonl all.jsonl

# ---- killed

# At random moments of the time that an undisturbed run takes here; the same ones each time.
started=$(date +%s%N)
batch -i in.jsonl -o k.jsonl --quiet --parallel 3 --sync 0
took=$(($(date +%s%N) - started))
delays=$(TOOK=$took "$LUA" -e '
  local x, took = 7, os.getenv("TOOK") / 1e9
  for _ = 1, 50 do
    x = (x * 16807) % 2147483647
    print(("%.4f"):format(took * (0.05 + x % 1000 / 1600)))
  end')
kills=0 unfinished=0
rm -f k.jsonl*
for delay in $delays; do
  ./lull batch "$model" -i in.jsonl -o k.jsonl --resume --quiet --parallel 3 --sync 0 > out 2> err &
  pid=$!
  sleep "$delay"
  kill -9 $pid 2> /dev/null && kills=$((kills + 1))
  wait $pid 2> /dev/null
  lines=$(wc -l < k.jsonl 2> /dev/null || echo 0)
  if [ "$lines" -lt 60 ]; then
    unfinished=$((unfinished + 1))
  else
    whole k.jsonl && same 'killed and gone on with' k.jsonl all.jsonl
    rm -f k.jsonl*
  fi
done
batch -i in.jsonl -o k.jsonl --resume --quiet --parallel 3 2> err
same 'killed fifty times' k.jsonl all.jsonl
check "killed in the middle: $kills times, $unfinished before the end" test "$unfinished" -ge 20

# ---- torn, damaged, changed

head -c 3000 all.jsonl > torn.jsonl
cp all.jsonl.run.jsonl torn.jsonl.run.jsonl
sed -i '/checkpoint/d' torn.jsonl.run.jsonl
expect 'a torn last line' 0 'of a torn last line were cut off' batch -i in.jsonl -o torn.jsonl --resume
same 'is told again' torn.jsonl all.jsonl
damage() { # damage NAME TEXT SED
  cp all.jsonl d.jsonl
  cp all.jsonl.run.jsonl d.jsonl.run.jsonl
  sed -i "$3" d.jsonl
  cp d.jsonl before
  expect "$1" 3 "$2" batch -i in.jsonl -o d.jsonl --resume
  check "$1: and is left as it is" cmp -s d.jsonl before
}
damage 'a letter is another' 'not those that were written' '7s/Lily/Lila/'
damage 'a line is no JSON' 'line 9 is damaged' '9s/^.//'
damage 'a line is empty' 'line 3 is damaged' '3s/.*//'
damage 'a line is there twice' 'line 4: the id of another line' '3p'
damage 'lines are gone' 'were on the disk once' '50,60d'
cp all.jsonl d.jsonl
cp all.jsonl.run.jsonl d.jsonl.run.jsonl
(cat in.jsonl; echo '{"id":"new","prompt":"Tom"}') > longer.jsonl
expect 'the input has changed' 3 'the input is another one' batch -i longer.jsonl -o d.jsonl --resume
expect 'other parameters' 3 'the parameters are others' batch -i in.jsonl -o d.jsonl --resume -t 0.5
expect 'another seed' 3 'the seed is another one' batch -i in.jsonl -o d.jsonl --resume -s 2
expect 'another precision' 3 'the model, or its precision' batch -i in.jsonl -o d.jsonl --resume --kv f32 --precision f32
rm d.jsonl.run.jsonl
expect 'the account is missing' 3 'd.jsonl.run.jsonl is missing' batch -i in.jsonl -o d.jsonl --resume
expect 'nothing is left to do' 0 '60 were there already' batch -i in.jsonl -o all.jsonl --resume
cp stdin.jsonl again.jsonl
expect 'the output exists' 3 '--resume goes on with it' batch -i in.jsonl -o again.jsonl
expect 'begun anew' 0 '' batch -i in.jsonl -o again.jsonl --force
same 'and the same' again.jsonl all.jsonl

# ---- files that cannot be written

mkdir folder closed
chmod 555 closed
expect 'a folder' 3 'Is a directory' batch -i in.jsonl -o folder
expect 'no such folder' 3 'No such file' batch -i in.jsonl -o nowhere/x.jsonl
if [ "$(id -u)" -ne 0 ]; then
  expect 'a folder that is closed' 3 'Permission denied' batch -i in.jsonl -o closed/x.jsonl
else
  skipped=$((skipped + 1))
  echo 'skip  a folder that is closed: nothing is to root'
fi
cp in.jsonl original
ln in.jsonl hard.jsonl
ln -s in.jsonl soft.jsonl
for name in in.jsonl hard.jsonl soft.jsonl; do
  expect "the output is the input: $name" 3 'which is read' batch -i in.jsonl -o $name --force
done
cp "$model" m.bin
cp "$top/examples/models/tokenizer.bin" .
expect 'the output is the model' 3 'which is read' ./lull batch m.bin -i in.jsonl -o m.bin --force
check 'the model is untouched' cmp -s m.bin "$model"
check 'the input is untouched' cmp -s in.jsonl original
expect 'a full disk' 3 'No space left' batch -i in.jsonl -o /dev/full
expect 'a full disk behind standard output' 3 '' sh -c "./lull batch '$model' -i in.jsonl -o - > /dev/full"
small() { (ulimit -f 4 && batch -i in.jsonl -o small.jsonl --quiet); }
expect 'a limit on file size' 3 'lines are safe in small.jsonl; --resume goes on' small
check 'and only whole lines' whole small.jsonl
said=$(sed -n 's/^\([0-9]*\) lines are safe.*/\1/p' err)
check 'of which all are safe that are said to be' test "${said:-0}" -gt 0 -a "$(wc -l < small.jsonl)" -ge "${said:-0}"
expect 'gone on with where there is room' 0 '' batch -i in.jsonl -o small.jsonl --resume
same 'and the same' small.jsonl all.jsonl
mkdir disk
if mount -t tmpfs -o size=16k none disk 2> /dev/null; then
  expect 'the disk is full in the middle' 3 'No space left' batch -i in.jsonl -o disk/x.jsonl
  check 'only whole lines' whole disk/x.jsonl
  mount -o remount,size=1m disk
  expect 'gone on with' 0 '' batch -i in.jsonl -o disk/x.jsonl --resume
  same 'and the same' disk/x.jsonl all.jsonl
  umount disk
else
  skipped=$((skipped + 1))
  echo 'skip  the disk is full in the middle: no right to mount one'
fi

# ---- two writers

"$LUA" -e 'for i = 1, 3000 do print(("{\"id\":%d,\"prompt\":\"Tom\"}"):format(i)) end' > many.jsonl
./lull batch "$model" -i many.jsonl -o two.jsonl > out1 2> err1 &
pid=$!
tries=0
until [ -s two.jsonl.run.jsonl ] || [ $tries -gt 100 ]; do sleep 0.05; tries=$((tries + 1)); done
expect 'two writers' 3 'locked by process' batch -i many.jsonl -o two.jsonl --resume
expect 'two writers, and force' 3 'locked by process' batch -i many.jsonl -o two.jsonl --force
kill -9 $pid
wait $pid 2> /dev/null
head -n 10 many.jsonl > few.jsonl
expect 'the lock is gone with the process' 3 'the input is another one' batch -i few.jsonl -o two.jsonl --resume

# ---- signals

# stopped NAME SIGNAL CODE: a run that a signal ends has whole lines and can be gone on with
stopped() {
  rm -f s.jsonl*
  ./lull batch "$model" -i in.jsonl -o s.jsonl --parallel 2 -n 200 --quiet > out 2> err &
  pid=$!
  tries=0
  until [ -s s.jsonl ] || [ $tries -gt 200 ]; do sleep 0.01; tries=$((tries + 1)); done
  kill -s "$2" $pid
  wait $pid
  code=$?
  check "$1: exit $code" test $code -eq "$3"
  check "$1: whole lines" whole s.jsonl
  check "$1: no traceback" sh -c '! grep -q "traceback\|should not" err'
  batch -i in.jsonl -o s.jsonl --parallel 2 -n 200 --resume --quiet 2> /dev/null
  same "$1: gone on with" s.jsonl all.jsonl
}
stopped 'Ctrl-C' INT 130
stopped 'terminated' TERM 143
stopped 'hung up' HUP 129
./lull batch "$model" -i many.jsonl -o s2.jsonl --quiet > out 2> err &
pid=$!
until [ -s s2.jsonl ]; do sleep 0.01; done
kill -INT $pid
kill -INT $pid
wait $pid
check "Ctrl-C twice: exit $?" test -s s2.jsonl
check 'Ctrl-C twice: whole lines' whole s2.jsonl
(batch -i many.jsonl -o - --quiet; echo $? > code) 2> err | head -n 1 > first
check "a pipe that closes: exit $(cat code)" test "$(cat code)" -eq 141
check 'and no word about it' test ! -s err
nohup sh -c "./lull batch '$model' -i in.jsonl -o n.jsonl --quiet & pid=\$!; sleep 0.05; kill -HUP \$pid; wait \$pid" > out 2>&1
same 'nohup' n.jsonl all.jsonl

# ---- descriptors that are closed

expect 'nothing is open' 0 '' sh -c "./lull batch '$model' -i in.jsonl -o c.jsonl <&- >&- 2>&-"
same 'and the same' c.jsonl all.jsonl
check 'nothing went into a file that happened to be there' sh -c '! grep -v "^{.*}$" c.jsonl c.jsonl.run.jsonl'
expect 'standard input is closed' 3 'standard input' sh -c "./lull batch '$model' -i - -o c2.jsonl <&-"
expect 'standard output is closed' 3 'standard output' sh -c "./lull batch '$model' -i in.jsonl -o - >&-"

# ---- odd records

printf '\357\273\277{"id":"bom","prompt":"Tom"}\r\n\r\n   \n' > odd.jsonl
cat >> odd.jsonl << 'END'
{"id":"a","prompt":"Tom"}
{"id":"a","prompt":"Tom again"}
{"id":1,"prompt":"Tom"}
{"id":"1","prompt":"Tom"}
{"prompt":"no id"}
{"id":"b"}
{"id":null,"prompt":"x"}
{"id":"c","prompt":null}
{"id":"d","prompt":"x","params":{"temprature":1}}
{"id":"e","prompt":"x","params":{"top_p":7}}
{"id":"f","prompt":"x","params":{"max_tokens":1e999}}
{"id":"g","prompt":"x","promt":"y"}
{"id":"h","prompt":"x"
[1,2]
"text"
{"id":"i","template":"{{ who }} ran","vars":{"who":"Lily"}}
{"id":"j","prompt":[1,2,99999]}
{"id":"k","prompt":[1,2]}
{"id":"l","prompt":"x","params":{"logit_bias":{"17":-5},"stop":["."]},"seed":"0xff","labels":{"b":1,"a":[]}}
{"id":"m","prompt":"x","params":{"strategy":"../../etc/passwd"}}
{"id":"n","prompt":"x","params":{"sampler":"x"}}
{"id":"o","prompt":"","params":{"max_tokens":0}}
{"id":"u","prompt":"\u00c9l\u00e9phant \ud83d\ude00 \u0000!"}
{"custom_id":"q","method":"POST","url":"/v1/completions","body":{"model":"m","prompt":"Tom","max_tokens":5}}
{"custom_id":"r","body":{"prompt":"Tom","n":3}}
{"custom_id":"s","method":"GET","body":{"prompt":"Tom"}}
END
{
  printf '{"id":"utf8","prompt":"\377"}\n{"id":"nul","prompt":"a\000b"}\n'
  "$LUA" -e 'io.write("{\"id\":\"long\",\"prompt\":\"", ("Tom ran. "):rep(1e4), "\"}\n")'
  "$LUA" -e 'io.write("{\"id\":\"vast\",\"prompt\":\"", ("x"):rep(2e7), "\"}\n")'
  printf '{"id":"last","prompt":"Tom"}'
} >> odd.jsonl
expect 'odd records' 1 'with an "error"' batch -i odd.jsonl -o odd.out -n 5 --ordered
check 'a line for each of them' test "$(wc -l < odd.out)" -eq 32
has() { # has NAME TEXT: a line of odd.out
  check "$1" grep -qF -- "$2" odd.out
}
has 'the id again' '{"id":"a","error":{"code":"EINVAL","message":"the id of line 4 again","line":5}}'
has 'ids 1 and "1" are one' '"message":"the id of line 6 again","line":7'
has 'no id' '{"id":null,"error":{"code":"EINVAL","message":"'"'id' is missing"
has 'no prompt' '{"id":"b","error":{"code":"EINVAL","message":"one of '
has 'a misspelt parameter' "did you mean 'temperature'?"
has 'out of range' "bad option 'top_p'"
has 'a number too large' 'a number too large","line":14'
has 'a misspelt field' "unknown field 'promt' (did you mean 'prompt'?)"
has 'an object that does not end' "',' or '}' expected"
has 'no object' '"message":"an object expected","line":18'
has 'a template' '"prompt":"Lily ran"'
has 'an id of no token' 'token 3 of the prompt is none of the model'
has 'tokens as they are' '{"id":"k","prompt":[1,2],"text":'
has 'labels, in order' '"labels":{"a":[],"b":1}'
has 'a seed in hexadecimal' '"seed":"0xff"'
has 'a strategy with a path' '{"id":"m","error"'
has 'what is no data' "unknown option 'sampler'"
has 'nothing to tell' '{"id":"o","prompt":"","text":"","finish_reason":"length"'
has 'other alphabets' '{"id":"u","prompt":"Éléphant 😀 \u0000!"'
has 'the form of OpenAI' '"custom_id":"q","response":{"status_code":200'
has 'its errors' '"custom_id":"r","response":null,"error":{"code":"EINVAL"'
has 'another method' "'method': 'POST' expected, got 'GET'"
has 'no UTF-8' 'a byte that is no UTF-8'
has 'a zero byte' 'a control character in a string'
has 'longer than the context' '{"id":"long","error":{"code":"ECONTEXT"'
has 'a line of 20 MB' 'a line of more than 16 MB'
has 'no line end at the end' '{"id":"last","prompt":"Tom"'
cp odd.out odd.again
cp odd.out.run.jsonl odd.again.run.jsonl
expect 'errors are done too' 1 '' batch -i odd.jsonl -o odd.x -n 5 --ordered
expect 'errors are not told again' 0 '32 were there already' batch -i odd.jsonl -o odd.again -n 5 --ordered --resume
check 'and the file is as it was' cmp -s odd.out odd.again
: > empty.jsonl
expect 'an empty input' 0 '0 stories' batch -i empty.jsonl -o e.jsonl
expect 'no input' 3 'nowhere' batch -i nowhere.jsonl -o e2.jsonl
check 'and no output' test ! -e e2.jsonl
expect 'neither input nor recipe' 2 'an input is needed' batch -o e2.jsonl
expect 'a recipe without a count' 2 '--count' batch --recipe tinystories -o e2.jsonl
expect 'no such recipe' 3 'no recipe of this name' batch --recipe nowhere --count 1 -o e2.jsonl
expect 'no such form' 1 'only: instruct, opening, request' batch --recipe tinystories --form x --count 1 -o e2.jsonl
expect 'a shard of none' 2 '--shard' batch -i in.jsonl -o e2.jsonl --shard 4/3
expect 'a parameter out of range' 2 'top_p' batch -i in.jsonl -o e2.jsonl --set top_p=3
if command -v script > /dev/null; then
  script -qec "./lull batch '$model' -i - -o e2.jsonl" /dev/null < /dev/null > out 2>&1
  check 'standard input is a terminal' grep -q 'standard input is a terminal' out
  script -qec "./lull batch '$model' -i in.jsonl -o bar.jsonl" /dev/null < /dev/null > out 2>&1
  check 'a summary on a terminal' grep -q '60 stories in' out
fi

# ---- commas

printf 'id,name,pet\r\nx1,Lily,"a ""big"", red cat"\r\nx2,"Tom\nand Sue",dog\r\n\r\nx3,"Ben,one"\nx4,"Max' > names.csv
expect 'rows' 1 '' batch --csv names.csv --template '{{ name }} had {{ pet }}.' -o csv.out -n 5 --ordered
check 'a value in quotes' grep -qF '"prompt":"Lily had a \"big\", red cat."' csv.out
check 'a value of two lines' grep -qF '"prompt":"Tom\nand Sue had dog."' csv.out
check 'too few values' grep -qF '"message":"2 values, and there are 3 columns","line":6' csv.out
check 'a quote that is not closed' grep -qF '"message":"a quote that is not closed"' csv.out
check 'labels' grep -qF '"labels":{"id":"x1","name":"Lily","pet":' csv.out

# ---- decimal commas

comma=$(locale -a 2> /dev/null | grep -iE '^(de|fr|nl|it)_[A-Z]*\.utf-?8$' | head -n 1)
if [ -z "$comma" ] && command -v localedef > /dev/null && localedef -i de_DE -f UTF-8 "$work/de_DE.UTF-8" 2> /dev/null; then
  comma=de_DE.UTF-8
  LOCPATH=$work
  export LOCPATH
fi
if [ -n "$comma" ]; then
  cat > comma.lua << END
assert(os.setlocale("$comma"))
assert(("%.1f"):format(0.5) == "0,5")
package.path = "$top/scripts/?.lua;$top/scripts/?/init.lua;" .. package.path
package.cpath = "$BUILD/?.so;" .. package.cpath
os.exit(require("lull.command").main(arg, {"$top/examples/models"}))
END
  LD_PRELOAD=${LULL_PRELOAD:-} "$LUA" comma.lua batch "$model" -i in.jsonl -o comma.jsonl 2> err
  same 'where the comma is decimal' comma.jsonl all.jsonl
else
  skipped=$((skipped + 1))
  echo 'skip  where the comma is decimal: no such locale'
fi

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
