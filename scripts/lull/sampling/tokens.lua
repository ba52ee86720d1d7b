--- What stages must know of a model's tokens; worked out once per model.
-- @module lull.sampling.tokens
local tokens = {}

--- A function that keeps, per model, what build(model) returned, as long as the model lives.
-- Failures (nil, message, code) are passed on and not kept.
function tokens.memo(build)
  local known = setmetatable({}, {__mode = "k"})
  return function(model)
    local value = known[model]
    if value == nil then
      local message, code
      value, message, code = build(model)
      if value == nil then
        return nil, message, code
      end
      known[model] = value
    end
    return value
  end
end

--- The ids that end a text: BOS and EOS, as far as the model has them.
function tokens.ends(model)
  local ids = {}
  ids[#ids + 1] = model:bos()
  ids[#ids + 1] = model:eos()
  return ids
end

--- The ways a text is written inside another: its ids as a list, and those of the text after a
-- space where the two differ. A text that begins with a space or a line break is written as it
-- is, and so is a list of ids.
-- @return nil, message, code without a tokenizer
function tokens.spellings(model, text)
  if type(text) == "table" then
    return {text}
  end
  local found = {}
  for _, written in ipairs(text:find("^%s") and {text} or {text, " " .. text}) do
    local ids, message, code = model:encode(written, {start = false})
    if not ids then
      return nil, message, code
    end
    found[#found + 1] = ids
  end
  return found
end

-- The spellings of a text that are one token.
local function single_tokens(model, text, where)
  local spellings, message, code = tokens.spellings(model, text)
  if not spellings then
    return nil, message, code
  end
  local ids = {}
  for _, spelling in ipairs(spellings) do
    if #spelling == 1 then
      ids[#ids + 1] = spelling[1]
    end
  end
  if #ids == 0 then
    error(where .. ": '" .. text .. "' is no single token of this model; bad_words and "
      .. "phrase_bias take texts of several", 0)
  end
  return ids
end

--- The ids an item of a list means: an id itself, or a text's tokens.
-- @param where the function's name, for messages
-- @raise on an id outside the vocabulary or a text that is no single token
function tokens.ids_of(model, item, where)
  if type(item) == "number" then
    if item >= model:vocab_size() then
      error(where .. ": token " .. item .. " is outside this model's vocabulary of "
        .. model:vocab_size(), 0)
    end
    return {item}
  end
  return single_tokens(model, item, where)
end

return tokens
