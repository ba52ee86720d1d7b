-- Stages that look at the text so far, or at single tokens and phrases.
local reference = require "tests.spec.scripts.sampling_reference"
local cases = require "tests.spec.scripts.sampling_cases"
local helper = require "tests.spec.helper"
local lull = require "lull"
local sampling = lull.sampling

teardown(cases.clean)

local function no_draw()
  return 0
end

-- An evaluated sequence of the shipped model.
local function story(text)
  local context = assert(helper.model():context {length = 128, sequences = 2})
  local seq = assert(context:sequence())
  assert(seq:feed(text))
  assert(context:step())
  return seq, context
end

local function feed(seq, ids)
  assert(seq:feed(ids))
  assert(seq:context():step())
end

-- Histories with repetitions of several lengths.
local function histories()
  local u = cases.uniform(11)
  local few, more = {1}, {1}
  for i = 2, 40 do
    few[i] = 260 + math.floor(3 * u())
    more[i] = 260 + math.floor(12 * u())
  end
  return {
    {1, 270, 280}, {1}, {1, 270, 270, 270, 270}, few, more,
    {1, 261, 262, 263, 264, 299, 261, 262, 263, 265, 261, 262, 263},
    {1, 261, 262, 13, 263, 261, 262, 13, 263, 261, 262, 13},
  }
end

-- Each history and each kind of logits through a stage and through expected(list, history).
local function compare(make, expected)
  for number, ids in ipairs(histories()) do
    local seq = cases.sequence(ids)
    local logits = seq:logits()
    for kind, list in pairs(cases.kinds()) do
      local written = cases.write(logits, list)
      local stage = make()
      stage:apply(logits, seq, no_draw)
      cases.same(expected(written, ids), logits,
        tostring(stage) .. " on " .. kind .. " logits, history " .. number)
    end
    seq:context():close()
  end
end

describe("penalties", function()
  it("do what their definition says", function()
    for _, given in ipairs {
      {repetition = 1.3}, {frequency = 0.2, presence = 0.5}, {last = 3, repetition = 1.5},
      {last = -1, repetition = 1.1, frequency = 0.1, presence = -0.2},
      {last = 4, decay = 20, repetition = 1.4, frequency = 0.3, presence = 0.2},
    } do
      compare(function() return sampling.penalties(given) end, function(list, ids)
        return reference.penalize(list, ids, {
          last = given.last == -1 and #ids or given.last or 64, decay = given.decay,
          repetition = given.repetition, frequency = given.frequency, presence = given.presence,
        })
      end)
    end
  end)

  it("print what is not the default", function()
    assert.are.equal("penalties(last 64)", tostring(sampling.penalties()))
    assert.are.equal("penalties(last 32, repetition 1.1, prompt false)",
      tostring(sampling.penalties {last = 32, repetition = 1.1, prompt = false}))
    assert.are.equal("dry(multiplier 1, last -1)",
      tostring(sampling.dry {multiplier = 1, last = -1}))
    assert.are.equal("no_repeat_ngram(size 4, last -1)", tostring(sampling.no_repeat_ngram(4)))
  end)

  it("leave the prompt out when told so, through clones, rewinds and new texts", function()
    local seq, context = cases.sequence {1, 270, 280, 270}
    local stage = sampling.penalties {presence = 1, prompt = false}
    local list = cases.kinds().flat
    -- The ids that lost something.
    local function penalized(strategy, of)
      local logits = of:logits()
      cases.write(logits, list)
      strategy:apply(logits, of, no_draw)
      local found = {}
      for id = 0, cases.VOCAB - 1 do
        if logits:get(id) < 1 then
          found[#found + 1] = id
        end
      end
      return found
    end
    assert.are.same({}, penalized(stage, seq))
    feed(seq, 265)
    feed(seq, 270)
    assert.are.same({265, 270}, penalized(stage, seq))
    local fork, copy = seq:fork(), sampling.clone(stage)
    feed(fork, 290)
    assert.are.same({265, 270, 290}, penalized(copy, fork))
    seq:rewind(5)
    context:step()
    assert.are.same({265}, penalized(stage, seq))
    seq:rewind(2) -- into the prompt: what comes now is told
    context:step()
    assert.are.same({}, penalized(stage, seq))
    feed(seq, 290)
    feed(seq, 291)
    feed(seq, 292)
    assert.are.same({290, 291, 292}, penalized(stage, seq))
    stage:reset()
    assert.are.same({}, penalized(stage, seq))
    assert.are.same({265, 270, 290}, penalized(copy, fork))
  end)
end)

describe("dry", function()
  it("does what its definition says", function()
    local function breakers_of(strings)
      local ids = {}
      for id = 0, cases.VOCAB - 1 do
        for _, text in ipairs(strings) do
          if cases.model():piece(id):find(text, 1, true) then
            ids[#ids + 1] = id
          end
        end
      end
      return ids
    end
    for _, given in ipairs {
      {}, {multiplier = 2, allowed_length = 1}, {last = 10, base = 1.2, allowed_length = 3},
      {last = -1, breakers = {}}, {breakers = {"!", '"'}},
    } do
      local breakers = breakers_of(given.breakers or {"\n", ":", '"', "*"})
      compare(function() return sampling.dry(given) end, function(list, ids)
        return reference.dry(list, ids, {
          last = given.last == -1 and #ids or given.last or 64, base = given.base or 1.75,
          multiplier = given.multiplier or 0.8, allowed_length = given.allowed_length or 2,
          breakers = breakers,
        })
      end)
    end
  end)

  it("breaks a loop of the model's", function()
    local text = (" The cat sat. The dog ran."):rep(4) .. " The cat"
    local seq = story("Once" .. text)
    local looped = assert(seq:model():encode(" sat", {start = false}))
    local logits = seq:logits():reset()
    local before = logits:get(looped[1])
    sampling.dry {last = -1}:apply(logits, seq, no_draw)
    assert.is_true(logits:get(looped[1]) < before - 100)
    local other = seq:model():encode(" dog", {start = false})[1]
    assert.are.equal(seq:logits():reset():get(other), logits:get(other))
  end)
end)

it("no_repeat_ngram does what its definition says", function()
  for _, size in ipairs {1, 2, 3, 5} do
    compare(function() return sampling.no_repeat_ngram(size) end, function(list, ids)
      local banned, out = reference.repeated_ngrams(ids, size), {}
      for i = 1, #list do
        out[i] = banned[i - 1] and -math.huge or list[i]
      end
      return out
    end)
  end
end)

-------------------------------------------------------------------------------- single tokens

local function id_of(text)
  local ids = helper.model():encode(text, {start = false})
  assert(#ids == 1, text)
  return ids[1]
end

describe("bias", function()
  it("adds to tokens named by id and by text", function()
    local seq = story("Once upon a time")
    local logits, raw = seq:logits():reset(), seq:logits(-1)
    local stage = sampling.bias {[" time"] = 2.5, [300] = -1, [13] = -math.huge, [299] = 0}
    stage:apply(logits, seq, no_draw)
    assert.is_true(math.abs(logits:get(id_of " time") - raw:get(id_of " time") - 2.5) < 1e-5)
    assert.is_true(math.abs(logits:get(300) - raw:get(300) + 1) < 1e-5)
    assert.are.equal(-math.huge, logits:get(13))
    assert.are.equal(raw:get(299), logits:get(299))
    assert.are.equal("bias(tokens 4)", tostring(stage))
  end)

  it("means a word at its beginning and inside another", function()
    local seq = story("Once upon a time")
    local logits, raw = seq:logits():reset(), seq:logits(-1)
    sampling.bias {a = 1}:apply(logits, seq, no_draw)
    for _, text in ipairs {"a", " a"} do
      assert.is_true(math.abs(logits:get(id_of(text)) - raw:get(id_of(text)) - 1) < 1e-5)
    end
    logits:reset()
    sampling.bias {[" a"] = 1}:apply(logits, seq, no_draw)
    assert.are.equal(raw:get(id_of "a"), logits:get(id_of "a"))
  end)

  it("refuses what this model has no token for", function()
    local seq = story("Once upon a time")
    for _, case in ipairs {
      {sampling.bias {["dragonfly"] = 1}, "no single token"},
      {sampling.bias {[5000] = 1}, "outside this model's vocabulary"},
      {sampling.ban {"dragonfly"}, "ban: 'dragonfly' is no single token"},
      {sampling.allow_only {2048}, "token 2048 is outside"},
    } do
      local ok, message = pcall(case[1].apply, case[1], seq:logits():reset(), seq, no_draw)
      assert.is_false(ok)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end
  end)
end)

describe("ban and allow_only", function()
  -- The ids that are allowed after a stage.
  local function allowed(stage, seq)
    local logits, ids = seq:logits():reset(), {}
    stage:apply(logits, seq, no_draw)
    for id = 0, helper.model():vocab_size() - 1 do
      if logits:get(id) > -math.huge then
        ids[#ids + 1] = id
      end
    end
    return ids
  end

  it("take ids and texts", function()
    local seq = story("Once upon a time")
    assert.are.same({13, id_of " a", id_of "a"}, allowed(sampling.allow_only {13, "a"}, seq))
    local left = allowed(sampling.ban {13, "a"}, seq)
    assert.are.equal(helper.model():vocab_size() - 3, #left)
    for _, id in ipairs(left) do
      assert.is_false(id == 13 or id == id_of "a" or id == id_of " a")
    end
  end)

  it("take a token set", function()
    local seq = story("Once upon a time")
    local set = lull.core.token_set(helper.model(), {5, 7, 9})
    assert.are.same({5, 7, 9}, allowed(sampling.allow_only(set), seq))
    assert.are.equal(helper.model():vocab_size() - 3, #allowed(sampling.ban(set), seq))
    assert.are.equal("ban(tokens 3)", tostring(sampling.ban(set)))
  end)

  it("serve several models at once", function()
    local stage = sampling.ban {"!"}
    local tiny = cases.sequence()
    local bang = cases.model():encode("!", {start = false})[1]
    for _ = 1, 2 do
      local seq = story("Once")
      assert.are.equal(helper.model():vocab_size() - 1, #allowed(stage, seq))
      local logits = tiny:logits():reset()
      stage:apply(logits, tiny, no_draw)
      assert.are.equal(-math.huge, logits:get(bang))
      assert.is_true(logits:get(bang + 1) > -math.huge)
    end
  end)

  it("report a model without a tokenizer, where they need one", function()
    local model = assert(lull.load(helper.model_path, {tokenizer = false}))
    local seq = assert(model:context {length = 8}):sequence()
    assert(seq:feed {1})
    assert(seq:context():step())
    for _, stage in ipairs {
      sampling.ban {"a"}, sampling.bias {a = 1}, sampling.bad_words {"a"},
      sampling.phrase_bias {a = 1}, sampling.dry(), sampling.xtc {probability = 1},
    } do
      local id, message, code = stage:apply(seq:logits():reset(), seq, no_draw)
      assert.is_nil(id)
      assert.are.equal("string", type(message))
      assert.are.equal("ESTATE", code, tostring(stage))
    end
    assert.is_nil(sampling.ban {5}:apply(seq:logits():reset(), seq, no_draw))
  end)
end)

it("what a stage must know of a model is worked out once", function()
  local memo = require("lull.sampling.tokens").memo
  local calls = 0
  local known = memo(function(model)
    calls = calls + 1
    if calls == 1 then
      return nil, "no", "ESTATE"
    end
    return {model = model}
  end)
  assert.are.same({nil, "no", "ESTATE"}, {known(helper.model())})
  assert.are.equal(helper.model(), known(helper.model()).model)
  assert.are.equal(cases.model(), known(cases.model()).model)
  assert.are.equal(known(helper.model()), known(helper.model()))
  assert.are.equal(3, calls)
end)

-------------------------------------------------------------------------------- phrases

describe("bad_words", function()
  it("bans the last token of a phrase whose others stand there", function()
    local ids = helper.model():encode(" little girl", {start = false})
    assert.are.equal(2, #ids)
    local seq = story("Once upon a time, there was a little")
    local stage = sampling.bad_words {"little girl", {id_of " a", 500, 77}, {88}}
    local logits = seq:logits():reset()
    stage:apply(logits, seq, no_draw)
    assert.are.equal(-math.huge, logits:get(ids[2]))
    assert.are.equal(-math.huge, logits:get(88))
    assert.is_true(logits:get(77) > -math.huge and logits:get(ids[1]) > -math.huge)
    feed(seq, 300)
    logits = seq:logits():reset()
    stage:apply(logits, seq, no_draw)
    assert.is_true(logits:get(ids[2]) > -math.huge)
  end)

  it("keep a phrase out of a story", function()
    local given = {max_tokens = 60, seed = 3, temperature = 0}
    local model = helper.model()
    local plain = model:generate("Once upon a time, there was a", given)
    assert.is_truthy(plain:find("little girl", 1, true), plain)
    local without = model:generate("Once upon a time, there was a", {max_tokens = 60, sampler = {
      sampling.bad_words {"little girl"}, sampling.greedy(),
    }})
    assert.is_nil(without:find("little girl", 1, true), without)
  end)
end)

describe("phrase_bias", function()
  it("rises with the part that is told", function()
    local model = helper.model()
    local ids = model:encode(" big red ball", {start = false})
    assert.are.equal(3, #ids)
    local seq = story("She saw the")
    local stage = sampling.phrase_bias {[" big red ball"] = 6}
    for told = 1, 3 do
      local logits, raw = seq:logits():reset(), seq:logits(-1)
      stage:apply(logits, seq, no_draw)
      for i = 1, 3 do
        local change = logits:get(ids[i]) - raw:get(ids[i])
        local expected = i == told and 6 * told / 3 or 0
        assert.is_true(math.abs(change - expected) < 1e-5, told .. ", " .. i)
      end
      feed(seq, ids[told])
    end
    local logits, raw = seq:logits():reset(), seq:logits(-1)
    stage:apply(logits, seq, no_draw)
    assert.is_true(math.abs(logits:get(ids[1]) - raw:get(ids[1]) - 2) < 1e-5)
  end)

  it("of -inf bans the last token alone", function()
    local ids = helper.model():encode(" big red", {start = false})
    local seq = story("She saw the")
    local stage = sampling.phrase_bias {[" big red"] = -math.huge}
    local logits = seq:logits():reset()
    stage:apply(logits, seq, no_draw)
    assert.is_true(logits:get(ids[1]) > -math.huge and logits:get(ids[2]) > -math.huge)
    feed(seq, ids[1])
    logits = seq:logits():reset()
    stage:apply(logits, seq, no_draw)
    assert.are.equal(-math.huge, logits:get(ids[2]))
  end)

  it("brings a phrase into a story", function()
    local sampler = {sampling.phrase_bias {[" purple elephant"] = 30}, sampling.greedy()}
    local text = helper.model():generate("Once upon a time, there was a",
      {max_tokens = 30, sampler = sampler})
    assert.is_truthy(text:find("purple elephant", 1, true), text)
  end)
end)

-------------------------------------------------------------------------------- length

describe("length", function()
  -- Is the end allowed, is anything else, and what is EOS's logit?
  local function look(stage, seq)
    local logits, model = seq:logits():reset(), seq:model()
    stage:apply(logits, seq, no_draw)
    return logits:get(model:bos()) > -math.huge and logits:get(model:eos()) > -math.huge,
      logits:get(300) > -math.huge, logits:get(model:eos())
  end

  it("min_tokens forbids the end, max_tokens allows nothing else", function()
    local seq = story("Once upon a time")
    local least, most = sampling.min_tokens(2), sampling.max_tokens(2)
    for told = 0, 3 do
      local ends, goes_on = look(least, seq)
      assert.are.same({told >= 2, true}, {ends, goes_on})
      ends, goes_on = look(most, seq)
      assert.are.same({true, told < 2}, {ends, goes_on})
      feed(seq, 300)
    end
    seq:rewind(#seq - 3)
    seq:context():step()
    assert.is_false((look(least, seq)))
    least:reset()
    feed(seq, {300, 300, 300})
    assert.is_false((look(least, seq)))
  end)

  it("eos_decay raises the end's logit by |l| (factor^n - 1)", function()
    local seq = story("Once upon a time")
    local stage = sampling.eos_decay {after = 1, factor = 1.5}
    for told = 0, 4 do
      local raw = seq:logits(-1):get(seq:model():eos())
      local _, _, eos = look(stage, seq)
      local growth = told > 1 and 1.5 ^ (told - 1) - 1 or 0
      assert.is_true(math.abs(eos - raw - math.abs(raw) * growth) < 1e-4 * (1 + math.abs(raw)))
      feed(seq, 300)
    end
  end)

  it("max_tokens ends a story by its own", function()
    local _, facts = helper.model():generate("Once upon a time", {max_tokens = 50, sampler = {
      sampling.min_tokens(20), sampling.max_tokens(20), sampling.greedy(),
    }})
    assert.are.same({20, "stop"}, {facts.tokens, facts.finish_reason})
  end)
end)
