#!/bin/sh
# What each kernel contributes to one decoded token on this machine, its data in cache.
# usage: kernels.sh [--shape 15M] [--precision q8] [--positions N] [--cpu NAME] [--scratch DIR]
# shellcheck disable=SC1091,SC2154  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

shape=15M precision=q8 positions=128 cpu=
own_option() {
  case $1 in
    --shape) shape=$2 ;;
    --precision) precision=$2 ;;
    --positions) positions=$2 ;;
    --cpu) cpu=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"
build_programs native

echo '| kernel | calls a token | microseconds a call | microseconds a token |'
echo '|---|---|---|---|'
parts "$shape" "$precision" "$positions" | while read -r calls name arguments; do
  # shellcheck disable=SC2086
  line=$("$scratch/native/bin/bench_kernels" "$name" $arguments --repeat 200 ${cpu:+--cpu "$cpu"})
  echo "$line" | field microseconds |
    awk -v calls="$calls" -v what="$name $arguments" \
      '{ printf "| %s | %d | %.2f | %.1f |\n", what, calls, $1, calls * $1 }'
done
