#!/bin/sh
# examples/hosts/tarantool: four stories at once, into a space, beside another fiber.
. tests/support/hosts.sh
need tarantool tarantool
timeout 60 tarantool "$examples/tarantool/stories.lua" "$work" > "$work/log" 2>&1 ||
  fail "tarantool: exit $?"
told() { # told ID OPENING
  printf '%s\t%s|%s\n' "$1" "$2" "$(tell "$2" "$1" 150 | tr '\n' ' ')" > "$work/expected"
  grep -Fxqf "$work/expected" "$work/log" || fail "not what lua5.1 tells: $2"
}
told 1 'Once upon a time'
told 2 'One day, Lily'
told 3 'Tom had a'
told 4 'The big red ball'
echo "measured $(tarantool -v | head -1): $(sed -n 's/^another fiber/another fiber/p' "$work/log")"
