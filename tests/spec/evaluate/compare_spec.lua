-- Models and strategies compared: numbers against hand-computed ones, and what they depend on.
local helper = require "tests.spec.helper"
local evaluate = require "lull.evaluate"
local json = require "lull.json"
local lull = require "lull"
local records = require "lull.command.compare.json"
local sampling = require "lull.sampling"

local model = helper.model()

local function near(wanted, got, tolerance)
  assert.is_true(math.abs(wanted - got) <= (tolerance or 1e-9) * math.max(1, math.abs(wanted)),
    ("%.12g wanted, got %.12g"):format(wanted, got))
end

-- log p of the tokens of a text after a prompt, one by one.
local function scores(judge, prompt, text)
  local before = assert(judge:encode(prompt, {start = true}))
  local whole, after = assert(judge:encode(prompt .. text, {start = true})), {}
  for i = #before + 1, #whole do
    after[#after + 1] = whole[i]
  end
  local context = assert(judge:context {length = 256})
  local seq = assert(context:sequence())
  assert(seq:feed(before))
  assert(context:step())
  local list = assert(seq:score(after))
  context:close()
  return list
end

local function sum(list)
  local total = 0
  for _, value in ipairs(list) do
    total = total + value
  end
  return total
end

-- A strategy that tells a given text after each prompt.
local function parrot(texts)
  local ids = {}
  for prompt, text in pairs(texts) do
    local before = model:encode(prompt, {start = true})
    ids[before[#before]] = {n = #before, list = model:encode(prompt .. text, {start = true})}
  end
  return function(_, seq)
    for last, told in pairs(ids) do
      if #seq >= told.n and seq:token(told.n) == last then
        return told.list[#seq + 1] or model:eos()
      end
    end
  end
end

local function compare(changes)
  local spec = {
    models = {{name = "lullaby", model = model}},
    strategies = {{name = "warm", options = {temperature = 1, min_p = 0.1}}},
    prompts = {"One day, Tom"}, seeds = {1, 2, 3}, max_tokens = 24, bootstrap = 50,
  }
  for name, value in pairs(changes or {}) do
    spec[name] = value
  end
  return evaluate.compare(spec)
end

describe("compare", function()
  it("counts what a hand does", function()
    local texts = {["One day, Tom"] = " saw the cat.", ["One day, Lily"] = " saw the dog"}
    local r = assert(compare {
      strategies = {{name = "parrot", options = {sampler = parrot(texts)}}},
      prompts = {"One day, Tom", "One day, Lily"}, seeds = {1}, max_tokens = 20, bootstrap = 4000,
    })
    local arm = r.arms[1]
    assert.are.equal("parrot", arm.name)
    assert.are.equal(" saw the cat.", arm.texts[1].text)
    assert.are.equal(" saw the dog", arm.texts[2].text)
    local m = arm.metrics
    -- saw-the, the-cat, saw-the, the-dog: three of four
    near(3 / 4, m.distinct_2.value)
    -- two of three words, one of two pairs; of a triple and of nothing 0.1
    near((2 / 3 * 1 / 2 * 0.1 * 0.1) ^ 0.25, m.self_bleu.value)
    near(0, m.self_bleu.stderr)
    assert.are.equal(1 / 2, m.ended_in_sentence.value)
    near(math.sqrt(1 / 8), m.ended_in_sentence.stderr, 0.02) -- of the mean of two draws of 0 or 1
    assert.are.equal(1, m.ended.value)
    assert.are.same({n = 0}, m.repetition_4) -- three words have no four-gram
    local tom = scores(model, "One day, Tom", texts["One day, Tom"])
    local lily = scores(model, "One day, Lily", texts["One day, Lily"])
    near((sum(tom) + sum(lily)) / (#tom + #lily), m.logprob.value, 1e-5)
    assert.are.equal((#tom + #lily) / 2, m.tokens.value)
    assert.are.equal(math.max(#tom, #lily), #arm.positions)
    assert.are.same({1, 1, 2}, {arm.positions[1].from, arm.positions[1].to,
      arm.positions[1].tokens})
    near(-(tom[1] + lily[1]) / 2 / math.log(2), arm.positions[1].bits, 1e-5)
  end)

  it("puts positions into ranges of equal size", function()
    local r = assert(compare {max_tokens = 40, seeds = {1, 2}})
    local bins, tokens = r.arms[1].positions, 0
    assert.are.equal(14, #bins) -- of three tokens each, for 40 in no more than 16
    assert.are.same({1, 3, 6}, {bins[1].from, bins[1].to, bins[1].tokens})
    assert.are.equal(40, bins[14].to)
    for _, bin in ipairs(bins) do
      tokens = tokens + bin.tokens
    end
    assert.are.equal(r.arms[1].texts[1].tokens + r.arms[1].texts[2].tokens, tokens)
  end)

  it("tells what generate tells, for every arm, prompt and seed", function()
    local q4 = assert(lull.load(helper.model_path, {precision = "q4"}))
    local models = {{name = "q8", model = model}, {name = "q4", model = q4}}
    local strategies = {
      {name = "warm", options = {temperature = 1, min_p = 0.1, repetition_penalty = 1.1}},
      {name = "short", options = {stop = "."}},
      {name = "mirostat", options = {sampler = sampling.mirostat {tau = 3}}},
    }
    local prompts, seeds = {"", "One day, Tom"}, {1, "0xfe", 7}
    local r = assert(compare {
      models = models, strategies = strategies, prompts = prompts, seeds = seeds,
    })
    assert.are.equal(6, #r.arms)
    assert.are.equal("q4, short", r.arms[5].name)
    for _, arm in ipairs(r.arms) do
      assert.are.equal(6, #arm.texts)
      for i, text in ipairs(arm.texts) do
        local prompt, seed = math.floor((i - 1) / 3) + 1, seeds[(i - 1) % 3 + 1]
        local given = {seed = seed, max_tokens = 24, score = true}
        for name, value in pairs(strategies[arm.strategy].options) do
          given[name] = value
        end
        local told, facts = assert(models[arm.model].model:generate(prompts[prompt], given))
        assert.are.equal(told, text.text)
        assert.are.same({prompt, seed, facts.tokens, facts.finish_reason},
          {text.prompt, text.seed, text.tokens, text.finish_reason})
      end
    end
    local own = {}
    for i, text in ipairs(r.arms[1].texts) do
      own[i] = {text = text.text}
    end
    local counted = evaluate.stories(own)
    near(counted.distinct_2, r.arms[1].metrics.distinct_2.value)
    near(counted.self_bleu, r.arms[1].metrics.self_bleu.value)
    near(counted.repetition_4.value, r.arms[1].metrics.repetition_4.value)
    q4:close()
  end)

  it("depends on neither width nor threads", function()
    local judge = {name = "judge", model = model}
    local wide = assert(compare {judge = judge, prompts = {"One day, Tom", "Once"}})
    local narrow = assert(compare {judge = judge, prompts = {"One day, Tom", "Once"},
      parallel = 1, models = {{name = "lullaby", model = model, threads = 2}}})
    assert.are.equal(records.encode(wide), records.encode(narrow))
  end)

  it("has a judge count in place of the model", function()
    local judge = assert(lull.load(helper.model_path, {precision = "q4"}))
    local given = {seeds = {1, 2}, prompts = {"One day, Tom", ""}}
    local own = assert(compare(given))
    given.judge = {name = "q4", model = judge}
    local judged = assert(compare(given))
    assert.are.same({name = "q4", precision = "q4", fingerprint = judge:fingerprint()},
      judged.judge)
    for i, text in ipairs(judged.arms[1].texts) do
      assert.are.equal(own.arms[1].texts[i].text, text.text)
      if text.prompt == 1 then
        local list = scores(judge, "One day, Tom", text.text)
        assert.are.equal(#list, text.scored)
        near(sum(list), text.logprob, 1e-5)
      end
      assert.is_true(math.abs(text.logprob - own.arms[1].texts[i].logprob) > 1e-3)
    end
    judge:close()
  end)

  it("has nothing to say of texts without words", function()
    local r = assert(compare {
      strategies = {{name = "silent", options = {sampler = function() return model:eos() end}}},
      seeds = {1}, judge = {name = "judge", model = model},
    })
    local m = r.arms[1].metrics
    assert.are.same({"", 0, "stop"}, {r.arms[1].texts[1].text, r.arms[1].texts[1].tokens,
      r.arms[1].texts[1].finish_reason})
    assert.is_nil(m.logprob.value)
    assert.is_nil(m.distinct_2.value)
    assert.is_nil(m.self_bleu.value)
    assert.are.equal(1, m.ended.value)
    assert.is_nil(m.ended.stderr)
    assert.are.same({}, r.arms[1].positions)
    assert.is_truthy(json.decode(records.encode(r)))
  end)

  it("reports how far it is and can be stopped", function()
    local last, count = 0, 0 -- of calls; the last of them while texts are judged
    assert(compare {judge = {name = "judge", model = model}, progress = function(done, total)
      assert.is_true(done >= last)
      assert.are.equal(6, total)
      last, count = done, count + 1
    end})
    assert.is_true(last >= 3 and last < 6)
    for _, after in ipairs {0, count - 1} do -- while texts are told, while they are judged
      local calls = 0
      local r, message, code = compare {
        judge = {name = "judge", model = model},
        poll = function()
          calls = calls + 1
          return calls > after and "drop" or nil
        end,
      }
      assert.is_nil(r)
      assert.are.same({"interrupted", "ECANCELED"}, {message, code})
    end
  end)

  it("fails with what made it fail", function()
    local r, message, code = compare {prompts = {("One day, Tom ran. "):rep(200)}}
    assert.is_nil(r)
    assert.are.equal("ECONTEXT", code)
    assert.matches("tokens", message)
    assert.has_error(function()
      compare {strategies = {{name = "bad", options = {sampler = function()
        error("of my own", 0)
      end}}}}
    end, "of my own")
  end)

  it("names what is wrong with what is asked", function()
    for problem, changes in pairs {
      ["strategies"] = {strategies = {}},
      ["strategy 1 has no name"] = {strategies = {{options = {}}}},
      ["called 'a'"] = {strategies = {{name = "a"}, {name = "a"}}},
      ["unknown option 'temprature'"] = {strategies = {{name = "a", options = {temprature = 1}}}},
      ["unknown option 'seed'"] = {strategies = {{name = "a", options = {seed = 1}}}},
      ["model is needed"] = {models = {{name = "a"}}},
      ["prompts that are strings"] = {prompts = {1}},
      ["hexadecimal digits, expected, got -1"] = {seeds = {-1}},
      ["max_tokens"] = {max_tokens = 0},
      ["unknown option 'prompt'"] = {prompt = "x"},
    } do
      local ok, message = pcall(compare, changes)
      assert.is_false(ok)
      assert.is_truthy(message:find(problem, 1, true), message)
    end
    assert.has_error(function() evaluate.compare {models = {{name = "a", model = model}}} end)
  end)
end)
