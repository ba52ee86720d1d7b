#!/bin/sh
# What a script prints on another machine equals what it prints here.
# usage: same.sh SCRIPT FOLDER KERNEL EMULATOR...    FOLDER: build folder of the other machine
set -u
script=$1 folder=$2 kernel=$3
shift 3
if [ ! -x "$folder/deps/lua/lua" ]; then
  echo 'no Lua for this machine: its source package could not be fetched or built'
  exit 77
fi
here=$("$LUA" "$script" any) || exit 1
there=$(LUA_CPATH="$folder/?.so;$folder/deps/?.so" "$@" "$folder/deps/lua/lua" "$script" "$kernel") || exit 1
printf 'here:\n%s\nthere:\n%s\n' "$here" "$there"
[ -n "$here" ] && [ "$here" = "$there" ]
