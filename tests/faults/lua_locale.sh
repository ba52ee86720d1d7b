#!/bin/sh
# A host that writes numbers with a decimal comma, and one whose letters have a dotless i: what the
# module says and tells stays the same.  The locales are made here, privately.
set -u
: "${LUA:=lua5.1}" "${LULL_PRELOAD:=}"
folder=$(mktemp -d) || exit 1
trap 'rm -rf "$folder"' EXIT
script='
  assert(os.setlocale(arg[1]), "no locale")
  local comma = ("%.1f"):format(0.5)
  assert(comma == "0" .. (arg[1] == "C" and "." or ",") .. "5", "another decimal sign: " .. comma)
  local core = require "lull.core"
  local model = assert(core.load("examples/models/lullaby.bin"))
  local context = model:context{length = 64}
  local seq = context:sequence():feed("Once upon a time")
  print(model, context, seq, core.rng{seed = "0xffff"})
  print(select(2, pcall(model.context, model, {length = 1.5})))
  print(select(2, pcall(model.context, model, {LENGTH = 1})))
  for _ = 1, 20 do
    context:step()
    local logits = seq:logits()
    print(select(2, pcall(logits.top_p, logits, 1.25)))
    print(select(2, pcall(logits.temperature, logits, 1e-9)))
    seq:feed(logits:min_p(0.05):temperature(0.8):sample{seed = "0x7", position = #seq})
  end
  print(seq:text())
  print(require("lull.template").render([[{{ 1.5 + x }} {{ "2.5" | float | tojson }} {{ "%.2f" % 0.125 }}
    {{ "TITLE ıİ" | lower }} {{ "title" | upper }} {{ ["b", "É", "a", "B"] | sort }}]], {x = 0.25}))
'
tell() {
  echo "$script" | LD_PRELOAD="$LULL_PRELOAD" LOCPATH="$folder" "$LUA" - "$1" > "$folder/$1.out" 2>&1
}
tell C || { cat "$folder/C.out"; exit 1; }
passed=0 failed=0 skipped=0
for name in de_DE tr_TR; do
  if localedef -i $name -f UTF-8 "$folder/$name" > /dev/null 2>&1; then
    if tell $name && cmp -s "$folder/C.out" "$folder/$name.out"; then
      passed=$((passed + 1))
    else
      echo "not ok: $name"
      diff "$folder/C.out" "$folder/$name.out"
      failed=$((failed + 1))
    fi
  else
    echo "skip  locale $name: localedef cannot make it"
    skipped=$((skipped + 1))
  fi
done
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
