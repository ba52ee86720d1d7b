--- Several texts from one prompt, of which one is taken: best of n, self-consistency.
-- @module lull.decode.samples
local core = require "lull.core"
local options = require "lull.options"
local origin = require "lull.decode.origin"
local request = require "lull.decode.request"
local sampling = require "lull.sampling"
local text = require "lull.decode.text"

local samples = {}

local USER = 3 -- whom to blame for a mistake: tell_all <- the strategy <- its caller

--- The stream of the i-th of several texts that are told from one: its random numbers have nothing
-- to do with those of the others. A text is told alone by the same name:
-- `model:generate(prompt, {seed = facts.seed, stream = candidate.stream})`.
-- @param stream of the whole: a string or an integer
-- @param i which, from 1
-- @return the name of a stream
function samples.child_stream(stream, i)
  local name = type(stream) == "number" and "#" .. options.number_text(stream) or stream
  return "0x" .. core.hash(name .. "/" .. options.number_text(i))
end

-------------------------------------------------------------------------------- together

-- A copy of the request for the i-th text: its own stream, and a strategy of its own.
local function child_of(checked, i)
  local own = {}
  for key, value in pairs(checked) do
    own[key] = value
  end
  own.strategy = sampling.clone(checked.strategy)
  own.stream = samples.child_stream(checked.stream, i)
  own.logprobs = checked.logprobs or 0 -- the ranking needs that of what is chosen
  return own
end

local function close(texts)
  for _, one in ipairs(texts) do
    one:close()
    one.seq:close()
    if one.strategy.close then
      one.strategy:close()
    end
  end
end

-- Texts on forks of the prompt. nil, message, code where there is no room.
local function open_texts(start, checked)
  local texts = {}
  local seq, opened, message, code
  for i = 1, checked.n do
    local own = child_of(checked, i)
    seq, message, code = start.seq:fork()
    if seq then
      opened, message, code = text.open(seq, own, request.facts(own, start.n_prompt))
      if not opened then
        seq:close()
      end
    end
    if not seq or not opened then
      close(texts)
      return nil, message, code
    end
    texts[i] = opened
  end
  return texts
end

-- Tell all to their ends, token by token: what all have chosen is queued before one waits, so that
-- one pass over the weights serves all of them.
local function tell(texts)
  local going = texts
  while #going > 0 do
    local still = {}
    for _, one in ipairs(going) do
      local _, message, code = one:queue()
      if message then
        return nil, message, code
      end
    end
    for _, one in ipairs(going) do
      if not one.facts.finish_reason then
        local ok, message, code = one:advance()
        if not ok then
          return nil, message, code
        end
        still[#still + 1] = one
      end
    end
    going = still
  end
  return true
end

-- What is known of a text that was told.
local function candidate_of(one, i, asked)
  local facts, sum = one.facts, 0
  local ids = {}
  for k, entry in ipairs(facts.logprobs) do
    ids[k], sum = entry.id, sum + entry.logprob
  end
  facts.text, facts.ids, facts.index, facts.stream = one:rest(), ids, i, one.given.stream
  facts.logprob = sum
  facts.mean_logprob = #ids > 0 and sum / #ids or -math.huge
  facts.logprobs = asked and facts.logprobs or nil
  return facts
end

-- n candidates, in order; or nil, message, code.
local function candidates(start, checked)
  local ok, message, code = start:open(checked.max_tokens, checked.n + 1)
  if ok then
    ok, message, code = start:evaluate()
  end
  if not ok then
    return nil, message, code
  end
  local texts
  texts, message, code = open_texts(start, checked)
  if texts then
    ok, message, code = tell(texts)
    close(texts)
  end
  start:close()
  if not texts or not ok then
    return nil, message, code
  end
  local list = {}
  for i, one in ipairs(texts) do
    list[i] = candidate_of(one, i, checked.logprobs)
  end
  return list
end

-- The candidates that somebody asked for, where they begin and the options; or nil, message, code.
local function tell_all(spec, ...)
  local target, prompt, given = origin.arguments(...)
  local start, checked, code = origin.begin(spec, target, prompt, given, USER)
  if not start then
    return nil, checked, code -- message and code
  end
  local list, message
  list, message, code = candidates(start, checked)
  if not list then
    return nil, message, code
  end
  return list, start, checked
end

local function facts_of(start, checked, list)
  local facts = {
    candidates = list, prompt_tokens = start.n_prompt, tokens = 0, seed = checked.seed,
    sampler = sampling.describe(checked.strategy),
  }
  for _, one in ipairs(list) do
    facts.tokens = facts.tokens + one.tokens
  end
  return facts
end

local RULES = options.merge(request.RULES, {
  n = {type = "integer", min = 1, max = 1024, default = 5},
  max_tokens = {type = "integer", min = 1, default = 256},
})

-------------------------------------------------------------------------------- best of n

local BEST_OF = {
  where = "best_of", check = request.check,
  rules = options.merge(RULES, {score = {type = "function"}}),
}

--- Tell n texts from one prompt and take the best.
--
--     local story, facts = decode.best_of(model, "One day, Lily", {n = 8, min_p = 0.1})
--     local short = decode.best_of(model, "One day, Lily", {
--       score = function(text) return -#text end,
--     })
--
-- Best is, by default, the highest mean log-probability of a token in the raw distribution of the
-- model (before temperature and the like), sum / tokens, the end not counted: the text the model
-- is least surprised by. It is a mild way to get what is coherent without what is dull (beam search
-- is the strong one); with a score of your own (a length, words that must come up, another model's
-- judgement) it is rejection sampling. Of equals the lower index; a text without tokens is last.
--
-- The n texts run together: a pass over the weights serves all, and the prompt is read once. Text
-- i is the one that generate tells with the same seed and stream = candidate.stream, which is
-- child_stream(stream, i).
-- @param ... (model, prompt, given) or (seq, given); a sequence stays as it is
-- @param given {n = 5, score = function(text, facts) -> number, optional} and the options of
--   generate (lull.decode.request, lull.sampling.from; max_tokens, seed, stream, stop, ...). A
--   context of yours needs n + 1 places, or n beside the sequence. With draft each text has its own
-- @return the best text
-- @return facts {candidates = all n, the best first, prompt_tokens, tokens of all, seed,
--   sampler}; a candidate has text, ids, index, stream, score, logprob (the sum), mean_logprob and
--   the facts of generate
-- @return nil, message, code on failure
function samples.best_of(...)
  local list, start, checked = tell_all(BEST_OF, ...)
  if not list then
    return nil, start, checked -- message and code
  end
  for _, one in ipairs(list) do
    one.score = one.mean_logprob
    if checked.score then
      one.score = checked.score(one.text, one)
      if type(one.score) ~= "number" or one.score ~= one.score then
        error("best_of: score returned " .. options.show(one.score) .. ", not a number", 2)
      end
    end
  end
  table.sort(list, function(a, b)
    if a.score ~= b.score then
      return a.score > b.score
    end
    return a.index < b.index
  end)
  return list[1].text, facts_of(start, checked, list)
end

-------------------------------------------------------------------------------- voting

local SELF_CONSISTENCY = {
  where = "self_consistency",
  rules = options.merge(RULES, {
    answer = {
      test = function(value) return type(value) == "function" or type(value) == "string" end,
      text = "a function or a Lua pattern",
    },
  }),
  check = function(given, rules, where, level)
    local checked = request.check(given, rules, where, level + 1)
    local answer = checked.answer
    if answer == nil then
      error("bad options to '" .. where .. "' (answer is needed: a function or a Lua pattern)",
        level + 1)
    elseif type(answer) == "string" then
      (""):match(answer) -- raises now rather than later where it is malformed
      checked.answer = function(told) return (told:match(answer)) end
    end
    return checked
  end,
}

-- Votes by answer, in the order the answers came up first.
local function count_votes(list)
  local votes, by_answer = {}, {}
  for i, one in ipairs(list) do
    if one.answer ~= nil then
      local vote = by_answer[one.answer]
      if not vote then
        vote = {answer = one.answer, count = 0, mean_logprob = 0, first = i}
        by_answer[one.answer] = vote
        votes[#votes + 1] = vote
      end
      vote.count = vote.count + 1
      vote.mean_logprob = vote.mean_logprob + (one.mean_logprob - vote.mean_logprob) / vote.count
    end
  end
  return votes
end

--- Tell n texts from one prompt and take the answer most of them come to (Wang et al. 2022,
-- arXiv:2203.11171).
--
--     local color, facts = decode.self_consistency(model, "The ball was", {
--       n = 20, max_tokens = 20, answer = "(%a+)%.",
--     })
--
-- For prompts with an answer that several ways lead to: sums, facts, labels after a chain of
-- thought. Sample with some temperature (0.5 to 0.8), or all say the same. Equal votes are decided
-- by the higher mean, over an answer's texts, of their mean log-probability per token, then by the
-- answer that came up first.
-- @param ... (model, prompt, given) or (seq, given), as best_of
-- @param given {n = 5, answer = what a text answers: a function(text) or a Lua pattern, of which
--   the first capture is taken; nil is no vote} and the options of generate
-- @return the answer; false where no text has one
-- @return facts {votes = {{answer, count, mean_logprob, first = index}, ...}, the winner first,
--   candidates = the texts in order, each with its answer; else as best_of}
-- @return nil, message, code on failure
function samples.self_consistency(...)
  local list, start, checked = tell_all(SELF_CONSISTENCY, ...)
  if not list then
    return nil, start, checked -- message and code
  end
  for _, one in ipairs(list) do
    one.answer = checked.answer(one.text)
  end
  local facts = facts_of(start, checked, list)
  facts.votes = count_votes(list)
  table.sort(facts.votes, function(a, b)
    if a.count ~= b.count then
      return a.count > b.count
    elseif a.mean_logprob ~= b.mean_logprob then
      return a.mean_logprob > b.mean_logprob
    end
    return a.first < b.first
  end)
  return facts.votes[1] and facts.votes[1].answer or false, facts
end

return samples
