#!/bin/sh
# The script of examples/hosts/wrk: prompts from eight threads, each with a state of its own, at a
# server that answers anything.
. tests/support/hosts.sh
need wrk wrk
port=$(a_port)
start helper answer "$port"
listening "$port"
wrk -t 8 -c 8 -d 1 -s "$examples/wrk/prompts.lua" "http://127.0.0.1:$port" > "$work/log" 2>&1 ||
  fail "wrk: exit $?"
for i in 1 2 3 4 5 6 7 8; do
  text=$(helper tell 'One day, ' 1 12 "$i") || fail 'lua5.1 told nothing'
  grep -Fq "thread $i began with: One day, $text" "$work/log" || fail "not what lua5.1 tells: $text"
done
! grep 'Socket errors' "$work/log" || fail 'errors'
echo "measured $(wrk -v 2>&1 | head -1 | cut -d' ' -f1-3): 8 threads, $(sed -n 's/ requests in/ prompts in/p' "$work/log")"
