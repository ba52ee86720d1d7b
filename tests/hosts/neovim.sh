#!/bin/sh
# The plugin of examples/hosts/neovim in Neovim without a screen: what :Lull tells, timers beside it,
# and <C-c>.
. tests/support/hosts.sh
need nvim neovim
WORK=$work timeout 60 nvim -u NONE -i NONE --headless --cmd "set rtp^=$examples/neovim" \
  -c 'runtime plugin/lull.lua' -c 'luafile tests/hosts/neovim.lua' -c 'cquit' > "$work/log" 2>&1 ||
  fail "nvim: exit $?"
same "$work/told" 'Once upon a time' 7 300
stopped "$work/told" "$work/stopped"
echo "measured $(nvim --version | head -1): $(cat "$work/measured")"
