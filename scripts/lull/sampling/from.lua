--- The chain that a table of options means.
-- @module lull.sampling.from
local options = require "lull.options"
local adaptive = require "lull.sampling.adaptive"
local length = require "lull.sampling.length"
local penalties = require "lull.sampling.penalties"
local selectors = require "lull.sampling.selectors"
local strategy = require "lull.sampling.strategy"
local structure = require "lull.sampling.structure"
local temperature = require "lull.sampling.temperature"
local truncation = require "lull.sampling.truncation"
local watermark = require "lull.sampling.watermark"

local from = {}

local function number(min, max, note)
  return {
    type = "number", min = min, max = max,
    text = "a number in " .. options.number_text(min) .. ".." .. options.number_text(max)
      .. (note and " (" .. note .. ")" or ""),
  }
end

local function integer(min, note)
  return {
    type = "integer", min = min, max = 2 ^ 31,
    text = "an integer of at least " .. options.number_text(min)
      .. (note and " (" .. note .. ")" or ""),
  }
end

local function table_of(names)
  return {type = "table", text = "a table {" .. names .. "}"}
end

local LAST = integer(-1, "0 = off, -1 = all")

-- Every option: its name, what it may be, and what is meant where it is not given (nil: nothing).
local OPTIONS = {
  -- single tokens and phrases
  {"logit_bias", structure.RULES.bias},
  {"ban", structure.RULES.tokens},
  {"allow_only", structure.RULES.tokens},
  {"bad_words", structure.RULES.phrases},
  {"phrase_bias", structure.RULES.phrase_bias},
  -- length
  {"min_tokens", integer(0, "0 = off"), 0},
  {"eos_decay", table_of "after =, factor =", nested = length.EOS_DECAY},
  -- repetition
  {"repetition_penalty", number(1e-6, 1e6, "1 = off"), 1},
  {"frequency_penalty", number(-1e6, 1e6, "0 = off"), 0},
  {"presence_penalty", number(-1e6, 1e6, "0 = off"), 0},
  {"penalty_last_n", LAST, 64},
  {"penalty_decay", integer(0, "0 = off"), 0},
  {"penalize_prompt", {type = "boolean"}, true},
  {"dry_multiplier", number(0, 1e6, "0 = off"), 0},
  {"dry_base", number(1, 1e6), 1.75},
  {"dry_allowed_length", integer(1), 2},
  {"dry_last", LAST, 64},
  {"dry_breakers", penalties.BREAKERS},
  {"no_repeat_ngram", integer(0, "0 = off"), 0},
  -- truncation
  {"top_n_sigma", number(-1, 1e6, "0 or less = off"), -1},
  {"top_k", integer(0, "0 = off"), 40},
  {"typical_p", number(0, 1, "1 = off"), 1},
  {"tail_free", number(0, 1, "1 = off"), 1},
  {"top_p", number(0, 1, "1 = off"), 0.95},
  {"min_p", number(0, 1, "0 = off"), 0.05},
  {"top_a", number(0, 1, "0 = off"), 0},
  {"epsilon_cutoff", number(0, 1, "0 = off"), 0},
  {"eta_cutoff", number(0, 1, "0 = off"), 0},
  {"xtc_probability", number(0, 1, "0 = off"), 0},
  {"xtc_threshold", {
    text = "a number above 0, at most 1 (more than 0.5 = off)",
    test = function(t) return type(t) == "number" and t > 0 and t <= 1 end,
  }, 0.1},
  -- shape
  {"smoothing_factor", number(0, 1e6, "0 = off"), 0},
  {"smoothing_curve", number(1, 3), 1},
  {"temperature", {
    text = "0 (greedy) or a number in 0.000001..1000000",
    test = function(t)
      return type(t) == "number" and (t == 0 or (t >= 1e-6 and t <= 1e6))
    end,
  }, 0.8},
  {"dynatemp_range", number(0, 1e6, "0 = off"), 0},
  {"dynatemp_exponent", number(0, 100), 1},
  {"watermark", table_of "secret =, gamma =, delta =, width =", nested = watermark.RULES},
  -- choice
  {"mirostat", {one_of = {0, 1, 2}, text = "0 (off), 1 or 2"}, 0},
  {"mirostat_tau", number(0, 100), 5},
  {"mirostat_eta", number(0, 10), 0.1},
  {"adaptive_target", number(-1, 1, "less than 0 = off"), -1},
  {"adaptive_decay", number(0, 0.99), 0.9},
}

--- What `from` (and so generate and stream) accepts: a rule for each name, for those that take the
-- same options. No rule has a default: what is not given stays nil.
from.RULES = {}

--- The names of these options, in the order of the stages.
from.CHAIN_OPTIONS = {}

local DEFAULTS = {}
local NESTED = {} -- the rules of options that are tables

for i, option in ipairs(OPTIONS) do
  local name, rule, default = option[1], option[2], option[3]
  from.RULES[name], from.CHAIN_OPTIONS[i], DEFAULTS[name] = rule, name, default
  NESTED[name] = option.nested
end

-------------------------------------------------------------------------------- the stages

-- Each takes the options, complete, and returns a stage, or nothing where it is off.
local HISTORY = {
  function(o) return o.logit_bias and structure.bias(o.logit_bias) end,
  function(o) return o.ban and structure.ban(o.ban) end,
  function(o) return o.allow_only and structure.allow_only(o.allow_only) end,
  function(o) return o.bad_words and structure.bad_words(o.bad_words) end,
  function(o) return o.phrase_bias and structure.phrase_bias(o.phrase_bias) end,
  function(o) return o.min_tokens > 0 and length.min_tokens(o.min_tokens) end,
  function(o) return o.eos_decay and length.eos_decay(o.eos_decay) end,
  function(o)
    local off = o.repetition_penalty == 1 and o.frequency_penalty == 0
      and o.presence_penalty == 0
    return not off and o.penalty_last_n ~= 0 and penalties.penalties {
      last = o.penalty_last_n, repetition = o.repetition_penalty,
      frequency = o.frequency_penalty, presence = o.presence_penalty,
      decay = o.penalty_decay, prompt = o.penalize_prompt,
    }
  end,
  function(o)
    return o.dry_multiplier > 0 and o.dry_last ~= 0 and penalties.dry {
      multiplier = o.dry_multiplier, base = o.dry_base, last = o.dry_last,
      allowed_length = o.dry_allowed_length, breakers = o.dry_breakers,
      prompt = o.penalize_prompt,
    }
  end,
  function(o)
    return o.no_repeat_ngram > 0 and penalties.no_repeat_ngram {
      size = o.no_repeat_ngram, prompt = o.penalize_prompt,
    }
  end,
}

local TRUNCATION = {
  function(o) return o.top_n_sigma > 0 and truncation.top_n_sigma(o.top_n_sigma) end,
  function(o) return o.top_k > 0 and truncation.top_k(o.top_k) end,
  function(o) return o.typical_p < 1 and truncation.typical(o.typical_p) end,
  function(o) return o.tail_free < 1 and truncation.tail_free(o.tail_free) end,
  function(o) return o.top_p < 1 and truncation.top_p(o.top_p) end,
  function(o) return o.min_p > 0 and truncation.min_p(o.min_p) end,
  function(o) return o.top_a > 0 and truncation.top_a(o.top_a) end,
  function(o) return o.epsilon_cutoff > 0 and truncation.epsilon(o.epsilon_cutoff) end,
  function(o) return o.eta_cutoff > 0 and truncation.eta(o.eta_cutoff) end,
  function(o)
    return o.xtc_probability > 0 and o.xtc_threshold <= 0.5 and truncation.xtc {
      probability = o.xtc_probability, threshold = o.xtc_threshold,
    }
  end,
}

local SHAPE = {
  function(o)
    return o.smoothing_factor > 0 and temperature.smoothing {
      factor = o.smoothing_factor, curve = o.smoothing_curve,
    }
  end,
  function(o)
    if o.dynatemp_range > 0 then
      return temperature.dynamic_temperature {
        min = math.max(0, o.temperature - o.dynatemp_range),
        max = o.temperature + o.dynatemp_range, exponent = o.dynatemp_exponent,
      }
    end
    return o.temperature ~= 1 and temperature.temperature(o.temperature)
  end,
  function(o) return o.watermark and watermark.watermark(o.watermark) end,
}

local function selector_of(o)
  if o.mirostat == 1 then
    return adaptive.mirostat {tau = o.mirostat_tau, eta = o.mirostat_eta}
  elseif o.mirostat == 2 then
    return adaptive.mirostat2 {tau = o.mirostat_tau, eta = o.mirostat_eta}
  elseif o.adaptive_target >= 0 then
    return adaptive.adaptive_p {target = o.adaptive_target, decay = o.adaptive_decay}
  end
  return selectors.sample()
end

-- Mirostat truncates by itself.
local MIROSTAT_DEFAULTS = {top_k = 0, top_p = 1, min_p = 0}

-- A copy of the options with the defaults.
local function complete(given, where, level)
  local o = options.check(where, given, from.RULES, level + 1)
  for name, rules in pairs(NESTED) do
    if o[name] ~= nil then
      options.check(name, o[name], rules, level + 1)
    end
  end
  local mirostat = o.mirostat and o.mirostat > 0
  if mirostat and o.adaptive_target and o.adaptive_target >= 0 then
    error("bad option 'adaptive_target' to '" .. where .. "' ('mirostat' is given; both choose the "
      .. "token)", level + 1)
  end
  for name, value in pairs(DEFAULTS) do
    if o[name] == nil then
      o[name] = mirostat and MIROSTAT_DEFAULTS[name] or value
    end
  end
  return o
end

local function add_stages(stages, makers, o)
  for _, make in ipairs(makers) do
    stages[#stages + 1] = make(o) or nil
  end
end

--- The chain that a table of options means, in llama.cpp's order and with its defaults:
--
-- logit_bias, ban, allow_only, bad_words, phrase_bias, min_tokens, eos_decay -> penalties -> dry
-- -> no_repeat_ngram -> top_n_sigma -> top_k -> typical -> tail_free -> top_p -> min_p -> top_a
-- -> epsilon -> eta -> xtc -> smoothing -> temperature or dynamic_temperature -> watermark ->
-- sample, mirostat, mirostat2 or adaptive_p.
--
-- Without options it is top_k 40, top_p 0.95, min_p 0.05, temperature 0.8, then a draw. Stages
-- that are off are left out; temperature 0 is greedy, and truncations that cannot change what it
-- chooses are left out too. With mirostat no truncation is on by default.
-- @param given a table of options, each optional:
--   logit_bias, ban, allow_only, bad_words, phrase_bias (see lull.sampling.structure);
--   min_tokens, eos_decay (see lull.sampling.length);
--   repetition_penalty (1), frequency_penalty (0), presence_penalty (0), penalty_last_n (64),
--   penalty_decay (0), penalize_prompt (true), dry_multiplier (0), dry_base (1.75),
--   dry_allowed_length (2), dry_last (64), dry_breakers, no_repeat_ngram (0)
--   (see lull.sampling.penalties);
--   top_n_sigma (-1), top_k (40), typical_p (1), tail_free (1), top_p (0.95), min_p (0.05), top_a
--   (0), epsilon_cutoff (0), eta_cutoff (0), xtc_probability (0), xtc_threshold (0.1)
--   (see lull.sampling.truncation);
--   smoothing_factor (0), smoothing_curve (1), temperature (0.8), dynatemp_range (0),
--   dynatemp_exponent (1) (see lull.sampling.temperature);
--   watermark (see lull.sampling.watermark);
--   mirostat (0), mirostat_tau (5), mirostat_eta (0.1), adaptive_target (-1), adaptive_decay
--   (0.9) (see lull.sampling.adaptive)
-- @param where, level for messages, where another function passes on what it was given: its name,
--   and whom to blame, as for error() there
-- @raise on an unknown option or a value out of range
function from.from(given, where, level)
  local o = complete(given, where or "from", (level or 1) + 1)
  local stages = {}
  add_stages(stages, HISTORY, o)
  add_stages(stages, TRUNCATION, o)
  if o.temperature == 0 then
    while #stages > 0 and stages[#stages].keeps_best do
      stages[#stages] = nil
    end
    stages[#stages + 1] = selectors.greedy()
  else
    add_stages(stages, SHAPE, o)
    stages[#stages + 1] = selector_of(o)
  end
  return strategy.chain(stages)
end

return from
