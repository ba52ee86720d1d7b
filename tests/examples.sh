#!/bin/sh
# Runs every example and compares what it prints with tests/expected/examples/NAME.txt.  The stories
# are the same on every machine; tests/examples.sh --write writes the files anew.
set -u
: "${BUILD:=build}" "${LUA:=lua5.1}"
cd "$(dirname "$0")/.." || exit 1
expected=tests/expected/examples
LUA_PATH="./scripts/?.lua;./scripts/?/init.lua;;"
LUA_CPATH="$BUILD/?.so;;"
export LUA_PATH LUA_CPATH
passed=0 failed=0 skipped=0
out=$(mktemp "${TMPDIR:-/tmp}/lull-example.XXXXXX") || exit 1
answers=$out.answers
trap 'rm -f "$out" "$answers"' EXIT

# example NAME COMMAND...
example() {
  name=$1
  shift
  if [ ! -e "$1" ] && ! command -v "$1" > /dev/null; then
    skipped=$((skipped + 1))
    echo "skip  $name: $1 is not there"
    return
  fi
  code=0
  "$@" > "$out" 2>&1 || code=$?
  if [ "$code" -ne 0 ]; then
    echo "FAIL  $name: exit $code"
    cat "$out"
    failed=$((failed + 1))
  elif [ "${write:-}" ]; then
    cp "$out" "$expected/$name.txt"
  elif diff "$expected/$name.txt" "$out"; then
    passed=$((passed + 1))
  else
    echo "FAIL  $name: not what $expected/$name.txt has"
    failed=$((failed + 1))
  fi
}

# A sanitized module needs its runtime first in a stock interpreter.
run_lua() {
  env LD_PRELOAD="${LULL_PRELOAD:-}" "$LUA" "$@"
}

case ${1:-} in --write) write=1 && mkdir -p "$expected" ;; esac

model=examples/models/lullaby.bin
for name in story logits; do
  example $name run_lua examples/$name.lua
done
for script in examples/strategies/*.lua; do
  name=$(basename "$script" .lua)
  # The interactive one is answered here: by number, by chance, by typing, taken back, ended.
  printf '2\n\nbig\nu\n1\nq\n' > "$answers"
  example "strategies-$name" run_lua "$script" < "$answers"
done
for script in examples/evaluate/*.lua; do
  example "evaluate-$(basename "$script" .lua)" run_lua "$script"
done
example embed-story "$BUILD/examples/embed/story" $model "Once upon a time" 7
example embed-host "$BUILD/examples/embed/host" examples/embed/hero.lua $model Lily
example embed-states "$BUILD/examples/embed/states" examples/embed/hero.lua $model Lily Tom Mia Ben
printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
