#!/bin/sh
# Many streams: tokens/s of all of them together, decoded in lockstep, lull beside llama.cpp.
# usage: many.sh [--llama-batched-bench PATH] [--widths "1 2 4 8 16 32 64"] [--threads N]
#                [--rounds N] [--core N] [--cpu NAME] [--shapes "260K 15M 42M 110M"]
#                [--precisions "q8"] [--tokens N] [--scratch DIR] [--results DIR]
#
# Every stream has a prompt of 8 tokens of its own and decodes N more (default 32).
# shellcheck disable=SC1091,SC2034,SC2154  # the two set and read variables of each other's
set -eu
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/peers.sh"

tokens=32 widths='1 2 4 8 16 32 64' precisions=q8
own_option() {
  case $1 in
    --tokens) tokens=$2 ;;
    --widths) widths=$2 ;;
    --threads) threads=$2 ;;
    *) peer_option "$1" "$2" ;;
  esac
}
begin many "$@"

all_widths() {
  for weights in $precisions; do
    for width in $widths; do
      lull_streams "$width" "$tokens" "$float" "$weights"
      llama_streams "$width" "$tokens"
    done
  done
}

each_round all_widths
report 'Many streams' "$tokens tokens a stream from depth 8; all streams together"
