#!/bin/sh
# examples/server under load: streams at once for a minute, each compared with the same seed told
# alone; all tokens/s beside `lull bench` at that width, memory.  Then the same for half a minute while
# /health is asked without pause.
# usage: server.sh [--streams 64] [--seconds 60] [--tokens 128] [--texts 256] [--threads N]
#                  [--models "lullaby 15M 42M"] [--scratch DIR] [--results DIR]
#
# wrk is the client and shares the machine with the server.  `lull bench` decodes in lockstep from
# the streams' mean depth and chooses no tokens.
# shellcheck disable=SC1091,SC2154  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

streams=64 seconds=60 tokens=128 texts=256 threads=1 models='lullaby 15M 42M'
own_option() {
  case $1 in
    --streams) streams=$2 ;;
    --seconds) seconds=$2 ;;
    --tokens) tokens=$2 ;;
    --texts) texts=$2 ;;
    --threads) threads=$2 ;;
    --models) models=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"
for program in nginx wrk; do
  command -v $program > /dev/null || { echo "server.sh: needs $program" >&2; exit 3; }
done
case " $models " in *M\ *) build_programs native ;; esac
build=${LULL_BUILD:-$root/build}
export LULL_BUILD="$build"
export LUA_PATH="$root/scripts/?.lua;$root/scripts/?/init.lua;;" LUA_CPATH="$build/?.so;;"
helper() { lua5.1 "$root/tests/support/hosts.lua" "$@"; }

server=
trap '[ -z "$server" ] || kill "$server"' EXIT

metric() { curl -s "$url/metrics" | awk -v name="$1" '$1 == name { print $2 }'; }
memory() { awk '/^VmRSS/ { printf "%.1f", $2 / 1024 }' "/proc/$(pgrep -P "$server")/status"; }
load() { # load SECONDS
  wrk -t1 -c"$streams" -d"$1" --timeout 120 -s "$root/tests/bench/server_load.lua" "$url" \
    -- "$scratch/expected" "$tokens" | tail -n 1
}

measure() { # measure NAME FILE
  lua5.1 "$root/tests/bench/server_expected.lua" "$2" "$tokens" "$texts" > "$scratch/expected"
  echo "local config = dofile '$root/examples/server/config.lua'
    config.streams, config.threads, config.strategies = $streams, $threads, nil
    config.limits = {per_client = 2 * $streams}
    return config" > "$scratch/config.lua"
  port=$(helper port)
  url=http://127.0.0.1:$port
  LULL_MODEL=$2 sh "$root/examples/server/serve.sh" --listen "127.0.0.1:$port" \
    --config "$scratch/config.lua" --run "$scratch/serve" > "$scratch/server.log" 2>&1 &
  server=$!
  helper listening "$port"

  bench=$("$root/scripts/bin/lull" bench "$2" --threads "$threads" --prefill 16 \
    --widths "$streams" --depth $((8 + tokens / 2)) -n 64 --json |
    sed 's/.*"batched":\[{"streams":[0-9]*,"tokens_per_second":\([0-9]*\).*/\1/')
  load 5 > /dev/null
  before=$(memory) told=$(metric lull_generated_tokens_total)
  line=$(load "$seconds")
  told=$(($(metric lull_generated_tokens_total) - told))
  after=$(memory)
  rm -f "$scratch/stop"
  helper pings "$port" /health "$scratch/stop" > "$scratch/pings" &
  pinger=$!
  load $((seconds / 2)) > /dev/null
  : > "$scratch/stop"
  wait $pinger
  kill "$server"
  server=
  if grep -E '\[(error|crit|alert|emerg)\]' "$scratch/server.log"; then
    echo 'server.sh: errors are in the log' >&2
    exit 1
  fi
  rate=$(awk -v n="$told" -v s="$(echo "$line" | field seconds)" 'BEGIN { printf "%.0f", n / s }')
  echo "{\"model\":\"$1\",\"bench\":$bench,\"rate\":$rate,\"before_mb\":$before,\"after_mb\":$after,\"pings\":\"$(cat "$scratch/pings")\",$(inside "$line")}" >> "$raw"
  awk -v name="$1" -v bench="$bench" -v rate="$rate" -v pings="$(cat "$scratch/pings")" \
    -v right="$(echo "$line" | field right)" -v wrong="$(echo "$line" | field wrong)" \
    -v errors="$(echo "$line" | field errors)" -v before="$before" -v after="$after" 'BEGIN {
      printf "| %s | %d | %d | %.0f %% | %s | %d | %d | %d | %s → %s |\n", name, bench, rate,
        100 * rate / bench, pings, right, wrong, errors, before, after }'
}

raw=$results/server.json
: > "$raw"
for model in $models; do
  case $model in
    lullaby) measure lullaby "$root/examples/models/lullaby.bin" ;;
    *)
      make_model "$model" 32
      measure "$model q8" "$scratch/$model-g32.bin"
      ;;
  esac
done > "$scratch/rows"

{
  echo '# The server under load'
  echo
  echo "Command: \`tests/bench/run.sh server\`; $streams streams at once for $seconds s, $tokens tokens each"
  echo
  conditions
  echo
  echo '| model | lull bench, tokens/s | server, tokens/s | ratio | /health meanwhile | right | wrong | errors | MB before → after |'
  echo '|---|---|---|---|---|---|---|---|---|'
  cat "$scratch/rows"
  echo
  # shellcheck disable=SC2016  # a code span
  echo '`lull bench` evaluates in lockstep, on one core, and chooses no tokens; the server uses what cores'
  echo 'there are and shares them with the client.'
} | tee "$results/server.md"
