-- chains.lua - what a chain costs per token, and how much of that is Lua.
-- usage: chains.lua MODEL
--
-- Each chain is applied to the same logits over and over, in turns with the verbs it consists of,
-- called in a row by hand: the difference is what the chain adds. The least of several rounds
-- counts. `reset` (a copy of the raw logits) is part of both. Leaves a Markdown table.

local lull = require "lull"

local path = ...
if not path then
  io.stderr:write("usage: chains.lua MODEL\n")
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

-- The loop: model:generate against the same calls of the module in a row, in turns. The context
-- is one of a single pass per token, so the steps are the same in both.
local TOKENS, STORIES = 200, 9

local function generated(sampler)
  local _, facts = assert(model:generate("Once upon a time", {
    context = context, seed = 1, max_tokens = 100, sampler = sampler,
  }))
  return (facts.seconds - facts.prompt_seconds) / facts.tokens
end

-- Always the same token, so that no end comes early and every step costs the same in both.
local function by_hand(choose)
  local told = assert(context:sequence())
  assert(told:feed("Once upon a time"))
  assert(context:step())
  local start = lull.clock()
  for _ = 1, 100 do
    local view = told:logits()
    view:reset()
    choose(view, told)
    assert(told:feed(300))
    assert(context:step())
  end
  local each = (lull.clock() - start) / 100
  told:close()
  return each
end

seq:close()
context:close()
context = assert(model:context {length = TOKENS})
local default = lull.sampling.from {}
local function same_token(chosen)
  return {name = "same", selector = true, apply = function(_, view, told, drawn)
    if chosen then
      default:apply(view, told, drawn)
    end
    return 300
  end}
end
local function verbs(view, told)
  view:top_k(40):top_p(0.95):min_p(0.05):temperature(0.8)
  view:sample {seed = 1, position = #told}
end

local times = {{}, {}, {}, {}}
for i = 1, STORIES do
  times[1][i] = generated(same_token(false))
  times[2][i] = by_hand(function() end)
  times[3][i] = generated(same_token(true))
  times[4][i] = by_hand(verbs)
end
for i = 1, 4 do
  table.sort(times[i])
  times[i] = times[i][1] * 1e6
end
print "\n| per token, us | model:generate | the calls by hand | what the loop adds |"
print "|---|---|---|---|"
print(("| no sampling | %.1f | %.1f | %.1f |"):format(times[1], times[2], times[1] - times[2]))
print(("| the default chain | %.1f | %.1f | %.1f |"):format(times[3], times[4],
  times[3] - times[4]))
