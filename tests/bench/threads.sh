#!/bin/sh
# Two threads: decoding and prefill on two cores, lull beside llama.cpp.
# usage: threads.sh [--llama-bench PATH] [--threads N] [--core LIST] [--rounds N] [--cpu NAME]
#                   [--shapes "260K 15M 42M 110M"] [--precisions "f32 q8 q4"] [--tokens N]
#                   [--scratch DIR] [--results DIR]
#
# N threads (default 2) on the cores of LIST (default 0,1): 128 tokens from depth 8, and a prompt of
# 256.  What one thread does is one.sh's and prefill.sh's.
# shellcheck disable=SC1091,SC2034,SC2154  # the two set and read variables of each other's
set -eu
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/peers.sh"

threads=2 core=0,1 tokens=128
own_option() {
  case $1 in
    --threads) threads=$2 ;;
    --tokens) tokens=$2 ;;
    *) peer_option "$1" "$2" ;;
  esac
}
begin threads "$@"

both() {
  for weights in $precisions; do
    lull_decode 8 "$tokens" "$float" "$weights"
    llama_decode 8 "$tokens"
    lull_prefill 256 "$float" "$weights"
    llama_prefill 256
  done
}

each_round both
report "$threads threads" ''
