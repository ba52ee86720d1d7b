# shellcheck shell=sh
# What the tests of the command under bad weather share; sourced from the top of the tree.  Makes a
# folder $work that is removed at the end and $work/lull, the command; counts what `check`, `expect`
# and `same` find in passed, failed and skipped.
: "${BUILD:=build}" "${LUA:=lua5.1}"
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
LULL_BUILD=$BUILD
export LULL_BUILD
top=$PWD
# shellcheck disable=SC2034  # used by those who source this
model=$top/examples/models/lullaby.bin passed=0 failed=0 skipped=0
work=$(mktemp -d "${TMPDIR:-/tmp}/lull-faults.XXXXXX") || exit 1
trap 'chmod -R u+w "$work"; rm -rf "$work"' EXIT

# A sanitized module needs its runtime first in a stock interpreter.
cat > "$work/lull" << END
#!/bin/sh
LD_PRELOAD='${LULL_PRELOAD:-}' exec '$(command -v "$LUA")' '$top/scripts/bin/lull' "\$@"
END
chmod +x "$work/lull"

# expect NAME CODE TEXT COMMAND...: the exit code, and a part of what is said on standard error
expect() {
  name=$1 wanted=$2 text=$3
  shift 3
  "$@" > "$work/out" 2> "$work/err" < /dev/null
  code=$?
  if [ "$code" -ne "$wanted" ]; then
    echo "FAIL  $name: exit $code, not $wanted"
  elif [ -n "$text" ] && ! grep -qF -- "$text" "$work/err"; then
    echo "FAIL  $name: nothing about '$text'"
  elif grep -q 'traceback\|should not happen' "$work/err"; then
    echo "FAIL  $name: a traceback"
  else
    passed=$((passed + 1))
    return
  fi
  sed 's/^/      /' "$work/err"
  failed=$((failed + 1))
}

# What may help when a check has failed; a test may define its own.
explain() { :; }

# check NAME COMMAND...: succeeds
check() {
  name=$1
  shift
  if "$@"; then
    passed=$((passed + 1))
  else
    echo "FAIL  $name"
    explain
    failed=$((failed + 1))
  fi
}

# same NAME A B: the same lines, in any order
same() {
  sort "$2" > "$work/same.a"
  sort "$3" > "$work/same.b"
  check "$1" cmp -s "$work/same.a" "$work/same.b"
}
