--- A model's vocabulary as a whole: all pieces, and sets of tokens chosen by their pieces.
--
--     local letters = vocabulary.set(model, function(piece) return piece:find("^%a+$") end)
--     logits:allow(letters)
--
-- Choosing looks at every piece once (32,000 calls of a Lua function, some milliseconds), so a
-- strategy does it when it is made, not at every token. Functions given here may raise and yield.
-- @module lull.vocabulary
local core = require "lull.core"
local options = require "lull.options"

local vocabulary = {}

-- Of each model handle, as long as it lives.
local known = setmetatable({}, {__mode = "k"})

local MODEL = options.handle "model"
local PREDICATE = {type = "function"}
local RULES = {special = {type = "boolean", default = false}}

--- The pieces of all tokens: the bytes each gives in a text ("" for control tokens).
-- The table is shared by all who ask: read it only.
-- @param model an open model
-- @return a table from id (0 .. model:vocab_size() - 1) to piece; or nil, message, "ESTATE" for a
-- model without a tokenizer
function vocabulary.pieces(model)
  options.argument("pieces", 1, model, MODEL)
  local pieces = known[model]
  if pieces then
    return pieces
  end
  pieces = {}
  for id = 0, model:vocab_size() - 1 do
    local piece, message, code = model:piece(id)
    if not piece then
      return nil, message, code
    end
    pieces[id] = piece
  end
  known[model] = pieces
  return pieces
end

--- The tokens whose pieces a function chooses.
-- @param model an open model with a tokenizer
-- @param chooses function(piece, id): true for a token that belongs into the set
-- @param given {special = true}: ask it about control tokens (BOS, EOS and others that give no
-- bytes) and the unknown token too, which are left out otherwise
-- @return a token set; or nil, message, code
function vocabulary.set(model, chooses, given)
  options.argument("set", 1, model, MODEL)
  options.argument("set", 2, chooses, PREDICATE)
  local special = options.check("set", given, RULES).special
  local pieces, message, code = vocabulary.pieces(model)
  if not pieces then
    return nil, message, code
  end
  local set, unknown = core.token_set(model), model:info().unknown
  for id = 0, set:size() - 1 do
    local piece = pieces[id]
    if (special or (piece ~= "" and id ~= unknown)) and chooses(piece, id) then
      set:add(id)
    end
  end
  return set
end

--- The tokens whose pieces contain any of some texts, as it takes for the breakers of DRY:
-- `logits:dry(seq, {breakers = vocabulary.containing(model, {"\n", ":", '"', "*"})})`.
-- A text that is spread over several tokens is not found.
-- @param model an open model with a tokenizer
-- @param texts a list of strings, taken literally
-- @return a token set; or nil, message, code
function vocabulary.containing(model, texts)
  options.argument("containing", 2, texts, {
    test = function(value) return options.is_list(value, options.is_text) end,
    text = "a list of strings that are not empty",
  })
  return vocabulary.set(model, function(piece)
    for i = 1, #texts do
      if piece:find(texts[i], 1, true) then
        return true
      end
    end
    return false
  end)
end

return vocabulary
