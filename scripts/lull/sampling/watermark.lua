--- A watermark that only who knows a secret can see (Kirchenbauer et al. 2023, arXiv:2301.10226).
-- @module lull.sampling.watermark
local core = require "lull.core"
local options = require "lull.options"
local strategy = require "lull.sampling.strategy"

local watermark = {}

local MARK = {
  secret = {
    text = "a string that is not empty", test = options.is_text, required = true,
  },
  gamma = {
    text = "a number above 0 and below 1", default = 0.25,
    test = function(gamma) return type(gamma) == "number" and gamma > 0 and gamma < 1 end,
  },
  width = {type = "integer", min = 1, max = 64, default = 1},
}

--- The options of watermark.
watermark.RULES = options.merge(MARK, {
  delta = {type = "number", min = 0, max = 100, default = 2},
})

local DETECTOR = options.merge(MARK, {model = options.handle "model"})

-- ids[first..last] as text; a number is written as an integer whatever the Lua has it as.
local function spell(ids, first, last)
  local parts = {}
  for i = first, last do
    parts[#parts + 1] = ("%d"):format(ids[i])
  end
  return table.concat(parts, " ")
end

-- What decides which tokens are green after the tokens that `run` spells.
local function key_of(secret, run)
  return core.hash(secret .. "\0" .. run)
end

--- Mark a text. The previous `width` tokens and the secret choose a share gamma of the vocabulary,
-- the green tokens, whose logits rise by delta. A reader sees nothing; watermark_detector counts
-- the green.
--
-- Last before the choice, or else a truncation after it would remove what was raised. 100 tokens
-- of the model that ships, at temperature 1 without truncation, have a median z of 4.6 with delta
-- 2 (p = 2e-6) and of 7.3 with delta 3; what a truncation leaves to choose from is harder to
-- mark: 200 tokens of the default chain have 3.5 and 5.1. A high delta is easier to see and spoils
-- the text; where there is no choice (a quotation) nothing can be marked.
-- @param given {secret =, gamma = 0.25, delta = 2, width = 1}; a larger width hides the mark
--   better, and is wiped out sooner when the text is edited
function watermark.watermark(given)
  local checked = options.check("watermark", given, watermark.RULES)
  local secret, gamma, delta, width = checked.secret, checked.gamma, checked.delta, checked.width
  return strategy.new {
    name = "watermark", labelled = true, shown = {"gamma", "delta", "width"},
    gamma = gamma, delta = delta, width = width,
    apply = function(_, logits, seq)
      if #seq < width then
        return nil
      end
      logits:green(key_of(secret, spell(seq:tokens(-width), 1, width)), gamma, delta)
    end,
  }
end

-------------------------------------------------------------------------------- detection

-- The upper tail of the normal distribution, 1/2 erfc(z / sqrt 2): near 0 by the series of the
-- density's integral, far out by its continued fraction (Abramowitz and Stegun 26.2.11 and
-- 26.2.14).
local function normal_tail(z)
  local x = math.abs(z)
  local density = core.math.exp(-x * x / 2) / 2.5066282746310002
  local tail
  if x < 3 then
    local term, sum = x, x
    for i = 3, 101, 2 do
      term = term * x * x / i
      sum = sum + term
    end
    tail = 0.5 - density * sum
  else
    local fraction = x
    for i = 100, 1, -1 do
      fraction = x + i / fraction
    end
    tail = density / fraction
  end
  return z < 0 and 1 - tail or tail
end

-- How many of the distinct runs of width + 1 tokens end in a green one, and how many there are.
local function count_green(ids, secret, gamma, width)
  local seen, green, scored = {}, 0, 0
  for i = width + 1, #ids do
    local before = spell(ids, i - width, i - 1)
    local run = before .. " " .. spell(ids, i, i)
    if not seen[run] then
      seen[run], scored = true, scored + 1
      if core.is_green(key_of(secret, before), ids[i], gamma) then
        green = green + 1
      end
    end
  end
  return green, scored
end

local ID = {type = "integer", min = 0, max = 2 ^ 31 - 1}

local function is_id_list(value)
  return options.is_list(value, function(id) return options.allows(ID, id) end)
end

--- Who looks for the mark of `watermark`: a function of a text, or of a list of token ids. It
-- needs no context, only the model's tokenizer, and for ids not even that.
--
--     local detect = sampling.watermark_detector {secret = "...", model = model}
--     local found = detect(text)   --> {z = 7.2, p = 3e-13, green = 71, scored = 120}
--
-- z is by how many standard deviations there are more green tokens than chance gives, and p how
-- probable so many are in a text without the mark. Equal runs of width + 1 tokens count once, as
-- repeats say nothing new. A text in which nothing can be counted has z = 0 and p = 1.
-- @param given {secret =, model =, gamma = 0.25, width = 1}: those of the mark; model only for
--   texts, which are encoded as the beginning of one
-- @return a function; for texts it returns nil, message, code where they cannot be encoded
function watermark.watermark_detector(given)
  local checked = options.check("watermark_detector", given, DETECTOR)
  local secret, gamma, width, model =
    checked.secret, checked.gamma, checked.width, checked.model
  return function(text)
    local ids = text
    if type(text) == "string" and model then
      local message, code
      ids, message, code = model:encode(text)
      if not ids then
        return nil, message, code
      end
    end
    options.argument("watermark detector", 1, ids, {
      test = is_id_list, text = model and "a text or a list of token ids" or "a list of token ids",
    })
    local green, scored = count_green(ids, secret, gamma, width)
    if scored == 0 then
      return {z = 0, p = 1, green = 0, scored = 0}
    end
    local z = (green - gamma * scored) / math.sqrt(scored * gamma * (1 - gamma))
    return {z = z, p = normal_tail(z), green = green, scored = scored}
  end
end

return watermark
