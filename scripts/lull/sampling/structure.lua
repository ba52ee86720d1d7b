--- Stages that steer single tokens and phrases: bias, bans, and what may come at all.
--
-- Tokens are named by id or by text. A text means the token that spells it, at the beginning of a
-- word and inside one (" cat" and "cat"; a text that begins with a space means only the former).
-- @module lull.sampling.structure
local core = require "lull.core"
local options = require "lull.options"
local strategy = require "lull.sampling.strategy"
local tokens = require "lull.sampling.tokens"

local structure = {}

local TOKEN_SET = options.handle "token_set"
local ID = {type = "integer", min = 0, max = 2 ^ 31 - 1}

local function is_id(value)
  return options.allows(ID, value)
end

local function is_token(value)
  return is_id(value) or options.is_text(value)
end

-- A list with at least one item.
local function is_list(list, test)
  return options.is_list(list, test) and #list > 0
end

local function is_phrase(value)
  return options.is_text(value) or is_list(value, is_id)
end

-- A finite bias, or -math.huge, a ban.
local function is_bias(value)
  return type(value) == "number" and value < 1e9 and (value > -1e9 or value == -math.huge)
end

-- Are the keys of a map, of which there is one at least, named well, and its values biases?
local function is_bias_map(map, is_key)
  if type(map) ~= "table" or next(map) == nil then
    return false
  end
  for key, value in pairs(map) do
    if not is_key(key) or not is_bias(value) then
      return false
    end
  end
  return true
end

--- What the stages here take.
structure.RULES = {
  bias = {
    text = "a table {[id or text] = number or -math.huge}",
    test = function(map) return is_bias_map(map, is_token) end,
  },
  tokens = {
    text = "a list of ids and texts, or a token set",
    test = function(value)
      return is_list(value, is_token) or TOKEN_SET.test(value)
    end,
  },
  phrases = {
    text = "a list of texts and lists of ids, none of them empty",
    test = function(value) return is_list(value, is_phrase) end,
  },
  phrase_bias = {
    text = "a table {[text] = number or -math.huge}",
    test = function(map)
      return is_bias_map(map, options.is_text)
    end,
  },
}

local function count(map)
  local n = 0
  for _ in pairs(map) do
    n = n + 1
  end
  return n
end

-------------------------------------------------------------------------------- single tokens

--- Add to the logits of tokens (OpenAI's logit_bias). A bias of b makes a token e^b times as
-- probable, before the others' share shrinks; -math.huge bans it.
-- @param given {[id or text] = bias}, such as {[" dragon"] = 2, [13] = -math.huge}
function structure.bias(given)
  options.argument("bias", 1, given, structure.RULES.bias)
  local biases = tokens.memo(function(model)
    local by_id = {}
    for item, value in pairs(given) do
      local ids, message, code = tokens.ids_of(model, item, "bias")
      if not ids then
        return nil, message, code
      end
      for _, id in ipairs(ids) do
        by_id[id] = (by_id[id] or 0) + value
      end
    end
    return by_id
  end)
  return strategy.new {
    name = "bias", labelled = true, shown = {"tokens"}, tokens = count(given),
    apply = function(_, logits, seq)
      local by_id, message, code = biases(seq:model())
      if not by_id then
        return nil, message, code
      end
      for id, value in pairs(by_id) do
        logits:add(id, value)
      end
    end,
  }
end

-- A stage that hands a token set to a verb.
local function of_set(name, verb, given)
  options.argument(name, 1, given, structure.RULES.tokens, 3)
  local sets = tokens.memo(function(model)
    local set = core.token_set(model)
    for _, item in ipairs(given) do
      local ids, message, code = tokens.ids_of(model, item, name)
      if not ids then
        return nil, message, code
      end
      set:add(ids)
    end
    return set
  end)
  local listed = type(given) == "table"
  return strategy.new {
    name = name, labelled = true, shown = {"tokens"},
    tokens = listed and #given or given:count(),
    apply = function(_, logits, seq)
      if not listed then
        logits[verb](logits, given)
        return nil
      end
      local set, message, code = sets(seq:model())
      if not set then
        return nil, message, code
      end
      logits[verb](logits, set)
    end,
  }
end

--- Never these tokens. For texts of several tokens see bad_words; a phrase is kept out, however
-- it is tokenized, by a loop that rewinds.
-- @param given a list of ids and texts, or a token set
function structure.ban(given)
  local stage = of_set("ban", "ban", given)
  return stage
end

--- Only these tokens, as in a choice of answers. The end of the text is among them only if it is
-- named: `allow_only {"yes", "no", model:eos()}`.
-- @param given a list of ids and texts, or a token set
function structure.allow_only(given)
  local stage = of_set("allow_only", "allow", given)
  return stage
end

-------------------------------------------------------------------------------- phrases

-- All spellings of a list of phrases, and the most tokens one of them has.
local function phrase_table(model, phrases)
  local found, longest = {}, 1
  for _, phrase in ipairs(phrases) do
    local spellings, message, code = tokens.spellings(model, phrase)
    if not spellings then
      return nil, message, code
    end
    for _, ids in ipairs(spellings) do
      found[#found + 1] = {ids = ids, phrase = phrase}
      longest = math.max(longest, #ids)
    end
  end
  found.longest = longest
  return found
end

-- Do the first n of ids stand at the end of the text?
local function ends_with(text, ids, n)
  for i = 1, n do
    if text[#text - n + i] ~= ids[i] then
      return false
    end
  end
  return n <= #text
end

-- The newest tokens, as many as a phrase can have before its last.
local function newest(seq, longest)
  return longest > 1 and seq:tokens(1 - longest) or {}
end

--- Ban these phrases as sequences of tokens: the last token is banned where the others stand
-- before it (transformers' bad_words_ids). Texts are taken at the beginning of a word and inside
-- one, each in the one way the tokenizer writes it: a model that spells it otherwise gets it
-- through, which a loop that rewinds would notice.
-- @param given a list of texts and lists of ids
function structure.bad_words(given)
  options.argument("bad_words", 1, given, structure.RULES.phrases)
  local tables = tokens.memo(function(model) return phrase_table(model, given) end)
  return strategy.new {
    name = "bad_words", labelled = true, shown = {"phrases"}, phrases = #given,
    apply = function(_, logits, seq)
      local phrases, message, code = tables(seq:model())
      if not phrases then
        return nil, message, code
      end
      local text = newest(seq, phrases.longest)
      for i = 1, #phrases do
        local ids = phrases[i].ids
        if ends_with(text, ids, #ids - 1) then
          logits:ban(ids[#ids])
        end
      end
    end,
  }
end

-- How many tokens of a phrase the text ends with, but not all.
local function matched(text, ids)
  for n = #ids - 1, 1, -1 do
    if ends_with(text, ids, n) then
      return n
    end
  end
  return 0
end

--- Make phrases more probable, or less: a bias that rises with the part that is told (the idea
-- of KoboldAI's phrase bias). Where the text ends with m of a phrase's n tokens, the next of them
-- gets bias * (m + 1) / n: a gentle push to begin it, the whole to complete it. -math.huge bans
-- the last token only.
-- @param given {[text] = bias}, such as {["the old lighthouse"] = 4}
function structure.phrase_bias(given)
  options.argument("phrase_bias", 1, given, structure.RULES.phrase_bias)
  local tables = tokens.memo(function(model)
    local phrases = {}
    for phrase in pairs(given) do
      phrases[#phrases + 1] = phrase
    end
    table.sort(phrases) -- sums of biases in one order
    return phrase_table(model, phrases)
  end)
  return strategy.new {
    name = "phrase_bias", labelled = true, shown = {"phrases"}, phrases = count(given),
    apply = function(_, logits, seq)
      local phrases, message, code = tables(seq:model())
      if not phrases then
        return nil, message, code
      end
      local text = newest(seq, phrases.longest)
      for i = 1, #phrases do
        local ids, bias = phrases[i].ids, given[phrases[i].phrase]
        local told = matched(text, ids) + 1
        if bias > -math.huge then
          logits:add(ids[told], bias * told / #ids)
        elseif told == #ids then
          logits:ban(ids[told])
        end
      end
    end,
  }
end

return structure
