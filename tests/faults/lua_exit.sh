#!/bin/sh
# A Lua program ends while models, contexts and threads live: by running out, by os.exit, by an
# error, in a coroutine, from a finalizer.  The exit code is Lua's, and nothing is said.
set -u
: "${LUA:=lua5.1}" "${LULL_PRELOAD:=}"
passed=0 failed=0
preamble='local core = require "lull.core"
  local model = assert(core.load("examples/models/lullaby.bin"))
  local context = assert(model:context{sequences = 3, threads = 4, length = 64})
  local seq = assert(context:sequence()):feed("Once upon a time")
  assert(context:step())
  local fork, view = seq:fork(), seq:logits()
  kept = {model, context, seq, fork, view}
'
# ends CODE PATTERN SCRIPT: exit code, and what stderr must contain ("" = nothing at all)
ends() {
  out=$(LD_PRELOAD="$LULL_PRELOAD" "$LUA" -e "$preamble $3" 2>&1)
  code=$?
  if [ "$code" -ne "$1" ]; then
    echo "not ok: exit $code, expected $1, of: $3"
    echo "$out"
    failed=$((failed + 1))
  elif [ -z "$2" ] && [ -n "$out" ] || ! echo "$out" | grep -q "$2"; then
    echo "not ok: said '$out', expected '$2', of: $3"
    failed=$((failed + 1))
  else
    passed=$((passed + 1))
  fi
}
ends 0 '' ''
ends 3 '' 'os.exit(3)'
ends 0 '' 'kept = nil collectgarbage() os.exit(0)'
ends 4 '' 'coroutine.wrap(function() context:step() os.exit(4) end)()'
ends 1 'boom' 'error("boom")'
ends 1 'closed sequence' 'seq:close() seq:feed("x")'
ends 1 'stale' 'seq:feed(1) context:step() view:get(0)'
ends 1 'boom' 'coroutine.wrap(function() for id in view:candidates(3) do error("boom") end end)()'
ends 0 '' 'context:close() model:close() for i = 1, 20 do assert(core.load("examples/models/lullaby.bin")) end'
ends 0 '' 'if newproxy then kept[9] = newproxy(true) debug.getmetatable(kept[9]).__gc = function() seq:close() context:close() end end'
ends 5 '' 'local f = io.popen("true") f:close() context:step() os.exit(5)'
echo "$passed passed, $failed failed, 0 skipped"
[ "$failed" -eq 0 ]
