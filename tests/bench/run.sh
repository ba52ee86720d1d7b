#!/bin/sh
# Lists the measurements, and runs one: builds the programs and random models it needs first.
# usage: run.sh NAME [OPTIONS]
set -eu

names='one many prefill threads growth perplexity constrain memory ppc kernels sampling chains batch server'
here=$(dirname "$0")
if [ $# -eq 0 ]; then
  echo 'usage: tests/bench/run.sh NAME [OPTIONS]'
  for script in $names; do
    echo
    sed -n '2,/^set /{/^set /d;/shellcheck/d;s/^# \{0,1\}/  /p;}' "$here/$script.sh"
  done
  exit 0
fi
name=$1
shift
case " $names " in
  *" $name "*) exec sh "$here/$name.sh" "$@" ;;
  *) echo "run.sh: no measurement is called $name" >&2; exit 2 ;;
esac
