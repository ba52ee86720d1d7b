#!/bin/sh
# Installs under a prefix and runs what was installed from another folder with a clean environment;
# installs once more through DESTDIR; uninstalls both and finds nothing left.
# shellcheck disable=SC2016  # $1 is for the inner shell
set -u
: "${MAKE:=make}" "${BUILD:=build}" "${LUA:=lua5.1}"
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
cases=0 failures=0

check() { # check WHAT COMMAND...
  what=$1
  shift
  cases=$((cases + 1))
  if ! "$@" > "$folder/out" 2>&1; then
    failures=$((failures + 1))
    echo "FAIL: $what"
    sed 's/^/  /' "$folder/out"
  fi
}
make_it() { "$MAKE" --no-print-directory BUILD="$BUILD" "$@"; }
clean() { # clean COMMAND: from /, with nothing of this environment
  (cd / && env -i HOME="$folder" PATH=/usr/local/bin:/usr/bin:/bin "$@")
}
left() { find "$1" ! -type d; find "$1" -type d -name 'lull*'; }
nothing_left() { [ -z "$(left "$1")" ] || { left "$1"; false; }; }

prefix=$folder/prefix
check 'make install PREFIX' make_it PREFIX="$prefix" install
check 'lull tell' clean "$prefix/bin/lull" tell "$prefix/share/lull/models/lullaby.bin" \
  -p 'Once upon a time' -n 20 --seed 1
check 'lull through a link' sh -c 'ln -s "$1/prefix/bin/lull" "$1/lull" && cd / && env -i PATH=/usr/bin:/bin "$1/lull" --help' sh "$folder"
rm -f "$folder/lull"
check 'require "lull"' clean "$LUA" -e "
  package.path = '$prefix/share/lua/5.1/?.lua;$prefix/share/lua/5.1/?/init.lua;' .. package.path
  package.cpath = '$prefix/lib/lua/5.1/?.so;' .. package.cpath
  assert(require('lull').load('$prefix/share/lull/models/lullaby.bin'))"

cat > "$folder/host.c" <<'HOST'
#include <lull.h>
#include <stdio.h>
int main(void) { return puts(lull_version()) < 0; }
HOST
check 'a host built through lull.pc' sh -c '
  flags=$(PKG_CONFIG_PATH="$1/prefix/lib/pkgconfig" pkg-config --cflags --libs lull) &&
  ${CC:-cc} -o "$1/host" "$1/host.c" $flags && "$1/host"' sh "$folder"
rm -f "$folder/host" "$folder/host.c"

check 'make uninstall PREFIX' make_it PREFIX="$prefix" uninstall
check 'nothing left under PREFIX' nothing_left "$prefix"

stage=$folder/stage
check 'make install DESTDIR' make_it DESTDIR="$stage" PREFIX=/opt/stories install
check 'everything lies under DESTDIR and PREFIX' test -x "$stage/opt/stories/bin/lull" \
  -a ! -e /opt/stories/bin/lull -a "$(ls "$stage")" = opt
check 'no path of DESTDIR in what was installed' sh -c '! grep -r "$1" "$1/opt"' sh "$stage"
check 'the command looks under PREFIX' grep -q '/opt/stories/share/lua/5.1/' "$stage/opt/stories/bin/lull"
check 'make uninstall DESTDIR' make_it DESTDIR="$stage" PREFIX=/opt/stories uninstall
check 'nothing left under DESTDIR' nothing_left "$stage"

printf '%d passed, %d failed, 0 skipped\n' $((cases - failures)) "$failures"
[ "$failures" -eq 0 ]
