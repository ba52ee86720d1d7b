#!/bin/sh
# Batches over a queue, with Debian's Redis: workers that die and one that is a PowerPC, batches that
# die, a server that forgets, jobs that kill.  Every story must be there once, with the same bytes as
# in a batch on one machine.
set -u
cd "$(dirname "$0")/../.." || exit 1

# redis-tools has the server's program too, by the name of a tool that is the same program.
server=$(command -v redis-server || command -v redis-check-rdb)
if [ -z "$server" ] || ! command -v redis-cli > /dev/null; then
  echo 'no Redis server is installed (redis-tools)'
  exit 77
elif ! "${LUA:=lua5.1}" -e 'require "redis" require "socket"' 2> /dev/null; then
  echo 'lua-redis or lua-socket is not installed'
  exit 77
fi

# shellcheck disable=SC1091,SC2154  # it sets work, top, model, passed, failed, skipped
. tests/support/faults.sh
ours=
# shellcheck disable=SC2086  # a list of processes
trap 'kill -9 $ours 2> /dev/null; rm -rf "$work"' EXIT
trap 'exit 1' HUP INT TERM
cd "$work" || exit 1
ln -s "$server" redis-server

ppc=$BUILD/ppc
cat > lull-ppc << END
#!/bin/sh
LULL_BUILD='$ppc' LUA_CPATH='$ppc/deps/?.so' \
  exec qemu-ppc -cpu 7447a -L '$ppc/deps/root' '$ppc/deps/lua/lua' '$top/scripts/bin/lull' "\$@"
END
chmod +x lull-ppc

# What the processes in the background said.
explain() {
  find . -name 'err.*' -mmin -0.1 -exec tail -n 5 '{}' + | sed 's/^/      /'
}

expect() {
  name=$1 wanted=$2 text=$3
  shift 3
  timeout 20 "$@" > out 2> err.expect < /dev/null
  code=$?
  check "$name: exit $code" test "$code" -eq "$wanted"
  check "$name: '$text'" grep -qF -- "$text" err.expect
  check "$name: no traceback" sh -c '! grep -q "traceback\|should not happen" err.expect'
}

# until COMMAND...: waits until it succeeds, 20 s at most
until_() {
  tries=0
  until "$@" > /dev/null 2>&1; do
    tries=$((tries + 1))
    [ $tries -lt 400 ] || return 1
    sleep 0.05
  done
}

port=$("$LUA" -e 'local s = require("socket").bind("127.0.0.1", 0) print((select(2, s:getsockname())))')
url=redis://127.0.0.1:$port
cli() { redis-cli -p "$port" "$@" 2> /dev/null; }
answers() { [ "$(cli ping)" = PONG ]; }
serve() {
  ./redis-server --port "$port" --bind 127.0.0.1 --save '' --appendonly no --daemonize no \
    --dir "$work" > server.log 2>&1 &
  redis=$!
  ours="$ours $redis"
  until_ answers
}
serve
check 'a server' answers

# worker NAME OPTIONS...: started in the background; its process is in $pid
program=./lull
worker() {
  name=$1
  shift
  $program worker "$url" --name "$name" --lease 2 "$@" > out 2> "err.$name" &
  pid=$!
  ours="$ours $pid"
}
# held NAME: how many jobs a worker has
held() {
  for key in $(cli keys 'lull:jobs:*'); do
    cli xpending "$key" workers - + 1000 "$1"
  done | grep -c -x "$1"
}
holds() { [ "$(held "$1")" -gt 0 ]; }
queued() { for key in $(cli keys 'lull:jobs:*'); do cli xlen "$key"; done | awk '{ n += $1 } END { print n + 0 }'; }
gone() { ! kill -0 "$1" 2> /dev/null; }
# lines FILE N: so many are there
lines() { [ -e "$1" ] && [ "$(wc -l < "$1")" -ge "$2" ]; }
# end PID: by TERM, with the exit code in $code
end() {
  kill -TERM "$1"
  wait "$1"
  code=$?
}

mkdir strategies stuck
echo 'return function() while true do os.execute("sleep 0.05") end end' > stuck/warm.lua
cat > strategies/warm.lua << 'END'
local sampling = require "lull.sampling"
return {sampling.top_k(20), sampling.temperature(1.2), sampling.sample()}
END
"$LUA" -e '
  for i = 1, 40 do
    print(("{\"id\":\"s%d\",\"prompt\":\"Once upon a time, there was a little girl named Lily. %s\","
      .. "\"params\":{\"max_tokens\":%d,\"temperature\":0.%d}}"):format(i, ("She ran. "):rep(i % 3),
      10 + i * 7 % 20, 70000000000000003 + i))
  end' > in.jsonl
cat >> in.jsonl << 'END'
{"id":41,"template":"{{ who }} had {% for p in pets %}{{ p }} {% endfor %}","vars":{"who":"Ben","pets":["a cat","two dogs"]}}
{"id":"template","template":"{{ who.name.first }","vars":{}}
{"id":"ids","prompt":[1,2,3],"seed":"0xffffffffffff"}
{"id":"ids","prompt":"again"}
{"id":"no such token","prompt":[1,2,99999]}
{"id":"strategy","prompt":"Tom","params":{"strategy":"warm"}}
{"id":"stop","prompt":"\u00c9l\u00e9phant \ud83d\ude00","labels":{"b":1,"a":[]},"params":{"stop":["."],"logit_bias":{"17":-5}}}
{"custom_id":"chat","url":"/v1/chat/completions","body":{"messages":[{"role":"user","content":"Tell a story"}],"max_tokens":9}}
{"custom_id":"text","body":{"prompt":"Tom","max_tokens":5,"model":"m"}}
{"prompt":"no id"}
{"id":"bad","prompt":"x","params":{"temprature":1}}
END
batch() { # batch OUT OPTIONS...
  file=$1
  shift
  timeout 60 ./lull batch -i in.jsonl -o "$file" -n 30 --chat-format chatml --quiet "$@" 2> "err.$file"
}
batch all.jsonl --strategies strategies
check "on one machine: exit $?" lines all.jsonl 51

# ---- three workers, one of them a PowerPC, one killed in the middle

if [ -e "$ppc/deps/socket/core.so" ] && [ -e "$ppc/lull/core.so" ]; then
  program=./lull-ppc
  worker ppc --parallel 2
  program=./lull
  ppc_pid=$pid
else
  skipped=$((skipped + 1))
  echo 'skip  a PowerPC among the workers: it is not built'
  worker ppc --parallel 2
  ppc_pid=$pid
fi
worker misfit --length 100
misfit_pid=$pid
batch fleet.jsonl --queue "$url" &
producer=$!
ours="$ours $producer"
check 'the PowerPC takes jobs' until_ holds ppc
worker killed --parallel 8 --strategies stuck
killed=$pid
check 'another one does not get done' until_ holds killed
kill -9 $killed
check 'killed in the middle' holds killed
worker healthy --strategies strategies --parallel 4
healthy=$pid
wait $producer
check "some lines have errors: exit $?" lines fleet.jsonl 51
same 'every story once, the same bytes' fleet.jsonl all.jsonl
check 'nothing is left in the queue' test "$(queued)" -eq 0
check 'and no results' test -z "$(cli keys 'lull:results:*')"
end "$ppc_pid"
check "a worker ends: exit $code" test $code -eq 143
check 'the PowerPC told some' grep -qE '^[1-9][0-9]* stor(y|ies), ' err.ppc
[ ! -e "$ppc/deps/socket/core.so" ] || check 'with AltiVec' grep -q 'altivec' err.ppc
end $misfit_pid
check 'jobs for a longer context are left to others' grep -q 'they need a context of ' err.misfit
check 'all of them' grep -q '^0 stories' err.misfit

batch ordered.all --strategies strategies --ordered
batch - --ordered --queue "$url" > ordered.jsonl
check 'in the order of the input' cmp -s ordered.jsonl ordered.all

# ---- the batch is killed and gone on with

added() { for key in $(cli keys 'lull:jobs:*'); do cli xinfo stream "$key"; done |
  awk '/^entries-added$/ { getline; n += $1 } END { print n + 0 }'; }
before=$(added)
./lull batch -i in.jsonl -o dead.jsonl -n 30 --chat-format chatml --sync 0 --quiet --queue "$url" 2> err.dead &
producer=$!
ours="$ours $producer"
until_ lines dead.jsonl 8
kill -9 $producer
wait $producer 2> /dev/null
check 'the batch is killed in the middle' test "$(wc -l < dead.jsonl)" -lt 51
batch dead.jsonl --resume --queue "$url"
same 'gone on with' dead.jsonl all.jsonl
check 'no job was put in twice' test $(($(added) - before)) -eq 48

# ---- the server forgets everything

./lull batch -i in.jsonl -o forgot.jsonl -n 30 --chat-format chatml --quiet --queue "$url" 2> err.forgot &
producer=$!
ours="$ours $producer"
until_ lines forgot.jsonl 8
cli shutdown nosave
wait $redis
sleep 0.3
serve
wait $producer
same 'a server that was emptied' forgot.jsonl all.jsonl
check 'which is said' grep -q 'the server is there again' err.forgot

# ---- a worker is told to end, and its jobs go to another at once

end $healthy
sed 's/"max_tokens":[0-9]*/"max_tokens":200/' in.jsonl | head -n 12 > long.jsonl
./lull batch -i long.jsonl -o long.all --quiet
./lull batch -i long.jsonl -o long.fleet --quiet --queue "$url" 2> err.long &
producer=$!
ours="$ours $producer"
worker ended --lease 600 --parallel 3
until_ holds ended
end "$pid"
check "a worker is ended: exit $code" test $code -eq 143
check 'and gives jobs back' grep -q 'given back' err.ended
worker next --lease 600 --parallel 3
wait $producer
same 'which another tells' long.fleet long.all
end "$pid"

# ---- Ctrl-C on the batch takes back what nobody has begun

./lull batch -i long.jsonl -o withdrawn.jsonl --queue "$url" 2> err.withdrawn &
producer=$!
ours="$ours $producer"
has_twelve() { [ "$(queued)" -eq 12 ]; }
until_ has_twelve
kill -INT $producer
wait $producer
check "Ctrl-C: exit $?" test "$(queued)" -eq 0

# ---- jobs that are none, and jobs that kill

cat > strategies/kills.lua << 'END'
return function() os.exit(9) end
END
cat > strategies/raises.lua << 'END'
return function() error("no luck") end
END
cat > kill.jsonl << 'END'
{"id":"kills","prompt":"Tom","params":{"strategy":"kills"}}
{"id":"raises","prompt":"Tom","params":{"strategy":"raises"}}
{"id":"path","prompt":"Tom","params":{"strategy":"../strategies/warm"}}
{"id":"good","prompt":"Tom","params":{"max_tokens":4}}
END
./lull batch -i kill.jsonl -o kill.out --quiet --queue "$url" 2> err.kill &
producer=$!
ours="$ours $producer"
has_three() { [ "$(queued)" -eq 3 ]; }
until_ has_three
# Among the jobs, not in a stream of before that nobody reads any more.
key=$(for key in $(cli keys 'lull:jobs:*'); do echo "$(cli xlen "$key") $key"; done | sort -rn |
  sed -n '1s/.* //p')
cli xadd "$key" '*' some thing > out
cli xadd "$key" '*' batch nobody id x model y job '{"id":' > out
tries=0
while ! gone $producer && [ $tries -lt 12 ]; do
  worker "victim$tries" --lease 1 --strategies strategies
  tries=$((tries + 1))
  until gone $producer || gone "$pid"; do sleep 0.05; done
done
wait $producer
check "errors are reported: exit $?" lines kill.out 4
check 'a job that kills is given up' grep -q '"kills","error":.*given up: 4 workers took it' kill.out
check "after some workers ($tries)" test $tries -ge 4 -a $tries -le 6
check 'a strategy that raises' grep -q '"raises","error":.*no luck' kill.out
check 'a strategy with a path' grep -q '"path","error":.*the name of a strategy' kill.out
check 'the good one' grep -q '"good","prompt":"Tom","text":' kill.out || cat kill.out
nothing_left() { [ "$(queued)" -eq 0 ]; }
check 'what is no job is refused' until_ nothing_left
check 'and kept' test "$(cli xlen lull:refused)" -eq 1
end "$pid"

# ---- what a server may say

expect 'no server' 3 'cannot reach the server' ./lull worker redis://127.0.0.1:1
expect 'no host of this name' 3 'cannot reach the server' ./lull worker redis://nowhere.invalid
expect 'no server for a batch' 3 '--queue: redis://127.0.0.1:1/0' ./lull batch -i in.jsonl -o x.jsonl --queue redis://127.0.0.1:1
check 'and no output' test ! -e x.jsonl
expect 'no address' 2 'redis://HOST' ./lull worker http://127.0.0.1
expect 'what is the business of workers' 2 'for the workers of the queue' ./lull batch -i in.jsonl -o x.jsonl --queue "$url" --parallel 2
expect 'no such database' 3 'DB index is out of range' ./lull worker "$url/999"
for key in $(cli keys 'lull:jobs:*'); do cli set "$key" text; done > out
expect 'a key of another kind' 3 "is none of lull's" ./lull batch -i in.jsonl -o y.jsonl --queue "$url"
cli config set requirepass 's:e@c/ret' > out
expect 'no password' 2 'the server wants a password' ./lull worker "$url"
expect 'a wrong password' 2 'is wrong' ./lull worker "redis://:wrong@127.0.0.1:$port"
expect 'the right one' 3 "is none of lull's" ./lull worker "redis://:s%3Ae%40c%2Fret@127.0.0.1:$port"
"$LUA" -e '
  local socket = require "socket"
  local server = assert(socket.bind("127.0.0.1", 0))
  print((select(2, server:getsockname())))
  io.stdout:flush()
  local client = server:accept()
  for _ = 1, 5 do client:receive() end
  local info = "redis_version:5.0.3\r\n"
  client:send("$" .. #info .. "\r\n" .. info .. "\r\n")' > old.port &
ours="$ours $!"
until_ test -s old.port
expect 'a server that is too old' 3 'is Redis 5.0.3, and 6.2 or later is needed' ./lull worker "redis://127.0.0.1:$(cat old.port)"

printf '%d passed, %d failed, %d skipped\n' "$passed" "$failed" "$skipped"
[ "$failed" -eq 0 ]
