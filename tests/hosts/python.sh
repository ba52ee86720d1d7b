#!/bin/sh
# examples/hosts/python: Python through lupa.
. tests/support/hosts.sh
python=
for name in /usr/bin/python3 python3; do
  if "$name" -c 'import lupa' 2> /dev/null; then
    python=$name
    break
  fi
done
[ -n "$python" ] || need lupa python3-lupa
"$python" "$examples/python/story.py" 'Once upon a time' 7 > "$work/log" 2>&1 || fail "exit $?"
# The last line is the other story.
sed '$d' "$work/log" | head -c -1 > "$work/told"
same "$work/told" 'Once upon a time' 7 100
tail -n 1 "$work/log" | grep -q '^Once upon a time..' || fail 'no second story'
