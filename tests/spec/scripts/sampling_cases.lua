--- Logits for the specs of the strategies: a view to write into, and lists of several kinds.
require "tests.spec.helper"
local common = dofile "tests/spec/core/common.lua"

local cases = {VOCAB = 300}

local models = {}

--- A tiny model of 300 tokens; bad makes all its logits NaN.
function cases.model(bad)
  local key = bad and "bad" or "good"
  models[key] = models[key] or common.tiny_model {vocab = cases.VOCAB, bad = bad and 0 / 0}
  return models[key]
end

--- An evaluated sequence of such a model, with these tokens.
function cases.sequence(ids, bad)
  local context = assert(cases.model(bad):context {length = 64, sequences = 4})
  local seq = assert(context:sequence())
  assert(seq:feed(ids or {1, 270, 280}))
  assert(context:step())
  return seq, context
end

--- A generator of its own: uniform in 0..1.
function cases.uniform(seed)
  local state = seed
  return function()
    state = (state * 16807) % 2147483647
    return state / 2147483647
  end
end

local function fill(f)
  local list = {}
  for i = 1, cases.VOCAB do
    list[i] = f(i)
  end
  return list
end

-- About normally distributed.
local function normal(u)
  local sum = -6
  for _ = 1, 12 do
    sum = sum + u()
  end
  return sum
end

--- Kinds of logits by name.
function cases.kinds()
  local u = cases.uniform(7)
  local kinds = {
    random = fill(function() return 3 * normal(u) end),
    narrow = fill(function() return 0.2 * normal(u) end),
    wide = fill(function() return 160 * u() - 80 end),
    flat = fill(function() return 1.5 end),
    tied = fill(function() return math.floor(4 * u()) end),
    peaked = fill(function() return normal(u) - 12 end),
    banned = fill(function() return u() < 0.9 and -math.huge or 2 * normal(u) end),
    one = fill(function() return -math.huge end),
    zipf = fill(function(i) return -1.3 * math.log((i * 7) % 307 + 1) end),
  }
  kinds.peaked[100] = 4
  kinds.one[43] = -2
  return kinds
end

--- Write a list into a view. Returns the list as it is in there, in float32.
function cases.write(logits, list)
  logits:reset()
  local written = {}
  for i = 1, #list do
    logits:set(i - 1, list[i])
    written[i] = logits:get(i - 1)
  end
  return written
end

--- Compare a view with a list: the same are banned, the others equal to within the rounding.
function cases.same(expected, logits, what)
  for i = 1, #expected do
    local want, got = expected[i], logits:get(i - 1)
    local close = want == got or math.abs(want - got) <= 1e-5 * (1 + math.abs(want))
    if not close then
      error(("%s: token %d is %s, expected %s"):format(what, i - 1, tostring(got),
        tostring(want)), 2)
    end
  end
end

cases.clean = common.clean
return cases
