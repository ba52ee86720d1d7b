#!/bin/sh
# Starts nginx as a server of language models, in the foreground; Control-C ends it.
# usage: serve.sh [--listen HOST:PORT] [--model FILE] [--threads N] [--config FILE]
#                 [--run FOLDER] [--test]
#
#   --listen   127.0.0.1:8080; on other addresses than loopback LULL_API_KEY must be set
#   --model    instead of the one in config.lua
#   --config   instead of config.lua beside this script
#   --run      a folder for nginx.conf, the pid and temporary files: by default
#              ${TMPDIR:-/tmp}/lull-serve-PORT
#   --test     looks whether it would start
#
# LULL_BUILD is the folder of the built module.
set -eu

here=$(cd "$(dirname "$0")" && pwd)
root=$(cd "$here/../.." && pwd)
listen=127.0.0.1:8080 config=$here/config.lua run='' dry=''
build=${LULL_BUILD:-$root/build}
while [ $# -gt 0 ]; do
  case $1 in
    --test) dry=1; shift; continue ;;
    --listen | --model | --threads | --config | --run) ;;
    *) echo "serve.sh: unknown option $1 (--listen, --model, --threads, --config, --run, --test)" >&2; exit 2 ;;
  esac
  [ $# -gt 1 ] || { echo "serve.sh: $1 needs a value" >&2; exit 2; }
  case $1 in
    --listen) listen=$2 ;;
    --model) LULL_MODEL=$(cd "$(dirname "$2")" && pwd)/$(basename "$2"); export LULL_MODEL ;;
    --threads) LULL_THREADS=$2; export LULL_THREADS ;;
    --config) config=$(cd "$(dirname "$2")" && pwd)/$(basename "$2") ;;
    --run) run=$2 ;;
  esac
  shift 2
done

host=${listen%:*} port=${listen##*:}
case $port in '' | *[!0-9]*) echo "serve.sh: --listen HOST:PORT" >&2; exit 2 ;; esac
case $host in
  127.* | '[::1]' | localhost) ;;
  *)
    if [ -z "${LULL_API_KEY:-}" ]; then
      echo "serve.sh: $host can be reached by others: set LULL_API_KEY, or listen on 127.0.0.1" >&2
      exit 2
    fi
    ;;
esac

command -v nginx > /dev/null || { echo 'serve.sh: nginx is not installed' >&2; exit 3; }
modules=
for folder in /usr/lib/nginx/modules /usr/lib64/nginx/modules /usr/local/libexec/nginx; do
  [ ! -e "$folder/ngx_http_lua_module.so" ] || modules=$folder
done
[ -n "$modules" ] || { echo 'serve.sh: nginx has no Lua (libnginx-mod-http-lua)' >&2; exit 3; }
[ -e "$build/lull/core.so" ] || { echo "serve.sh: $build has no module; run make" >&2; exit 3; }
case $build in /*) ;; *) build=$(cd "$build" && pwd) ;; esac

run=${run:-${TMPDIR:-/tmp}/lull-serve-$port}
mkdir -p "$run"
run=$(cd "$run" && pwd)
sed "s|%MODULES%|$modules|g;s|%RUN%|$run|g;s|%SERVER%|$here|g;s|%SCRIPTS%|$root/scripts|g
  s|%MODULE%|$build|g;s|%LISTEN%|$listen|g;s|%CONFIG%|$config|g" "$here/nginx.conf" > "$run/nginx.conf"

if [ -n "$dry" ]; then
  exec nginx -p "$run" -e stderr -c "$run/nginx.conf" -t
fi
echo "lull answers at http://$listen"
exec nginx -p "$run" -e stderr -c "$run/nginx.conf"
