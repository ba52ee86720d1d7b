#!/bin/sh
# The script of examples/hosts/mpv while mpv plays: what it tells, timers beside it, and its end.
. tests/support/hosts.sh
need mpv mpv
lua_module 5.2
WORK=$work timeout 60 mpv --no-config --vo=null --ao=null --keep-open --idle \
  --script="$examples/mpv/lull.lua" --script=tests/hosts/mpv.lua \
  av://lavfi:testsrc=duration=60 > "$work/log" 2>&1 || fail "mpv: exit $?"
[ -s "$work/told" ] || fail 'nothing was told'
tail -c +17 "$work/told" > "$work/rest"
same "$work/rest" 'Once upon a time' 7 200
stopped "$work/told" "$work/stopped"
echo "measured $(mpv --version | head -1 | cut -d' ' -f1-2): $(cat "$work/measured")"
