--- Phrases that must come up: how far a text has got with each of them.
--
-- A phrase is a list of token ids, met where these follow each other in the told text. Progress is
-- the length of the longest beginning of the phrase that the text ends with, so an interrupted
-- phrase may begin anew at once and phrases may overlap.
-- @module lull.decode.phrases
local options = require "lull.options"
local origin = require "lull.decode.origin"

local phrases = {}

local Phrases = {}
Phrases.__index = Phrases

--- The option `phrases`.
phrases.RULE = {
  text = "a list of strings or lists of token ids, none of them empty",
  test = function(value)
    return options.is_list(value, function(phrase)
      return options.is_text(phrase) or options.is_list(phrase) and #phrase > 0
    end)
  end,
}

--- The phrases of a search; or nil, message, code. Strings are encoded as they go on within a text,
-- so one that is a word begins with its space: " dog".
-- @param list as the rule says
-- @param where the function's name, for messages
-- @param level whom to blame for an id that is none, as for error()
function phrases.new(model, list, where, level)
  local encoded = {}
  for i, phrase in ipairs(list) do
    local ids = phrase
    if type(phrase) == "string" then
      local message, code
      ids, message, code = model:encode(phrase, {start = false})
      if not ids then
        return nil, message, code
      end
    end
    origin.check_ids(model, ids, "bad option 'phrases' to '" .. where .. "', phrase " .. i,
      level + 1)
    encoded[i] = ids
  end
  return setmetatable({list = list, encoded = encoded}, Phrases)
end

--- The state of a text that has not begun: progress by phrase, and tokens that are met.
function Phrases:start()
  local state = {met = 0, open = #self.encoded}
  for i = 1, #self.encoded do
    state[i] = 0
  end
  return state
end

-- The longest beginning of a phrase that ids (the first n) and then id end with.
local function progress(phrase, before, ids, id)
  local n = #ids
  for length = before + 1, 1, -1 do
    local same = phrase[length] == id
    for k = 1, length - 1 do
      same = same and phrase[length - k] == ids[n - k + 1]
    end
    if same then
      return length
    end
  end
  return 0
end

--- The state after one more token.
-- `met` counts the tokens of phrases that are complete and the furthest of the others.
-- @param state of ids
function Phrases:advance(state, ids, id)
  local after, complete, furthest, open = {}, 0, 0, 0
  for i, phrase in ipairs(self.encoded) do
    local done = state[i]
    if done < #phrase then
      done = progress(phrase, done, ids, id)
    end
    after[i] = done
    if done == #phrase then
      complete = complete + done
    else
      furthest, open = math.max(furthest, done), open + 1
    end
  end
  after.met, after.open = complete + furthest, open
  return after
end

--- The tokens that would take a phrase further, each once.
function Phrases:wanted(state)
  local ids, seen = {}, {}
  for i, phrase in ipairs(self.encoded) do
    local id = phrase[state[i] + 1]
    if id and not seen[id] then
      seen[id] = true
      ids[#ids + 1] = id
    end
  end
  return ids
end

--- The phrases, as given, that have not come up.
function Phrases:missing(state)
  local list = {}
  for i, phrase in ipairs(self.encoded) do
    if state[i] < #phrase then
      list[#list + 1] = self.list[i]
    end
  end
  return list
end

return phrases
