#!/bin/sh
# Instructions and memory traffic a decoded token costs on a PowerPC G4, counted under qemu.
# usage: ppc.sh --plugin-source PATH [--shapes "15M 110M"] [--precisions "f32 q8 q4"] [--tokens N]
#               [--cross powerpc-linux-gnu-] [--scratch DIR] [--results DIR]
#
# PATH is the source of a qemu plugin that prints, at each `or 28,28,28`, one line with insns=N
# ldI=N ldB=N dramRdB=N ..., through a model of the MPC7447A's caches.  lull loads the float32 model
# as f32, q8 or q4, evaluates BOS, then decodes N tokens (default 3); a token's cost is the mean of
# the second to the last.  A batch is four tokens in one step.  What the kernels cost by themselves
# is a quarter of the difference between 1 and 5 calls.
# shellcheck disable=SC1091,SC2154,SC2016  # common.sh sets root, scratch and results
set -eu
. "$(dirname "$0")/common.sh"

plugin='' shapes='15M 110M' precisions='f32 q8 q4' tokens=3 cross=powerpc-linux-gnu-
own_option() {
  case $1 in
    --plugin-source) plugin=$2 ;;
    --shapes) shapes=$2 ;;
    --precisions) precisions=$2 ;;
    --tokens) tokens=$2 ;;
    --cross) cross=$2 ;;
    *) return 1 ;;
  esac
}
parse_options "$@"
[ -r "$plugin" ] || { echo 'ppc.sh: --plugin-source must name a file' >&2; exit 2; }

${CC:-cc} -O2 -w -fPIC -shared -o "$scratch/count.so" "$plugin"
build_programs native
build_programs ppc CC="${cross}gcc" AR="${cross}ar" TEST_LDFLAGS=-static LUA_LIBS= LUA_CFLAGS=
raw=$results/ppc.json
: > "$raw"

emulate() { # plugin options, program, its arguments
  options=$1
  shift
  qemu-ppc -cpu 7447a -plugin "$scratch/count.so,out=$scratch/count.out$options" "$@"
}

# The mean of a counter over phases: phase 0 loads the model, 1 evaluates the prompt.
mean() { # counter, first phase, last phase
  sed -n 's/^phase \([0-9]*\) .* \{0,1\}'"$1"'=\([0-9]*\).*/\1 \2/p' "$scratch/count.out" |
    awk -v first="$2" -v last="$3" \
      '$1 >= first && $1 <= last { sum += $2; n++ } END { printf "%.0f", sum / n }'
}

record() { # of decode's last run: shape, name, first and last phase, precision, what it printed
  parameters=$(parts "$1" "$5" 1 | awk '$2 ~ /^linear/ { n += $1 * $4 * $6 } END { print n }')
  {
    printf '{"shape":"%s","name":"%s","insns":%s,' "$1" "$2" "$(mean insns "$3" "$4")"
    printf '"loads":%s,"load_bytes":%s,' "$(mean ldI "$3" "$4")" "$(mean ldB "$3" "$4")"
    printf '"dram_read":%s,' "$(mean dramRdB "$3" "$4")"
    printf '"dram_write":%s,"weights":%s,%s}\n' "$(mean dramWrB "$3" "$4")" "$parameters" \
      "$(inside "$6")"
  } >> "$raw"
  echo "$1 $2: $(mean insns "$3" "$4") instructions" >&2
}

tokens_of() { # shape, precision
  line=$(emulate '' "$scratch/ppc/bin/bench_decode" "$scratch/$1.bin" --precision "$2" \
    --tokens "$tokens" --extra 4 --mark)
  record "$1" "$2" 3 $((tokens + 1)) "$2" "$line"
  record "$1" "$2 batch" $((tokens + 2)) $((tokens + 2)) "$2" "$line"
}

count() { # arguments of bench_kernels
  emulate ',cache=off' "$scratch/ppc/bin/bench_kernels" "$@" > "$scratch/kernel.out"
  sed -n 's/^total insns=\([0-9]*\).*/\1/p' "$scratch/count.out"
}

insns_of() { # arguments of bench_kernels: one call
  one=$(count "$@" --repeat 1)
  five=$(count "$@" --repeat 5)
  echo $(((five - one) / 4))
}

# The linear layers of four tokens.
batch_kernels_of() { # shape, precision
  parts "$1" "$2" 1 | while read -r calls name arguments; do
    case $name in linear*) ;; *) continue ;; esac
    # shellcheck disable=SC2086
    cost=$(insns_of "$name" $arguments --tokens 4)
    printf '{"shape":"%s","name":"%s batch part","part":"%s","calls":%s,"insns":%s}\n' "$1" "$2" \
      "$name $arguments" "$calls" "$cost" >> "$raw"
  done
}

kernels_of() { # shape, precision
  parts "$1" "$2" "$tokens" | while read -r calls name arguments; do
    # shellcheck disable=SC2086
    cost=$(insns_of "$name" $arguments)
    printf '{"shape":"%s","name":"%s part","part":"%s","calls":%s,"insns":%s}\n' "$1" "$2" \
      "$name $arguments" "$calls" "$cost" >> "$raw"
  done
}

# How attention grows: a call of each layer, at several depths.
depths_of() { # shape, precision
  for depth in 16 128 256; do
    parts "$1" "$2" "$depth" | while read -r calls name arguments; do
      case $name in attention*) ;; *) continue ;; esac
      # shellcheck disable=SC2086
      cost=$(insns_of "$name" $arguments)
      printf '{"shape":"%s","name":"%s depth","depth":%s,"calls":%s,"insns":%s}\n' "$1" "$2" \
        "$depth" "$calls" "$cost" >> "$raw"
    done
  done
}

for shape in $shapes; do
  make_model "$shape" "$([ "$shape" = 15M ] && echo 32 || echo 64)"
  for precision in $precisions; do
    tokens_of "$shape" "$precision"
    kernels_of "$shape" "$precision"
    batch_kernels_of "$shape" "$precision"
    depths_of "$shape" "$precision"
  done
done
{
  echo '# One decoded token on a PowerPC G4 (MPC7447A), counted under qemu'
  echo
  echo 'Command: `tests/bench/run.sh ppc --plugin-source PLUGIN`'
  echo
  taken
  echo "- compiler: $("${cross}gcc" --version | head -n 1)"
  echo "- $(qemu-ppc --version | head -n 1), -cpu 7447a"
  echo
  lua5.1 "$root/tests/bench/table.lua" ppc "$raw"
} > "$results/ppc.md"
cat "$results/ppc.md"
