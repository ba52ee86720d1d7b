#!/bin/sh
# Installs the Debian packages a make target needs.
# usage: packages.sh LIST...      lists: story serve test hosts server-test check fuzz
#
# Says what is missing, then installs it as root or through `sudo -n`.  Without the right to, or
# with LULL_NO_INSTALL=1, prints the line to run and exits 3.  Elsewhere than on Debian it says
# what is needed and lets the build find out.
set -u

story='build-essential pkg-config lua5.1 liblua5.1-0-dev lua-argparse lua-cjson lua-filesystem
  lua-lpeg'
# Those with a service among them are installed through hosts.sh, so that none starts.
serve="$story nginx libnginx-mod-http-lua lua-resty-core"
# luajit2 is the branch whose library nginx needs; Debian has one of the two at a time.
# redis-tools has the server's program as redis-check-rdb: the package redis-server would start one.
test="$story libcmocka-dev lua-busted locales time python3-jinja2 redis-tools lua-redis lua-socket
  luajit2 lua5.2 lua5.3 lua5.4 liblua5.2-dev liblua5.3-dev liblua5.4-dev
  gcc-i686-linux-gnu libc6-dev-i386-cross
  gcc-powerpc-linux-gnu libc6-dev-powerpc-cross
  gcc-s390x-linux-gnu libc6-dev-s390x-cross
  gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user"
# Programs that host Lua, for tests/hosts, and for tests/server.
hosts='neovim nginx-light libnginx-mod-http-lua love minetest-server haproxy lighttpd
  lighttpd-modules-lua mpv uwsgi-core uwsgi-plugin-lua5.1 wrk sysbench python3-lupa tarantool
  xvfb lua-socket lua-copas lua-luv curl'
server_test="$serve curl nodejs wrk lua-socket"
fuzz='build-essential pkg-config clang'
check="$story libcmocka-dev clang clang-format clang-tidy cppcheck lua-check shellcheck"

wanted=
for list; do
  case $list in
    story) wanted="$wanted $story" ;;
    serve) wanted="$wanted $serve" ;;
    test) wanted="$wanted $test" ;;
    hosts) wanted="$wanted $hosts" ;;
    server-test) wanted="$wanted $server_test" ;;
    check) wanted="$wanted $check" ;;
    fuzz) wanted="$wanted $fuzz" ;;
    *)
      echo "packages.sh: no list named '$list' (story, serve, test, hosts, server-test, check, fuzz)" >&2
      exit 2
      ;;
  esac
done

if ! command -v dpkg-query > /dev/null || ! command -v apt-get > /dev/null; then
  echo 'This is not a Debian system.  What is needed goes by these names on Debian 12:'
  echo "$wanted" | tr -s ' \n' '  ' | fold -s -w 90 | sed 's/^ */  /'
  exit 0
fi

missing=
for package in $wanted; do
  case $(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null) in
    ii*) ;;
    *) missing="$missing $package" ;;
  esac
done
[ -n "$missing" ] || exit 0

line="apt-get install -y --no-install-recommends$missing"
if [ "$(id -u)" -eq 0 ]; then
  rights=
elif command -v sudo > /dev/null && sudo -n true 2>/dev/null; then
  rights='sudo -n'
else
  rights=none
fi
if [ "${LULL_NO_INSTALL:-}" = 1 ] || [ "$rights" = none ]; then
  echo "Missing packages.  Install them with:" >&2
  echo "  $line" >&2
  exit 3
fi

log=${TMPDIR:-/tmp}/lull-packages.$$
trap 'rm -f "$log"' EXIT
run() { $rights env DEBIAN_FRONTEND=noninteractive "$@" > "$log" 2>&1 < /dev/null; }

# shellcheck disable=SC2086  # $line is a command with its arguments
install() { run $line; }

echo "Installing$missing"
if ! install; then
  echo 'The package lists may be old: apt-get update'
  if ! run apt-get update || ! install; then
    cat "$log" >&2
    echo "Could not install them.  By hand: $line" >&2
    exit 3
  fi
fi
