#!/bin/sh
# What 8 and 4 bits cost: bits per byte of a text in each precision, KV in float32 and bf16.
# usage: perplexity.sh [--model FILE] [--text FILE] [--scratch DIR] [--results DIR]
#
# FILE is a float32 checkpoint with its tokenizer.bin beside it, and a text of stories with lines
# <|endoftext|> between them; by default the model that ships with lull before it was quantised, and
# the stories it was not trained on, where they lie beside this folder.
# shellcheck disable=SC1091,SC2154,SC2016  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

shared=$root/../shared/models/lullaby
model=$shared/lullaby-f32.bin text=$shared/valid.txt
own_option() {
  case $1 in
    --model) model=$2 ;;
    --text) text=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"
for file in "$model" "$text"; do
  [ -r "$file" ] || { echo "perplexity.sh: $file: cannot be read" >&2; exit 2; }
done

make -C "$root" --no-print-directory BUILD="$scratch/native" "$scratch/native/lull/core.so" >&2
LUA_PATH="$root/scripts/?.lua;$root/scripts/?/init.lua;;" LUA_CPATH="$scratch/native/?.so;;"
export LUA_PATH LUA_CPATH
{
  echo '# What a precision costs'
  echo
  echo 'Command: `tests/bench/run.sh perplexity`; the figures are the same on every machine'
  echo
  echo "- $(basename "$model"), quantised while loading"
  lua5.1 "$root/tests/bench/perplexity.lua" "$model" "$text"
} > "$results/perplexity.md"
cat "$results/perplexity.md"
