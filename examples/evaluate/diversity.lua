-- Which sampler tells more varied stories?  The same seeds for all, sixteen at once.  distinct-2 is
-- different pairs of words / pairs of words, repetition-4 how much of a story was in it before.
local lull = require "lull"
local evaluate = require "lull.evaluate"

local model = assert(lull.load(arg[1] or "examples/models/lullaby.bin"))
local context = assert(model:context {sequences = 16, length = 128})

local SAMPLERS = {
  {"greedy", {temperature = 0}},
  {"cool", {temperature = 0.5, top_p = 0.9, top_k = 0, min_p = 0}},
  {"warm", {temperature = 1, top_k = 0, top_p = 1, min_p = 0.1}},
  {"hot", {temperature = 1.5, top_k = 0, top_p = 1, min_p = 0}},
}

print(("%-8s %10s %12s %12s"):format("sampler", "distinct-2", "self-BLEU-4", "repetition-4"))
for _, sampler in ipairs(SAMPLERS) do
  local tasks = {}
  for seed = 1, 16 do
    tasks[seed] = function()
      local given = {context = context, seed = seed, max_tokens = 100}
      for name, value in pairs(sampler[2]) do
        given[name] = value
      end
      return model:generate("Once upon a time", given)
    end
  end
  local stories = {}
  for i, result in ipairs(lull.decode.run(tasks)) do
    stories[i] = {text = result[1]}
  end
  local counted = evaluate.stories(stories)
  print(("%-8s %10.3f %12.3f %12.3f"):format(sampler[1], counted.distinct_2, counted.self_bleu,
    counted.repetition_4.value))
end
