--- Watching the text as it grows: strings that end it, and phrases that must not be in it.
--
-- Text that may still become a stop string or a banned phrase is held back: it is told when it is
-- sure that it stays.
-- @module lull.decode.watch
local options = require "lull.options"

local watch = {}

local Watch = {}
Watch.__index = Watch

-- Bytes at the end of text[from ..] that begin `wanted` and do not complete it.
local function partial(text, from, wanted)
  local most = math.min(#wanted - 1, #text - from + 1)
  for n = most, 1, -1 do
    if text:sub(-n) == wanted:sub(1, n) then
      return n
    end
  end
  return 0
end

-------------------------------------------------------------------------------- finders
-- A finder is {find = function(text, from) -> first byte or nil, literal = bytes or nil,
-- ignore_case =}: text from `from` on is what may still be taken back.

local function plain_finder(wanted, ignore_case)
  if ignore_case then
    wanted = wanted:lower()
  end
  return {
    literal = wanted, ignore_case = ignore_case,
    find = function(text, from)
      return ((ignore_case and text:lower() or text):find(wanted, from, true))
    end,
  }
end

-- Neither captures nor empty matches count.
local function lpeg_finder(pattern)
  local lpeg = require "lpeg"
  local behind = pattern / 0 * lpeg.Cp()
  return {find = function(text, from)
    for i = from, #text do
      local place = lpeg.match(behind, text, i)
      if place and place > i then
        return i
      end
    end
  end}
end

local function pattern_finder(pattern)
  return {find = function(text, from)
    local first, last = text:find(pattern, from)
    return first and last >= first and first or nil -- an empty match bans nothing
  end}
end

-- A function of the user's, which may return what is no place.
local function function_finder(find)
  return {find = function(text, from)
    local at = find(text, from)
    if at ~= nil and at ~= false and type(at) ~= "number" then
      error("a function of 'ban_phrases' returned " .. options.show(at) .. ", not the place of a "
        .. "byte or nil", 0)
    end
    return at
  end}
end

local function is_lpeg(value)
  if type(value) ~= "userdata" then
    return false
  end
  local found, lpeg = pcall(require, "lpeg")
  return found and lpeg.type(value) == "pattern"
end

local PHRASE_RULES = {
  text = {test = options.is_text, text = "a string that is not empty"},
  pattern = {type = "string"},
  ignore_case = {type = "boolean"},
}

local PHRASE_TEXT = "a string, {pattern = Lua pattern}, {text =, ignore_case =}, an LPeg "
  .. "pattern or a function"

-- Raise for a malformed pattern now rather than later, as far as a search finds out at once.
local function check_pattern(pattern, level)
  local ok, message = pcall(string.find, "", pattern)
  if not ok then
    error("bad option 'ban_phrases' (the pattern " .. options.show(pattern) .. ": " .. message
      .. ")", level + 1)
  end
end

local function finder(phrase, level)
  if options.is_text(phrase) then
    return plain_finder(phrase)
  elseif type(phrase) == "function" then
    return function_finder(phrase)
  elseif is_lpeg(phrase) then
    return lpeg_finder(phrase)
  elseif type(phrase) == "table" then
    local checked = options.check("ban_phrases", phrase, PHRASE_RULES, level + 1)
    if checked.pattern and (checked.text or checked.ignore_case) then
      error("bad option 'ban_phrases' ('pattern' stands alone; text and ignore_case go together)",
        level + 1)
    elseif checked.pattern then
      check_pattern(checked.pattern, level + 1)
      return pattern_finder(checked.pattern)
    elseif checked.text then
      return plain_finder(checked.text, checked.ignore_case)
    end
  end
  error("bad option 'ban_phrases' (" .. PHRASE_TEXT .. " expected, got "
    .. options.show(phrase) .. ")", level + 1)
end

-------------------------------------------------------------------------------- the watch

--- What is watched for, checked; nil where there is nothing.
-- @param stop a string or a list of strings, or nil
-- @param phrases a list (see generate's ban_phrases), or nil
-- @param level whom to blame, as for error()
function watch.new(stop, phrases, level)
  local stops = type(stop) == "string" and {stop} or stop or {}
  for i, text in ipairs(stops) do
    if not options.is_text(text) then
      error("bad option 'stop' (element " .. i .. ": a string that is not empty expected, got "
        .. options.show(text) .. ")", level + 1)
    end
  end
  local finders, all_literal = {}, true
  for i, phrase in ipairs(phrases or {}) do
    finders[i] = finder(phrase, level + 1)
    all_literal = all_literal and finders[i].literal ~= nil
  end
  if #stops == 0 and #finders == 0 then
    return nil
  end
  return setmetatable({
    stops = stops, phrases = finders,
    open_ended = not all_literal, -- nobody knows what a pattern may still match
  }, Watch)
end

--- The first stop string in text[from ..]: where it begins, and which it is.
function Watch:find_stop(text, from)
  local first, which
  for _, stop in ipairs(self.stops) do
    local at = text:find(stop, from, true)
    if at and (not first or at < first) then
      first, which = at, stop
    end
  end
  return first, which
end

--- Where the first banned phrase in text[from ..] begins.
function Watch:find_phrase(text, from)
  local first
  for _, phrase in ipairs(self.phrases) do
    local at = phrase.find(text, from)
    if at and at >= from and (not first or at < first) then
      first = at
    end
  end
  return first
end

--- How many bytes at the end of text[from ..] may still become one or the other.
function Watch:undecided(text, from)
  local most, lower = 0, nil
  for _, stop in ipairs(self.stops) do
    most = math.max(most, partial(text, from, stop))
  end
  for _, phrase in ipairs(self.phrases) do
    if phrase.ignore_case then
      lower = lower or text:lower()
      most = math.max(most, partial(lower, from, phrase.literal))
    elseif phrase.literal then
      most = math.max(most, partial(text, from, phrase.literal))
    end
  end
  return most
end

return watch
