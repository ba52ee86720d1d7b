#!/bin/sh
# One stream on one core: decoding at the start of a text and deep in it, lull beside its peers.
# usage: one.sh [--run PATH] [--runq PATH] [--llama-bench PATH] [--rounds N] [--core N] [--cpu NAME]
#               [--shapes "260K 15M 42M 110M"] [--precisions "f32 q8 q4"] [--tokens N]
#               [--scratch DIR] [--results DIR]
#
# Programs take turns in each round: lull from the float32 file, quantised while loading (group 64,
# what a user gets), the roof over as many bytes (see roof.c), llama.cpp from GGUF (Q8_0, Q4_0: groups
# of 32), and llama2.c's run, or runq from a version 2 file; lull reads their files too.  N tokens each
# (default 128), at depths 8 and 500.  llama2.c times a whole text from position 0: one of that mean
# depth.
# shellcheck disable=SC1091,SC2034,SC2154  # the two set and read variables of each other's
set -eu
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/peers.sh"

tokens=128
own_option() {
  case $1 in
    --tokens) tokens=$2 ;;
    *) peer_option "$1" "$2" ;;
  esac
}
begin one "$@"

at_depth() { # depth
  for weights in $precisions; do
    lull_decode "$1" "$tokens" "$float" "$weights"
    llama_decode "$1" "$tokens"
    case $weights in
      f32) llama2c_decode "$1" "$tokens" "$run" "$float" ;;
      q8)
        llama2c_decode "$1" "$tokens" "$runq" "$v2"
        [ -z "$runq" ] || lull_same lull-v2 "$v2" "$1" "$tokens"
        ;;
    esac
    if [ "$weights" != f32 ] && [ -n "$llama_bench" ] && has_gguf; then
      lull_same lull-gguf "$gguf" "$1" "$tokens"
    fi
  done
}

both_depths() {
  at_depth 8
  at_depth "$deep"
}

each_round both_depths
report 'One stream on one core' "$tokens tokens a run; of roof: of the same round's read bandwidth"
