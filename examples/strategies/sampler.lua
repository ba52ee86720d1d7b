-- A sampler of your own: a story without the letter "w". Lua decides about the 100 likeliest
-- tokens; the loops over the whole vocabulary stay in C.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local function without_w(logits, _, draw)
  logits:top_k(100)
  for id in logits:candidates(100) do
    if model:piece(id):find("[wW]") then logits:ban(id) end
  end
  return logits:temperature(0.7):sample(draw())
end

local prompt = "One day, Lily"
print(prompt .. assert(model:generate(prompt, {sampler = without_w, seed = 3})))
