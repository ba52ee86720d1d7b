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
listening "$port"

stories() {
  for seed in 1 2 3 4 5 6 7; do
    curl -fsSN "http://127.0.0.1:$port/tell?prompt=One+day,+Tom&seed=$seed&tokens=300" > "$work/told" ||
      return 1
  done
}
pings "$port" /ping sleep 1 || fail 'not even that'
idle=$(cat "$work/pings")
pings "$port" /ping stories || fail 'curl'
same "$work/told" 'One day, Tom' 7 300
grep -q error "$work/log" && fail 'errors are in the log'
echo "measured $(nginx -v 2>&1 | sed 's/nginx version: //'): other requests take at most" \
  "$(cat "$work/pings") while stories are told, $idle otherwise"

# Both at once, of contexts of their own; and one that nobody reads.
curl -fsSN "http://127.0.0.1:$port/tell?prompt=One+day,+Tom&seed=8&tokens=300" > "$work/other" &
curl -fsN "http://127.0.0.1:$port/tell?prompt=One+day,+Tom&seed=9&tokens=300" | head -c 20 > "$work/cut"
wait $!
same "$work/other" 'One day, Tom' 8 300
tell 'One day, Tom' 9 300 | head -c 20 | cmp - "$work/cut" || fail 'not a beginning'
