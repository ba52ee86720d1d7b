-- Every stage that is a function of the logits alone, against its definition.
local reference = require "tests.spec.scripts.sampling_reference"
local cases = require "tests.spec.scripts.sampling_cases"
local sampling = require("lull").sampling

local unpack = unpack or table.unpack -- luacheck: ignore

teardown(cases.clean)

-- Stage, its arguments, and what the reference is given.
local STAGES = {
  {"top_k", {{1}, {7}, {299}, {300}, {5000}}},
  {"top_p", {{0}, {0.203}, {0.503}, {0.9013}, {0.9991}}},
  {"min_p", {{0.01}, {0.1}, {0.5}, {1}}},
  {"top_a", {{0.05}, {0.3}, {1}}},
  {"top_n_sigma", {{0.5}, {1}, {2.5}}},
  {"typical", {{0}, {0.203}, {0.503}, {0.9013}}},
  {"tail_free", {{0.3}, {0.7}, {0.95}}},
  {"epsilon", {{0.0003}, {0.004}, {0.1}}},
  {"eta", {{0.0003}, {0.004}, {0.1}}},
  {"temperature", {{0.3}, {1}, {2.5}}},
}

local function apply(stage, logits, seq)
  assert.is_nil((stage:apply(logits, seq, function() return 0 end)))
end

describe("the stage", function()
  local seq = cases.sequence()
  local logits = seq:logits()

  -- Each kind of logits through make(...) and through expected(list, ...).
  local function compare(name, make, expected, ...)
    for kind, list in pairs(cases.kinds()) do
      local written = cases.write(logits, list)
      local stage = make(...)
      apply(stage, logits, seq)
      cases.same(expected(written, ...), logits, tostring(stage) .. " on " .. kind .. " " .. name)
    end
  end

  for _, row in ipairs(STAGES) do
    local name = row[1]
    it(name .. " does what its definition says", function()
      for _, arguments in ipairs(row[2]) do
        compare("logits", sampling[name], reference[name], unpack(arguments))
      end
    end)
  end

  it("smoothing does what its definition says", function()
    for _, given in ipairs {{factor = 0.3}, {factor = 0.25, curve = 2}, {factor = 1, curve = 3}} do
      compare("logits", sampling.smoothing, function(list)
        return reference.smooth(list, given.factor, given.curve)
      end, given)
    end
  end)

  it("dynamic_temperature does what its definition says", function()
    for _, given in ipairs {{min = 0.5, max = 1.5}, {min = 0.2, max = 3, exponent = 2}} do
      compare("logits", sampling.dynamic_temperature, function(list)
        return reference.dynamic_temperature(list, given.min, given.max, given.exponent or 1)
      end, given)
    end
  end)

  it("xtc does what its definition says, when it strikes", function()
    local model = seq:model()
    local kept = {model:bos(), model:eos()}
    for id = 0, model:vocab_size() - 1 do
      if model:piece(id):find("\n", 1, true) then
        kept[#kept + 1] = id
      end
    end
    assert.is_true(#kept > 2)
    for _, threshold in ipairs {0.002, 0.01, 0.1, 0.5} do
      compare("logits", sampling.xtc, function(list)
        return reference.xtc(list, threshold, kept)
      end, {probability = 1, threshold = threshold})
    end
  end)

  it("xtc removes neither a line break nor the end", function()
    local newline
    for id = 0, cases.VOCAB - 1 do
      newline = newline or seq:model():piece(id) == "\n" and id or nil
    end
    local list = cases.kinds().flat
    list[newline + 1], list[seq:model():eos() + 1], list[200], list[201] = 9, 9, 9, 8.9
    cases.write(logits, list)
    apply(sampling.xtc {probability = 1, threshold = 0.05}, logits, seq)
    assert.is_true(logits:get(newline) == 9 and logits:get(seq:model():eos()) == 9)
    assert.are.equal(-math.huge, logits:get(199))
    assert.is_true(logits:get(200) > 8)
  end)

  it("xtc strikes with its probability, by a draw of its own", function()
    local purposes = {}
    local stage = sampling.xtc {probability = 0.3, threshold = 0.1}
    local list = cases.kinds().flat
    list[10], list[11] = 9, 9
    for _, case in ipairs {{0.29, -math.huge}, {0.3, 9}, {0.99, 9}} do
      cases.write(logits, list)
      stage:apply(logits, seq, function(purpose)
        purposes[purpose] = true
        return case[1]
      end)
      assert.are.equal(case[2], logits:get(10))
    end
    assert.are.same({xtc = true}, purposes)
  end)

  it("leaves the most probable token whatever its argument", function()
    for _, stage in ipairs {
      sampling.top_k(1), sampling.top_p(0), sampling.min_p(1), sampling.top_a(1),
      sampling.top_n_sigma(0), sampling.tail_free(0), sampling.epsilon(1), sampling.eta(1),
    } do
      for kind, list in pairs(cases.kinds()) do
        cases.write(logits, list)
        local best = logits:argmax()
        apply(stage, logits, seq)
        assert.are.equal(best, logits:argmax(), tostring(stage) .. " on " .. kind)
      end
    end
  end)

  local ALL = {
    sampling.top_k(5), sampling.top_p(0.5), sampling.min_p(0.1), sampling.top_a(0.2),
    sampling.top_n_sigma(1), sampling.typical(0.5), sampling.tail_free(0.9),
    sampling.epsilon(0.001), sampling.eta(0.001), sampling.temperature(0.7),
    sampling.dynamic_temperature {min = 0.5, max = 2}, sampling.smoothing(),
    sampling.xtc {probability = 1}, sampling.mirostat(), sampling.mirostat2(),
    sampling.adaptive_p {target = 0.3}, sampling.penalties {repetition = 1.3, frequency = 0.1},
    sampling.dry(), sampling.no_repeat_ngram(2), sampling.bias {[5] = 1},
    sampling.bad_words {{270}}, sampling.phrase_bias {ab = 2},
    sampling.watermark {secret = "s"}, sampling.min_tokens(3), sampling.eos_decay {after = 0},
  }

  local function half()
    return 0.5
  end

  local function with_draw(stage)
    local copy = sampling.clone(stage)
    return sampling.chain(stage.selector and {copy} or {copy, sampling.sample()})
  end

  it("keeps NaNs to itself, and a draw then reports them", function()
    local bad = cases.sequence(nil, true)
    local nans = bad:logits()
    for _, values in ipairs {{}, {[20] = 3}} do
      for _, stage in ipairs(ALL) do
        nans:reset()
        for id, value in pairs(values) do
          nans:set(id, value)
        end
        local id, message, code = with_draw(stage):apply(nans, bad, half)
        assert.is_nil(id, tostring(stage))
        assert.are.equal("EINVAL", code, tostring(stage))
        assert.is_truthy(message:find("not finite", 1, true), message)
      end
    end
  end)

  it("leaves nothing of nothing, and a draw then reports it", function()
    local list = cases.kinds().one
    list[43] = -math.huge
    for _, stage in ipairs(ALL) do
      cases.write(logits, list)
      local id, message, code = with_draw(stage):apply(logits, seq, half)
      assert.is_nil(id, tostring(stage))
      assert.are.equal("EINVAL", code, tostring(stage))
      assert.are.equal("string", type(message))
    end
  end)

  it("refuses what is out of its range", function()
    local nan = 0 / 0
    local ranges = {
      top_a = {-0.1, 1.1, nan, "1", false}, top_n_sigma = {-1, nan, math.huge},
      typical = {-1, 2, nan}, tail_free = {-1, 2, nan}, epsilon = {-1, 2, nan},
      eta = {-1, 2, nan}, min_tokens = {0, 1.5, -1, "3"}, max_tokens = {0, 1.5},
      no_repeat_ngram = {0, -1, 1.5, "2"},
      xtc = {{threshold = 0}, {threshold = 0.51}, {probability = 2}, {treshold = 0.1}, 1},
      smoothing = {{factor = -1}, {curve = 0.5}, {curve = 4}, {factor = nan}},
      dynamic_temperature = {{}, {min = 1}, {min = 2, max = 1}, {min = -1, max = 1},
        {min = 0, max = 1, exponent = -1}},
      mirostat = {{tau = -1}, {eta = -1}, {m = 1}, {m = 2.5}, {tua = 1}},
      mirostat2 = {{tau = -1}, {m = 100}, {eta = nan}},
      adaptive_p = {{}, {target = -0.1}, {target = 1.1}, {target = 0.5, decay = 1}},
      penalties = {{last = 0}, {last = -2}, {repetition = 0}, {frequency = nan}, {decay = -1},
        {prompt = 1}, {repeat_penalty = 1}},
      dry = {{base = 0.5}, {allowed_length = 0}, {breakers = {""}}, {breakers = "\n"},
        {multiplier = -1}},
      eos_decay = {{}, {after = -1}, {after = 3, factor = 0.9}},
      watermark = {{}, {secret = ""}, {secret = "a", gamma = 0}, {secret = "a", gamma = 1},
        {secret = "a", delta = -1}, {secret = "a", width = 0}},
      watermark_detector = {{}, {secret = 5}, {secret = "a", model = {}},
        {secret = "a", delta = 2}},
      bias = {{}, {[-1] = 1}, {[1.5] = 1}, {[""] = 1}, {[1] = nan}, {[1] = math.huge}, 5},
      ban = {{}, {-1}, {1.5}, {""}, {{}}, {a = 1}, io.stdout},
      allow_only = {{}, {-1}, "cat"},
      bad_words = {{}, {""}, {{}}, {{-1}}, {5}},
      phrase_bias = {{}, {[5] = 1}, {cat = nan}, {[""] = 1}},
    }
    for name, values in pairs(ranges) do
      for i, value in ipairs(values) do
        local ok, message = pcall(function()
          local stage = sampling[name](value)
          return stage
        end)
        assert.is_false(ok, name .. " took value " .. i)
        assert.is_truthy(message:find("sampling_stages_spec.*'" .. name .. "'"), message)
      end
    end
  end)
end)
