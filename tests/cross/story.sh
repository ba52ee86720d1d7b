#!/bin/sh
# Stories told through the Lua module of another machine equal the ones told here.
# usage: story.sh FOLDER KERNEL EMULATOR...    FOLDER: build folder of the other machine
set -u
folder=$1 kernel=$2
shift 2
if [ ! -x "$folder/deps/lua/lua" ]; then
  echo 'no Lua for this machine: its source package could not be fetched or built'
  exit 77
fi
here=$("$LUA" tests/cross/story.lua any) || exit 1
there=$(LUA_CPATH="$folder/?.so" "$@" "$folder/deps/lua/lua" tests/cross/story.lua "$kernel") || exit 1
printf 'here:\n%s\nthere:\n%s\n' "$here" "$there"
[ -n "$here" ] && [ "$here" = "$there" ]
