#!/bin/sh
# The mod of examples/hosts/luanti in a Minetest server whose game is nothing else: /tell and /hush,
# and how long the server's steps take.
. tests/support/hosts.sh
server=minetestserver
! command -v luantiserver > /dev/null || server=luantiserver
need $server minetest-server
mkdir -p "$work/.minetest/games/bare/mods" "$work/world/worldmods"
echo 'title = Bare' > "$work/.minetest/games/bare/game.conf"
cp -r "$examples/luanti/lull_tales" "$work/world/worldmods"
cp -r tests/hosts/luanti "$work/world/worldmods/play"
cp tests/support/delays.lua "$work/world/worldmods/play"
printf 'gameid = bare\nbackend = dummy\n' > "$work/world/world.mt"
cat > "$work/minetest.conf" << CONF
secure.enable_security = true
secure.trusted_mods = lull_tales
lull_model = $LULL_MODEL
lull_seed = 7
dedicated_server_step = 0.02
mg_name = singlenode
CONF
timeout 60 $server --config "$work/minetest.conf" --world "$work/world" --gameid bare \
  --port "$(a_port)" --logfile '' > "$work/log" 2>&1 || fail "$server: exit $?"
told=$(cat "$work/world/told") || fail 'nothing was told'
{ printf 'Once upon a time'; tell 'Once upon a time' 7 200; } | tr '\n' ' ' > "$work/expected"
[ "$told" = "$(cat "$work/expected")" ] || fail "told was: $told"
[ "$(wc -c < "$work/world/stopped")" -lt "$(wc -c < "$work/world/told")" ] || fail 'not stopped'
echo "measured $($server --version | head -1): $(cat "$work/world/measured")"

# Not trusted, it says what to do.
sed -i '/trusted/d' "$work/minetest.conf"
timeout 60 $server --config "$work/minetest.conf" --world "$work/world" --gameid bare \
  --port "$(a_port)" --logfile '' > "$work/log" 2>&1 && fail 'untrusted, and it ran'
grep -q 'add it to secure.trusted_mods' "$work/log" || fail 'untrusted, and it did not say so'
