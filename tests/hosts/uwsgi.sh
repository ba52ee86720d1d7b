#!/bin/sh
# examples/hosts/uwsgi: stories from two processes.
. tests/support/hosts.sh
need uwsgi uwsgi-core
[ -e /usr/lib/uwsgi/plugins/lua51_plugin.so ] || need lua51_plugin uwsgi-plugin-lua5.1
need curl curl

port=$(a_port)
start uwsgi --plugin http,lua51 --http "127.0.0.1:$port" --http-modifier1 6 --master --processes 2 --die-on-term \
  --lua "$examples/uwsgi/app.lua"
http_host "$port" /tell /ping "uWSGI $(uwsgi --version)"
