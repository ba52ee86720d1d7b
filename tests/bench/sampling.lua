-- sampling.lua - what a chain costs per token, and how much of that is Lua.
-- usage: sampling.lua MODEL
--
-- Each chain is applied to the same logits over and over, in turns with the verbs it consists of,
-- called in a row by hand: the difference is what the chain adds. The least of several rounds
-- counts. `reset` (a copy of the raw logits) is part of both. Leaves a Markdown table.

local lull = require "lull"

local path = ...
if not path then
  io.stderr:write("usage: sampling.lua MODEL\n")
  os.exit(2)
end

local ROUNDS, TIMES = 15, 2000

local model = assert(lull.load(path))
local context = assert(model:context {length = 128})
local seq = assert(context:sequence())
assert(seq:feed("Once upon a time, there was a little girl named Lily. She loved to play"))
while seq:pending() > 0 do
  assert(context:step())
end
local logits = seq:logits()
local draw = lull.sampling.draws(seq, {seed = 1})

local PENALTIES = {repetition = 1.1, frequency = 0, presence = 0, decay = 0, last = 64}

-- A chain by its options, and the same by hand.
local CASES = {
  {{temperature = 0}, function() return logits:argmax() end},
  {{top_k = 0, top_p = 1, min_p = 0, temperature = 1}, function()
    return logits:sample(draw("select"))
  end},
  {{}, function()
    logits:top_k(40)
    logits:top_p(0.95)
    logits:min_p(0.05)
    logits:temperature(0.8)
    return logits:sample(draw("select"))
  end},
  {{repetition_penalty = 1.1}, function()
    logits:penalize(seq, PENALTIES)
    logits:top_k(40)
    logits:top_p(0.95)
    logits:min_p(0.05)
    logits:temperature(0.8)
    return logits:sample(draw("select"))
  end},
}

-- Chains with more in them than their verbs, for the whole alone.
local WHOLES = {
  {dry_multiplier = 0.8}, {xtc_probability = 0.5}, {typical_p = 0.95, min_p = 0, top_p = 1},
  {mirostat = 1}, {mirostat = 2}, {adaptive_target = 0.4}, {watermark = {secret = "s"}},
}

local function seconds(f)
  local start = lull.clock()
  for _ = 1, TIMES do
    logits:reset()
    f()
  end
  return lull.clock() - start
end

-- Microseconds per token of each of several functions, measured in turns.
local function measure(functions)
  local best = {}
  for _ = 1, ROUNDS do
    for i, f in ipairs(functions) do
      best[i] = math.min(best[i] or math.huge, seconds(f))
    end
  end
  for i = 1, #best do
    best[i] = best[i] / TIMES * 1e6
  end
  return best
end

local function applied(chain)
  return function()
    return chain:apply(logits, seq, draw)
  end
end

print(("\n%d tokens, %s; microseconds per token\n"):format(model:vocab_size(),
  _G.jit and _G.jit.version or _VERSION))
print("| chain | whole | its verbs by hand | the chain's part |")
print("|---|---|---|---|")
for _, case in ipairs(CASES) do
  local chain = lull.sampling.from(case[1])
  local by_hand = case[2]
  logits:reset()
  local expected = by_hand()
  assert(chain:apply(logits:reset(), seq, draw) == expected)
  local best = measure {applied(chain), by_hand}
  print(("| %s | %.2f | %.2f | %.2f |"):format(tostring(chain), best[1], best[2],
    best[1] - best[2]))
end
for _, given in ipairs(WHOLES) do
  local chain = lull.sampling.from(given)
  print(("| %s | %.2f | | |"):format(tostring(chain), measure {applied(chain)}[1]))
end
