--- Stages that remove the improbable (and, with XTC, the too probable).
--
-- p are the probabilities softmax(logits) of what the stages before have left.
-- @module lull.sampling.truncation
local options = require "lull.options"
local strategy = require "lull.sampling.strategy"
local tokens = require "lull.sampling.tokens"
local vocabulary = require "lull.vocabulary"

local truncation = {}

local SHARE = {type = "number", min = 0, max = 1}

-- A stage of one verb that always leaves the most probable token.
local function cut(name, value)
  local stage = strategy.verb(name, value)
  stage.keeps_best = true
  return stage
end

--- Keep the k most probable tokens (Fan et al. 2018, arXiv:1805.04833).
-- Usual: 40. Blunt, but a good first stage: it bounds the work and the nonsense.
function truncation.top_k(k)
  options.argument("top_k", 1, k, {type = "integer", min = 1, max = 2 ^ 31})
  return cut("top_k", k)
end

--- Keep the smallest set of the most probable tokens whose probabilities reach p (Holtzman et al.
-- 2019, arXiv:1904.09751).
-- Usual: 0.9 to 0.95. Keeps few where the model is sure and many where it is not.
function truncation.top_p(p)
  options.argument("top_p", 1, p, SHARE)
  return cut("top_p", p)
end

--- Keep p_i >= m * p_max (Nguyen et al. 2024, arXiv:2407.01082).
-- Usual: 0.05 to 0.1. The best single filter at high temperatures.
function truncation.min_p(m)
  options.argument("min_p", 1, m, SHARE)
  return cut("min_p", m)
end

--- Keep p_i >= a * p_max^2 (KoboldAI).
-- Usual: 0.1 to 0.5. As min_p, but milder where the model is unsure.
function truncation.top_a(a)
  options.argument("top_a", 1, a, SHARE)
  return cut("top_a", a)
end

--- Keep l_i >= l_max - n * sigma, the standard deviation of the logits (Tang et al. 2024,
-- arXiv:2411.07641).
-- Usual: 1. Does not depend on the temperature, so it stands before it, on the raw logits: as an
-- early stage it keeps hot samplers sensible.
function truncation.top_n_sigma(n)
  options.argument("top_n_sigma", 1, n, {type = "number", min = 0, max = 1e6})
  return cut("top_n_sigma", n)
end

--- Locally typical sampling: keep the tokens whose surprise is nearest to what was to be
-- expected, by |-log p_i - H| with the entropy H, until they reach p (Meister et al. 2022,
-- arXiv:2202.00666).
-- Usual: 0.9 to 0.95. Avoids the dull as well as the odd: it may remove the most probable token.
function truncation.typical(p)
  options.argument("typical", 1, p, SHARE)
  return strategy.verb("typical", p)
end

--- Tail free sampling: cut where the curve of the sorted probabilities flattens, that is, where
-- the share z of its absolute second differences is reached (Bricken 2019).
-- Usual: 0.95. An older alternative to top_p.
function truncation.tail_free(z)
  options.argument("tail_free", 1, z, SHARE)
  return cut("tail_free", z)
end

--- Keep p_i >= e (Hewitt et al. 2022, arXiv:2210.15191).
-- Usual: 0.0003 to 0.0009. The lightest filter: only what is as good as noise goes.
function truncation.epsilon(e)
  options.argument("epsilon", 1, e, SHARE)
  return cut("epsilon", e)
end

--- Keep p_i >= min(e, sqrt(e) * exp(-H)) with the entropy H (Hewitt et al. 2022,
-- arXiv:2210.15191).
-- Usual: 0.0003 to 0.004. epsilon that lets more through where the model is unsure.
function truncation.eta(e)
  options.argument("eta", 1, e, SHARE)
  return cut("eta", e)
end

-- Never removed by XTC: without its end or its paragraphs a text falls apart.
local kept_ids = tokens.memo(function(model)
  local kept, message, code = vocabulary.containing(model, {"\n"})
  if not kept then
    return nil, message, code
  end
  return kept:add(tokens.ends(model)):ids()
end)

--- Exclude top choices: with the given probability, remove of all tokens with p_i >= threshold
-- all but the least probable (p-e-w, text-generation-webui pull request 6335). Tokens with a
-- line break and those that end the text are never removed.
--
-- For stories that shall not take the obvious turn; after the truncations, which say what is
-- still sensible. It needs several good candidates to do anything: above a threshold of 0.5 there
-- are none. Its chance is `draw("xtc")`, so it changes no other draw.
-- @param given {probability = 0.5, threshold = 0.1}; a threshold of 0, which would remove all
--   but the worst, is refused
function truncation.xtc(given)
  local checked = options.check("xtc", given, {
    probability = {type = "number", min = 0, max = 1, default = 0.5},
    threshold = {
      text = "a number above 0, at most 0.5", default = 0.1,
      test = function(t) return type(t) == "number" and t > 0 and t <= 0.5 end,
    },
  })
  local probability, threshold = checked.probability, checked.threshold
  return strategy.new {
    name = "xtc", labelled = true, shown = {"probability", "threshold"},
    probability = probability, threshold = threshold,
    apply = function(_, logits, seq, draw)
      if draw("xtc") >= probability then
        return nil
      end
      local kept, message, code = kept_ids(seq:model())
      if not kept then
        return nil, message, code
      end
      logits:xtc(threshold, kept)
    end,
  }
end

return truncation
