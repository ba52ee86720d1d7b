#!/bin/sh
# Runs every test, keeps going after a failure, and ends with one counting line.
# usage: tests/run.sh TEXT            only tests whose names contain TEXT; `make test` calls it
#        tests/run.sh TEXT SERIES     one series, as the first form calls it
#
# A test is a command.  Its output goes to $BUILD/log/NAME.log and is shown when it fails.  How many
# cases it counts for comes from that output, if it speaks one of these: cmocka's summary, TAP, or
# a line "N passed, N failed[, N skipped]".  Otherwise it is one case: exit 0 passed, 77 skipped.
# Lines that begin with "measured" are shown.
set -u
: "${BUILD:=build}" "${SAN:=}" "${CC:=cc}" "${LUA:=lua5.1}" "${BUSTED:=busted}" "${CROSS:=}" "${EMULATED:=}" "${JOBS:=1}"
: "${LULL_TEST_SECONDS:=600}"
filter=${1:-} series=${2:-}
root=$PWD
case $BUILD in /*) ;; *) BUILD=$root/$BUILD ;; esac
log=$BUILD/log
passed=0 failed=0 skipped=0
# shellcheck disable=SC3045  # every sh here has it
ulimit -c 0

LUA_PATH="$root/scripts/?.lua;$root/scripts/?/init.lua;;"
LUA_CPATH="$BUILD/?.so;;"
LULL_BUILD=$BUILD
export LUA_PATH LUA_CPATH LULL_BUILD BUILD SAN CC LUA BUSTED LC_ALL=C

# A stock interpreter that loads a sanitized module needs the sanitizer's runtime first: LUA becomes
# a script that starts it so.
preload=
case $SAN in
  asan) preload="$($CC -print-file-name=libasan.so) $($CC -print-file-name=libubsan.so)" ;;
  ubsan) preload=$($CC -print-file-name=libubsan.so) ;;
  tsan) preload=$($CC -print-file-name=libtsan.so) ;;
esac
if [ -n "$preload" ] && [ -z "$series" ]; then
  mkdir -p "$BUILD/bin"
  printf '#!/bin/sh\nLD_PRELOAD="%s" exec %s "$@"\n' "$preload $BUILD/bin/forget_preload.so" "$LUA" \
    > "$BUILD/bin/lua-$SAN"
  chmod +x "$BUILD/bin/lua-$SAN"
  LUA=$BUILD/bin/lua-$SAN
fi
export ASAN_OPTIONS="detect_leaks=1:strict_string_checks=1:allocator_may_return_null=1"
export UBSAN_OPTIONS="print_stacktrace=1:halt_on_error=1" TSAN_OPTIONS="exitcode=66:halt_on_error=0"

# cases FILE: "passed failed skipped spoken", and the names of skipped cases after it
cases() {
  awk '
    /^\[  PASSED  \] [0-9]+ test/ { p += $4; spoken = 1 }
    /^\[  FAILED  \] [0-9]+ test/ { f += $4; spoken = 1 }
    /^\[  SKIPPED \] [0-9]+ test/ { s += $4; spoken = 1; next }
    /^\[  SKIPPED \] / { if (!($4 in seen)) name[++n] = $4; seen[$4] = 1 }
    /^1\.\.[0-9]+$/ { spoken = 1 }
    /^ok [0-9]+.*# *SKIP/ { s++; sub(/^ok [0-9]+ *-* *# *SKIP */, ""); name[++n] = $0; next }
    /^ok [0-9]+/ { p++ }
    /^not ok [0-9]+/ { f++ }
    /^[0-9]+ passed, [0-9]+ failed(, [0-9]+ skipped)?$/ { p += $1; f += $3; s += $5; spoken = 1 }
    /^skip +/ { sub(/^skip +/, ""); name[++n] = $0 }
    END { print p + 0, f + 0, s + 0, spoken + 0; for (i = 1; i <= n; i++) print name[i] }
  ' "$1"
}

# run NAME COMMAND...
run() {
  name=$1
  shift
  case $name in *"$filter"*) ;; *) return ;; esac
  out=$log/$(echo "$name" | tr / -).log
  start=$(date +%s)
  timeout -k 10 "$LULL_TEST_SECONDS" "$@" > "$out" 2>&1 < /dev/null
  code=$?
  seconds=$(($(date +%s) - start))
  # shellcheck disable=SC2046  # four numbers
  set -- $(cases "$out" | head -1)
  p=$1 f=$2 s=$3
  if [ "$4" -eq 0 ]; then
    p=0 f=0 s=0
    case $code in 0) p=1 ;; 77) s=1 ;; *) f=1 ;; esac
  else
    [ "$code" -eq 0 ] || [ "$f" -gt 0 ] || f=1
    [ $((p + f + s)) -gt 0 ] || { f=1; echo 'no case ran' >> "$out"; }
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
  # Put together first, then shown at once: other series print meanwhile.
  if [ "$f" -gt 0 ]; then
    echo "$name" >> "$log/failures"
    [ "$code" -ne 124 ] || echo "stopped after $LULL_TEST_SECONDS seconds" >> "$out"
    printf 'FAIL  %s: %d of %d (%d s, exit %d)\n' "$name" "$f" $((p + f + s)) "$seconds" "$code"
    tail -n 200 "$out" | sed 's/^/      /'
  elif [ "$p" -eq 0 ]; then
    printf 'skip  %s: %s\n' "$name" "$(tail -n 1 "$out")"
  else
    printf 'ok    %s: %d (%d s)\n' "$name" "$p" "$seconds"
    sed -n 's/^measured /        /p' "$out"
    [ "$s" -eq 0 ] || cases "$out" | sed "1d; s|^|skip  $name: |"
  fi > "$out.said"
  cat "$out.said"
}

# skip NAME REASON
skip() {
  case $1 in *"$filter"*) ;; *) return ;; esac
  skipped=$((skipped + 1))
  printf 'skip  %s: %s\n' "$1" "$2"
}

# programs PREFIX FOLDER [EMULATOR...]: the C tests built in FOLDER
programs() {
  prefix=$1 folder=$2
  shift 2
  for source in tests/unit/test_*.c; do
    [ -e "$source" ] || continue
    unit=$(basename "$source" .c)
    if [ -e "$folder/deps" ] && [ ! -e "$folder/deps/cmocka/libcmocka.a" ]; then
      skip "${prefix}unit/${unit#test_}" 'no cmocka for this machine'
    else
      run "${prefix}unit/${unit#test_}" "$@" "$folder/bin/$unit"
    fi
  done
  for one in kernels golden; do
    ls tests/$one/*.c > /dev/null 2>&1 && run "$prefix$one" "$@" "$folder/bin/$one"
  done
  for source in tests/fuzz/fuzz_*.c; do
    [ -e "$source" ] || continue
    target=$(basename "$source" .c)
    target=${target#fuzz_}
    run "${prefix}corpus/$target" "$@" "$folder/bin/replay_$target" "tests/corpus/$target"/*
  done
}

# ------------------------------------------------------------------------------------- the series

# Programs and scripts on this machine.
native() {
  # The net must catch a fish, or the rest of a sanitized run proves nothing.
  [ -z "$SAN" ] || run "canary/$SAN" sh tests/canary.sh
  programs '' "$BUILD"
  for source in tests/hosts/*.c; do
    [ -e "$source" ] && run "hosts/$(basename "$source" .c)" "$BUILD/bin/host_$(basename "$source" .c)"
  done
  for script in tests/faults/*.lua; do
    [ -e "$script" ] && run "faults/$(basename "$script" .lua)" "$LUA" "$script"
  done
  for script in tests/faults/*.sh; do
    [ -e "$script" ] && run "faults/$(basename "$script" .sh)" sh "$script"
  done
  run examples sh tests/examples.sh
  for script in tests/browser/*.sh; do
    run "browser/$(basename "$script" .sh)" sh "$script"
  done
  [ -z "$SAN" ] || return
  for script in tests/build/*.sh; do
    run "build/$(basename "$script" .sh)" sh "$script"
  done
}

# specs PREFIX LUA FOLDER: the module in FOLDER and the scripts under an interpreter
specs() {
  for spec in $(find tests/spec -name '*_spec.lua' | sort); do
    name=$1${spec#tests/spec/}
    if command -v "$BUSTED" > /dev/null; then
      run "${name%_spec.lua}" env LUA="$2" BUILD="$3" LULL_BUILD="$3" LUA_CPATH="$3/?.so;;" \
        "$2" "$(command -v "$BUSTED")" --sort-files -o TAP "$spec"
    else
      skip "${name%_spec.lua}" "$BUSTED is not installed"
    fi
  done
}

spec() { specs spec/ "$LUA" "$BUILD"; }

luas() {
  for lua in luajit ${LUAS:-}; do
    folder=$BUILD/lua$lua
    case $lua in luajit) folder=$BUILD ;; *) lua=lua$lua ;; esac
    if command -v "$lua" > /dev/null && [ -e "$folder/lull/core.so" ]; then
      specs "spec-$lua/" "$lua" "$folder"
    else
      skip "spec-$lua" "$lua is not installed, or the module did not build for it"
    fi
  done
}

# The module in other people's programs, and the server that one of them is.
hosts() {
  for script in tests/hosts/*.sh tests/server/*.sh; do
    name=${script#tests/}
    run "${name%.sh}" sh "$script"
  done
}

# amx.c with its instructions emulated, on a processor that has the rest of what it needs.
amx() {
  folder=$BUILD/amx-emulated
  if "$folder/bin/kernels" --list | grep -qx amx; then
    run amx-emulated/kernels "$folder/bin/kernels" --cpu amx
    run amx-emulated/golden "$folder/bin/golden"
  else
    skip amx-emulated 'this machine has no AVX-512 VNNI'
  fi
}

i386() { programs i386/ "$BUILD/i386"; }
s390x() { programs s390x/ "$BUILD/s390x" qemu-s390x; }

# With the dot product instructions and without.
aarch64() {
  programs aarch64/ "$BUILD/aarch64" qemu-aarch64 -cpu max
  run aarch64/chosen qemu-aarch64 -cpu max "$BUILD/aarch64/bin/kernels" --test select \
    --chosen dotprod
  run aarch64/isa sh tests/cross/isa.sh "$BUILD/aarch64" aarch64-linux-gnu-objdump
  run aarch64-a53/kernels qemu-aarch64 -cpu cortex-a53 "$BUILD/aarch64/bin/kernels" --chosen neon
  run aarch64-a53/golden qemu-aarch64 -cpu cortex-a53 "$BUILD/aarch64/bin/golden"
}

# A G4 has AltiVec, a G3 runs the same programs without.
ppc_g4() {
  programs ppc-g4/ "$BUILD/ppc" qemu-ppc -cpu 7447a
  run ppc-g4/isa sh tests/cross/isa.sh "$BUILD/ppc" powerpc-linux-gnu-objdump
  for script in story strategies batch; do
    run ppc-g4/$script sh tests/cross/same.sh tests/cross/$script.lua "$BUILD/ppc" altivec \
      qemu-ppc -cpu 7447a -L "$BUILD/ppc/deps/root"
  done
}
ppc_g3() {
  run ppc-g3/kernels qemu-ppc -cpu 750 "$BUILD/ppc/bin/kernels" --chosen portable
  run ppc-g3/golden qemu-ppc -cpu 750 "$BUILD/ppc/bin/golden"
  run ppc-g3/story sh tests/cross/same.sh tests/cross/story.lua "$BUILD/ppc" portable \
    qemu-ppc -cpu 750 -L "$BUILD/ppc/deps/root"
}

if [ "$series" ]; then
  "$series"
  echo "$passed $failed $skipped" > "$log/$series.counts"
  exit
fi

# ----------------------------------------------------------------- all of them, JOBS at a time

rm -rf "$log"
mkdir -p "$log"
wanted='native spec'
[ -n "$SAN" ] || wanted="$wanted luas hosts"
if [ -z "$EMULATED" ]; then
  :
elif [ -e "$BUILD/amx-emulated/bin/golden" ]; then
  wanted="$wanted amx"
else
  skip amx-emulated 'not built: the build failed'
fi
for machine in $CROSS; do
  if [ ! -e "$BUILD/$machine/liblull.a" ]; then
    skip "$machine" 'not built: its cross compiler is missing, or the build failed'
  elif [ "$machine" = ppc ]; then
    wanted="ppc_g4 $wanted ppc_g3"
  else
    wanted="$wanted $machine"
  fi
done
for series in $wanted; do echo "$series"; done | xargs -n 1 -P "$JOBS" sh tests/run.sh "$filter"
for series in $wanted; do
  if ! read -r p f s < "$log/$series.counts"; then
    echo "FAIL  $series: did not come to its end"
    p=0 f=1 s=0
  fi
  passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
done

[ ! -e "$log/failures" ] || printf '\nfailed: %s\n' "$(sort "$log/failures" | tr '\n' ' ')"
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ] && [ "$passed" -gt 0 ]
