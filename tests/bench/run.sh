#!/bin/sh
# Lists the measurements, and runs one: builds the programs and random models it needs first.
# usage: run.sh one|many|prefill|threads|growth|perplexity|memory|ppc|kernels|sampling|chains [OPTIONS]
set -eu

here=$(dirname "$0")
if [ $# -eq 0 ]; then
  echo 'usage: tests/bench/run.sh NAME [OPTIONS]'
  for script in one many prefill threads growth perplexity memory ppc kernels sampling chains; do
    echo
    sed -n '2,/^set /{/^set /d;/shellcheck/d;s/^# \{0,1\}/  /p;}' "$here/$script.sh"
  done
  exit 0
fi
name=$1
shift
case $name in
  one | many | prefill | threads | growth | perplexity | memory | ppc | kernels | sampling | chains)
    exec sh "$here/$name.sh" "$@"
    ;;
  *) echo "run.sh: no measurement is called $name" >&2; exit 2 ;;
esac
