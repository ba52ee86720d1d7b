-- Tells the same stories on every machine.
-- usage: story.lua KERNEL      which kernel must have been chosen; "any" for any
local lull = require "lull"
local kernel = arg[1]
local folder = "examples/models/"

local stories = {
  { "Once upon a time", { max_tokens = 60, temperature = 0 } },
  { "Once upon a time", { max_tokens = 60, temperature = 0.9, top_p = 0.95, seed = 7 } },
  { "The little fox",
    { max_tokens = 40, temperature = 0.7, top_k = 20, min_p = 0.02, seed = 2^31 } },
}

local model = assert(lull.load(folder .. "lullaby.bin"))
for _, story in ipairs(stories) do
  local prompt, options = story[1], story[2]
  local text, facts = assert(model:generate(prompt, options))
  assert(#text > 0, "an empty story")
  assert(kernel == "any" or facts.kernel == kernel,
    ("chose the kernel %s, not %s"):format(tostring(facts.kernel), kernel))
  print(("%s|%s (%d tokens, %s)"):format(prompt, text, facts.tokens, facts.finish_reason))
end
