#!/bin/sh
# examples/hosts/nginx: a story from a worker that answers other requests meanwhile, and one whose
# client goes away.
. tests/support/hosts.sh
need nginx nginx-light
[ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] || need ngx_http_lua libnginx-mod-http-lua
need curl curl

port=$(a_port)
cp "$examples/nginx/tell.lua" "$work"
sed "s/127.0.0.1:8080/127.0.0.1:$port/" "$examples/nginx/nginx.conf" > "$work/nginx.conf"
user=
[ "$(id -u)" -ne 0 ] || user='user root;' # or workers could not read this folder
start nginx -p "$work" -c nginx.conf -g "$user"
http_host "$port" /tell /ping "$(nginx -v 2>&1 | sed 's/nginx version: //')"
! grep -qF '[error]' "$work/log" || fail 'errors are in the log'
grep -q 'tokens, then the client went' "$work/log" || fail 'a story went on that nobody reads'
