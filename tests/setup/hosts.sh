#!/bin/sh
# Installs lists of packages.sh, and keeps Debian from starting those of their programs that are
# services: while they are installed, policy-rc.d refuses; those that were not there before are then
# disabled, so that they do not start with the machine either.
# usage: hosts.sh LIST...
set -u
policy=/usr/sbin/policy-rc.d
services='nginx haproxy lighttpd tarantool minetest-server uwsgi'
rights=
[ "$(id -u)" -eq 0 ] || rights='sudo -n'

there() { # there SERVICE: is its package installed?
  case $(dpkg-query -W -f '${db:Status-Abbrev}' "$1" 2> /dev/null) in ii*) ;; *) false ;; esac
}

fresh=
for service in $services; do there "$service" || fresh="$fresh $service"; done

if command -v apt-get > /dev/null && [ ! -e $policy ] && [ "${LULL_NO_INSTALL:-}" != 1 ]; then
  trap '$rights rm -f $policy' EXIT
  trap 'exit 1' HUP INT TERM
  # shellcheck disable=SC2016  # the inner shell's $1
  printf '#!/bin/sh\nexit 101\n' | $rights sh -c 'cat > "$1" && chmod 755 "$1"' sh $policy ||
    LULL_NO_INSTALL=1
  export LULL_NO_INSTALL="${LULL_NO_INSTALL:-}"
fi
sh "$(dirname "$0")/packages.sh" "$@" || exit

for service in $fresh; do
  ! there "$service" || ! command -v systemctl > /dev/null ||
    $rights systemctl --quiet disable "$service" 2> /dev/null
done
exit 0
