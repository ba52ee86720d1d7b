#!/bin/sh
# The clients of OpenAI and Ollama for JavaScript against examples/server: see clients.mjs.
. tests/support/server.sh
need node nodejs
need npm npm
mkdir "$work/npm"
cp tests/server/clients.mjs tests/server/cases.mjs "$work/npm"
echo '{"private": true, "type": "module"}' > "$work/npm/package.json"
if ! (cd "$work/npm" && timeout 60 npm install --silent --no-audit --no-fund --ignore-scripts \
  --fetch-retries=0 openai@6.49.0 ollama@0.6.4 > "$work/npm.log" 2>&1); then
  echo 'skip  the packages openai and ollama cannot be fetched'
  exit 77
fi
serve server
LULL_API_KEY=correct-horse serve keyed
tell 'Once upon a time' 7 40 > "$work/expected"
plain=$(sed -n 's/.*listen \(.*\);/\1/p' "$work/server/nginx.conf")
(cd "$work/npm" && node clients.mjs "http://$plain" "$url" correct-horse "$work/expected")
code=$?
quiet
[ $code -eq 0 ] && [ "$failed" -eq 0 ]
