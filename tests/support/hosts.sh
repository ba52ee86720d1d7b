# What the tests of programs that host Lua share; each begins with `. tests/support/hosts.sh`.
#
# Names: BUILD, LUA as for tests/run.sh; work, a folder that is removed at the end; LULL_MODEL, and
# LUA_PATH and LUA_CPATH for the module of Lua 5.1, which most hosts understand.
# shellcheck shell=sh disable=SC2034,SC3045
set -u
: "${BUILD:=build}" "${LUA:=lua5.1}"
case $BUILD in /*) ;; *) BUILD=$PWD/$BUILD ;; esac
examples=$PWD/examples/hosts
work=$(mktemp -d "${TMPDIR:-/tmp}/lull-host.XXXXXX") || exit 1
started=
LULL_MODEL=$PWD/examples/models/lullaby.bin
LUA_PATH="$PWD/scripts/?.lua;$PWD/scripts/?/init.lua;;"
LUA_CPATH="$BUILD/?.so;;"
HOME=$work
PATH=$PATH:/usr/sbin:/usr/games # where Debian puts servers and games
export LULL_MODEL LUA_PATH LUA_CPATH HOME

leave() {
  # shellcheck disable=SC2086  # several ids
  [ -z "$started" ] || kill $started 2> /dev/null
  wait 2> /dev/null
  rm -rf "$work"
}
trap leave EXIT
trap 'exit 1' HUP INT TERM

# need PROGRAM PACKAGE: or the test is skipped
need() {
  command -v "$1" > /dev/null && return
  echo "no $1 here (Debian: $2; make test-hosts-setup installs it)"
  exit 77
}

# lua_module VERSION: the module for another Lua, in LUA_CPATH
lua_module() {
  LUA_CPATH="$BUILD/lua$1/?.so;;"
  [ -e "$BUILD/lua$1/lull/core.so" ] && return
  echo "the module is not built for Lua $1"
  exit 77
}

# start COMMAND...: in the background, until the test ends; its output goes to $work/log
start() {
  "$@" >> "$work/log" 2>&1 &
  started="$started $!"
}

fail() {
  echo "FAIL  $*"
  [ ! -s "$work/log" ] || tail -n 50 "$work/log"
  exit 1
}

# What tests/support/hosts.lua says at its beginning.
helper() { LUA_CPATH="$BUILD/?.so;;" "$LUA" tests/support/hosts.lua "$@"; }
a_port() { helper port; }
listening() { helper listening "$1" || fail 'it does not start'; }
tell() { helper tell "$@"; }

# same FILE PROMPT SEED TOKENS: does the file hold what lua5.1 tells?
same() {
  file=$1
  shift
  tell "$@" > "$work/expected" || fail 'lua5.1 told nothing'
  [ -s "$work/expected" ] || fail 'nothing to compare with'
  cmp -s "$work/expected" "$file" || {
    diff "$work/expected" "$file"
    fail "not what lua5.1 tells: $*"
  }
}

# stopped WHOLE FILE: does the file hold a beginning, and not all?
stopped() {
  n=$(wc -c < "$2")
  if [ "$n" -eq 0 ] || [ "$n" -ge "$(wc -c < "$1")" ]; then fail "it was not stopped: $n bytes"; fi
  head -c "$n" "$1" | cmp - "$2" || fail 'stopped, and another text'
}

# pings PORT PATH COMMAND...: how long requests for PATH take while the command runs
pings() {
  rm -f "$work/stop"
  helper pings "$1" "$2" "$work/stop" > "$work/pings" &
  pinger=$!
  shift 2
  "$@"
  code=$?
  : > "$work/stop"
  wait $pinger || fail 'a request beside it failed'
  return $code
}

# get PORT PATH FILE SEED: a story of 300 tokens over HTTP
get() {
  curl -fsSN -o "$3" "http://127.0.0.1:$1$2?prompt=One+day,+Tom&seed=$4&tokens=300"
}

stories() { # stories PORT PATH: seven, one after the other; the last is in $work/told
  for seed in 1 2 3 4 5 6 7; do get "$1" "$2" "$work/told" $seed || return 1; done
}

# http_host PORT TELL PING NAME: a server that streams stories at one path and answers at another.
# Tells what lua5.1 tells, also when two are told at once and when a client goes away.
http_host() {
  listening "$1"
  pings "$1" "$3" sleep 1 || fail 'not even that'
  idle=$(cat "$work/pings")
  pings "$1" "$3" stories "$1" "$2" || fail 'curl'
  same "$work/told" 'One day, Tom' 7 300
  echo "measured $4: other requests take $(cat "$work/pings") while stories are told," \
    "$idle otherwise"

  get "$1" "$2" "$work/other" 8 &
  other=$!
  get "$1" "$2" - 9 2> /dev/null | head -c 20 > "$work/cut"
  wait $other || fail 'one of two'
  same "$work/other" 'One day, Tom' 8 300
  tell 'One day, Tom' 9 300 | head -c 20 | cmp - "$work/cut" || fail 'not a beginning'
  get "$1" "$2" "$work/told" 7 && same "$work/told" 'One day, Tom' 7 300
}
