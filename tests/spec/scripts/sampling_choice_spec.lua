-- How tokens are chosen: frequencies against distributions, and selectors that steer.
local reference = require "tests.spec.scripts.sampling_reference"
local cases = require "tests.spec.scripts.sampling_cases"
local helper = require "tests.spec.helper"
local lull = require "lull"
local sampling = lull.sampling

teardown(cases.clean)

local DRAWS = 20000

-- A draw() of its own: one number after another.
local function stream_of(seed)
  local n = 0
  return function()
    n = n + 1
    return lull.random(seed, 0, n, 0, 0)
  end
end

-- Logits with some 60 tokens that can be drawn.
local function some_logits(logits)
  local u = cases.uniform(5)
  local list = {}
  for i = 1, cases.VOCAB do
    list[i] = i % 5 == 0 and 4 * u() or -math.huge
  end
  return cases.write(logits, list)
end

-- How often each token is chosen from the same logits.
local function frequencies(strategy, logits, seq, draw)
  local saved, counts = logits:clone(), {}
  for _ = 1, DRAWS do
    local id = assert(strategy:apply(logits:copy(saved), seq, draw))
    counts[id + 1] = (counts[id + 1] or 0) + 1
  end
  return counts
end

local function assert_distribution(strategy, expected, what)
  local seq = cases.sequence()
  local logits = seq:logits()
  local list = some_logits(logits)
  local p = expected(list)
  local counts = frequencies(strategy, logits, seq, stream_of(3))
  local chi, degrees = reference.chi_square(counts, p, DRAWS)
  assert.is_true(degrees > 2, what)
  assert.is_true(chi < reference.chi_limit(degrees),
    ("%s: chi-square %.1f with %d degrees of freedom"):format(what, chi, degrees))
end

describe("the frequencies of", function()
  it("sample are the probabilities", function()
    assert_distribution(sampling.chain {sampling.sample()}, reference.softmax, "sample")
  end)

  local cuts = {
    {sampling.top_p(0.8), function(list) return reference.top_p(list, 0.8) end},
    {sampling.min_p(0.3), function(list) return reference.min_p(list, 0.3) end},
    {sampling.typical(0.7), function(list) return reference.typical(list, 0.7) end},
    {sampling.temperature(1.7), function(list) return reference.temperature(list, 1.7) end},
    {sampling.mirostat2 {tau = 2.4}, function(list)
      return reference.mirostat2_cut(list, 4.8)
    end},
    {sampling.mirostat {tau = 3.9}, function(list)
      return reference.top_k(list, reference.mirostat_k(list, 7.8, 100))
    end},
    {sampling.adaptive_p {target = 0.04}, function(list) return reference.toward(list, 0.04) end},
  }
  for _, case in ipairs(cuts) do
    local stage, expected = case[1], case[2]
    it(tostring(stage) .. " are those of its definition", function()
      local chain = sampling.chain(stage.selector and {stage} or {stage, sampling.sample()})
      assert_distribution(chain, function(list)
        return reference.softmax(expected(list))
      end, tostring(chain))
    end)
  end

  it("xtc are a mixture of struck and not", function()
    local chain = sampling.chain {
      sampling.xtc {probability = 0.4, threshold = 0.03}, sampling.sample(),
    }
    assert_distribution(chain, function(list)
      local model = cases.model()
      local plain = reference.softmax(list)
      local struck = reference.softmax(reference.xtc(list, 0.03, {model:bos(), model:eos()}))
      local p, differ = {}, 0
      for i = 1, #list do
        p[i] = 0.4 * struck[i] + 0.6 * plain[i]
        differ = math.max(differ, math.abs(struck[i] - plain[i]))
      end
      assert.is_true(differ > 0.05)
      return p
    end, "xtc")
  end)
end)

-------------------------------------------------------------------------------- steering

local function shape(logits)
  return cases.write(logits, cases.kinds().zipf)
end

-- Have a strategy choose and accept `steps` tokens from the same logits; returns the ids.
local function run(strategy, seq, steps, draw)
  local logits, ids = seq:logits(), {}
  shape(logits)
  local saved = logits:clone()
  for i = 1, steps do
    ids[i] = assert(strategy:apply(logits:copy(saved), seq, draw))
    strategy:accept(ids[i], seq)
  end
  return ids
end

describe("mirostat", function()
  it("keeps as many tokens as its equations say", function()
    local seq = cases.sequence()
    local logits = seq:logits()
    for _, kind in ipairs {"random", "wide", "narrow", "zipf", "tied"} do
      local list = cases.write(logits, cases.kinds()[kind])
      for _, tau in ipairs {1, 2.5, 4} do
        cases.write(logits, list)
        sampling.mirostat {tau = tau}:apply(logits, seq, function() return 0 end)
        local k = math.min(reference.mirostat_k(list, 2 * tau, 100), cases.VOCAB)
        cases.same(reference.top_k(list, k), logits, kind .. " " .. tau)
      end
    end
  end)

  it("keeps all or one of equal tokens, of one that one, and of none nothing", function()
    local seq = cases.sequence()
    local logits = seq:logits()
    local flat = cases.write(logits, cases.kinds().flat)
    sampling.mirostat {tau = 5}:apply(logits, seq, function() return 0 end)
    cases.same(flat, logits, "more bits than the flat distribution has")
    cases.write(logits, flat)
    sampling.mirostat {tau = 1}:apply(logits, seq, function() return 0 end)
    cases.same(reference.top_k(flat, 1), logits, "fewer bits")
    cases.write(logits, cases.kinds().one)
    assert.are.equal(42, sampling.mirostat():apply(logits, seq, function() return 0.9 end))
  end)

  for _, name in ipairs {"mirostat", "mirostat2"} do
    it("as " .. name .. " learns mu - eta (surprise - tau) from accepted tokens", function()
      local seq = cases.sequence()
      local logits = seq:logits()
      local list = shape(logits)
      local stage = sampling[name] {tau = 3, eta = 0.5}
      local mu = 6
      local draw = stream_of(9)
      for step = 1, 50 do
        shape(logits)
        local id = stage:apply(logits, seq, draw)
        local cut = name == "mirostat2" and reference.mirostat2_cut(list, mu)
          or reference.top_k(list, reference.mirostat_k(list, mu, 100))
        cases.same(cut, logits, "step " .. step)
        stage:accept(id, seq)
        mu = mu - 0.5 * (reference.surprise(list, id) - 3)
        assert.is_true(math.abs(stage.states[#stage.states] - mu) < 1e-4)
      end
    end)
  end

  it("2 brings the mean surprise to tau", function()
    local seq = cases.sequence()
    for _, tau in ipairs {3, 4, 5} do
      local stage = sampling.mirostat2 {tau = tau, eta = 0.2}
      local list, sum = shape(seq:logits()), 0
      for _, id in ipairs(run(stage, seq, 400, stream_of(1))) do
        sum = sum + reference.surprise(list, id)
      end
      assert.is_true(math.abs(sum / 400 - tau) < 0.15, tau .. ": " .. sum / 400)
    end
  end)
end)

describe("adaptive_p", function()
  it("aims at 2 target - the decayed mean of the chosen probabilities", function()
    local seq = cases.sequence()
    local logits = seq:logits()
    local list = cases.write(logits, cases.kinds().tied)
    list[5], list[6], list[7] = 8, 7, 6
    local stage, draw = sampling.adaptive_p {target = 0.3, decay = 0.8}, stream_of(4)
    -- As llama.cpp keeps it: sums of p and of weights, from their limits for the target.
    local weighted, total = 0.3 / (1 - 0.8), 1 / (1 - 0.8)
    for step = 1, 50 do
      cases.write(logits, list)
      local id = stage:apply(logits, seq, draw)
      local goal = math.max(0, math.min(1, 2 * 0.3 - weighted / total))
      cases.same(reference.toward(list, goal), logits, "step " .. step)
      stage:accept(id, seq)
      weighted = reference.softmax(list)[id + 1] + 0.8 * weighted
      total = 1 + 0.8 * total
    end
  end)
end)

describe("a selector that steers", function()
  local function makers()
    return {
      function() return sampling.mirostat {tau = 3, eta = 0.5} end,
      function() return sampling.mirostat2 {tau = 3, eta = 0.5} end,
      function() return sampling.adaptive_p {target = 0.1, decay = 0.5} end,
    }
  end

  it("learns from what is accepted, not from what apply is asked", function()
    local seq = cases.sequence()
    for _, make in ipairs(makers()) do
      local asked, plain = make(), make()
      local draw = stream_of(2)
      local logits = seq:logits()
      for _ = 1, 20 do
        shape(logits)
        asked:apply(logits, seq, draw)
      end
      assert.are.same(run(plain, seq, 20, stream_of(8)), run(asked, seq, 20, stream_of(8)))
      local before = asked.states[#asked.states]
      asked:accept(299, seq) -- a token that something else chose
      assert.are.equal(before, asked.states[#asked.states])
    end
  end)

  it("forgets what a rewind takes back, as a stage of a chain too", function()
    local seq = cases.sequence()
    for _, make in ipairs(makers()) do
      local chain = sampling.chain {sampling.top_k(250), make()}
      run(chain, seq, 10, stream_of(6))
      local expected = run(sampling.clone(chain), seq, 5, stream_of(7))
      run(chain, seq, 12, stream_of(8))
      chain:rewind(10)
      assert.are.same(expected, run(chain, seq, 5, stream_of(7)))
      chain:rewind(0)
      local fresh = sampling.chain {sampling.top_k(250), make()}
      assert.are.same(run(fresh, seq, 5, stream_of(7)), run(chain, seq, 5, stream_of(7)))
      chain:reset()
      fresh:rewind(0)
      assert.are.same(run(fresh, seq, 5, stream_of(7)), run(chain, seq, 5, stream_of(7)))
    end
  end)

  it("is independent of its clone", function()
    local seq = cases.sequence()
    for _, make in ipairs(makers()) do
      local stage = make()
      run(stage, seq, 5, stream_of(6))
      local copy = sampling.clone(stage)
      local other = sampling.clone(stage)
      run(copy, seq, 30, stream_of(1))
      assert.are.same(run(other, seq, 5, stream_of(2)), run(stage, seq, 5, stream_of(2)))
    end
  end)

  it("tells stories, the same for a seed", function()
    local model = helper.model()
    for _, make in ipairs(makers()) do
      local first = model:generate("Once upon a time", {
        max_tokens = 40, seed = 5, sampler = {sampling.min_p(0.02), make()},
      })
      local again = model:generate("Once upon a time", {
        max_tokens = 40, seed = 5, sampler = {sampling.min_p(0.02), make()},
      })
      assert.is_true(#first > 40)
      assert.are.equal(first, again)
    end
  end)
end)
