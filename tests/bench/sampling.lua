-- sampling.lua - the default chain through the Lua module, over one model's vocabulary.
-- usage: sampling.lua MODEL TOKENIZER ROUNDS
--
-- Per round two lines of JSON, the median of 400 calls in microseconds: of a chain, from the raw
-- logits to an id, and of the reset() alone that begins it.
local core = require "lull.core"

local path, tokenizer, rounds = ...
local model = assert(core.load(path, {tokenizer = tokenizer}))
local seq = assert(model:context {sequences = 1}):sequence()
assert(seq:feed("Once upon a time", {}))
assert(seq:context():step())
local view = assert(seq:logits())
local rng = core.rng {seed = 1}

local function chain(i)
  return view:reset():top_k(40):top_p(0.95):min_p(0.05):temperature(0.8)
    :sample(rng:uniform(i, 0))
end

local function reset()
  return view:reset()
end

local function median(f)
  local times = {}
  for i = 1, 400 do
    local begin = core.clock()
    f(i)
    times[i] = core.clock() - begin
  end
  table.sort(times)
  return (times[200] + times[201]) / 2 * 1e6
end

for round = 1, tonumber(rounds) do
  for _, step in ipairs {{"chain", chain}, {"reset", reset}} do
    print(('{"round":%d,"shape":"lua","step":"%s","name":"lull","n":%d,"us":%.2f}'):format(round,
      step[1], view:size(), median(step[2])))
  end
end
