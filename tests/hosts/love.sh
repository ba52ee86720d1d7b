#!/bin/sh
# The window of examples/hosts/love on a screen of Xvfb: what it tells, how long its frames take, and
# Escape.
. tests/support/hosts.sh
need love love
need Xvfb xvfb
mkdir "$work/play"
cp "$examples/love/conf.lua" tests/hosts/love/main.lua "$work/play"
cp "$examples/love/main.lua" "$work/play/story.lua"
start Xvfb -displayfd 3 -screen 0 800x600x24 -nolisten tcp 3> "$work/display"
for _ in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
  [ -s "$work/display" ] && break
  sleep 0.2
done
DISPLAY=:$(cat "$work/display") WORK=$work LULL_SEED=7 timeout 60 love "$work/play" \
  >> "$work/log" 2>&1 || fail "love: exit $?"
same "$work/told" 'Once upon a time' 7 300
stopped "$work/told" "$work/stopped"
echo "measured $(love --version | cut -d'(' -f1): $(cat "$work/measured")"
