#!/bin/sh
# examples/hosts/haproxy: a story from Lua 5.3, and other requests meanwhile.
. tests/support/hosts.sh
need haproxy haproxy
need curl curl
lua_module 5.3

port=$(a_port)
cp "$examples/haproxy/tell.lua" "$work"
sed "s/127.0.0.1:8080/127.0.0.1:$port/" "$examples/haproxy/haproxy.cfg" > "$work/haproxy.cfg"
start haproxy -C "$work" -f haproxy.cfg -db
http_host "$port" /tell /pong "$(haproxy -v | cut -d' ' -f1-3 | head -1)"
