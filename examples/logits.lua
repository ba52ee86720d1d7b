-- Full control: what the model thinks comes next, two endings of one beginning, and a word that
-- is taken back. Nothing here is special: model:generate is written with the same verbs.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"

local model = assert(lull.load(here .. "/models/lullaby.bin"))
local context = assert(model:context {sequences = 2, length = 128})
local seq = assert(context:sequence())
assert(seq:feed("Tom had a big red"))
assert(context:step())

print("Tom had a big red ...")
for id, p in seq:logits():candidates(5) do
  print(string.format("  %2.0f %%  '%s'", 100 * p, model:piece(id)))
end

-- A fork shares what was computed; both go on in the same steps.
local endings = {[" ball"] = seq, [" truck"] = assert(seq:fork())}
for word, ending in pairs(endings) do
  assert(ending:feed(model:encode(word, {start = false})))
end
for _ = 1, 12 do
  assert(context:step())
  for _, ending in pairs(endings) do
    assert(ending:feed(ending:logits():argmax()))
  end
end
for _, word in ipairs {" ball", " truck"} do
  print(endings[word]:text())
end

-- Take the last twelve tokens back and forbid what was chosen there.
local length = #seq - 12
local refused = seq:token(length + 1)
assert(seq:rewind(length))
assert(context:step())
local draw = lull.sampling.draws(seq, {seed = 1})
draw:discard(length)
assert(seq:feed(seq:logits():ban(refused):temperature(0.8):sample(draw())))
print(seq:text() .. " ...  (not '" .. model:piece(refused) .. "')")
