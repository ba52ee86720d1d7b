#!/bin/sh
# Formatting and static analysis of everything in the tree; `make check` calls it.
# Each tool is one case, and the last line counts them.
set -u
: "${CC:=cc}" "${SYSTEM:=}" "${LUA_CFLAGS:=}"
passed=0 failed=0
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT

c=$(find core bindings tests examples -name '*.c' | sort)
h=$(find core bindings tests -name '*.h' | sort)
lua=$(find scripts examples tests -name '*.lua' | sort)
sh="$(find tests examples -name '*.sh' | sort) .ci/run"
include="-iquote core -iquote tests/support $LUA_CFLAGS"
[ ! -e scripts/bin/lull ] || lua="$lua scripts/bin/lull"

tell() { # tell EXIT NAME: after $folder/out was written
  if [ "$1" -eq 0 ]; then
    passed=$((passed + 1))
    echo "ok    $2"
  else
    failed=$((failed + 1))
    echo "FAIL  $2"
    head -n 400 "$folder/out" | sed 's/^/      /'
  fi
}
check() { # check NAME COMMAND...
  name=$1
  shift
  "$@" > "$folder/out" 2>&1
  tell $? "$name"
}

# tidy FILE...: clang-tidy over each, with the file's instruction set
tidy() {
  for file; do
    case $file in
      */avx512*) isa='-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma' ;;
      */avx2*) isa='-mavx2 -mfma' ;;
      */amx*) isa='-mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma -mgfni -mamx-tile -mamx-int8' ;;
      *) isa= ;;
    esac
    echo "$file -- $isa $SYSTEM $include -std=c99"
  done > "$folder/tidy"
  xargs -P "$(getconf _NPROCESSORS_ONLN)" -L 1 clang-tidy --quiet < "$folder/tidy" 2> /dev/null
}

# shellcheck disable=SC2046,SC2086  # lists of files and of flags
{
  check clang-format clang-format --dry-run -Werror $c $h
  # Kernels for other processors do not parse here, nor does what includes llama2.c's sources.
  check clang-tidy tidy $(echo "$c" | grep -vE 'kernels/(altivec|neon|dotprod)|support/tools/')
  # uninitvar: it overlooks a memset.
  check cppcheck cppcheck -q --std=c99 --enable=warning,portability --inline-suppr \
    --suppress=uninitvar:core/model.c \
    --error-exitcode=1 --suppress=internalAstError --suppress=invalidPointerCast \
    --suppress=duplicateAssignExpression -I core -I tests/support $c
  check luacheck luacheck -q --no-color $lua
  check shellcheck shellcheck $sh
}

# luacheck knows no operators: x ^ y with a variable or a fraction is libm's pow.  Strings and comments
# are taken away first.
find scripts -type f | sort | while read -r file; do
  sed "s/\"[^\"]*\"//g; s/'[^']*'//g; s/--.*//" "$file" |
    grep -nE '[A-Za-z0-9_)] ?\^ ?([A-Za-z_(]|[0-9]*\.[0-9])' | sed "s|^|$file:|"
done > "$folder/out"
[ ! -s "$folder/out" ]
tell $? 'scripts use no fractional power'

: > "$folder/out"
for header in $h; do
  # What every kernel file includes once, after it has said how.
  case $header in core/kernels/attention.h | core/kernels/layers.h | core/kernels/linear.h | core/kernels/neon.h) continue ;; esac
  echo "#include \"$header\"" > "$folder/alone.c"
  # shellcheck disable=SC2086
  "$CC" -std=c99 $SYSTEM $include -Wall -Wextra -Werror -fsyntax-only -iquote . "$folder/alone.c" \
    >> "$folder/out" 2>&1
done
[ ! -s "$folder/out" ]
tell $? 'each header compiles alone'

echo '#include "core/lull.h"' > "$folder/alone.cc"
check 'core/lull.h is C++' c++ -Wall -Wextra -Werror -pedantic -fsyntax-only -iquote . "$folder/alone.cc"

git grep -nIE '[ 	]+$' -- . ':!tests/corpus' ':!tests/*.txt' > "$folder/out"
[ ! -s "$folder/out" ]
tell $? 'no line ends in a blank'

printf '%d passed, %d failed, 0 skipped\n' "$passed" "$failed"
[ "$failed" -eq 0 ]
