#!/bin/sh
# The script of examples/hosts/sysbench in 32 threads that load, tell and let go.
. tests/support/hosts.sh
need sysbench sysbench
tell 'Once upon a time' 7 40 > "$work/expected" || fail 'lua5.1 told nothing'
EXPECTED=$work/expected sysbench tests/hosts/sysbench.lua --threads=32 --time=2 run \
  > "$work/log" 2>&1 || fail "sysbench: exit $?"
! grep -q FATAL "$work/log" || fail 'a thread failed'
events=$(sed -n 's/ *total number of events: *//p' "$work/log")
[ "${events:-0}" -gt 32 ] || fail 'too few stories'
echo "measured $(sysbench --version): $events stories of 40 tokens by 32 threads in 2 s"
sysbench "$examples/sysbench/stories.lua" --threads=2 --events=10 --time=0 run > "$work/log" 2>&1 ||
  fail "the example: exit $?"
