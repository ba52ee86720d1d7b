-- The chain that options mean, and generate with them.
local cases = require "tests.spec.scripts.sampling_cases"
local helper = require "tests.spec.helper"
local sampling = require("lull").sampling

teardown(cases.clean)

describe("from", function()
  it("puts every stage in llama.cpp's place", function()
    local chain = sampling.from {
      adaptive_decay = 0.8, adaptive_target = 0.4, watermark = {secret = "s"},
      dynatemp_range = 0.5, dynatemp_exponent = 2, temperature = 1, smoothing_factor = 0.3,
      smoothing_curve = 2, xtc_probability = 0.5, xtc_threshold = 0.2, eta_cutoff = 0.003,
      epsilon_cutoff = 0.002, top_a = 0.1, min_p = 0.02, top_p = 0.9, tail_free = 0.97,
      typical_p = 0.96, top_k = 50, top_n_sigma = 2, no_repeat_ngram = 4, dry_multiplier = 0.7,
      dry_base = 2, dry_allowed_length = 3, dry_last = -1, dry_breakers = {"\n"},
      repetition_penalty = 1.1, frequency_penalty = 0.2, presence_penalty = 0.3,
      penalty_last_n = 32, penalty_decay = 16, penalize_prompt = false,
      eos_decay = {after = 10}, min_tokens = 5, phrase_bias = {["a cat"] = 1},
      bad_words = {"a dog"}, allow_only = {5}, ban = {6, 7}, logit_bias = {[5] = 1},
    }
    assert.are.equal(table.concat({
      "bias(tokens 1)", "ban(tokens 2)", "allow_only(tokens 1)", "bad_words(phrases 1)",
      "phrase_bias(phrases 1)", "min_tokens(5)", "eos_decay(after 10, factor 1.01)",
      "penalties(last 32, repetition 1.1, frequency 0.2, presence 0.3, decay 16, prompt false)",
      "dry(multiplier 0.7, base 2, allowed_length 3, last -1, prompt false)",
      "no_repeat_ngram(size 4, last -1, prompt false)", "top_n_sigma(2)", "top_k(50)",
      "typical(0.96)", "tail_free(0.97)", "top_p(0.9)", "min_p(0.02)", "top_a(0.1)",
      "epsilon(0.002)", "eta(0.003)", "xtc(probability 0.5, threshold 0.2)",
      "smoothing(factor 0.3, curve 2)", "dynamic_temperature(min 0.5, max 1.5, exponent 2)",
      "watermark(gamma 0.25, delta 2, width 1)", "adaptive_p(target 0.4, decay 0.8)",
    }, " -> "), tostring(chain))
  end)

  it("leaves out what is off, and has llama.cpp's defaults", function()
    local default = "top_k(40) -> top_p(0.95) -> min_p(0.05) -> temperature(0.8) -> sample"
    assert.are.equal(default, tostring(sampling.from()))
    assert.are.equal(default, tostring(sampling.from {
      min_tokens = 0, repetition_penalty = 1, frequency_penalty = 0, presence_penalty = 0,
      penalty_last_n = 64, dry_multiplier = 0, no_repeat_ngram = 0, top_n_sigma = -1,
      typical_p = 1, tail_free = 1, top_a = 0, epsilon_cutoff = 0, eta_cutoff = 0,
      xtc_probability = 0, smoothing_factor = 0, dynatemp_range = 0, mirostat = 0,
      adaptive_target = -1,
    }))
    assert.are.equal(default, tostring(sampling.from {
      repetition_penalty = 2, penalty_last_n = 0, dry_multiplier = 1, dry_last = 0,
      xtc_probability = 0.5, xtc_threshold = 1,
    }))
    assert.are.equal("dry(multiplier 1, last 64) -> " .. default,
      tostring(sampling.from {dry_multiplier = 1}))
    assert.are.equal("dynamic_temperature(min 0, max 1.5, exponent 1) -> sample",
      tostring(sampling.from {
        temperature = 0.5, dynatemp_range = 1, top_k = 0, top_p = 1, min_p = 0,
      }))
    assert.are.equal("penalties(last 64, repetition 1.2) -> " .. default,
      tostring(sampling.from {repetition_penalty = 1.2}))
  end)

  it("with mirostat truncates only when told to", function()
    assert.are.equal("temperature(0.8) -> mirostat(tau 5, eta 0.1, m 100)",
      tostring(sampling.from {mirostat = 1}))
    assert.are.equal("top_k(9) -> mirostat2(tau 3, eta 0.2)", tostring(sampling.from {
      mirostat = 2, mirostat_tau = 3, mirostat_eta = 0.2, temperature = 1, top_k = 9,
    }))
    local ok, message = pcall(function()
      local chain = sampling.from {mirostat = 2, adaptive_target = 0.3}
      return chain
    end)
    assert.is_false(ok)
    assert.is_truthy(message:find("sampling_from_spec.*adaptive_target"), message)
  end)

  it("with temperature 0 is greedy, after what can change its choice", function()
    for shown, given in pairs {
      ["greedy"] = {top_n_sigma = 1, top_a = 0.3, epsilon_cutoff = 0.1, mirostat = 2},
      ["penalties(last 64, repetition 2) -> greedy"] = {repetition_penalty = 2, top_k = 5},
      ["top_k(40) -> typical(0.5) -> greedy"] = {typical_p = 0.5, adaptive_target = 0.3},
      ["top_k(3) -> xtc(probability 1, threshold 0.1) -> greedy"] = {
        top_k = 3, xtc_probability = 1, top_p = 1, min_p = 0,
      },
    } do
      given.temperature = 0
      assert.are.equal(shown, tostring(sampling.from(given)))
    end
  end)

  it("refuses unknown names and what is out of range", function()
    for name, values in pairs {
      repeat_penalty = {1.1}, dry_penalty_last_n = {64}, typ_p = {1}, repetition_penalty = {0},
      penalty_last_n = {-2, 1.5}, min_tokens = {-1}, dry_breakers = {"\n", {""}},
      top_n_sigma = {-2}, typical_p = {2}, xtc_threshold = {0, 2}, smoothing_curve = {0},
      mirostat = {3, true, "2"}, adaptive_target = {2, -2}, adaptive_decay = {1},
      logit_bias = {{}, {[5] = "x"}, 5}, ban = {{}, 5}, bad_words = {"cat"},
      watermark = {true}, eos_decay = {5}, dynatemp_range = {-1}, penalize_prompt = {1},
    } do
      for _, value in ipairs(values) do
        local ok, message = pcall(function()
          local chain = sampling.from {[name] = value}
          return chain
        end)
        assert.is_false(ok, name)
        assert.is_truthy(message:find("sampling_from_spec.*option '" .. name .. "'"), message)
      end
    end
  end)

  it("blames its caller, or generate's, for what is wrong inside an option", function()
    local function generate(given)
      local text = helper.model():generate("Tom", given)
      return text
    end
    for message, given in pairs {
      ["unknown option 'afer' to 'eos_decay' (did you mean 'after'?)"] = {eos_decay = {afer = 1}},
      ["bad options to 'eos_decay' (after is needed)"] = {eos_decay = {factor = 2}},
      ["bad options to 'watermark' (secret is needed)"] = {watermark = {}},
      ["bad option 'secret' to 'watermark' ("] = {watermark = {secret = ""}},
      ["bad option 'adaptive_target' to 'NAME' ('mirostat' is given; both choose the token)"] =
        {mirostat = 1, adaptive_target = 0.5},
    } do
      for name, call in pairs {from = sampling.from, generate = generate} do
        local ok, raised = pcall(function()
          local made = call(given)
          return made
        end)
        assert.is_false(ok)
        assert.is_truthy(raised:find((message:gsub("NAME", name)), 1, true), raised)
        assert.is_truthy(raised:find("sampling_from_spec", 1, true), raised)
      end
    end
  end)

  it("lists its options once, each with a rule that has no default", function()
    local seen = {}
    for _, name in ipairs(sampling.CHAIN_OPTIONS) do
      assert.is_nil(seen[name])
      seen[name] = true
      assert.is_table(sampling.RULES[name])
      assert.is_nil(sampling.RULES[name].default)
    end
    for name in pairs(sampling.RULES) do
      assert.is_true(seen[name], name)
    end
  end)

  it("makes chains that tell stories, and whose clones tell the same", function()
    for _, given in ipairs {
      {repetition_penalty = 1.2, penalize_prompt = false}, {dry_multiplier = 0.8, top_k = 0},
      {xtc_probability = 0.5}, {mirostat = 1}, {mirostat = 2, mirostat_tau = 3},
      {adaptive_target = 0.4}, {dynatemp_range = 0.5, smoothing_factor = 0.2},
      {typical_p = 0.9, eta_cutoff = 0.001, tail_free = 0.95, watermark = {secret = "s"}},
    } do
      local chain = sampling.from(given)
      local copy = sampling.clone(chain)
      local told = {}
      for i, sampler in ipairs {chain, copy} do
        told[i] = assert(helper.model():generate("Once upon a time", {
          max_tokens = 40, seed = 4, sampler = sampler,
        }))
      end
      assert.is_true(#told[1] > 40)
      assert.are.equal(told[1], told[2])
    end
  end)
end)

describe("a chain's trace", function()
  it("shows what every stage leaves, and chooses as apply does", function()
    local seq = cases.sequence()
    local logits = seq:logits()
    local chain = sampling.from {top_k = 7, top_p = 1, min_p = 0, temperature = 0.5}
    local draw = sampling.draws(seq, {seed = 3})
    local seen = {}
    local id = chain:trace(logits:reset(), seq, draw, function(stage, left, chosen)
      local n = 0
      for _ in left:candidates(cases.VOCAB) do
        n = n + 1
      end
      seen[#seen + 1] = sampling.describe(stage) .. " " .. n .. " " .. tostring(chosen)
    end)
    assert.are.same({"top_k(7) 7 nil", "temperature(0.5) 7 nil", "sample 7 " .. id}, seen)
    assert.are.equal(id, chain:apply(logits:reset(), seq, draw))
  end)

  it("passes failures on", function()
    local seq = cases.sequence(nil, true)
    local _, message, code = sampling.from():trace(seq:logits():reset(), seq,
      sampling.draws(seq, {seed = 1}), function() end)
    assert.is_truthy(message:find("not finite", 1, true))
    assert.are.equal("EINVAL", code)
  end)
end)
