# shellcheck shell=sh
# Sourced by the measuring scripts: where things are, how programs and models are made.
#
# Sets root (the repository), scratch (big files and builds; --scratch, default
# ${TMPDIR:-/tmp}/lull-bench) and results (--results, default $scratch/results).  A script that has
# options of its own defines own_option NAME VALUE before it calls parse_options "$@".

root=$(cd "$(dirname "$0")/../.." && pwd)
scratch=${TMPDIR:-/tmp}/lull-bench
results=

parse_options() {
  while [ $# -gt 0 ]; do
    [ $# -gt 1 ] || { echo "$0: $1: unknown option, or one that needs a value" >&2; exit 2; }
    case $1 in
      --scratch) scratch=$2 ;;
      --results) results=$2 ;;
      *) own_option "$1" "$2" || { echo "$0: unknown option $1" >&2; exit 2; } ;;
    esac
    shift 2
  done
  results=${results:-$scratch/results}
  mkdir -p "$scratch" "$results"
}

# build_programs FOLDER [MAKE VARIABLES]: bench_decode, bench_kernels and bench_roof (and mkmodel)
# in $scratch/FOLDER/bin.
build_programs() {
  folder=$scratch/$1
  shift
  make -C "$root" --no-print-directory BUILD="$folder" "$@" "$folder/bin/bench_mkmodel" \
    "$folder/bin/bench_decode" "$folder/bin/bench_kernels" "$folder/bin/bench_roof" >&2
}

# make_model SHAPE GROUP: $scratch/SHAPE.bin (float32), $scratch/SHAPE-gGROUP.bin (8 bits) and
# $scratch/tokenizer.bin, unless they are there.
make_model() {
  if [ ! -e "$scratch/$1.bin" ] || [ ! -e "$scratch/$1-g$2.bin" ] ||
    [ ! -e "$scratch/tokenizer.bin" ]; then
    "$scratch/native/bin/bench_mkmodel" "$scratch/$1.bin.part" "$1" --group "$2" \
      --v2 "$scratch/$1-g$2.bin" --tokenizer "$scratch/tokenizer.bin" >&2
    mv "$scratch/$1.bin.part" "$scratch/$1.bin"
  fi
}

# field NAME: its value in the JSON line on standard input.
field() {
  sed -n 's/.*"'"$1"'":"\{0,1\}\([^",}]*\).*/\1/p'
}

# inside LINE: the fields of a JSON line, without its braces.
inside() {
  inside=${1#\{}
  echo "${inside%\}}"
}

# parts SHAPE PRECISION POSITIONS: what one decoded token consists of, a line a kernel: how often,
# and the arguments of bench_kernels.
parts() {
  case $1 in
    15M) dim=288 hidden=768 layers=6 heads=6 vocab=32000 ;;
    42M) dim=512 hidden=1376 layers=8 heads=8 vocab=32000 ;;
    110M) dim=768 hidden=2048 layers=12 heads=12 vocab=32000 ;;
    *) echo "$0: shape $1: expected 15M, 42M or 110M" >&2; exit 2 ;;
  esac
  echo "$((4 * layers)) linear_$2 --rows $dim --cols $dim"
  echo "$((2 * layers)) linear_$2 --rows $hidden --cols $dim"
  echo "$layers linear_$2 --rows $dim --cols $hidden"
  echo "1 linear_$2 --rows $vocab --cols $dim"
  case $2 in
    q8 | q4)
      echo "$((3 * layers + 1)) quantize --cols $dim"
      echo "$layers quantize --cols $hidden"
      echo "$layers attention_bf16 --cols $dim --heads $heads --positions $3"
      ;;
    *) echo "$layers attention_f32 --cols $dim --heads $heads --positions $3" ;;
  esac
  echo "$((2 * layers + 1)) rmsnorm --cols $dim"
  echo "$layers swiglu --cols $hidden"
  echo "$((2 * layers)) add --cols $dim"
  echo "1 argmax --cols $vocab"
}

taken() {
  echo "- taken $(date -u '+%Y-%m-%d'), commit" \
    "$(git -C "$root" rev-parse --short HEAD 2> /dev/null || echo unknown)"
}

# What the figures were taken on and when, as Markdown.
conditions() {
  taken
  if [ -r /proc/cpuinfo ]; then
    family=$(sed -n 's/^vendor_id.*: //p;s/^cpu family.*: /family /p;s/^model\t.*: /model /p' \
      /proc/cpuinfo | head -n 3 | paste -sd ' ')
    echo "- processor: $family, $(getconf _NPROCESSORS_ONLN) cores, load average" \
      "$(cut -d ' ' -f 1 /proc/loadavg)"
  fi
  echo "- compiler: $(${CC:-cc} --version | head -n 1)"
}
