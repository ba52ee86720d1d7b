#!/bin/sh
# Decoding on one core: lull beside llama2.c's run and runq, and beside the read bandwidth.
# usage: x86.sh --run PATH --runq PATH [--rounds N] [--core N] [--cpu NAME] [--shapes "15M 110M"]
#               [--scratch DIR] [--results DIR]
#
# run and runq are llama2.c's run.c and runq.c, built elsewhere with gcc -Ofast -march=native.  They
# and lull decode the same random model greedily from the same position, the same number of tokens
# (counted), the first one untimed, in alternation; medians and ratios are over the rounds.  runq
# can only use a group that divides every row: 32 at 15M, 64 at 110M; lull reads that same file, and
# the float32 file as q8 as it would by default.
# shellcheck disable=SC1091,SC2154  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

run='' runq='' rounds=9 core=1 cpu='' shapes='15M 110M'
own_option() {
  case $1 in
    --run) run=$2 ;;
    --runq) runq=$2 ;;
    --rounds) rounds=$2 ;;
    --core) core=$2 ;;
    --cpu) cpu=$2 ;;
    --shapes) shapes=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"
if [ ! -x "$run" ] || [ ! -x "$runq" ]; then
  echo 'x86.sh: --run and --runq must name programs' >&2
  exit 2
fi

build_programs native
${CC:-cc} -O3 -march=native -o "$scratch/roof" "$root/tests/bench/roof.c"
raw=$results/x86.json
: > "$raw"

# Runs a program on the core, again (at most 5 times) while others take more than 3 % of it; what the
# least disturbed run wrote is in out and err in the scratch folder, its share of the core in share.
alone() {
  share=0 tries=0
  while [ "$tries" -lt 5 ] && [ "$share" -lt 970 ]; do
    tries=$((tries + 1))
    /usr/bin/time -f '%e %U %S' -o "$scratch/time.now" taskset -c "$core" "$@" \
      > "$scratch/out.now" 2> "$scratch/err.now" || { cat "$scratch/err.now" >&2; exit 1; }
    now=$(tail -n 1 "$scratch/time.now" | awk '{ printf "%d", 1000 * ($2 + $3) / ($1 + 1e-9) }')
    if [ "$now" -gt "$share" ]; then
      share=$now
      mv "$scratch/out.now" "$scratch/out"
      mv "$scratch/err.now" "$scratch/err"
    fi
  done
}

record() { # shape, name, JSON fields
  printf '{"round":%d,"shape":"%s","name":"%s","share":%s,%s}\n' "$round" "$1" "$2" "$share" "$3" \
    >> "$raw"
}

peer() { # shape, name, program, model
  alone "$3" "$4" -z "$scratch/tokenizer.bin" -t 0 -n $((tokens + 1))
  words=$(wc -w < "$scratch/out")
  rate=$(sed -n 's/^achieved tok\/s: //p' "$scratch/err")
  if [ "$words" -ne $((tokens + 1)) ] || [ -z "$rate" ]; then
    echo "x86.sh: $2 at $1 made $words tokens, expected $((tokens + 1)):" >&2
    cat "$scratch/err" >&2
    exit 1
  fi
  record "$1" "$2" "\"tokens_per_second\":$rate"
}

lull() { # shape, name, model, precision
  alone "$scratch/native/bin/bench_decode" "$3" --precision "$4" --prefill 1 --tokens "$tokens" \
    ${cpu:+--cpu "$cpu"}
  line=$(cat "$scratch/out")
  record "$1" "$2" "$(inside "$line")"
  bytes=$(echo "$line" | field weight_bytes)
}

roof() { # shape, name
  alone "$scratch/roof" "$bytes" --repeat 7
  record "$1" "$2" "$(inside "$(cat "$scratch/out")")"
}

for shape in $shapes; do
  case $shape in 15M) group=32 ;; *) group=64 ;; esac
  make_model "$shape" "$group"
done
round=0
while [ "$round" -lt "$rounds" ]; do
  round=$((round + 1))
  for shape in $shapes; do
    case $shape in 15M) group=32 tokens=255 ;; *) group=64 tokens=127 ;; esac
    peer "$shape" run.c "$run" "$scratch/$shape.bin"
    lull "$shape" f32 "$scratch/$shape.bin" f32
    roof "$shape" roof-f32
    peer "$shape" runq.c "$runq" "$scratch/$shape-g$group.bin"
    lull "$shape" q8-file "$scratch/$shape-g$group.bin" q8
    lull "$shape" q8 "$scratch/$shape.bin" q8
    roof "$shape" roof-q8
  done
  echo "round $round of $rounds, load $(cut -d ' ' -f 1 /proc/loadavg)" >&2
done
{
  echo '# One stream on one x86 core, beside llama2.c'
  echo
  echo "Command: \`tests/bench/run.sh x86 --run RUN --runq RUNQ --rounds $rounds\`"
  [ -z "$cpu" ] || echo "with \`--cpu $cpu\`"
  echo
  conditions
  echo "- $rounds alternating rounds; tokens/s, medians, best in parentheses; of the core: what the"
  echo "  two programs got of it (lowest median)"
  echo
  lua5.1 "$root/tests/bench/table.lua" x86 "$raw"
} | tee "$results/x86.md"
