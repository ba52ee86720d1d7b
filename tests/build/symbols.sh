#!/bin/sh
# What the library and the module define and use: one prefix, no process-wide effects.
set -u
failures=0
bad() { # bad WHAT SYMBOLS
  [ -z "$2" ] && return
  echo "$1:"
  echo "$2" | sed 's/^/  /'
  failures=$((failures + 1))
}

library=$("$NM" -A "$BUILD/liblull.a") || exit 1
bad 'liblull.a defines symbols without the lull_ prefix' \
  "$(echo "$library" | grep -E ' [TDBRCVW] ' | grep -vE ' [A-Z] _?lull_')"
bad 'the core calls what a library must not' \
  "$(echo "$library" | grep -E ' U _?(exit|_exit|abort|printf|fprintf|puts|putchar|vprintf|vfprintf|getenv|setenv|signal|sigaction|setlocale|rand|srand|system)$')"
# Read-only tables of pointers are "d" in position-independent code: .data.rel.ro is told apart.
for object in "$BUILD"/core/*.o "$BUILD"/core/*/*.o; do
  bad "$object has mutable static data" \
    "$("$OBJDUMP" -t "$object" | grep -E '[[:space:]](\.data|\.bss|\.tdata|\.tbss|\*COM\*)[.[:alnum:]_]*[[:space:]]' | grep ' O ' | grep -v '\.data\.rel\.ro')"
done

if [ -e "$BUILD/lull/core.so" ]; then
  module=$("$NM" -D "$BUILD/lull/core.so") || exit 1
  opener=' T luaopen_lull_core$'
  echo "$module" | grep -q "$opener" || bad 'the module does not export' luaopen_lull_core
  bad 'the module exports more than its opener' \
    "$(echo "$module" | grep -E ' [A-TV-Z] ' | grep -v "$opener")"
  bad 'the module lacks symbols of the core' "$(echo "$module" | grep ' U _*lull_')"
  bad 'the module is linked to a Lua library' \
    "$("$OBJDUMP" -p "$BUILD/lull/core.so" | grep NEEDED | grep -i lua)"
fi
[ "$failures" -eq 0 ]
