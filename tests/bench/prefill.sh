#!/bin/sh
# Reading a prompt of 256 tokens: lull beside llama.cpp.
# usage: prefill.sh [--llama-bench PATH] [--length N] [--threads N] [--rounds N] [--core N]
#                   [--cpu NAME] [--shapes "260K 15M 42M 110M"] [--precisions "f32 q8 q4"]
#                   [--scratch DIR] [--results DIR]
#
# llama2.c has no prefill: it reads prompts token by token, as fast as it decodes.
# shellcheck disable=SC1091,SC2034,SC2154  # the two set and read variables of each other's
set -eu
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/peers.sh"

length=256
own_option() {
  case $1 in
    --length) length=$2 ;;
    --threads) threads=$2 ;;
    *) peer_option "$1" "$2" ;;
  esac
}
begin prefill "$@"

prompts() {
  for weights in $precisions; do
    lull_prefill "$length" "$float" "$weights"
    llama_prefill "$length"
  done
}

each_round prompts
report "A prompt of $length tokens" ''
