#!/bin/sh
# Fetches Debian's source packages of Lua 5.1, LPeg, LuaSocket and cmocka, for the cross-built tests.
# usage: sources.sh FOLDER
#
# apt-get runs on a configuration of its own inside FOLDER, with deb-src lines made from the
# system's mirrors; the system's sources and lists are only read.  Leaves FOLDER/lua5.1-*,
# FOLDER/lua-lpeg-*, FOLDER/cmocka-* and FOLDER/luasocket-*, then FOLDER/done; where that is not possible says why and
# exits 0, and the tests that need them are skipped by name.
set -u

[ $# -eq 1 ] || { echo 'usage: sources.sh FOLDER' >&2; exit 2; }
mkdir -p "$1/apt/parts" "$1/apt/state/lists/partial" "$1/apt/cache/archives/partial" || exit 1
folder=$(cd "$1" && pwd) || exit 1
apt=$folder/apt

leave() { echo "  no sources of Lua, LPeg and cmocka: $*"; exit 0; }

for tool in apt-get dpkg-source; do
  command -v $tool > /dev/null || leave "needs $tool"
done
codename=$(sed -n 's/^VERSION_CODENAME=//p' /etc/os-release)
[ -n "$codename" ] || leave 'no codename in /etc/os-release'

# One-line entries whose suite is the release, main only.
cat /etc/apt/sources.list /etc/apt/sources.list.d/*.list 2>/dev/null |
  sed -n "s/^deb \(\[[^]]*\] \)\{0,1\}\([^ ]*\) $codename .*main.*/deb-src \1\2 $codename main/p" |
  sed 's/arch=[^] ]*//' > "$apt/sources.list"
# The same in the stanza form of *.sources files.
cat /etc/apt/sources.list.d/*.sources 2>/dev/null | awk -v suite="$codename" '
  function put(  n, i, list, found) {
    n = split(suites, list, " ")
    for (i = 1; i <= n; i++) if (list[i] == suite) found = 1
    if (found && uri != "" && key != "inline")
      print "deb-src " (key != "" ? "[signed-by=" key "] " : "") uri " " suite " main"
    suites = uri = key = ""
  }
  /^[Ss]uites:/ { sub(/^[^:]*:/, ""); suites = $0 }
  /^URIs:/ { uri = $2 }
  /^Signed-By:/ { key = NF == 2 && $2 ~ /^\// ? $2 : "inline" }
  /^[ \t]*$/ { put() }
  /^Types:/ { if (suites != "") put() }
  END { put() }' >> "$apt/sources.list"
[ -s "$apt/sources.list" ] || leave "no mirror of $codename among the system's package sources"

cat > "$apt/apt.conf" <<CONF
Dir::Etc::sourcelist "$apt/sources.list";
Dir::Etc::sourceparts "$apt/parts";
Dir::State "$apt/state";
Dir::Cache "$apt/cache";
APT::Sandbox::User "";
CONF

log=$folder/sources.log
export APT_CONFIG="$apt/apt.conf"
cd "$folder" || exit 1
rm -rf lua5.1-* lua-lpeg-* luasocket-* cmocka-*
if ! apt-get -qq update > "$log" 2>&1 || ! apt-get -qq source lua5.1 lua-lpeg cmocka >> "$log" 2>&1; then
  sed 's/^/    /' "$log"
  leave 'apt-get could not fetch them'
fi
# Of this one its authors' archive is enough; Debian adds only packaging.
if ! apt-get -qq source --tar-only luasocket >> "$log" 2>&1 || ! tar xzf luasocket_*.orig.tar.gz; then
  tail -n 3 "$log" | sed 's/^/    /'
  echo '  no source of LuaSocket: apt-get could not fetch it'
fi
: > "$folder/done"
