# What the tests of examples/server share; each begins with `. tests/support/server.sh`.
# shellcheck shell=sh disable=SC1091,SC2034,SC2154
. tests/support/hosts.sh
need nginx nginx
[ -e /usr/lib/nginx/modules/ngx_http_lua_module.so ] || need ngx_http_lua libnginx-mod-http-lua
need curl curl
passed=0 failed=0 skipped=0

# serve NAME [LINES]: a server on a port of its own, whose configuration is that of the example with
# some lines of Lua before its end, as `config.limits.queue = 1`.  Sets url and pid.
serve() {
  port=$(a_port)
  url=http://127.0.0.1:$port
  {
    echo "local config = dofile '$PWD/examples/server/config.lua'"
    echo "config.models[1].path = '$PWD/examples/models/lullaby.bin'"
    echo "config.strategies = '$PWD/examples/server/strategies'"
    echo "${2:-}"
    echo 'return config'
  } > "$work/$1.lua"
  LULL_MODEL='' LULL_BUILD=$BUILD start sh examples/server/serve.sh --listen "127.0.0.1:$port" \
    --config "$work/$1.lua" --run "$work/$1"
  listening "$port"
  pid=$(cat "$work/$1/nginx.pid")
}

# check NAME STATUS PATH BODY TEXT...: a request (GET where BODY is empty) is answered with this
# status, and with each TEXT (but not with one that begins with !)
# shellcheck disable=SC2086  # options of curl
check() {
  name=$1 status=$2 path=$3 body=$4 wrong=
  shift 4
  if [ -n "$body" ]; then
    got=$(printf %s "$body" | curl -s ${options:-} -w '\n%{http_code}' --data-binary @- "$url$path")
  else
    got=$(curl -s ${options:-} -w '\n%{http_code}' "$url$path")
  fi
  [ "$(echo "$got" | tail -n 1)" = "$status" ] || wrong=" [status]"
  for text; do
    case $text in
      !*) case $got in *"${text#!}"*) wrong="$wrong [$text]" ;; esac ;;
      *) case $got in *"$text"*) ;; *) wrong="$wrong [$text]" ;; esac ;;
    esac
  done
  if [ -z "$wrong" ]; then
    passed=$((passed + 1))
  else
    failed=$((failed + 1))
    printf 'FAIL  %s:%s\n%s\n' "$name" "$wrong" "$got"
  fi
}

# quiet: nothing but what nginx says of refused requests is in the log
quiet() {
  if grep -E '\[(error|crit|alert|emerg)\]' "$work/log" | grep -v 'client intended to send'; then
    failed=$((failed + 1))
    echo 'FAIL  errors are in the log'
  fi
}

count() {
  printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
  [ "$failed" -eq 0 ]
}
