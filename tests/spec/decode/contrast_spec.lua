-- Stages that set the model against another view of the text: guidance, contrastive decoding, DoLa.
local helper = require "tests.spec.helper"
local lull = require "lull"
local decode, sampling = lull.decode, lull.sampling

local model = helper.model()
local PROMPT, OTHER = "One day, Lily", "Tom was very sad because he"
local N_PROMPT = #model:encode(PROMPT, {start = true})

local function tell(stages, given)
  local own = {seed = 4, max_tokens = 24, sampler = stages}
  for key, value in pairs(given or {}) do
    own[key] = value
  end
  return assert(model:generate(PROMPT, own))
end

-- What the logits are, of every 16th token; false where banned.
local function some(logits)
  local list = {}
  for id = 0, logits:size() - 1, 16 do
    local value = logits:get(id)
    list[#list + 1] = value > -math.huge and value or false
  end
  return list
end

-- The raw logits after these tokens, layer by layer where asked for.
local function logits_after(used, ids, layer)
  local context = assert(used:context {length = #ids + 1})
  local seq = assert(context:sequence())
  assert(seq:feed(ids, {layers = layer and {layer} or nil}))
  assert(context:step())
  return layer and seq:logits(-1, layer) or seq:logits():clone()
end

local function joined(a, b)
  local ids = {}
  for i = 1, #a do ids[#ids + 1] = a[i] end
  for i = 1, #b do ids[#ids + 1] = b[i] end
  return ids
end

-- Check the values that a stage leaves at every step of a text: expected(told, raw) lists them,
-- without a constant in common.
local function check(stage, expected, given)
  local steps = 0
  tell({stage, function(logits, seq, draw)
    local told, got = seq:tokens(N_PROMPT + 1, -1), some(logits)
    local wanted, shift = expected(told, logits_after(model, seq:tokens()), seq:tokens()), nil
    for i, value in ipairs(wanted) do
      assert(not value == not got[i], "banned or not: " .. i)
      if value then
        shift = shift or got[i] - value
        assert(math.abs(got[i] - value - shift) < 1e-3, got[i] .. " " .. value + shift)
      end
    end
    steps = steps + 1
    return logits:temperature(0.7):sample(draw())
  end}, given)
  assert.is_true(steps >= 8)
end

-- Values where p >= alpha * max p, else false.
local function plausible(raw, alpha)
  local values, list = raw:clone(), some(raw)
  values:min_p(alpha)
  for i, value in ipairs(some(values)) do
    list[i] = value and list[i]
  end
  return list
end

local function combine(a, b, x, y)
  local list = {}
  for i, value in ipairs(a) do
    list[i] = value and x * value + y * b[i]
  end
  return list
end

describe("guidance", function()
  local other_ids = model:encode(OTHER, {start = true})

  it("is scale * value + (1 - scale) * value after the other prompt", function()
    for _, scale in ipairs {0.5, 1.5, 3} do
      check(decode.guidance {prompt = OTHER, scale = scale}, function(told, raw)
        return combine(some(raw), some(logits_after(model, joined(other_ids, told))), scale,
          1 - scale)
      end, {max_tokens = 10})
    end
    check(decode.guidance {scale = 2}, function(told, raw)
      return combine(some(raw), some(logits_after(model, joined({model:bos()}, told))), 2, -1)
    end, {max_tokens = 10})
    check(decode.guidance {last = 2, scale = 2}, function(told, raw, ids)
      local short = joined({ids[N_PROMPT - 1], ids[N_PROMPT]}, told)
      return combine(some(raw), some(logits_after(model, short)), 2, -1)
    end, {max_tokens = 10})
  end)

  it("with scale 1 changes nothing, and with 0 is the other prompt's text", function()
    local steps = 0
    tell {decode.guidance {prompt = OTHER, scale = 1}, function(logits)
      local values = some(logits)
      assert.are.same(some(logits:reset()), values)
      steps = steps + 1
      return logits:argmax()
    end}
    assert.are.equal(24, steps)
    local text = tell({decode.guidance {prompt = OTHER, scale = 0}, sampling.greedy()})
    assert.are.equal(model:generate(OTHER, {temperature = 0, max_tokens = 24}), text)
  end)

  it("follows a text that is taken back, drafted, forked, and texts after each other", function()
    local function chain(given)
      given = given or {}
      given.prompt, given.scale = given.seq == nil and OTHER or nil, 1.7
      return {decode.guidance(given), sampling.temperature(0.8), sampling.sample()}
    end
    local text = tell(chain())
    local again = chain()
    for _ = 1, 3 do
      assert.are.equal(text, tell(again))
      tell(again, {seed = 9, max_tokens = 40})
    end
    for _, given in ipairs {
      {ban_phrases = {" was", " to", "e"}}, {ban_phrases = {" the"}, stop = "."},
      {draft = decode.draft_lookup {ngram = 1}}, {draft = decode.draft_model(model)},
    } do
      local rewound, facts = tell(chain(), given)
      -- The same values computed anew for every token, by a stage that keeps nothing.
      local anew = tell({function(logits, seq)
        local ids = joined(other_ids, seq:tokens(N_PROMPT + 1, -1))
        logits:scale(1.7):add_scaled(logits_after(model, ids), 1 - 1.7)
      end, sampling.temperature(0.8), sampling.sample()}, given)
      assert.are.equal(anew, rewound)
      assert.is_true(not given.ban_phrases or facts.rewinds > 0)
    end
    local context = assert(model:context {sequences = 12, length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(OTHER))
    for _, given in ipairs {{context = context}, {seq = seq}, {sequences = 5}} do
      local sampler = chain(given)
      local _, facts = assert(decode.best_of(model, PROMPT, {
        n = 5, seed = 4, max_tokens = 24, context = context, sampler = sampler,
      }))
      for _, one in ipairs(facts.candidates) do
        assert.are.equal(tell(chain(), {stream = one.stream}), one.text)
      end
      assert.are.equal(text, tell(sampler, {context = context}))
      sampler[1]:close()
      assert.are.equal(1, context:info().open_sequences)
    end
    context:close()
  end)

  it("changes what beams and contrastive search rank", function()
    local function stage(context)
      return decode.guidance {prompt = OTHER, scale = 2, context = context}
    end
    local function plain(logits, seq)
      local ids = joined(other_ids, seq:tokens(N_PROMPT + 1, -1))
      logits:scale(2):add_scaled(logits_after(model, ids), -1)
    end
    local context = assert(model:context {sequences = 12, length = 64})
    for name, given in pairs {beam = {beams = 3}, contrastive_search = {k = 3}} do
      given.max_tokens, given.context = 10, context
      given.sampler_stages = plain
      local expected = assert(decode[name](model, PROMPT, given))
      given.sampler_stages = stage(context)
      assert.are.equal(expected, (decode[name](model, PROMPT, given)))
      given.sampler_stages:close()
      assert.are.equal(0, context:info().open_sequences)
    end
    context:close()
  end)

  it("shares passes with the text in one context, and tells the same among others", function()
    local context = assert(model:context {sequences = 8, length = 64})
    local steps, tasks, guides = 0, {}, {}
    for i = 1, 4 do
      guides[i] = decode.guidance {prompt = OTHER, scale = 1.7, context = context}
      tasks[i] = function()
        return tell({guides[i], sampling.sample()}, {seed = i, context = context})
      end
    end
    local results = decode.run(tasks, {step = function(used)
      steps = steps + 1
      return used:step()
    end})
    assert.is_true(steps <= 27, steps .. " steps")
    for i = 1, 4 do
      assert.are.equal(tell({decode.guidance {prompt = OTHER, scale = 1.7}, sampling.sample()},
        {seed = i}), results[i][1])
      guides[i]:close()
    end
    assert.are.equal(0, context:info().open_sequences)
    context:close()
  end)

  it("opens a longer context where a later text needs it", function()
    local stage = decode.guidance {prompt = OTHER, scale = 0}
    for _, n in ipairs {5, 60, 10, 90} do
      assert.are.equal(model:generate(OTHER, {temperature = 0, max_tokens = n}),
        tell({stage, sampling.greedy()}, {max_tokens = n}))
    end
  end)

  it("returns what fails", function()
    local context = assert(model:context {sequences = 1, length = 10})
    local seq = assert(context:sequence())
    for _, given in ipairs {{context = context}, {model = model, prompt = ("x "):rep(600)}} do
      local stage = decode.guidance(given)
      local none, message, code = model:generate(PROMPT, {sampler = {stage, sampling.greedy()}})
      assert.is_nil(none)
      assert.is_string(message)
      assert.are.equal(given.context and "ELIMIT" or "ECONTEXT", code)
    end
    seq:close()
    context:close()
  end)

  it("raises for bad options, and for another vocabulary", function()
    local context = assert(model:context {sequences = 1, length = 10})
    local seq = assert(context:sequence())
    for _, given in ipairs {
      {scale = -1}, {scale = "x"}, {prompt = 5}, {last = 0}, {last = 1, prompt = "x"}, {seq = 5},
      {seq = seq, prompt = "x"}, {seq = seq, context = context}, {promt = "x"},
      {context = context, sequences = 2}, {model = 5},
    } do
      local ok, message = pcall(function() decode.guidance(given) end)
      assert.is_false(ok)
      assert.is_truthy(message:find("contrast_spec", 1, true), message)
    end
    context:close()
    assert.are.equal("guidance(2) -> sample",
      tostring(sampling.chain {decode.guidance {scale = 2}, sampling.sample()}))
    local path = helper.shared("stories260K.bin")
    if path then
      local other = assert(lull.load(path, {tokenizer = helper.shared("tok512.bin")}))
      assert.has_error(function()
        tell {decode.guidance {model = other}, sampling.greedy()}
      end, "the second model has 512 tokens and the model 2048; both must have the same vocabulary")
    end
  end)
end)

describe("contrastive_decoding", function()
  it("is log p - log p_amateur of what is plausible", function()
    local rough = assert(lull.load(helper.model_path, {precision = "q4", cache = false}))
    check(decode.contrastive_decoding {model = rough}, function(_, raw, ids)
      return combine(plausible(raw, 0.1), some(logits_after(rough, ids)), 1, -1)
    end, {max_tokens = 10})
    check(decode.contrastive_decoding {last = 1, alpha = 0.01, beta = 0.5, temperature = 2},
      function(told, raw, ids)
        local amateur = logits_after(model, joined({ids[N_PROMPT]}, told))
        return combine(plausible(raw, 0.01), some(amateur), 1.5, -0.25)
      end, {max_tokens = 10})
  end)

  it("follows a text that is taken back", function()
    local given = {ban_phrases = {" was", " the", "e"}}
    local text, facts = tell({decode.contrastive_decoding {last = 1}, sampling.sample()}, given)
    assert.is_true(facts.rewinds > 0)
    assert.are.equal(text, tell({function(logits, seq)
      local ids = joined({seq:token(N_PROMPT)}, seq:tokens(N_PROMPT + 1, -1))
      logits:min_p(0.1):add_scaled(logits_after(model, ids), -1)
    end, sampling.sample()}, given))
  end)

  it("needs an amateur and sane numbers", function()
    for _, given in ipairs {
      {}, {alpha = 0.5}, {last = 1, alpha = 2}, {last = 1, beta = -1},
      {last = 1, temperature = 0}, {last = 1, prompt = "x"}, {amateur = model},
    } do
      local ok, message = pcall(function() decode.contrastive_decoding(given) end)
      assert.is_false(ok)
      assert.is_truthy(message:find("contrast_spec", 1, true), message)
    end
    assert.are.equal("contrastive_decoding(alpha 0.1, temperature 1)",
      tostring(decode.contrastive_decoding {last = 1}))
  end)
end)

describe("dola", function()
  local function premature(ids, raw, layers)
    local best, furthest
    for _, layer in ipairs(layers) do
      local early = logits_after(model, ids, layer)
      local divergence = raw:divergence(early)
      if not best or divergence > furthest then
        best, furthest = early, divergence
      end
    end
    return best
  end

  it("is log p - log q of the early layer that differs most", function()
    for _, o in ipairs {{"low", {2}}, {"high", {4}}, {{1, 2, 3, 5}, {1, 2, 3, 5}}} do
      check(decode.dola(model, {layers = o[1]}), function(_, raw, ids)
        return combine(plausible(raw, 0.1), some(premature(ids, raw, o[2])), 1, -1)
      end, {max_tokens = 10})
    end
  end)

  it("has its layers whatever happens to the text", function()
    local function chain()
      return {decode.dola(model, {layers = {1, 4}, alpha = 0.05}), sampling.sample()}
    end
    local anew = {function(logits, seq)
      local early = premature(seq:tokens(), logits, {1, 4})
      logits:min_p(0.05):add_scaled(early, -1)
    end, sampling.sample()}
    for _, given in ipairs {
      {}, {ban_phrases = {" was", " the", "e"}}, {draft = decode.draft_lookup {ngram = 1}},
      {draft = decode.draft_model(model)}, {heal = true},
    } do
      assert.are.equal(tell(anew, given), tell(chain(), given))
    end
    local context = assert(model:context {sequences = 8, length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local text, told = tell(chain()), ""
    local sampler = sampling.chain(chain())
    for _, n in ipairs {10, 1, 13} do
      told = told .. assert(seq:generate {seed = 4, max_tokens = n, sampler = sampler})
    end
    assert.are.equal(text, told)
    local _, facts = assert(decode.best_of(model, PROMPT, {
      n = 4, seed = 4, max_tokens = 24, sampler = chain(),
    }))
    for _, one in ipairs(facts.candidates) do
      assert.are.equal(tell(anew, {stream = one.stream}), one.text)
    end
    for name, given in pairs {beam = {beams = 3, groups = 3}, contrastive_search = {k = 3}} do
      given.max_tokens, given.sampler_stages = 10, anew[1]
      local expected = assert(decode[name](model, PROMPT, given))
      given.sampler_stages = decode.dola(model, {layers = {1, 4}, alpha = 0.05})
      assert.are.equal(expected, (decode[name](model, PROMPT, given)))
    end
    context:close()
  end)

  it("merges what several stages need", function()
    local stages = {
      decode.dola(model, {layers = {2, 5}}), decode.dola(model, {layers = {1, 2}}),
      {name = "hidden", apply = function(_, _, seq) assert(seq:hidden()) end,
        feed = {hidden = true}},
      sampling.greedy(),
    }
    assert.are.same({layers = {1, 2, 5}, hidden = true}, sampling.chain(stages).feed)
    assert.is_nil(sampling.chain({sampling.greedy()}).feed)
    assert.is_string(tell(stages))
  end)

  it("raises for layers that are none", function()
    for _, layers in ipairs {"all", 3, {}, {0}, {6}, {2, 2}, {3, 1}} do
      local ok, message = pcall(function() decode.dola(model, {layers = layers}) end)
      assert.is_false(ok)
      assert.is_truthy(message:find("contrast_spec", 1, true), message)
    end
    assert.has_error(function() decode.dola {layers = "low"} end)
    assert.are.equal("dola(layers '2 5', alpha 0.1)",
      tostring(decode.dola(model, {layers = {2, 5}})))
  end)
end)
