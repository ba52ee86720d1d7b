--- Selectors that steer by what they have chosen so far.
--
-- Each keeps one number per accepted token, so that a rewind finds the number of that moment
-- again: `apply` only notes what it measured of the token it chose, `accept` learns from it, and
-- `rewind(kept)` forgets all but the first `kept` accepted tokens. A token that is accepted but
-- was chosen by something else (a template, a constraint) teaches nothing.
-- @module lull.sampling.adaptive
local core = require "lull.core"
local options = require "lull.options"
local strategy = require "lull.sampling.strategy"

local adaptive = {}

local exp, log, pow = core.math.exp, core.math.log, core.math.pow
local LOG2 = log(2)

-- stage.choose(self, state, logits, seq, draw) -> id and what was measured of it
-- stage.learn(self, state, measured) -> the next state
local function apply(self, logits, seq, draw)
  local id, measured, code = self:choose(self.states[#self.states], logits, seq, draw)
  if id == nil then
    return nil, measured, code
  end
  self.chosen, self.measured = id, measured
  return id
end

local function accept(self, id)
  local states = self.states
  local state = states[#states]
  if id == self.chosen then
    state = self:learn(state, self.measured)
  end
  states[#states + 1] = state
  self.chosen = nil
end

local function rewind(self, kept)
  for i = #self.states, kept + 2, -1 do
    self.states[i] = nil
  end
  self.chosen = nil
end

local function reset(self)
  self.states, self.chosen = {self.first}, nil
end

-- A selector whose state before the first token is `first`.
local function steered(stage, first)
  stage.selector, stage.labelled = true, true
  stage.first, stage.states = first, {first}
  stage.apply, stage.accept, stage.rewind, stage.reset = apply, accept, rewind, reset
  return strategy.new(stage)
end

-------------------------------------------------------------------------------- mirostat

local TAU = {type = "number", min = 0, max = 100, default = 5}
local ETA = {type = "number", min = 0, max = 10, default = 0.1}

-- Draw, after `cut` has removed what it will, and measure the surprise of what came, in bits
-- and before the cut.
local function draw_surprise(logits, draw, cut, limit)
  local before = logits:logsumexp()
  cut(logits, limit)
  local id, message, code = logits:sample(draw("select"))
  if id == nil then
    return nil, message, code
  end
  return id, (before - logits:get(id)) / LOG2
end

local function learn_surprise(self, mu, surprise)
  return mu - self.eta * (surprise - self.tau)
end

-- How many tokens have at most mu bits of surprise together, if the n tokens' probabilities
-- fall as those of the m most probable do, by Zipf's law with an exponent s estimated from
-- them (equations 30 and 2 of the paper).
local function zipf_k(logits, mu, m)
  local n, i, previous, tb, tt = logits:size(), 0, nil, 0, 0
  for _, p in logits:candidates(m) do
    if p <= 0 then
      break
    elseif previous then
      local t = log((i + 1) / i)
      tb, tt = tb + t * log(previous / p), tt + t * t
    end
    i, previous = i + 1, p
  end
  if tt == 0 then
    return 1
  end
  local s = tb / tt
  local e = s - 1
  local share = 1 / log(n) -- the limit of e / (1 - n^-e) at e = 0
  if math.abs(e) > 1e-9 then
    share = e / (1 - pow(n, -e))
  end
  local size = log(share) + mu * LOG2 -- log(k^s)
  local log_k = s > 0 and size / s or size > 0 and math.huge or 0
  return log_k >= log(n) and n or math.max(1, math.floor(exp(log_k)))
end

local function cut_to_k(logits, k)
  logits:top_k(k)
end

--- Mirostat: keep the surprise of the text at tau bits per token (Basu et al. 2020,
-- arXiv:2007.14966, algorithm 1). Each token is drawn from the top k, where k follows from the
-- limit mu and the distribution's Zipf exponent, estimated from the m most probable; then
-- mu = mu - eta * (surprise - tau). mu begins at 2 tau. The surprise is measured before the cut,
-- as the paper has it.
--
-- Instead of top_k, top_p and the like; after a temperature, if any. Low tau: focused and
-- repetitive, high: wild. mirostat2 does the same more directly.
-- @param given {tau = 5, eta = 0.1, m = 100}
function adaptive.mirostat(given)
  local checked = options.check("mirostat", given, {
    tau = TAU, eta = ETA, m = {type = "integer", min = 2, max = 2 ^ 31, default = 100},
  })
  return steered({
    name = "mirostat", shown = {"tau", "eta", "m"},
    tau = checked.tau, eta = checked.eta, m = checked.m,
    choose = function(self, mu, logits, _, draw)
      return draw_surprise(logits, draw, cut_to_k, zipf_k(logits, mu, self.m))
    end,
    learn = learn_surprise,
  }, 2 * checked.tau)
end

local function cut_surprising(logits, mu)
  logits:epsilon(math.min(1, pow(2, -mu)))
end

--- Mirostat 2.0: the same goal without the estimate. Tokens with a surprise of more than mu bits
-- are dropped, one is drawn of the others, and mu = mu - eta * (surprise - tau) (algorithm 2 of
-- the same paper). mu begins at 2 tau; the most probable token always stays. (llama.cpp measures
-- the surprise after the cut, where it is smaller.)
--
-- Instead of top_k, top_p and the like; after a temperature, if any. tau is in bits, and above the
-- mean surprise that the model's texts have anyway it changes nothing: 5 is much for a story
-- model (the one that ships has 2.2 at temperature 1).
-- @param given {tau = 5, eta = 0.1}
function adaptive.mirostat2(given)
  local checked = options.check("mirostat2", given, {tau = TAU, eta = ETA})
  return steered({
    name = "mirostat2", shown = {"tau", "eta"}, tau = checked.tau, eta = checked.eta,
    choose = function(_, mu, logits, _, draw)
      return draw_surprise(logits, draw, cut_surprising, mu)
    end,
    learn = learn_surprise,
  }, 2 * checked.tau)
end

-------------------------------------------------------------------------------- adaptive-p

-- A place per model for the logits before they are changed: they are needed again for one
-- number, within one apply.
local copies = setmetatable({}, {__mode = "k"})

local function saved(logits, model)
  if copies[model] then
    return copies[model]:copy(logits)
  end
  copies[model] = logits:clone()
  return copies[model]
end

--- Adaptive-p: choose tokens near a target probability, on average (MrJackSpade and ddh0,
-- llama.cpp pull request 17927). With the mean a of the probabilities of what was chosen so far,
-- each weighted `decay` times the one after it, the goal is g = 2 target - a, within 0..1; a
-- token of the probability p gets the logit 5 - 10 d^2 / (1 + d) with d = |p - g| / 0.3, and one
-- is drawn. a begins at the target.
--
-- Last in a chain, after a truncation that removes the nonsense (min_p 0.05): among the many
-- improbable tokens of a whole vocabulary it would choose any. For prose that avoids the
-- expected: 0.3 to 0.6; a target of 1 is almost greedy.
-- @param given {target =, decay = 0.9}; decay is at most 0.99, and 1 / (1 - decay) about how
--   many tokens the mean remembers
function adaptive.adaptive_p(given)
  local checked = options.check("adaptive_p", given, {
    target = {type = "number", min = 0, max = 1, required = true},
    decay = {type = "number", min = 0, max = 0.99, default = 0.9},
  })
  local target, decay = checked.target, checked.decay
  return steered({
    name = "adaptive_p", shown = {"target", "decay"}, target = target, decay = decay,
    choose = function(_, mean, logits, seq, draw)
      local before = saved(logits, seq:model())
      logits:toward(math.max(0, math.min(1, 2 * target - mean)))
      local id, message, code = logits:sample(draw("select"))
      if id == nil then
        return nil, message, code
      end
      return id, before:prob(id)
    end,
    learn = function(_, mean, p)
      return decay * mean + (1 - decay) * p
    end,
  }, target)
end

return adaptive
