--- Stages against repetition. They read the history of the sequence and keep no state of their
-- own, so a rewind needs nothing from them.
--
-- All of them take `last`, how many of the newest tokens they look at (-1: all), and `prompt`:
-- false leaves out what was there before the strategy chose its first token.
-- @module lull.sampling.penalties
local options = require "lull.options"
local history = require "lull.sampling.history"
local strategy = require "lull.sampling.strategy"
local tokens = require "lull.sampling.tokens"
local vocabulary = require "lull.vocabulary"

local penalties = {}

local LAST = {
  type = "integer", min = -1, max = 2 ^ 31, default = 64,
  text = "an integer of at least 1, or -1 for all,",
  test = function(last)
    return options.allows({type = "integer", min = -1, max = 2 ^ 31}, last) and last ~= 0
  end,
}
local PROMPT = {type = "boolean", default = true}

-- How much of the history a verb shall look at, into its options: of the newest tokens, and from
-- which on.
local function bounds(given, checked)
  if checked.last ~= -1 then
    given.last = checked.last
  end
  return given
end

local function look_from(self, seq)
  if self.prompt == false then
    self.given.from = history.start(self, seq) + 1
  end
end

-- A stage of the verb `verb` with the options `given`, labelled with what is not the default.
local function stage_of(stage, checked, rules)
  stage.labelled, stage.reset = true, history.reset
  for name, rule in pairs(rules) do
    if name == "last" or checked[name] ~= rule.default then
      stage[name] = checked[name]
    end
  end
  return strategy.new(stage)
end

local PENALTIES = {
  last = LAST,
  repetition = {type = "number", min = 1e-6, max = 1e6, default = 1},
  frequency = {type = "number", min = -1e6, max = 1e6, default = 0},
  presence = {type = "number", min = -1e6, max = 1e6, default = 0},
  decay = {type = "integer", min = 0, max = 2 ^ 31, default = 0},
  prompt = PROMPT,
}

--- Make less probable what has occurred. For each token among the last ones that occurred n
-- times: repetition r divides a positive logit and multiplies a negative one (Keskar et al. 2019,
-- arXiv:1909.05858); n * frequency + presence is taken off (OpenAI). With decay, the penalties
-- fade over so many tokens beyond the last ones (exllamav2).
--
-- First in a chain, on the raw logits. Usual: repetition 1.05 to 1.1, or frequency and presence
-- 0.1 to 0.5. Long windows and high values also punish names and articles: see dry.
-- @param given {last = 64, repetition = 1, frequency = 0, presence = 0, decay = 0,
--   prompt = true}
function penalties.penalties(given)
  local checked = options.check("penalties", given, PENALTIES)
  return stage_of({
    name = "penalties",
    shown = {"last", "repetition", "frequency", "presence", "decay", "prompt"},
    given = bounds({
      repetition = checked.repetition, frequency = checked.frequency,
      presence = checked.presence, decay = checked.decay,
    }, checked),
    apply = function(self, logits, seq)
      look_from(self, seq)
      logits:penalize(seq, self.given)
    end,
  }, checked, PENALTIES)
end

--- What may be breakers.
penalties.BREAKERS = {
  text = "a list of strings, none of them empty",
  test = function(list) return options.is_list(list, options.is_text) end,
}

local DRY_BREAKERS = {"\n", ":", '"', "*"}

local DRY = {
  multiplier = {type = "number", min = 0, max = 1e6, default = 0.8},
  base = {type = "number", min = 1, max = 1e6, default = 1.75},
  allowed_length = {type = "integer", min = 1, max = 2 ^ 31, default = 2},
  last = LAST,
  breakers = penalties.BREAKERS,
  prompt = PROMPT,
}

--- "Don't repeat yourself" (p-e-w, text-generation-webui pull request 5677): a token that would
-- continue a repetition of n >= allowed_length tokens loses multiplier * base^(n -
-- allowed_length). No repetition reaches over a token that contains one of the breakers.
--
-- Against loops of phrases, which it stops without touching single words. First in a chain, on
-- the raw logits. The defaults are llama.cpp's, but for the multiplier, with which it is off.
-- @param given {multiplier = 0.8, base = 1.75, allowed_length = 2, last = 64, prompt = true,
--   breakers = {"\n", ":", "\"", "*"}}
function penalties.dry(given)
  local checked = options.check("dry", given, DRY)
  local breakers = checked.breakers or DRY_BREAKERS
  local breaker_set = tokens.memo(function(model)
    return vocabulary.containing(model, breakers)
  end)
  return stage_of({
    name = "dry", shown = {"multiplier", "base", "allowed_length", "last", "prompt"},
    given = bounds({
      multiplier = checked.multiplier, base = checked.base,
      allowed_length = checked.allowed_length,
    }, checked),
    apply = function(self, logits, seq)
      local set, message, code = breaker_set(seq:model())
      if not set then
        return nil, message, code
      end
      look_from(self, seq)
      self.given.breakers = set
      logits:dry(seq, self.given)
    end,
  }, checked, DRY)
end

local NO_REPEAT = {
  size = {type = "integer", min = 1, max = 2 ^ 31, default = 3},
  last = {type = "integer", text = LAST.text, test = LAST.test, default = -1},
  prompt = PROMPT,
}

--- Ban every token that would complete a run of `size` tokens that has occurred (fairseq's and
-- transformers' no_repeat_ngram_size). A hard rule for short texts; in a story of some length it
-- forbids the names of its people: prefer dry.
-- @param given {size = 3, last = -1, prompt = true}, or just the size
function penalties.no_repeat_ngram(given)
  if type(given) == "number" then
    given = {size = given}
  end
  local checked = options.check("no_repeat_ngram", given, NO_REPEAT)
  return stage_of({
    name = "no_repeat_ngram", size = checked.size, shown = {"size", "last", "prompt"},
    given = bounds({}, checked),
    apply = function(self, logits, seq)
      look_from(self, seq)
      logits:no_repeat(seq, self.size, self.given)
    end,
  }, checked, NO_REPEAT)
end

return penalties
