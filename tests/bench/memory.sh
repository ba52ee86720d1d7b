#!/bin/sh
# Peak memory while the 110M float checkpoint is loaded as q8, in a 64-bit and a 32-bit process.
# usage: memory.sh [--shapes "110M"] [--cc32 i686-linux-gnu-gcc] [--scratch DIR] [--results DIR]
#
# The peak is the "Maximum resident set size" of /usr/bin/time -v.  The promise: at most 1.10 x the
# packed model + 16 MB; the script fails where it is broken.
# shellcheck disable=SC1091,SC2154,SC2016  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

shapes=110M cc32=i686-linux-gnu-gcc
own_option() {
  case $1 in
    --shapes) shapes=$2 ;;
    --cc32) cc32=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"
command -v /usr/bin/time > /dev/null || { echo 'memory.sh: needs /usr/bin/time' >&2; exit 3; }

build_programs native
build_programs i386 CC="$cc32" AR="${cc32%gcc}ar" TEST_LDFLAGS=-static LUA_LIBS= LUA_CFLAGS=
raw=$results/memory.json
: > "$raw"

row() { # shape, machine, folder
  line=$(/usr/bin/time -v -o "$scratch/time.out" "$scratch/$3/bin/bench_decode" "$scratch/$1.bin" \
    --precision q8 --load-only)
  peak=$(($(sed -n 's/.*Maximum resident set size.*: //p' "$scratch/time.out") * 1024))
  packed=$(echo "$line" | field weight_bytes)
  echo "{\"shape\":\"$1\",\"machine\":\"$2\",\"time_peak_bytes\":$peak,$(inside "$line")}" >> "$raw"
  awk -v shape="$1" -v machine="$2" -v file="$(wc -c < "$scratch/$1.bin")" -v peak="$peak" \
    -v packed="$packed" 'BEGIN {
      allowed = 1.10 * packed + 16e6
      printf "| %s | %s | %.1f | %.1f | %.1f | %.1f | %.3f | %s |\n", shape, machine, file / 1e6,
        packed / 1e6, peak / 1e6, allowed / 1e6, peak / packed, peak <= allowed ? "yes" : "NO" }'
}

for shape in $shapes; do make_model "$shape" 64; done
{
  echo '# Peak memory while loading float32 as q8'
  echo
  echo 'Command: `tests/bench/run.sh memory`; megabytes are 10^6 bytes'
  echo
  conditions
  echo
  echo '| shape | process | file MB | packed MB | peak MB | allowed MB | peak / packed | kept |'
  echo '|---|---|---|---|---|---|---|---|'
  for shape in $shapes; do
    row "$shape" 'x86, 64 bits' native
    row "$shape" 'x86, 32 bits' i386
  done
} > "$results/memory.md"
cat "$results/memory.md"
! grep -q '| NO |' "$results/memory.md"
