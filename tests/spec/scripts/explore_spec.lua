-- Records of how each token was chosen: the same text as without them, and true numbers.
local helper = require "tests.spec.helper"
local lull = require "lull"
local common = dofile "tests/spec/core/common.lua"

local explore, sampling = lull.explore, lull.sampling
local exp, log = lull.math.exp, lull.math.log
local model = helper.model()
local PROMPT = "Once upon a time"

local function near(expected, actual, tolerance)
  assert.is_true(math.abs(expected - actual) <= (tolerance or 1e-6) * math.max(1, expected),
    expected .. " expected, got " .. tostring(actual))
end

local function with(given, more)
  local both = {}
  for _, options in ipairs {given, more} do
    for name, value in pairs(options) do
      both[name] = value
    end
  end
  return both
end

-- The text of a record by its tokens.
local function joined(record)
  local pieces = {}
  for _, token in ipairs(record.tokens) do
    pieces[#pieces + 1] = token.ending and "" or token.text
  end
  return table.concat(pieces)
end

describe("explore.text", function()
  local function first_of_five(logits)
    return (logits:top_k(5):candidates(1)())
  end
  local cases = {
    defaults = {}, greedy = {temperature = 0}, wild = {temperature = 1.7, top_p = 1, min_p = 0},
    ["no stage but the draw"] = {temperature = 1, top_k = 0, top_p = 1, min_p = 0},
    penalties = {repetition_penalty = 1.2, dry_multiplier = 0.8, no_repeat_ngram = 3},
    mirostat = {mirostat = 2, mirostat_tau = 3}, xtc = {xtc_probability = 0.5},
    adaptive = {adaptive_target = 0.4},
    ["a function"] = {sampler = first_of_five},
    ["a list"] = {sampler = {sampling.top_k(9), sampling.temperature(1.1), sampling.sample()}},
    ["a chain in a chain"] = {
      sampler = {sampling.top_p(0.9), {sampling.temperature(0.9), sampling.sample()}},
    },
    llama2c = {sampler = sampling.llama2c {temperature = 1, top_p = 0.9, seed = 5}},
    stop = {stop = {".", "\n"}}, ["a stop id"] = {stop_ids = {model:encode(".")[1]}},
    ["banned phrases"] = {ban_phrases = {" little", " was", " Lily", " Tim"}},
    constraint = {constraint = lull.constrain.regex("[ a-z,]{10,40}\\.")},
    ["an open constraint"] = {constraint = lull.constrain.regex("[^T]*"), temperature = 1.5},
    heal = {heal = true},
    ["a draft"] = {draft = lull.decode.draft_lookup {ngram = 2, tokens = 3}},
    ["a draft by a model"] = {
      draft = lull.decode.draft_model(model, {tokens = 3}), mirostat = 2, mirostat_tau = 2,
    },
    guidance = {sampler = {
      lull.decode.guidance {prompt = "A sad day."}, sampling.temperature(0.9), sampling.sample(),
    }},
    dola = {sampler = {lull.decode.dola(model, {layers = "low"}), sampling.sample()}},
    ["what a stage needs"] = {sampler = {
      feed = {hidden = true}, selector = true,
      apply = function(_, logits, seq, draw)
        return assert(seq:hidden(-1)) and logits:sample(draw())
      end,
    }},
    stream = {stream = "another"}, ["one token"] = {max_tokens = 1}, ["none"] = {max_tokens = 0},
  }
  for name, given in pairs(cases) do
    it("tells what generate tells: " .. name, function()
      for seed = 1, 3 do
        local asked = with({max_tokens = 30, seed = seed}, given)
        local text, facts = assert(model:generate(PROMPT, asked))
        local record = assert(explore.text(model, PROMPT, asked))
        assert.are.equal(text, record.text)
        assert.are.equal(facts.finish_reason, record.finish_reason)
        assert.are.equal(facts.stop, record.stop)
        assert.are.equal(seed, record.seed)
        assert.are.equal(facts.sampler, record.sampler)
        local ended = record.tokens[#record.tokens]
        assert.are.equal(facts.tokens, #record.tokens - (ended and ended.ending and 1 or 0))
        local whole = record.prompt .. joined(record)
        assert.are.equal(PROMPT .. text, whole:sub(1, #whole - record.cut))
      end
    end)
  end

  it("takes a list of ids and an empty prompt", function()
    local ids = assert(model:encode("One day", {start = true}))
    local record = assert(explore.text(model, ids, {max_tokens = 10, seed = 2}))
    assert.are.equal((model:generate(ids, {max_tokens = 10, seed = 2})), record.text)
    assert.are.equal("One day", record.prompt)
    record = assert(explore.text(model, "", {max_tokens = 10, seed = 2}))
    assert.are.equal((model:generate("", {max_tokens = 10, seed = 2})), record.text)
    assert.are.equal("", record.prompt)
    assert.are.equal(record.text, joined(record))
    assert.are.equal(" " .. record.tokens[1].text, record.tokens[1].piece)
  end)

  it("has the raw distribution", function()
    local given = {max_tokens = 25, seed = 11, temperature = 1.3}
    local _, facts = assert(model:generate(PROMPT, with(given, {logprobs = 6})))
    local record = assert(explore.text(model, PROMPT, with(given, {alternatives = 6})))
    local context = assert(model:context {sequences = 1, length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local ranks = {}
    for i, token in ipairs(record.tokens) do
      local expected = facts.logprobs[i]
      assert.are.equal(expected.id, token.id)
      assert.are.equal(expected.piece, token.piece)
      near(exp(expected.logprob), token.p)
      near(-expected.logprob / log(2), token.surprise_bits)
      assert.are.equal(6, #token.alternatives)
      for rank, other in ipairs(expected.top) do
        local a = token.alternatives[rank]
        assert.are.same({other.id, other.piece, rank}, {a.id, a.piece, a.rank})
        near(exp(other.logprob), a.p)
      end
      assert(context:step())
      local logits = assert(seq:logits())
      near(logits:entropy(), token.entropy, 1e-5)
      near(token.entropy / log(2), token.entropy_bits)
      assert.are.equal(#seq, token.position)
      local better = 0
      for id, p in logits:candidates(logits:size()) do
        if id == token.id then
          break
        end
        better = better + (p > 0 and 1 or 0)
      end
      assert.are.equal(better + 1, token.rank)
      ranks[token.rank] = true
      seq:feed(token.id)
    end
    assert.is_true(ranks[1] and next(ranks, next(ranks)) ~= nil, "some were not the likeliest")
    local sum = 0
    for _, token in ipairs(record.tokens) do
      sum = sum + token.surprise_bits
    end
    near(sum / 25, record.surprise_bits)
  end)

  it("has what the chain left, and which stage removed what", function()
    local chain = sampling.chain {
      sampling.temperature(2), sampling.top_k(6), sampling.min_p(0.2), sampling.sample(),
    }
    local record = assert(explore.text(model, PROMPT,
      {sampler = chain, max_tokens = 20, seed = 4, alternatives = 12}))
    assert.are.equal(tostring(chain), record.sampler)
    local context = assert(model:context {sequences = 1, length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local narrowed = 0
    for _, token in ipairs(record.tokens) do
      local names = {}
      for i, stage in ipairs(token.stages) do
        names[i] = stage.name
      end
      assert.are.same({"temperature(2)", "top_k(6)", "min_p(0.2)", "sample"}, names)
      assert(context:step())
      local logits, raw = assert(seq:logits()), {}
      for id, p in logits:candidates(2048) do
        raw[id] = p
      end
      local before, before_mass = 2048, 1
      for i, change in ipairs {
        function() logits:temperature(2) end, function() logits:top_k(6) end,
        function() logits:min_p(0.2) end, function() end,
      } do
        change()
        local count, mass, stage = 0, 0, token.stages[i]
        for id in logits:candidates(2048) do
          count, mass = count + 1, mass + raw[id]
        end
        assert.are.equal(count, stage.remaining)
        assert.are.equal(before - count, stage.removed)
        near(before_mass - mass, stage.mass, 1e-5)
        near(logits:entropy(), stage.entropy, 1e-5)
        assert.are.equal(i == 1, stage.reshaped)
        before, before_mass = count, mass
      end
      local after = {}
      for id, p in logits:candidates(2048) do
        after[id] = p
      end
      near(after[token.id], token.chain_p)
      near(logits:entropy(), token.chain_entropy, 1e-5)
      assert.is_nil(token.removed_by)
      for rank, a in ipairs(token.alternatives) do
        near(after[a.id] or 0, a.chain_p)
        local remover = not after[a.id] and (rank > 6 and "top_k(6)" or "min_p(0.2)") or nil
        assert.are.equal(remover, a.removed_by)
        narrowed = narrowed + (remover == "min_p(0.2)" and 1 or 0)
      end
      seq:feed(token.id)
    end
    assert.is_true(narrowed > 0)
  end)

  it("shows that the greedy choice is no choice", function()
    local record = assert(explore.text(model, PROMPT, {temperature = 0, max_tokens = 5}))
    for _, token in ipairs(record.tokens) do
      local last = token.stages[#token.stages]
      assert.are.same({"greedy", 1}, {last.name, last.remaining})
      assert.are.same({1, 1, 0}, {token.rank, token.chain_p, token.chain_entropy})
    end
  end)

  it("shows what selectors remove and strategies reshape", function()
    local record = assert(explore.text(model, PROMPT,
      {mirostat = 2, mirostat_tau = 1, temperature = 1, max_tokens = 10, seed = 1}))
    assert.is_true(record.tokens[10].stages[1].removed > 0)
    record = assert(explore.text(model, PROMPT, {max_tokens = 3, seed = 1, sampler = {
      {name = "mine", apply = function(_, logits) logits:add({13, 285}, 1) end},
      function(logits, _, draw) return logits:sample(draw()) end,
    }}))
    local stages = record.tokens[1].stages
    assert.are.same({"mine", true, 0}, {stages[1].name, stages[1].reshaped, stages[1].removed})
    assert.are.same({"function", false}, {stages[2].name, stages[2].reshaped})
  end)

  it("follows what is taken back, and shows what is not allowed", function()
    local given = {max_tokens = 30, seed = 3, ban_phrases = {" little", " Tim", " was", " named"}}
    local _, facts = assert(model:generate(PROMPT, given))
    assert.is_true(facts.rewinds > 0)
    local record = assert(explore.text(model, PROMPT, given))
    local kept_away = 0
    for i, token in ipairs(record.tokens) do
      assert.are.equal(record.tokens[1].position + i - 1, token.position)
      local first = token.stages[1]
      if first.name == "not allowed here" then
        assert.is_true(first.removed >= 1)
        for _, a in ipairs(token.alternatives) do
          kept_away = kept_away + (a.removed_by == "not allowed here" and 1 or 0)
        end
      end
    end
    assert.is_true(kept_away > 0)
  end)

  it("shows what a constraint does not allow", function()
    local record = assert(explore.text(model, PROMPT,
      {constraint = lull.constrain.regex(" [b-d]+z[0-9]"), seed = 1, max_tokens = 20}))
    assert.is_truthy(record.text:find("^ [b-d]+z%d$"), record.text)
    local shown = 0
    for _, token in ipairs(record.tokens) do
      for _, stage in ipairs(token.stages) do
        shown = shown + (stage.name == "not allowed here" and 1 or 0)
      end
      assert.is_true(token.chain_p > 0)
    end
    assert.is_true(shown > 0)
  end)

  it("records the token that ends a text", function()
    local n = 0
    local record = assert(explore.text(model, PROMPT, {sampler = function()
      n = n + 1
      return n == 3 and model:eos() or 285
    end}))
    assert.are.equal(3, #record.tokens)
    assert.are.equal("stop", record.finish_reason)
    assert.is_true(record.tokens[3].ending)
    assert.are.equal(model:eos(), record.tokens[3].id)
    assert.is_nil(record.tokens[2].ending)
  end)

  it("leaves strategies their state", function()
    local function counting()
      local calls = {reset = 0, accept = 0, apply = 0}
      return calls, {
        name = "counting", selector = true, ignore_eos = true,
        apply = function(_, logits, _, draw)
          calls.apply = calls.apply + 1
          return logits:sample(draw())
        end,
        accept = function() calls.accept = calls.accept + 1 end,
        reset = function() calls.reset = calls.reset + 1 end,
      }
    end
    local plain, one = counting()
    local watched, other = counting()
    assert(model:generate(PROMPT, {sampler = one, max_tokens = 12, seed = 1}))
    assert(explore.text(model, PROMPT, {sampler = other, max_tokens = 12, seed = 1}))
    assert.are.same(plain, watched)
    assert.are.equal(12, watched.accept)
  end)

  it("may be yielded through", function()
    local thread = coroutine.wrap(function()
      return explore.text(model, PROMPT, {max_tokens = 3, sampler = function(logits)
        coroutine.yield("thinking")
        return logits:argmax()
      end})
    end)
    for _ = 1, 3 do
      assert.are.equal("thinking", thread())
    end
    assert.are.equal(3, #thread().tokens)
  end)

  it("calls each, with as many alternatives as asked for", function()
    local seen = {}
    local record = assert(explore.text(model, PROMPT, {
      max_tokens = 4, seed = 1, alternatives = 0,
      each = function(token, number) seen[number] = token end,
    }))
    assert.are.same(record.tokens, seen)
    assert.are.same({}, record.tokens[1].alternatives)
    record = assert(explore.text(model, PROMPT, {max_tokens = 1, seed = 1, alternatives = 1000}))
    assert.are.equal(1000, #record.tokens[1].alternatives)
  end)

  it("reports what fails", function()
    local path, tokenizer = common.tiny {bad = 0 / 0}, common.tokenizer()
    local broken = assert(lull.load(path, {tokenizer = tokenizer}))
    local record, message, code = explore.text(broken, "x", {max_tokens = 3, seed = 1})
    assert.is_nil(record)
    assert.are.equal("EINVAL", code)
    assert.is_truthy(message:find("not finite", 1, true), message)
    broken:close()
    common.clean()
    record, message, code = explore.text(model, ("the dog "):rep(2000))
    assert.is_nil(record)
    assert.are.equal("ECONTEXT", code)
    assert.is_truthy(message:find("512", 1, true), message)
  end)

  it("blames the caller for mistakes", function()
    for _, case in ipairs {
      {{alternatives = -1}, "alternatives"}, {{alternativs = 3}, "did you mean 'alternatives'"},
      {{each = 3}, "each"}, {{temperature = -1}, "temperature"},
      {{sampler = {sampling.top_k(3)}}, "chooses no token"},
    } do
      local ok, message = pcall(explore.text, model, PROMPT, case[1])
      assert.is_false(ok)
      assert.is_truthy(message:find(case[2], 1, true), message)
    end
    local _, message = pcall(function()
      local record = explore.text(model, PROMPT, {top_k = "x"})
      return record
    end)
    assert.is_truthy(message:find("explore_spec.lua", 1, true), message)
    assert.is_truthy(message:find("'explore.text'", 1, true), message)
  end)
end)

describe("explore.given", function()
  local TEXT = "Once upon a time, there was a helicopter."

  it("sees a text as the model scores it", function()
    for _, text in ipairs {TEXT, "a\255\0b \195\169\n\n", "Tom"} do
      local ids = assert(model:encode(text, {start = true}))
      local context = assert(model:context {sequences = 1, length = 64})
      local seq = assert(context:sequence())
      assert(seq:feed(ids[1]))
      local rest = {}
      for i = 2, #ids do
        rest[i - 1] = ids[i]
      end
      local scores = assert(seq:score(rest))
      local record = assert(explore.given(model, text))
      assert.are.equal(#rest, #record.tokens)
      for i, token in ipairs(record.tokens) do
        assert.are.equal(rest[i], token.id)
        near(-scores[i] / log(2), token.surprise_bits, 1e-5)
      end
      assert.are.equal(text, record.text)
      assert.are.equal(text, joined(record))
      assert.are.same({"", 0}, {record.prompt, record.cut})
      assert.is_nil(record.seed)
      assert.is_nil(record.finish_reason)
    end
  end)

  it("says what the chain would have removed", function()
    local record = assert(explore.given(model, TEXT, {top_k = 10, alternatives = 3}))
    local removed = 0
    for _, token in ipairs(record.tokens) do
      if token.rank > 10 then
        assert.are.equal("top_k(10)", token.removed_by)
      end
      if token.removed_by then
        removed = removed + 1
        assert.are.equal(0, token.chain_p)
      else
        assert.is_true(token.chain_p > 0)
      end
    end
    assert.is_true(removed > 0 and removed < #record.tokens)
  end)

  it("has the penalties see the text that is given", function()
    local twice = "the dog the dog"
    local plain = assert(explore.given(model, twice, {temperature = 1, top_k = 0}))
    local record = assert(explore.given(model, twice,
      {repetition_penalty = 2, temperature = 1, top_k = 0}))
    local last = #record.tokens
    assert.are.equal(plain.tokens[last].p, record.tokens[last].p)
    assert.is_true(record.tokens[last].chain_p < plain.tokens[last].chain_p)
  end)

  it("goes through to the end of a context, and no farther", function()
    local ids = assert(model:encode(TEXT, {start = true}))
    assert(explore.given(model, TEXT, {length = #ids - 1}))
    local record, message, code = explore.given(model, TEXT, {length = #ids - 2})
    assert.is_nil(record)
    assert.are.equal("ECONTEXT", code)
    assert.is_truthy(message:find(#ids .. " tokens", 1, true), message)
    record = assert(explore.given(model, ""))
    assert.are.same({}, record.tokens)
    assert.are.equal(0, record.surprise_bits)
  end)

  it("takes no options that would change the text", function()
    for _, name in ipairs {"stop", "ban_phrases", "max_tokens", "constraint", "heal"} do
      local ok, message = pcall(explore.given, model, TEXT, {[name] = "x"})
      assert.is_false(ok)
      assert.is_truthy(message:find("unknown option '" .. name .. "'", 1, true), message)
    end
    local ok, message = pcall(explore.given, model, {1, 2})
    assert.is_false(ok)
    assert.is_truthy(message:find("a string expected", 1, true), message)
  end)
end)
