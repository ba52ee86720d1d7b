#!/bin/sh
# Streams of examples/server: see streams.mjs.
. tests/support/server.sh
need node nodejs
export LUA
serve server 'config.limits.body_seconds = 1'
node tests/server/streams.mjs "$port" "$pid" "$work" "$work/server.lua"
code=$?
[ $code -eq 0 ] || cat "$work/log"
exit $code
