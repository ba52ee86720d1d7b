#!/bin/sh
# Batches: tokens/s of lull batch beside lull bench's for as many texts in lockstep.
# usage: batch.sh [--model FILE] [--widths "8 16 32 64"] [--rounds N] [--threads N] [--cpu NAME]
#                 [--scratch DIR] [--results DIR]
#
# FILE has its tokenizer in it or beside it; by default it is a random model of the 15M shape.
# shellcheck disable=SC1091,SC2154,SC2016  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

model='' widths='8 16 32 64' rounds=5 threads=1 cpu=''
own_option() {
  case $1 in
    --model) model=$2 ;;
    --widths) widths=$2 ;;
    --rounds) rounds=$2 ;;
    --threads) threads=$2 ;;
    --cpu) cpu=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"

make -C "$root" --no-print-directory BUILD="$scratch/native" "$scratch/native/lull/core.so" >&2
if [ -z "$model" ]; then
  build_programs native
  make_model 15M 32
  model=$scratch/15M.bin
fi
LUA_PATH="$root/scripts/?.lua;$root/scripts/?/init.lua;;" LUA_CPATH="$scratch/native/?.so;;"
export LUA_PATH LUA_CPATH
{
  echo '# What a batch loses'
  echo
  echo 'Command: `tests/bench/run.sh batch`'
  echo
  conditions
  # shellcheck disable=SC2086  # cpu may be nothing
  "${LUA:-lua5.1}" "$root/tests/bench/batch.lua" "$model" "$widths" "$rounds" "$threads" $cpu
} > "$results/batch.md"
cat "$results/batch.md"
