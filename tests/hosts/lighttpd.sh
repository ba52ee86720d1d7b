#!/bin/sh
# examples/hosts/lighttpd: a story from Lua 5.4, and how long it holds others up.
. tests/support/hosts.sh
need lighttpd lighttpd
[ -e /usr/lib/lighttpd/mod_magnet.so ] || need mod_magnet lighttpd-modules-lua
need curl curl
lua_module 5.4

port=$(a_port)
cp "$examples/lighttpd/tell.lua" "$work"
sed "s/= 8080/= $port/" "$examples/lighttpd/lighttpd.conf" > "$work/lighttpd.conf"
cd "$work" || fail 'no such folder'
start lighttpd -D -f "$work/lighttpd.conf"
cd "$OLDPWD" || fail 'no such folder'
http_host "$port" /tell /ping "$(lighttpd -v | cut -d' ' -f1)"
