#!/bin/sh
# The page of examples/server in a headless Chromium, clicked through: see page.mjs.
. tests/support/server.sh
need node nodejs
browser=
for name in chromium chromium-browser google-chrome; do
  [ -n "$browser" ] || ! command -v $name > /dev/null || browser=$name
done
if [ -z "$browser" ]; then
  echo 'skip  no chromium here'
  exit 77
fi
serve server
LULL_API_KEY=correct-horse serve keyed
plain=$(sed -n 's/.*listen \(.*\);/\1/p' "$work/server/nginx.conf")
tell 'Once upon a time' 7 200 > "$work/expected"
node tests/server/page.mjs "$browser" "http://$plain" "$url" correct-horse "$work"
code=$?
quiet
[ $code -eq 0 ] && [ "$failed" -eq 0 ]
