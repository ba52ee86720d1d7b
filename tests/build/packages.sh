#!/bin/sh
# The package installer, with a dpkg and an apt-get that only pretend.
set -u
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cases=0 failures=0

stub() { printf '#!/bin/sh\n%s\n' "$2" > "$folder/$1" && chmod +x "$folder/$1"; }
# Installed: what `have` lists.  apt-get notes its arguments, and fails while `broken` says so.
stub dpkg-query "for last; do :; done; grep -qx \"\$last\" '$folder/have' && echo 'ii '"
stub apt-get "echo \"\$*\" >> '$folder/calls'
case \$1 in update) rm -f '$folder/broken' ;; *) test ! -e '$folder/broken' ;; esac"
stub id 'echo 0'

expect() { # expect EXIT TEXT COMMAND...
  code=$1 text=$2
  shift 2
  cases=$((cases + 1))
  output=$(PATH="$folder:$PATH" "$@" 2>&1)
  got=$?
  if [ "$got" -ne "$code" ] || ! printf '%s\n' "$output" | grep -qF -e "$text"; then
    failures=$((failures + 1))
    printf 'expected exit %s and "%s" from: %s\ngot exit %s:\n%s\n' "$code" "$text" "$*" "$got" "$output"
  fi
}
called() { # called TEXT: what apt-get was asked to do
  cases=$((cases + 1))
  if [ "$(cat "$folder/calls" 2>/dev/null)" != "$1" ]; then
    failures=$((failures + 1))
    printf 'expected the calls\n%s\ngot\n%s\n' "$1" "$(cat "$folder/calls" 2>/dev/null)"
  fi
  rm -f "$folder/calls"
}
printf '%s\n' build-essential pkg-config lua5.1 lua-argparse lua-cjson lua-lpeg > "$folder/have"
line='install -y --no-install-recommends liblua5.1-0-dev lua-filesystem'
setup=tests/setup/packages.sh

expect 2 "no list named 'nonsense'" sh $setup nonsense
expect 3 "apt-get $line" env LULL_NO_INSTALL=1 sh $setup story
called ''
expect 0 'Installing liblua5.1-0-dev lua-filesystem' sh $setup story
called "$line"
: > "$folder/broken"
expect 0 'apt-get update' sh $setup story
called "$line
update
$line"
stub apt-get "echo nothing works; exit 100"
expect 3 'nothing works' sh $setup story
stub id 'echo 1000'
stub sudo 'exit 1'
expect 3 "apt-get $line" sh $setup story
printf '%s\n' liblua5.1-0-dev lua-filesystem >> "$folder/have"
expect 0 '' sh $setup story

printf '%d passed, %d failed, 0 skipped\n' $((cases - failures)) "$failures"
[ "$failures" -eq 0 ]
