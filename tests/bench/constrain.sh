#!/bin/sh
# What a JSON schema costs a token, in a first text and in later ones: random weights of the 15M
# shape with a vocabulary of 32,000, and the model that ships with lull.
# usage: constrain.sh [--tokenizer FILE] [--rounds N] [--scratch DIR] [--results DIR]
#
# FILE is llama2.c's tokenizer.bin of 32,000 tokens; by default where it lies beside this folder.
# shellcheck disable=SC1091,SC2154,SC2016  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

tokenizer=$root/../shared/models/tokenizer.bin rounds=15
own_option() {
  case $1 in
    --tokenizer) tokenizer=$2 ;;
    --rounds) rounds=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"
[ -r "$tokenizer" ] || { echo "constrain.sh: $tokenizer: cannot be read" >&2; exit 2; }

build_programs native
make -C "$root" --no-print-directory BUILD="$scratch/native" "$scratch/native/lull/core.so" >&2
make_model 15M 32
LUA_PATH="$root/scripts/?.lua;$root/scripts/?/init.lua;;" LUA_CPATH="$scratch/native/?.so;;"
export LUA_PATH LUA_CPATH
row() { lua5.1 "$root/tests/bench/constrain.lua" "$rounds" "$@" 2>> "$scratch/constrain.notes"; }
: > "$scratch/constrain.notes"
{
  echo '# What a constraint costs'
  echo
  echo 'Command: `tests/bench/run.sh constrain`'
  echo
  conditions
  echo "- a story sheet under a JSON schema, $rounds texts a row; microseconds a token, medians"
  echo '- first: no state of the grammar is known yet.  later: after twenty texts'
  echo '- rejected: drawn tokens that the schema does not allow, so that the others were masked'
  echo
  echo '| model | text | tokens | rejected | allows | mask | accept | all | step | of a step |'
  echo '|---|---|---|---|---|---|---|---|---|---|'
  row '15M, random weights' "$scratch/15M.bin" "$tokenizer"
  row lullaby "$root/examples/models/lullaby.bin" "$root/examples/models/tokenizer.bin"
  echo
  sed 's/^/- /' "$scratch/constrain.notes"
} > "$results/constrain.md"
cat "$results/constrain.md"
