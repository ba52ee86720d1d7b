-- Best of n and self-consistency.
local chi_square = require "tests.spec.chi_square"
local helper = require "tests.spec.helper"
local lull = require "lull"
local decode, sampling = lull.decode, lull.sampling

local model = helper.model()
local PROMPT = "One day, Lily"

-- A constraint: tokens of at most three bytes.
local ONLY_SHORT = {matcher = function(_, used)
  local set = lull.token_set(used)
  for id = 0, used:vocab_size() - 1 do
    if #used:piece(id) <= 3 then
      set:add(id)
    end
  end
  return {
    allows = function(_, id) return set:has(id) end, complete = function() return true end,
    mask = function(_, logits) logits:allow(set) end, accept = function() return true end,
    reset = function() end,
  }
end}

describe("best_of", function()
  it("tells what generate tells with the streams of its candidates", function()
    for _, given in ipairs {
      {}, {stop = {".", "her"}}, {ban_phrases = {" was", " the"}}, {temperature = 0},
      {draft = decode.draft_lookup {ngram = 1}}, {draft = decode.draft_model(model)},
      {dry_multiplier = 1, mirostat = 2}, {loops = {size = 3, count = 2}},
      {constraint = ONLY_SHORT},
    } do
      given.n, given.seed, given.stream, given.max_tokens = 4, 11, "tale", 24
      local best, facts = assert(decode.best_of(model, PROMPT, given))
      given.n = nil
      assert.are.equal(4, #facts.candidates)
      assert.are.equal(best, facts.candidates[1].text)
      for _, one in ipairs(facts.candidates) do
        given.stream = one.stream
        local text, alone = assert(model:generate(PROMPT, given))
        assert.are.equal(text, one.text)
        for _, key in ipairs {"tokens", "finish_reason", "stop", "rewinds", "seed", "sampler"} do
          assert.are.equal(alone[key], one[key])
        end
        assert.are.equal(decode.child_stream("tale", one.index), one.stream)
      end
    end
  end)

  it("ranks by the mean log-probability of the raw distribution", function()
    local context = assert(model:context {sequences = 10, length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local _, facts = assert(decode.best_of(seq, {n = 8, seed = 2, max_tokens = 20, top_k = 5}))
    local tokens, before = 0, math.huge
    for _, one in ipairs(facts.candidates) do
      local sum = 0
      for _, score in ipairs(seq:score(one.ids)) do
        sum = sum + score
      end
      assert.is_true(math.abs(sum - one.logprob) < 1e-4)
      assert.are.equal(one.logprob / #one.ids, one.mean_logprob)
      assert.are.equal(one.score, one.mean_logprob)
      assert.are.equal(one.tokens, #one.ids)
      assert.is_nil(one.logprobs)
      assert.is_true(one.score <= before)
      before, tokens = one.score, tokens + one.tokens
    end
    assert.are.equal(tokens, facts.tokens)
    context:close()
  end)

  it("ranks by a function of mine, and ties by the lower index", function()
    local told = {}
    local text, facts = decode.best_of(model, PROMPT, {
      n = 6, seed = 1, max_tokens = 15, logprobs = 2,
      score = function(one, own)
        assert(one == own.text and own.tokens == #own.ids and #own.logprobs == own.tokens)
        told[#told + 1] = one
        return -#one
      end,
    })
    table.sort(told, function(a, b) return #a < #b end)
    assert.are.equal(#told[1], #text)
    local _, same = decode.best_of(model, PROMPT, {
      n = 6, seed = 1, max_tokens = 15, score = function() return 1 end,
    })
    for i, one in ipairs(same.candidates) do
      assert.are.equal(i, one.index)
    end
    assert.are.equal(6, #facts.candidates)
    for _, bad in ipairs {"x", 0 / 0} do
      assert.has_error(function()
        decode.best_of(model, PROMPT, {n = 1, max_tokens = 1, score = function() return bad end})
      end)
    end
  end)

  it("puts a text without tokens last", function()
    local calls = 0
    local _, facts = decode.best_of(model, PROMPT, {n = 3, max_tokens = 3, sampler = {
      name = "one ends", selector = true,
      apply = function(_, logits)
        calls = calls + 1
        return calls == 2 and model:eos() or logits:argmax()
      end,
    }})
    assert.are.equal("", facts.candidates[3].text)
    assert.are.equal(-math.huge, facts.candidates[3].score)
    assert.are.equal(2, facts.candidates[3].index)
  end)

  it("draws texts that have nothing to do with each other", function()
    local context = assert(model:context {sequences = 66, length = 16})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    assert(context:step())
    local expected, counts, pairs_seen, n = {}, {}, {}, 0
    for id, p in seq:logits():top_k(3):candidates(3) do
      expected[id] = p
    end
    local expected_pairs = {}
    for a, p in pairs(expected) do
      for b, q in pairs(expected) do
        expected_pairs[a .. " " .. b] = p * q
      end
    end
    for seed = 1, 30 do
      local _, facts = assert(decode.best_of(seq, {
        n = 64, seed = seed, max_tokens = 1, sampler = {sampling.top_k(3), sampling.sample()},
        score = function(_, one) return -one.index end,
      }))
      local last
      for _, one in ipairs(facts.candidates) do
        local id = one.ids[1]
        counts[id], n = (counts[id] or 0) + 1, n + 1
        if last then
          local key = last .. " " .. id
          pairs_seen[key], last = (pairs_seen[key] or 0) + 1, nil
        else
          last = id
        end
      end
    end
    assert.is_true(chi_square.fits(counts, expected, n))
    assert.is_true(chi_square.fits(pairs_seen, expected_pairs, n / 2))
    context:close()
  end)

  it("has a stream for each of them", function()
    local seen = {}
    for _, stream in ipairs {0, 1, "0", "a", 2 ^ 53} do
      for i = 1, 20 do
        local name = decode.child_stream(stream, i)
        assert.is_nil(seen[name])
        seen[name] = true
      end
    end
    assert.are.equal(decode.child_stream(7, 1), decode.child_stream(7.0, 1))
  end)
end)

describe("self_consistency", function()
  it("takes the answer most texts come to", function()
    local answer, facts = assert(decode.self_consistency(model, "The ball was", {
      n = 24, seed = 3, max_tokens = 4, answer = "^ (%a+)",
    }))
    local counts, voices = {}, 0
    for i, one in ipairs(facts.candidates) do
      assert.are.equal(i, one.index)
      assert.are.equal(one.text:match("^ (%a+)"), one.answer)
      if one.answer then
        counts[one.answer], voices = (counts[one.answer] or 0) + 1, voices + 1
      end
    end
    local sum, before = 0, math.huge
    for _, vote in ipairs(facts.votes) do
      assert.are.equal(counts[vote.answer], vote.count)
      assert.are.equal(vote.answer, facts.candidates[vote.first].answer)
      assert.is_true(vote.count <= before)
      sum, before = sum + vote.count, vote.count
    end
    assert.are.equal(voices, sum)
    assert.are.equal(answer, facts.votes[1].answer)
    assert.is_true(facts.votes[1].count > 1)
  end)

  it("decides ties by the higher mean, then by who came first", function()
    local answers = {"b", "a", "c", "a", "b"}
    local i = 0
    local given = {n = 5, seed = 3, max_tokens = 6, answer = function()
      i = i % 5 + 1
      return answers[i]
    end}
    local answer, facts = decode.self_consistency(model, PROMPT, given)
    local list = facts.candidates
    local a = (list[2].mean_logprob + list[4].mean_logprob) / 2
    local b = (list[1].mean_logprob + list[5].mean_logprob) / 2
    assert.is_true(a ~= b)
    assert.are.equal(a > b and "a" or "b", answer)
    assert.are.equal("c", facts.votes[3].answer)
    given.temperature = 0 -- all the same
    assert.are.equal("b", (decode.self_consistency(model, PROMPT, given)))
  end)

  it("is false where no text has an answer", function()
    local answer, facts = decode.self_consistency(model, PROMPT, {
      n = 2, max_tokens = 3, answer = "%d%d%d%d",
    })
    assert.is_false(answer)
    assert.are.same({}, facts.votes)
    assert.are.equal(2, #facts.candidates)
  end)

  it("needs an answer", function()
    for _, given in ipairs {{}, {answer = 5}, {answer = "%"}} do
      assert.has_error(function() decode.self_consistency(model, PROMPT, given) end)
    end
  end)
end)
