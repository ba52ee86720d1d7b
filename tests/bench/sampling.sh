#!/bin/sh
# Every step of sampling over a whole vocabulary, and chains of them, beside llama.cpp's samplers.
# usage: sampling.sh [--llama DIR] [--n N] [--rounds N] [--repeat N] [--core N] [--scratch DIR]
#                    [--results DIR]
#
# DIR is llama.cpp's source, built in DIR/build as shared libraries (GGML_NATIVE); without it lull is
# measured alone.  Logits are random: normal with a standard deviation of 2, nearly flat, and normal
# with a few tokens that stand out by 14.  Both take turns in one process, their input fresh each time;
# a chain of llama.cpp's begins with filling its array of candidates.  The default chain is measured
# through the Lua module too, over 2,048 tokens (the shipped model) and 32,000 (random weights).
# shellcheck disable=SC1091,SC2154  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

llama='' n=32000 rounds=15 repeat=60 core=1
own_option() {
  case $1 in
    --llama) llama=$2 ;;
    --n) n=$2 ;;
    --rounds) rounds=$2 ;;
    --repeat) repeat=$2 ;;
    --core) core=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"
native=$scratch/native
make -C "$root" --no-print-directory BUILD="$native" "$native/lull/core.so" "$native/liblull.a" \
  "$native/bin/bench_sampling" "$native/bin/bench_mkmodel" >&2
program=$native/bin/bench_sampling
if [ -n "$llama" ]; then
  program=$scratch/sampling-llama
  ${CC:-cc} -std=c99 -O3 -DLULL_BENCH_LLAMA -iquote "$root/core" -I "$llama/include" \
    -I "$llama/ggml/include" -o "$program" "$root/tests/bench/sampling.c" "$native/liblull.a" \
    -L "$llama/build/bin" -Wl,-rpath,"$llama/build/bin" -lllama -lggml -lggml-base -lm -lpthread
fi
make_model 15M 32

raw=$results/sampling.json
taskset -c "$core" "$program" --n "$n" --rounds "$rounds" --repeat "$repeat" > "$raw"
for files in "$root/examples/models/lullaby.bin $root/examples/models/tokenizer.bin" \
  "$scratch/15M.bin $scratch/tokenizer.bin"; do
  # shellcheck disable=SC2086  # two names
  LUA_CPATH="$native/?.so;;" taskset -c "$core" lua5.1 "$root/tests/bench/sampling.lua" $files \
    "$rounds" >> "$raw"
done
{
  echo '# Sampling'
  echo
  conditions
  echo "- $n logits; $rounds alternating rounds, of each the median of $repeat calls; microseconds,"
  echo '  medians of rounds; ratios are medians of the rounds'\'' ratios'
  echo
  lua5.1 "$root/tests/bench/table.lua" sampling "$raw"
} > "$results/sampling.md"
cat "$results/sampling.md"
