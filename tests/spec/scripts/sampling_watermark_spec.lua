-- The watermark: that it is found, by its secret alone, and only where it is.
local reference = require "tests.spec.scripts.sampling_reference"
local cases = require "tests.spec.scripts.sampling_cases"
local helper = require "tests.spec.helper"
local lull = require "lull"
local sampling = lull.sampling

teardown(cases.clean)

local model = helper.model()
local PROMPT = "Once upon a time, there was a"

local function tell(given, seed)
  local stages = {sampling.top_k(40), sampling.temperature(1)}
  if given then
    stages[#stages + 1] = sampling.watermark(given)
  end
  stages[#stages + 1] = sampling.sample()
  return (model:generate(PROMPT, {max_tokens = 200, seed = seed, sampler = stages}))
end

describe("the watermark", function()
  it("raises a share gamma of the tokens by delta", function()
    local seq = cases.sequence()
    local logits = seq:logits():reset()
    local raw = seq:logits(-1)
    sampling.watermark {secret = "s", gamma = 0.5, delta = 3}:apply(logits, seq)
    local raised = 0
    for id = 0, cases.VOCAB - 1 do
      local change = logits:get(id) - raw:get(id)
      if math.abs(change) > 1e-4 then
        assert.is_true(math.abs(change - 3) < 1e-4)
        raised = raised + 1
      end
    end
    assert.is_true(math.abs(raised / cases.VOCAB - 0.5) < 0.1, raised)
  end)

  it("depends on the secret and the last tokens, `width` of them, and nothing else", function()
    local function marked(ids, given)
      local seq = cases.sequence(ids)
      local logits = cases.write(seq:logits(), cases.kinds().flat)
      sampling.watermark(given):apply(seq:logits(), seq)
      local green = {}
      for id = 0, cases.VOCAB - 1 do
        if seq:logits():get(id) > logits[1] then
          green[#green + 1] = id
        end
      end
      return table.concat(green, " ")
    end
    local base = marked({1, 270, 280}, {secret = "a"})
    assert.are.equal(base, marked({1, 290, 290, 280}, {secret = "a"}))
    assert.are_not.equal(base, marked({1, 270, 281}, {secret = "a"}))
    assert.are_not.equal(base, marked({1, 270, 280}, {secret = "b"}))
    local wide = marked({1, 270, 280}, {secret = "a", width = 2})
    assert.are.equal(wide, marked({1, 1, 270, 280}, {secret = "a", width = 2}))
    assert.are_not.equal(wide, marked({1, 271, 280}, {secret = "a", width = 2}))
    assert.are.equal("", marked({1, 280}, {secret = "a", width = 3}))
  end)

  it("is found in stories that have it and in no others", function()
    local given = {secret = "lull", gamma = 0.25, delta = 3}
    local detect = sampling.watermark_detector {secret = "lull", model = model}
    local stranger = sampling.watermark_detector {secret = "other", model = model}
    for seed = 1, 3 do
      local marked, plain = tell(given, seed), tell(nil, seed)
      local found = detect(marked)
      assert.is_true(found.z > 6 and found.p < 1e-9, "z " .. found.z)
      assert.is_true(found.scored > 60 and found.green > found.scored / 2)
      assert.is_true(math.abs(detect(plain).z) < 4)
      assert.is_true(math.abs(stranger(marked).z) < 4)
      local ids = model:encode(marked)
      assert.are.same(found, detect(ids))
      for i = 1, #ids do
        ids[i] = ids[i] * 2 / 2 -- a float, where Lua tells them from integers
      end
      assert.are.same(found, detect(ids))
    end
  end)

  it("is found with a width of its own", function()
    local given = {secret = "lull", gamma = 0.5, delta = 5, width = 3}
    local marked = tell(given, 4)
    local function z_of(width)
      return sampling.watermark_detector {
        secret = "lull", gamma = 0.5, width = width, model = model,
      }(marked).z
    end
    assert.is_true(z_of(3) > 6)
    assert.is_true(math.abs(z_of(2)) < 4)
  end)

  it("is counted once per run of tokens", function()
    local detect = sampling.watermark_detector {secret = "lull"}
    local once, often = detect {1, 300, 301}, detect {1, 300, 301, 1, 300, 301, 1, 300, 301}
    assert.are.equal(2, once.scored)
    assert.are.equal(3, often.scored)
  end)

  it("has a z and a p of its definition", function()
    local gamma, core = 0.25, lull.core
    local detect = sampling.watermark_detector {secret = "k", gamma = gamma}
    local ids, green = {1}, 0
    for i = 2, 80 do
      ids[i] = (i * 37) % 300
    end
    for i = 2, 80 do
      green = green + (core.is_green(core.hash("k\0" .. ids[i - 1]), ids[i], gamma) and 1 or 0)
    end
    local found = detect(ids)
    assert.are.same({79, green}, {found.scored, found.green})
    local z = (green - gamma * 79) / math.sqrt(79 * gamma * (1 - gamma))
    assert.is_true(math.abs(found.z - z) < 1e-12)
    local p = reference.normal_tail(z)
    assert.is_true(math.abs(found.p - p) < 1e-9)
  end)

  it("has a p that is right at every distance", function()
    -- gamma near 1 or 0 and few tokens give any z.
    for n = 2, 40 do
      local ids = {}
      for i = 1, n do
        ids[i] = i
      end
      for _, gamma in ipairs {0.02, 0.1, 0.5, 0.9, 0.98} do
        local found = sampling.watermark_detector {secret = "k", gamma = gamma}(ids)
        local p = reference.normal_tail(found.z)
        assert.is_true(math.abs(found.p / p - 1) < 1e-6, found.z .. ": " .. found.p)
      end
    end
  end)

  it("says that there is nothing to count, and refuses what is no text", function()
    local detect = sampling.watermark_detector {secret = "k", model = model}
    assert.are.same({z = 0, p = 1, green = 0, scored = 0}, detect {1})
    assert.are.same({z = 0, p = 1, green = 0, scored = 0}, detect "")
    assert.has_error(function() detect(5) end)
    assert.has_error(function() sampling.watermark_detector {secret = "k"} "a text" end)
    for _, ids in ipairs {{1, 2.5}, {1, "x"}, {1, -1}, {1, nil, 3}} do
      local ok, message = pcall(detect, ids)
      assert.is_false(ok)
      assert.is_truthy(message:find("a text or a list of token ids expected", 1, true), message)
    end
  end)
end)
