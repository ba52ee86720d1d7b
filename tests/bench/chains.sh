#!/bin/sh
# What the strategies of lull.sampling cost per token, and how much of it is Lua.
# usage: chains.sh [--model FILE] [--scratch DIR] [--results DIR]
#
# FILE has its tokenizer in it or beside it; by default it is the model that ships with lull. A
# larger vocabulary costs the verbs more and Lua nothing.
# shellcheck disable=SC1091,SC2154,SC2016  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

model=$root/examples/models/lullaby.bin
own_option() {
  case $1 in
    --model) model=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"

make -C "$root" --no-print-directory BUILD="$scratch/native" "$scratch/native/lull/core.so" >&2
LUA_PATH="$root/scripts/?.lua;$root/scripts/?/init.lua;;" LUA_CPATH="$scratch/native/?.so;;"
export LUA_PATH LUA_CPATH
{
  echo '# What chains of strategies cost'
  echo
  echo 'Command: `tests/bench/run.sh chains`'
  for lua in lua5.1 luajit; do
    if command -v "$lua" > /dev/null; then
      "$lua" "$root/tests/bench/chains.lua" "$model"
    fi
  done
} > "$results/chains.md"
cat "$results/chains.md"
