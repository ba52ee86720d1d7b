-- A watermark: after each token a secret makes a quarter of the vocabulary likelier. Readers see a
-- story; who knows the secret counts the likelier ones, and needs only the tokenizer for it.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local secret = "a rainy day in may"
local detect = lull.sampling.watermark_detector {secret = secret, model = model}

local function show(label, text)
  local found = detect(text)
  print(("%-22s %3d of %3d green, z = %4.1f, p = %.1g"):format(label, found.green, found.scored,
    found.z, found.p))
end

local prompt = "Once upon a time"
local given = {seed = 3, max_tokens = 150, temperature = 1, top_p = 1, min_p = 0.02}
show("a plain story:", assert(model:generate(prompt, given)))

given.watermark = {secret = secret, delta = 3}
local story = assert(model:generate(prompt, given))
show("the same, marked:", story)
show("half of it:", story:sub(1, #story / 2))
show("words left out:", (story:gsub(" very", ""):gsub(" so ", " "):gsub(" big", "")))
print(prompt .. story)
