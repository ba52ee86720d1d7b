--- Stages that change the shape of the distribution and remove nothing.
-- @module lull.sampling.temperature
local options = require "lull.options"
local strategy = require "lull.sampling.strategy"

local temperature = {}

--- Divide the logits by t: below 1 the probable becomes more so, above 1 the choice is wilder.
-- Usual: 0.7 to 1. In a chain 0 is not a temperature; greedy() is the selector for that.
function temperature.temperature(t)
  options.argument("temperature", 1, t, {type = "number", min = 1e-6, max = 1e6})
  return strategy.verb("temperature", t)
end

--- A temperature that follows the model's doubt: T = min + (max - min) * (H / log n)^exponent,
-- with the entropy H of the n tokens that are left (Zhu et al. 2023, arXiv:2309.02772, and
-- KoboldCpp). Instead of temperature: cool where one token is right, hot where many are.
-- @param given {min =, max =, exponent = 1}, with min <= max
function temperature.dynamic_temperature(given)
  local checked = options.check("dynamic_temperature", given, {
    min = {type = "number", min = 0, max = 1e6},
    max = {type = "number", min = 1e-6, max = 1e6},
    exponent = {type = "number", min = 0, max = 100, default = 1},
  })
  local low, high, exponent = checked.min, checked.max, checked.exponent
  if not low or not high or low > high then
    error("bad options to 'dynamic_temperature' (min and max are needed, with min <= max)", 2)
  end
  return strategy.new {
    name = "dynamic_temperature", labelled = true, shown = {"min", "max", "exponent"},
    min = low, max = high, exponent = exponent,
    apply = function(_, logits) logits:dynamic_temperature(low, high, exponent) end,
  }
end

--- Quadratic smoothing (kalomaze, text-generation-webui): with d = l - l_max, l becomes
-- l_max - k * factor * d^2 + s * factor * d^3, k = (3 - curve) / 2, s = (curve - 1) / 2.
-- Tokens close to the best come closer, the others go farther away: less need for truncation.
-- @param given {factor = 0.25, curve = 1}; usual factors are 0.2 to 0.3, and a curve above 1
--   takes more off the improbable
function temperature.smoothing(given)
  local checked = options.check("smoothing", given, {
    factor = {type = "number", min = 0, max = 1e6, default = 0.25},
    curve = {type = "number", min = 1, max = 3, default = 1},
  })
  local factor, curve = checked.factor, checked.curve
  return strategy.new {
    name = "smoothing", labelled = true, shown = {"factor", "curve"},
    factor = factor, curve = curve,
    apply = function(_, logits) logits:smooth(factor, curve) end,
  }
end

return temperature
