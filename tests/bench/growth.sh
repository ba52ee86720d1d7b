#!/bin/sh
# How speed changes with the length of the text and with the number of streams, as JSON and a plot.
# usage: growth.sh [--llama-bench PATH] [--llama-batched-bench PATH] [--depths "8 32 128 512 896"]
#                  [--widths "1 2 4 8 16 32 64"] [--shapes "15M"] [--precisions "f32 q8 q4"]
#                  [--peer-precisions "q8"] [--rounds N] [--core N] [--cpu NAME] [--tokens N]
#                  [--scratch DIR] [--results DIR]
#
# Decodes N tokens (default 64) of one stream from each depth, and half as many of each of several
# streams from depth 8.  A plot a shape: growth-SHAPE.svg.
# shellcheck disable=SC1091,SC2034,SC2154  # the two set and read variables of each other's
set -eu
. "$(dirname "$0")/common.sh"
. "$(dirname "$0")/peers.sh"

depths='8 16 32 64 128 256 512 896' widths='1 2 4 8 16 32 64' tokens=64
shapes=15M peer_precisions=q8 rounds=5
own_option() {
  case $1 in
    --depths) depths=$2 ;;
    --widths) widths=$2 ;;
    --tokens) tokens=$2 ;;
    --peer-precisions) peer_precisions=$2 ;;
    *) peer_option "$1" "$2" ;;
  esac
}
begin growth "$@"

# with_peer FUNCTION ARGUMENTS: if the peer is to be measured at these weights.
with_peer() {
  case " $peer_precisions " in *" $weights "*) "$@" ;; esac
}

grow() {
  for weights in $precisions; do
    for depth in $depths; do
      [ $((depth + tokens)) -le "$context" ] || continue
      lull_decode "$depth" "$tokens" "$float" "$weights"
      with_peer llama_decode "$depth" "$tokens"
    done
    for width in $widths; do
      lull_streams "$width" $((tokens / 2)) "$float" "$weights"
      with_peer llama_streams "$width" $((tokens / 2))
    done
  done
}

each_round grow
report 'By depth and by streams' "$tokens tokens; $((tokens / 2)) of each of several streams"
for shape in $shapes; do
  lua5.1 "$root/tests/bench/plot.lua" "$raw" "$shape" > "$results/growth-$shape.svg"
  echo "$results/growth-$shape.svg"
done
