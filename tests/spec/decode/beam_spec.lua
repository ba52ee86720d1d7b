-- Beam search: against all texts there are, and against a search written plainly.
local helper = require "tests.spec.helper"
local lull = require "lull"
local decode = lull.decode

local model = helper.model()
local PROMPTS = {"Once upon a time", "Tom had a", "The dog was", "She said, \""}
local ENDS = {[model:bos()] = true, [model:eos()] = true}

-- Log-probabilities of the next token, by what was told.
local function oracle(prompt)
  local context = assert(model:context {length = 32})
  local seq = assert(context:sequence())
  assert(seq:feed(prompt))
  local n_prompt, known = #seq, {}
  return function(ids)
    local key = table.concat(ids, " ")
    if not known[key] then
      assert(seq:rewind(n_prompt))
      if #ids > 0 then
        assert(seq:feed(ids))
      end
      assert(context:step())
      known[key] = seq:logits():clone()
    end
    return known[key]
  end
end

-- The most probable tokens after the prompt, and the end.
local function small_vocabulary(logprobs, n)
  local ids = {model:eos()}
  for id in logprobs({}):candidates(n) do
    ids[#ids + 1] = id
  end
  table.sort(ids)
  return ids
end

local function joined(ids, id)
  local longer = {}
  for i = 1, #ids do
    longer[i] = ids[i]
  end
  longer[#longer + 1] = id
  return longer
end

local function count_keys(set)
  local count = 0
  for _ in pairs(set) do
    count = count + 1
  end
  return count
end

local function contains(ids, phrase)
  return (" " .. table.concat(ids, " ") .. " "):find(" " .. table.concat(phrase, " ") .. " ", 1,
    true) ~= nil
end

local function count_missing(ids, phrases)
  local count = 0
  for _, phrase in ipairs(phrases or {}) do
    count = count + (contains(ids, phrase) and 0 or 1)
  end
  return count
end

-- All texts of at most `most` tokens, the best first.
local function enumerate(logprobs, vocabulary, most, o)
  local all = {}
  local function visit(ids, sum)
    for _, id in ipairs(vocabulary) do
      local one = {sum = sum + logprobs(ids):logprob(id), ids = ENDS[id] and ids or joined(ids, id)}
      if ENDS[id] or #one.ids == most then
        one.score = one.sum / (#ids + 1) ^ o.length_penalty
        if count_missing(one.ids, o.phrases) == 0 then
          all[#all + 1] = one
        end
      else
        visit(one.ids, one.sum)
      end
    end
  end
  visit({}, 0)
  table.sort(all, function(a, b) return a.score > b.score end)
  return all
end

describe("beam search with beams for everything", function()
  it("finds the best of all texts", function()
    for i, prompt in ipairs(PROMPTS) do
      local logprobs = oracle(prompt)
      local vocabulary = small_vocabulary(logprobs, 3)
      for _, o in ipairs {
        {length_penalty = 0}, {length_penalty = 1}, {length_penalty = 2.5}, {length_penalty = -1},
        {length_penalty = 1, phrases = {{vocabulary[2], vocabulary[3]}}},
        {length_penalty = 0.5, phrases = {{vocabulary[2]}, {vocabulary[3], vocabulary[3]}}},
      } do
        local most = i == 1 and 5 or 4
        local all = enumerate(logprobs, vocabulary, most, o)
        local _, facts = assert(decode.beam(model, prompt, {
          beams = 4 ^ most, n = 10, max_tokens = most, early_stopping = "never",
          length_penalty = o.length_penalty, phrases = o.phrases,
          sampler_stages = function(logits) logits:allow(vocabulary) end,
        }))
        for k = 1, 10 do
          assert.are.same(all[k].ids, facts.texts[k].ids)
          assert.is_true(math.abs(all[k].score - facts.texts[k].score) < 1e-9)
          assert.is_true(math.abs(all[k].sum - facts.texts[k].logprob) < 1e-9)
        end
      end
    end
  end)

  it("has the log-probabilities that scoring has", function()
    local context = assert(model:context {sequences = 12, length = 40})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPTS[2]))
    assert(context:step())
    local _, facts = assert(decode.beam(seq, {beams = 8, n = 8, max_tokens = 12}))
    for _, one in ipairs(facts.texts) do
      local ids, sum = joined(one.ids, one.finish_reason == "stop" and model:bos() or nil), 0
      for _, score in ipairs(seq:score(ids)) do
        sum = sum + score
      end
      if one.finish_reason == "length" then
        assert.is_true(math.abs(sum - one.logprob) < 1e-4)
        assert.are.equal(one.score, one.logprob / 12)
      end
      assert.are.equal(one.text, model:decode(one.ids))
      assert.are.equal(one.tokens, #one.ids)
    end
    context:close()
  end)
end)

-------------------------------------------------------------------------------- plainly

-- How many tokens of phrases a text has met: those of the complete ones, and the furthest other.
-- And the tokens that would take one further.
local function met(ids, phrases)
  local complete, furthest, wanted = 0, 0, {}
  for _, phrase in ipairs(phrases) do
    if contains(ids, phrase) then
      complete = complete + #phrase
    else
      local n = #phrase - 1
      while n > 0 and (n > #ids or table.concat(ids, " ", #ids - n + 1)
        ~= table.concat(phrase, " ", 1, n)) do
        n = n - 1
      end
      furthest, wanted[phrase[n + 1]] = math.max(furthest, n), true
    end
  end
  return complete + furthest, wanted
end

-- What a beam proposes: its k best tokens, and those wanted.
local function proposed(logprobs, vocabulary, one, k, phrases)
  local logits, ids = logprobs(one.ids), {}
  local sorted = joined(vocabulary)
  table.sort(sorted, function(a, b)
    if logits:logprob(a) ~= logits:logprob(b) then
      return logits:logprob(a) > logits:logprob(b)
    end
    return a < b
  end)
  local _, wanted = met(one.ids, phrases)
  for i, id in ipairs(sorted) do
    if i <= k or wanted[id] then
      ids[#ids + 1] = id
    end
  end
  return ids
end

-- Beam search as it is written down: all proposals, sorted, and who goes on.
local function reference(logprobs, vocabulary, o)
  local width = o.beams / o.groups
  local groups = {}
  for g = 1, o.groups do
    groups[g] = {live = {{ids = {}, sum = 0}}, done = {}}
  end
  local function score(sum, length)
    return sum / length ^ o.length_penalty
  end
  local function finish(group, one, length)
    one.score, one.missing = score(one.sum, length), count_missing(one.ids, o.phrases)
    local at = 1
    while group.done[at] and (group.done[at].missing < one.missing
      or group.done[at].missing == one.missing and group.done[at].score >= one.score) do
      at = at + 1
    end
    table.insert(group.done, at, one)
    group.done[width + 1] = nil
  end
  for t = 1, o.max_tokens do
    local taken = {}
    for _, group in ipairs(groups) do
      local options = {}
      for b, one in ipairs(group.live) do
        local k = width + 3 + count_keys(taken) -- three tokens end a text
        for _, id in ipairs(proposed(logprobs, vocabulary, one, k, o.phrases)) do
          local sum = one.sum + logprobs(one.ids):logprob(id)
          local ids = joined(one.ids, id)
          options[#options + 1] = {
            b = b, id = id, sum = sum, order = sum - o.diversity * (taken[id] or 0),
            ids = ENDS[id] and one.ids or ids, met = (met(ids, o.phrases)),
          }
        end
      end
      local function before(a, b)
        if a.order ~= b.order then return a.order > b.order end
        if a.b ~= b.b then return a.b < b.b end
        return a.id < b.id
      end
      table.sort(options, before)
      local banks, top = {}, 0
      for _, one in ipairs(options) do
        banks[one.met] = banks[one.met] or {going = {}, rank = 0}
        local bank = banks[one.met]
        top, bank.rank = math.max(top, one.met), bank.rank + 1
        if not ENDS[one.id] then
          table.insert(bank.going, one)
        elseif bank.rank <= width and count_missing(one.ids, o.phrases) == 0 then
          finish(group, one, t)
        end
      end
      group.live = {}
      for round = 1, width do
        for m = top, 0, -1 do
          if banks[m] and banks[m].going[round] and #group.live < width then
            table.insert(group.live, banks[m].going[round])
          end
        end
      end
      table.sort(group.live, before)
      for _, one in ipairs(group.live) do
        taken[one.id] = (taken[one.id] or 0) + 1
      end
    end
    for _, group in ipairs(groups) do
      local worst, best = group.done[width], -math.huge
      for _, one in ipairs(group.live) do
        best = math.max(best, one.sum)
      end
      local length = o.early_stopping == "never" and o.length_penalty > 0 and o.max_tokens or t
      if worst and worst.missing == 0
        and (o.early_stopping == true or worst.score >= score(best, length)) then
        group.live = {}
      elseif t == o.max_tokens then
        for _, one in ipairs(group.live) do
          finish(group, one, t)
        end
      end
    end
  end
  local all = {}
  for _, group in ipairs(groups) do
    for _, one in ipairs(group.done) do
      all[#all + 1] = one
      one.at = #all
    end
  end
  table.sort(all, function(a, b)
    if a.missing ~= b.missing then return a.missing < b.missing end
    if a.score ~= b.score then return a.score > b.score end
    return a.at < b.at
  end)
  return all
end

describe("beam search with a few beams", function()
  it("is the search as it is written down", function()
    local ended, missing = 0, 0
    for i, prompt in ipairs(PROMPTS) do
      local logprobs = oracle(prompt)
      -- An end that is likely, so that the rules about it matter.
      local vocabulary = small_vocabulary(logprobs, 7)
      local stop = vocabulary[5]
      ENDS[stop] = true
      for case = 1, 24 do
        local o = {
          beams = ({1, 2, 4, 6})[case % 4 + 1], groups = case % 4 > 1 and case % 3 == 0 and 2 or 1,
          length_penalty = ({1, 0, 2, -0.5})[math.floor(case / 4) % 4 + 1], diversity = case / 8,
          max_tokens = 6, early_stopping = ({false, true, "never"})[case % 3 + 1], phrases = {},
        }
        if case > 12 then
          o.phrases[1] = {vocabulary[case % 3 + 2], vocabulary[4]}
          o.phrases[2] = case % 5 > 0 and {vocabulary[3]} or nil
        end
        local expected = reference(logprobs, vocabulary, o)
        local _, facts = assert(decode.beam(model, prompt, {
          beams = o.beams, groups = o.groups, length_penalty = o.length_penalty,
          diversity = o.diversity, max_tokens = o.max_tokens, early_stopping = o.early_stopping,
          phrases = o.phrases, n = o.beams, stop_ids = {stop},
          sampler_stages = function(logits) logits:allow(vocabulary) end,
        }))
        for k, one in ipairs(facts.texts) do
          assert.are.same(expected[k].ids, one.ids, i .. " " .. case)
          assert.is_true(math.abs(expected[k].score - one.score) < 1e-9)
          assert.are.equal(expected[k].missing, #(one.missing or {}))
          ended = ended + (one.finish_reason == "stop" and 1 or 0)
          missing = missing + (one.missing and 1 or 0)
        end
        assert.are.equal(math.min(#expected, o.beams), #facts.texts)
      end
      ENDS[stop] = nil
    end
    assert.is_true(ended > 50 and missing > 5, ended .. " " .. missing)
  end)

  it("is greedy with one", function()
    for _, prompt in ipairs(PROMPTS) do
      assert.are.equal(model:generate(prompt, {temperature = 0, max_tokens = 30}),
        (decode.beam(model, prompt, {beams = 1, max_tokens = 30, early_stopping = true})))
    end
  end)

  it("breaks ties by the lower id", function()
    local _, facts = assert(decode.beam(model, "Tom", {
      beams = 3, n = 3, max_tokens = 1, sampler_stages = function(logits)
        logits:scale(0):allow {300, 500, 400, 700}
      end,
    }))
    for i, id in ipairs {300, 400, 500} do
      assert.are.same({id}, facts.texts[i].ids)
    end
  end)
end)

describe("beam search", function()
  it("keeps groups apart", function()
    local function distinct_starts(given)
      given.beams, given.n, given.max_tokens = 6, 6, 8
      local _, facts = assert(decode.beam(model, "One day, Lily", given))
      local starts, n = {}, 0
      for _, one in ipairs(facts.texts) do
        n, starts[one.ids[1]] = n + (starts[one.ids[1]] and 0 or 1), true
      end
      return n
    end
    assert.is_true(distinct_starts {groups = 6, diversity = 5} > distinct_starts {})
    assert.are.equal(6, distinct_starts {groups = 6, diversity = 1e6})
  end)

  it("has its phrases in the text", function()
    for _, phrases in ipairs {
      {" dog"}, {" red ball", " happy"}, {model:encode(" big tree", {start = false}), "!"},
      {" dog", " dog", " dogs"},
    } do
      local text, facts = assert(decode.beam(model, "Tom had a", {
        beams = 8, max_tokens = 24, phrases = phrases,
      }))
      assert.is_nil(facts.missing)
      for _, phrase in ipairs(phrases) do
        phrase = type(phrase) == "table" and model:decode(phrase) or phrase
        assert.is_truthy(text:find(phrase, 1, true), text)
      end
    end
    local _, facts = assert(decode.beam(model, "Tom had a", {
      max_tokens = 2, phrases = {" red ball", " happy"},
    }))
    assert.is_true(#facts.missing == 1)
  end)

  it("ends at stop strings and ids", function()
    local text, facts = assert(decode.beam(model, "Tom had a", {stop = {".", "!"}, n = 5}))
    for _, one in ipairs(facts.texts) do
      assert.is_nil(one.text:find("[.!]"))
      assert.are.equal("stop", one.finish_reason)
      assert.are.equal(".", one.stop)
    end
    local id = model:encode(".", {start = false})
    id = id[#id]
    local again, others = assert(decode.beam(model, "Tom had a", {stop_ids = {id}}))
    assert.are.equal(text, again)
    assert.are.equal(id, others.stop)
  end)

  it("takes stages of every kind, with state of their own", function()
    local function counter()
      return {
        name = "counter", n = 0,
        apply = function(self, logits, seq)
          assert(self.n == #seq - self.start, self.n .. " of " .. #seq)
          logits:top_k(50)
        end,
        accept = function(self) self.n = self.n + 1 end,
        reset = function(self) self.n = 0 end,
        start = #model:encode("Tom had a", {start = true}),
      }
    end
    local text = assert(decode.beam(model, "Tom had a", {
      max_tokens = 40, beams = 4, sampler_stages = {
        counter(), lull.sampling.no_repeat_ngram(2), function(logits) logits:ban(300) end,
      },
    }))
    local ids, seen = model:encode("Tom had a" .. text, {start = true}), {}
    for i = 2, #ids do
      local pair = ids[i - 1] .. " " .. ids[i]
      assert.is_nil(seen[pair])
      seen[pair] = true
    end
    local none, message, code = decode.beam(model, "Tom", {sampler_stages = function(logits)
      logits:allow {}
    end})
    assert.is_nil(none)
    assert.are.equal("EINVAL", code)
    assert.is_string(message)
    none, message, code = decode.beam(model, "Tom", {sampler_stages = function()
      return nil, "no more", "EMINE"
    end})
    assert.are.same({nil, "no more", "EMINE"}, {none, message, code})
    assert.has_error(function()
      decode.beam(model, "Tom", {sampler_stages = function() return 5 end})
    end, "a stage of 'sampler_stages' chose 5; here stages change the logits, and the search "
      .. "chooses")
  end)

  it("raises for bad options", function()
    for _, given in ipairs {
      {beams = 0}, {groups = 2}, {beams = 4, n = 5}, {early_stopping = "always"},
      {phrases = {""}}, {phrases = {{}}}, {phrases = {{5000}}}, {phrases = {5}},
      {length_penalty = "x"}, {diversity = -1}, {stop = {""}}, {stop_ids = {-1}},
      {sampler_stages = {lull.sampling.greedy()}}, {sampler_stages = 5},
    } do
      local ok, message = pcall(function() decode.beam(model, "Tom", given) end)
      assert.is_false(ok)
      assert.is_truthy(message:find("beam_spec", 1, true), message)
    end
  end)
end)
