# shellcheck shell=sh
# Sourced after common.sh by the scripts that set lull beside its peers: models in each program's
# format, and one function a program that runs it once and writes down what came out.
#
# Peers are programs a user has built; one that is not named is left out:
#   --run PATH --runq PATH        llama2.c's run.c and runq.c, gcc -Ofast -march=native
#   --llama-bench PATH --llama-batched-bench PATH        llama.cpp, GGML_NATIVE
# and all the scripts take
#   --shapes "260K 15M 42M 110M" --precisions "f32 q8 q4" --rounds N --core N (pinned to; a list
#   for several threads) --cpu NAME (lull's kernels) --tries N (of a disturbed run; 5)
# shellcheck disable=SC2034,SC2154  # common.sh sets root, scratch and results; scripts read the rest

run='' runq='' llama_bench='' llama_batched_bench=''
shapes='260K 15M 42M 110M' precisions='f32 q8 q4' rounds=9 core=1 cpu='' threads=1 tries_at_most=5

peer_option() {
  case $1 in
    --run) run=$2 ;;
    --runq) runq=$2 ;;
    --llama-bench) llama_bench=$2 ;;
    --llama-batched-bench) llama_batched_bench=$2 ;;
    --shapes) shapes=$2 ;;
    --precisions) precisions=$2 ;;
    --rounds) rounds=$2 ;;
    --core) core=$2 ;;
    --cpu) cpu=$2 ;;
    --tries) tries_at_most=$2 ;;
    *) return 1 ;;
  esac
  case $1 in
    --run | --runq | --llama-*)
      [ -x "$2" ] || { echo "$0: $1 $2: no program" >&2; exit 2; }
      ;;
  esac
}

# Each script defines own_option for what it has beside these.
begin() { # name of the results, script's options
  results_name=$1
  shift
  parse_options "$@"
  build_programs native
  make -C "$root" --no-print-directory BUILD="$scratch/native" "$scratch/native/lull/core.so" >&2
  raw=$results/$results_name.json
  : > "$raw"
  rm -f "$scratch"/peer-*.gguf.none
  round=0
}

# ------------------------------------------------------------------------------------- models

# set_shape SHAPE: its files, made where they are missing: float (float32), v2 (8 bits, in the largest
# group that divides its rows: all that runq takes), tokenizer; its context, and deep, the greatest
# depth to measure at; repeat, how often a small shape runs in one round.  The context is 1024 tokens
# (at 15M the published model has 256) so that depths are the same at all shapes; the real 260K has
# 512.
set_shape() {
  shape=$1 context=1024 deep=500 repeat=1
  case $shape in
    260K) numbers=64,172,5,8,4,512,512 context=512 deep=384 repeat=20 ;;
    15M) numbers=288,768,6,6,6,32000,1024 ;;
    42M) numbers=512,1376,8,8,8,32000,1024 ;;
    110M) numbers=768,2048,12,12,12,32000,1024 ;;
    *) echo "$0: shape $shape: expected 260K, 15M, 42M or 110M" >&2; exit 2 ;;
  esac
  float=$scratch/peer-$shape.bin v2=$scratch/peer-$shape-v2.bin
  tokenizer=$scratch/peer-$shape-tokenizer.bin
  real=$root/../shared/models/stories260K.bin
  if [ "$shape" = 260K ] && [ -r "$real" ]; then
    float=$real tokenizer=$root/../shared/models/tok512.bin
    [ -e "$v2" ] || sh_lull quantize "$float" "$v2" >&2
  elif [ ! -e "$tokenizer" ] || [ ! -e "$float" ]; then
    "$scratch/native/bin/bench_mkmodel" "$float.part" "$numbers" --v2 "$v2" \
      --tokenizer "$tokenizer" >&2
    mv "$float.part" "$float"
  fi
}

sh_lull() {
  LULL_BUILD=$scratch/native lua5.1 "$root/scripts/bin/lull" "$@"
}

# has_gguf: the shape's GGUF file of these weights, in gguf; fails where the format cannot hold them
# (rows that are no multiple of 32).
has_gguf() {
  gguf=$scratch/peer-$shape-$weights.gguf
  if [ ! -e "$gguf" ] && [ ! -e "$gguf.none" ]; then
    sh_lull quantize "$float" "$gguf" --to "$weights" --format gguf --tokenizer "$tokenizer" >&2 ||
      : > "$gguf.none"
  fi
  [ -e "$gguf" ]
}

# ------------------------------------------------------------------------------------- running

# Runs a program on the cores.  With one thread again (see --tries) while others take more than 3 % of
# the core; what the least disturbed run wrote is in out and err in the scratch folder, its
# share of the core, in thousandths, in share.  Of runs under 0.3 s a share cannot be told.
alone() {
  share=-1 tries=0
  while [ "$tries" -lt "$tries_at_most" ] && [ "$share" -lt 970 ]; do
    tries=$((tries + 1))
    /usr/bin/time -f '%e %U %S' -o "$scratch/time.now" taskset -c "$core" "$@" \
      > "$scratch/out.now" 2> "$scratch/err.now" || { cat "$scratch/err.now" >&2; exit 1; }
    now=$(tail -n 1 "$scratch/time.now" |
      awk '{ printf "%d", $1 < 0.3 ? 1000 : 1000 * ($2 + $3) / $1 }')
    if [ "$now" -gt "$share" ]; then
      share=$now
      mv "$scratch/out.now" "$scratch/out"
      mv "$scratch/err.now" "$scratch/err"
    fi
    [ "$threads" -eq 1 ] || break
  done
}

# record NAME WHAT SIZE FIELDS: a line of JSON.  WHAT is decode (SIZE: depth), prefill (tokens) or
# streams; weights, set by the script, says what they were stored as.
record() {
  printf '{"round":%d,"shape":"%s","weights":"%s","name":"%s","what":"%s","size":%d,' "$round" \
    "$shape" "$weights" "$1" "$2" "$3" >> "$raw"
  printf '"peer_threads":%d,"share":%d,%s}\n' "$threads" "$share" "$4" >> "$raw"
}

rate_of() { # NAME WHAT SIZE RATE
  [ -n "$4" ] || { echo "$0: $1 at $shape said no rate:" >&2; cat "$scratch/err" >&2; exit 1; }
  record "$1" "$2" "$3" "\"rate\":$4"
}

# lull_decode DEPTH TOKENS MODEL PRECISION, and the read bandwidth over as many bytes.
lull_decode() {
  alone "$scratch/native/bin/bench_decode" "$3" --precision "$4" --prefill "$1" --tokens "$2" \
    --repeat "$repeat" --threads "$threads" ${cpu:+--cpu "$cpu"}
  line=$(cat "$scratch/out")
  record lull decode "$1" "\"rate\":$(echo "$line" | field tokens_per_second),$(inside "$line")"
  bytes=$(echo "$line" | field weight_bytes)
  alone "$scratch/native/bin/bench_roof" "$bytes" --threads "$threads" --milliseconds 100
  record roof decode "$1" "$(inside "$(cat "$scratch/out")")"
}

# lull_same NAME MODEL DEPTH TOKENS: the same from a peer's own file, as lull-v2 or lull-gguf; nothing
# where this lull cannot read it.
lull_same() {
  "$scratch/native/bin/bench_decode" "$2" --load-only > "$scratch/out" 2>&1 || return 0
  alone "$scratch/native/bin/bench_decode" "$2" --prefill "$3" --tokens "$4" --repeat "$repeat" \
    ${cpu:+--cpu "$cpu"}
  line=$(cat "$scratch/out")
  record "$1" decode "$3" "\"rate\":$(echo "$line" | field tokens_per_second),$(inside "$line")"
}

# lull_prefill N MODEL PRECISION
lull_prefill() {
  alone "$scratch/native/bin/bench_decode" "$2" --precision "$3" --prefill "$1" --tokens 1 \
    --repeat 3 --threads "$threads" ${cpu:+--cpu "$cpu"}
  line=$(cat "$scratch/out")
  record lull prefill "$1" "\"rate\":$(echo "$line" | field prefill_per_second),$(inside "$line")"
}

# lull_streams N TOKENS MODEL PRECISION, from depth 8
lull_streams() {
  alone "$scratch/native/bin/bench_decode" "$3" --precision "$4" --prefill 8 --tokens "$2" --repeat "$repeat" \
    --streams "$1" --threads "$threads" ${cpu:+--cpu "$cpu"}
  line=$(cat "$scratch/out")
  record lull streams "$1" "\"rate\":$(echo "$line" | field tokens_per_second),$(inside "$line")"
}

# llama_decode DEPTH TOKENS, llama_prefill N, llama_streams N TOKENS: of GGUF
llama_decode() {
  [ -n "$llama_bench" ] && has_gguf || return 0
  alone "$llama_bench" -m "$gguf" -t "$threads" -p 0 -n "$2" -d "$1" -r "$repeat" -o jsonl
  rate_of llama.cpp decode "$1" "$(field_spaced avg_ts)"
}

llama_prefill() {
  [ -n "$llama_bench" ] && has_gguf || return 0
  alone "$llama_bench" -m "$gguf" -t "$threads" -p "$1" -n 0 -r 3 -o jsonl
  rate_of llama.cpp prefill "$1" "$(field_spaced avg_ts)"
}

llama_streams() {
  [ -n "$llama_batched_bench" ] && has_gguf || return 0
  alone "$llama_batched_bench" -m "$gguf" -t "$threads" -tb "$threads" -c $(($1 * (8 + $2))) \
    -npp 8 -ntg "$2" -npl "$1" --output-format jsonl
  rate_of llama.cpp streams "$1" "$(field_spaced speed_tg)"
}

# A field of llama.cpp's JSON lines, which have blanks after colons.
field_spaced() {
  sed -n 's/.*"'"$1"'": *\([0-9.]*\).*/\1/p' "$scratch/out" | tail -n 1
}

# tells PROGRAM MODEL N: the rate at which llama2.c tells the N tokens after the first.  With random
# weights it must have told them all; the real 260K may end its story before.
tells() {
  alone "$1" "$2" -z "$tokenizer" -t 0 -n $(($3 + 1))
  rate=$(sed -n 's/^achieved tok\/s: //p' "$scratch/err")
  words=$(wc -w < "$scratch/out")
  if [ -z "$rate" ] || { [ "$float" != "$real" ] && [ "$words" -ne $(($3 + 1)) ]; }; then
    echo "$0: $1 at $shape made $words tokens, expected $(($3 + 1)):" >&2
    cat "$scratch/err" >&2
    exit 1
  fi
  echo "$rate"
}

# llama2c_decode DEPTH TOKENS PROGRAM MODEL: the program times all tokens from the first on.  What a
# token costs grows in proportion to its position, so the mean over 2 * DEPTH + TOKENS of them (less
# where the context ends) is that of TOKENS from DEPTH on.  The clock counts milliseconds: of the
# smallest shape it takes the mean of several runs.
llama2c_decode() {
  if [ -z "$3" ] || { [ "$float" = "$real" ] && [ "$1" -gt 8 ]; }; then return 0; fi
  told=$((2 * $1 + $2))
  [ "$told" -le 1023 ] || told=1023
  i=0
  while [ "$i" -lt "$repeat" ]; do
    i=$((i + 1))
    tells "$3" "$4" "$told"
  done > "$scratch/rates"
  rate_of llama2.c decode "$1" "$(awk '{ s += 1 / $1; n++ } END { printf "%.3f", n / s }' \
    "$scratch/rates")"
}

# ------------------------------------------------------------------------------------- results

# each_round FUNCTION: call it for every shape, round after round.
each_round() {
  for shape in $shapes; do set_shape "$shape"; done
  while [ "$round" -lt "$rounds" ]; do
    round=$((round + 1))
    for shape in $shapes; do
      set_shape "$shape"
      "$1"
    done
    echo "round $round of $rounds, load $(cut -d ' ' -f 1 /proc/loadavg)" >&2
  done
}

# report TITLE NOTE: the results as Markdown, shown and kept.
report() {
  {
    echo "# $1"
    echo
    conditions
    echo "- $rounds alternating rounds, $threads thread$([ "$threads" -eq 1 ] || echo s); tokens/s,"
    echo "  medians, best in parentheses; ratios are medians of the rounds' ratios"
    [ -z "$cpu" ] || echo "- lull with --cpu $cpu"
    [ -z "$2" ] || echo "- $2"
    echo
    lua5.1 "$root/tests/bench/table.lua" peers "$raw"
  } > "$results/$results_name.md"
  cat "$results/$results_name.md"
}
