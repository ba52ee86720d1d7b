--- Contrastive search: probable next tokens, but none that only says again what was said.
-- @module lull.decode.contrastive_search
local options = require "lull.options"
local origin = require "lull.decode.origin"
local sampling = require "lull.sampling"
local scheduler = require "lull.decode.scheduler"
local search = require "lull.decode.search"

local contrastive = {}

local USER = 2 -- whom to blame for a mistake: the caller of contrastive.search

local Search = {}
Search.__index = Search

-- Close all candidates but one.
local function close_others(candidates, kept)
  for _, one in ipairs(candidates) do
    if one ~= kept then
      one.seq:close()
    end
  end
end

-- The k most probable next tokens, each queued on a fork of the text.
function Search:fork()
  local seq = self.seq
  local logits, message, code = search.read(self.given.stages, seq, self.draw)
  if not logits then
    return nil, message, code
  end
  local candidates = {}
  for id, p in logits:candidates(self.given.k) do
    local fork, fed
    fork, message, code = seq:fork()
    if fork then
      candidates[#candidates + 1] = {id = id, p = p, seq = fork, logprob = logits:logprob(id)}
      fed, message, code = fork:feed(id, self.feed)
    end
    if not fed then
      close_others(candidates)
      return nil, message, code
    end
  end
  if #candidates == 0 then
    return logits:sample(0) -- says what is wrong
  end
  return candidates
end

-- The candidate with the highest (1 - alpha) p - alpha max cosine; of equals the more probable.
function Search:choose(candidates)
  local alpha = self.given.alpha
  local best, best_score, message, code
  for _, one in ipairs(candidates) do
    local ok, cosine
    ok, message, code = scheduler.wait(one.seq)
    if ok then
      cosine, message, code = one.seq:similarity()
    end
    if not cosine then
      close_others(candidates)
      return nil, message, code
    end
    local score = (1 - alpha) * one.p - alpha * cosine
    if not best or score > best_score then
      best, best_score = one, score
    end
  end
  return best
end

-- Make a candidate part of the text.
function Search:take(one)
  local facts = self.facts
  local ended, stop
  self.bytes, ended, stop = self.ends:extend(self.bytes, one.id, facts.tokens == 0)
  if not self.ends:has(one.id) then
    facts.tokens, facts.logprob = facts.tokens + 1, facts.logprob + one.logprob
    facts.ids[facts.tokens] = one.id
  end
  if ended then
    facts.finish_reason, facts.stop = "stop", stop
  elseif facts.tokens == self.most then
    facts.finish_reason = self.why
  end
end

-- One token on: the fork that wins is the text from then on. true, or nil, message, code.
function Search:step()
  local best
  local candidates, message, code = self:fork()
  if not candidates then
    return nil, message, code
  end
  best, message, code = self:choose(candidates)
  if not best then
    return nil, message, code
  end
  close_others(candidates, best)
  self.given.stages:accept(best.id, self.seq)
  if self.seq ~= self.start.seq then
    self.seq:close()
  end
  self.seq = best.seq
  self:take(best)
  return true
end

function Search:close()
  if self.seq ~= self.start.seq then
    self.seq:close()
  end
  self.start:close()
end

local SPEC = {where = "contrastive_search", check = search.check,
  rules = options.merge(search.RULES, {
    k = {type = "integer", min = 1, max = 1024, default = 4},
    alpha = {type = "number", min = 0, max = 1, default = 0.6},
  }),
}

--- Contrastive search (Su et al. 2022, arXiv:2202.06417).
--
--     local text = decode.contrastive_search(model, "One day, Lily", {k = 4, alpha = 0.6})
--
-- Of the k most probable next tokens take the one with the highest
--
--     (1 - alpha) p(token | text) - alpha max cos(h(token), h(earlier token))
--
-- where h is the hidden state before the classifier, and earlier tokens are those of prompt and
-- text: what looks like something said before loses. No chance is in it, and yet it does not loop
-- as greedy and beam search do. It needs a model whose hidden states differ (the paper: isotropic);
-- where all cosines are near 1 it is greedy, which k = 1 and alpha = 0 are, too. Of equals the more
-- probable one.
--
-- All k candidates are evaluated in one pass over the weights, and the winner's evaluation is the
-- text's next step. Hidden states of the prompt are needed: a sequence that was fed without
-- `hidden = true` is read again.
-- @param ... (model, prompt, given) or (seq, given); a sequence stays as it is
-- @param given {k = 4, alpha = 0.6}, the options of lull.decode.search (max_tokens, stop,
--   sampler_stages, ...) and, for a model, those of its context; one of yours needs k + 2 places,
--   or k + 1 beside the sequence
-- @return the text
-- @return facts {tokens, prompt_tokens, ids, logprob (the sum, raw), finish_reason, stop}
-- @return nil, message, code on failure
function contrastive.search(...)
  local target, prompt, given = origin.arguments(...)
  local start, checked, code = origin.begin(SPEC, target, prompt, given, USER)
  if not start then
    return nil, checked, code -- message and code
  end
  local ok, message
  local feed = {hidden = true}
  for key, value in pairs(checked.stages.feed or {}) do
    feed[key] = value
  end
  ok, message, code = start:open(checked.max_tokens + 1, checked.k + 2) -- all k are evaluated
  if ok then
    ok, message, code = start:evaluate(feed)
  end
  if not ok then
    return nil, message, code
  end
  local most, why = start:room(checked.max_tokens + 1)
  most = most - 1
  checked.stages:reset()
  local facts = {
    tokens = 0, prompt_tokens = start.n_prompt, ids = {}, logprob = 0,
    finish_reason = most == 0 and why or nil,
  }
  local self = setmetatable({
    start = start, given = checked, facts = facts, seq = start.seq, bytes = "", most = most,
    why = why, feed = feed, ends = search.ends(start, checked),
  }, Search)
  while ok and not facts.finish_reason do
    self.draw = sampling.draws(self.seq, {seed = checked.seed})
    ok, message, code = self:step()
  end
  self:close()
  if not ok then
    return nil, message, code
  end
  return self.bytes, facts
end

return contrastive
