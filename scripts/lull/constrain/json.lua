--- JSON values that keep what cjson's tables lose: the order of keys, numbers as they were written.
--
--     strings, true and false are Lua's; json.NULL is null
--     a number   {kind = "number", value = 1.5, text = "1.50"}
--     an array   {kind = "array", ...}
--     an object  {kind = "object", keys = {"a", "b"}, map = {a = ..., b = ...}}
--
-- Objects made from Lua tables have no order of their own; their keys are sorted, and `sorted` is
-- set. The reader is LPeg's.
-- @module lull.constrain.json
local characters = require "lull.constrain.characters"
local lpeg = require "lpeg"

local json = {}

local P, R, S, V = lpeg.P, lpeg.R, lpeg.S, lpeg.V
local C, Carg, Cc, Cmt, Cp, Cs, Ct = lpeg.C, lpeg.Carg, lpeg.Cc, lpeg.Cmt, lpeg.Cp, lpeg.Cs, lpeg.Ct

local MOST_NESTED = 60 -- LPeg's stack has room for 400 of its own steps

json.NULL = {kind = "null"}

--- What kind of value it is: "string", "boolean", "null", "number", "array" or "object".
function json.kind(value)
  return type(value) == "table" and value.kind or type(value)
end

function json.number(value, text)
  return {kind = "number", value = value, text = text}
end

-------------------------------------------------------------------------------- reading text

local function fail(text, at, message)
  error {message = "the JSON text is wrong: " .. message, place = characters.place(text, at)}
end

local function must(pattern, message)
  return pattern + Cmt(Carg(1), function(_, at, state)
    fail(state.text, at, message)
  end)
end

local space = S " \t\r\n" ^ 0
local hex = R("09", "af", "AF")
local unit = P "\\u" * (hex * hex * hex * hex / function(digits)
  return tonumber(digits, 16)
end)

local CONTROLS = {b = "\b", f = "\f", n = "\n", r = "\r", t = "\t"}
local LETTERS = {["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t"}

-- One \uHHHH, or two that are a surrogate pair.
local function unit_text(_, at, state, high, low)
  if high < 0xD800 or high > 0xDFFF then
    return at, characters.utf8(high)
  elseif low and high < 0xDC00 and low >= 0xDC00 and low <= 0xDFFF then
    return at, characters.utf8(0x10000 + (high - 0xD800) * 0x400 + low - 0xDC00)
  end
  fail(state.text, at, "half of a surrogate pair")
end

local function pair_text(text, at, state, high, low)
  if high >= 0xD800 and high <= 0xDBFF then
    return unit_text(text, at, state, high, low)
  end
end

local escape = Cmt(Carg(1) * unit * unit, pair_text) + Cmt(Carg(1) * unit, unit_text)
  + P "\\" / "" * must(S '"\\/' / "%0" + S "bfnrt" / CONTROLS, "unknown escape")

local string = P '"' * Cs((escape + (1 - S '"\\' - R "\0\31")) ^ 0)
  * must(P '"', "the string has no end here")

local digits = R "09" ^ 1
local number = C(P "-" ^ -1 * (P "0" + R "19" * R "09" ^ 0) * (P "." * digits) ^ -1
  * (S "eE" * S "+-" ^ -1 * digits) ^ -1) / function(text)
  return json.number(tonumber(text), text)
end

local function open(_, at, state)
  state.depth = state.depth + 1
  if state.depth > MOST_NESTED then
    fail(state.text, at, "nested deeper than " .. MOST_NESTED)
  end
  return at
end

local function array(_, at, state, items)
  state.depth = state.depth - 1
  items.kind = "array"
  return at, items
end

local function object(_, at, state, members)
  local made = {kind = "object", keys = {}, map = {}}
  state.depth = state.depth - 1
  for i = 1, #members, 3 do
    local place, key = members[i], members[i + 1]
    if made.map[key] ~= nil then
      fail(state.text, place, "a key that is there already")
    end
    made.keys[#made.keys + 1] = key
    made.map[key] = members[i + 2]
  end
  return at, made
end

local opening = Cmt(Carg(1), open)

local value = P {
  space * V "value" * space * must(-P(1), "nothing can follow here"),
  value = must(string + number + V "array" + V "object" + P "true" * Cc(true)
    + P "false" * Cc(false) + P "null" * Cc(json.NULL), "a value expected"),
  array = P "[" * opening * space * Cmt(Carg(1) * Ct((V "value" * space
    * (P "," * space * V "value" * space) ^ 0 - P "]") ^ -1) * must(P "]", "',' or ']' expected"),
    array),
  object = P "{" * opening * space * Cmt(Carg(1) * Ct((V "member"
    * (P "," * space * V "member") ^ 0 - P "}") ^ -1) * must(P "}", "',' or '}' expected"), object),
  member = Cp() * must(string, "a key expected") * space * must(P ":", "':' expected") * space
    * V "value" * space,
}

--- Read a JSON text.
-- @raise a table {message =, place =}
function json.decode(text)
  local at = characters.invalid(text)
  if at then
    fail(text, at, "it is not valid UTF-8")
  end
  return value:match(text, 1, {text = text, depth = 0})
end

-------------------------------------------------------------------------------- from Lua

local function number_text(n)
  for precision = 14, 17 do
    local text = ("%." .. precision .. "g"):format(n):gsub(",", ".")
    if tonumber(text) == n then
      return text
    end
  end
end

local function is_list(given)
  local n = 0
  for key in pairs(given) do
    if type(key) ~= "number" then
      return false
    end
    n = n + 1
  end
  return n > 0 and n == #given
end

--- A value of Lua, as cjson would have it, in the form of this module.
-- @param given strings, finite numbers, booleans, tables; lists that are not empty are arrays; any
--   userdata is null
-- @raise a table {message =, place =}
function json.from_lua(given, pointer, depth)
  local kind = type(given)
  pointer, depth = pointer or "#", depth or 1
  if kind == "string" or kind == "boolean" then
    return given
  elseif kind == "userdata" then
    return json.NULL
  elseif kind == "number" and given == given and math.abs(given) < math.huge then
    return json.number(given, number_text(given))
  elseif kind ~= "table" then
    error {message = "JSON has no value for " .. tostring(given), place = pointer}
  elseif depth > MOST_NESTED then
    error {message = "nested deeper than " .. MOST_NESTED, place = pointer}
  elseif is_list(given) then
    local list = {kind = "array"}
    for i, item in ipairs(given) do
      list[i] = json.from_lua(item, pointer .. "/" .. i - 1, depth + 1)
    end
    return list
  end
  local made = {kind = "object", keys = {}, map = {}, sorted = true}
  for key in pairs(given) do
    if type(key) ~= "string" then
      error {message = "a key of an object is a string, not " .. tostring(key), place = pointer}
    end
    made.keys[#made.keys + 1] = key
  end
  table.sort(made.keys)
  for _, key in ipairs(made.keys) do
    made.map[key] = json.from_lua(given[key], pointer .. "/" .. key, depth + 1)
  end
  return made
end

-------------------------------------------------------------------------------- writing

--- A character of a JSON string as it must be written there.
function json.character(text)
  if text == '"' or text == "\\" then
    return "\\" .. text
  end
  return LETTERS[text] or ("\\u%04x"):format(text:byte())
end

local function quote(text)
  return '"' .. text:gsub('[%z\1-\31"\\]', json.character) .. '"'
end

--- A value as JSON text, without spaces.
function json.encode(given)
  local kind = json.kind(given)
  if kind == "string" then
    return quote(given)
  elseif kind == "boolean" then
    return tostring(given)
  elseif kind == "null" then
    return "null"
  elseif kind == "number" then
    return given.text
  end
  local parts = {}
  if kind == "array" then
    for i, item in ipairs(given) do
      parts[i] = json.encode(item)
    end
    return "[" .. table.concat(parts, ",") .. "]"
  end
  for i, key in ipairs(given.keys) do
    parts[i] = quote(key) .. ":" .. json.encode(given.map[key])
  end
  return "{" .. table.concat(parts, ",") .. "}"
end

return json
