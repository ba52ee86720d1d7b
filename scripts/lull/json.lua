--- JSON, written and read.
--
-- Written: keys in the order they are given, the same bytes in every locale, U+FFFD for what is
-- no UTF-8. Read: exactly RFC 8259, so that what is wrong with a line is said and never guessed
-- at: bytes that are no UTF-8, numbers beyond a double, a key twice, and nesting without end are
-- mistakes.
-- @module lull.json
local options = require "lull.options"
local utf8 = require "lull.utf8"

local json = {}

local byte, char, find, sub = string.byte, string.char, string.find, string.sub
local concat = table.concat

--- null where a table must hold it: json.decode puts it there, json.encode takes it.
json.null = setmetatable({}, {__tostring = function() return "null" end})

-- An empty table could be either: objects that were read are told by the one, and lists of pairs
-- by the other.
local Object, Pairs = {}, {}

-- A code point as UTF-8.
local function utf8_char(code)
  local function tail(shift)
    return 0x80 + math.floor(code / shift) % 0x40
  end
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + math.floor(code / 0x40), tail(1))
  elseif code < 0x10000 then
    return char(0xE0 + math.floor(code / 0x1000), tail(0x40), tail(1))
  end
  return char(0xF0 + math.floor(code / 0x40000), tail(0x1000), tail(0x40), tail(1))
end

-------------------------------------------------------------------------------- writing

local ESCAPES = {
  ['"'] = '\\"', ["\\"] = "\\\\", ["\b"] = "\\b", ["\f"] = "\\f", ["\n"] = "\\n",
  ["\r"] = "\\r", ["\t"] = "\\t",
}

local function encode_string(text)
  return '"' .. utf8.valid(text):gsub('[%z\1-\31"\\\127]', function(c)
    return ESCAPES[c] or string.format("\\u%04x", byte(c))
  end) .. '"'
end

-- Fourteen digits are enough for people, seventeen for any double.
local function encode_number(value, exact)
  if value ~= value or value == math.huge or value == -math.huge then
    return "null"
  end
  local text = options.number_text(value)
  if exact and tonumber((string.format("%.14g", value))) ~= value then
    return (string.format("%.17g", value):gsub(",", "."))
  end
  return text
end

local encode

local function encode_members(value, keys, exact)
  local parts = {}
  for i, key in ipairs(keys) do
    parts[i] = encode_string(key) .. ":" .. encode(value[key], exact)
  end
  return "{" .. concat(parts, ",") .. "}"
end

local function encode_table(value, exact)
  local parts = {}
  if getmetatable(value) == Pairs then
    for i, pair in ipairs(value) do
      parts[i] = encode_string(pair[1]) .. ":" .. encode(pair[2], exact)
    end
    return "{" .. concat(parts, ",") .. "}"
  elseif getmetatable(value) == Object or (value[1] == nil and next(value) ~= nil) then
    local keys = {}
    for key in pairs(value) do
      keys[#keys + 1] = key
    end
    table.sort(keys)
    return encode_members(value, keys, exact)
  end
  for i = 1, #value do
    parts[i] = encode(value[i], exact)
  end
  return "[" .. concat(parts, ",") .. "]"
end

--- A value as JSON, on one line. Objects whose order matters are made with json.object; of other
-- tables those with string keys are objects with sorted keys, and the rest arrays. nil and
-- json.null are null, and so are numbers that JSON has no word for.
-- @param value what to write
-- @param exact true: numbers with as many digits as it takes to read the same ones again
function encode(value, exact)
  local kind = type(value)
  if kind == "string" then
    return encode_string(value)
  elseif kind == "number" then
    return encode_number(value, exact)
  elseif kind == "table" and value ~= json.null then
    return encode_table(value, exact)
  elseif kind == "boolean" then
    return tostring(value)
  end
  return "null"
end

json.encode = encode

--- Mark a list of {name, value} pairs as a JSON object, which keeps their order. Pairs whose
-- value is nil are null.
function json.object(list)
  return setmetatable(list, Pairs)
end

--- A list of what convert(item) makes of each item of a list.
function json.map(list, convert)
  local out = {}
  for i, item in ipairs(list) do
    out[i] = convert(item)
  end
  return out
end

-------------------------------------------------------------------------------- reading

local MOST_NESTED = 100

-- What ends parsing: {at, message}; caught in json.decode.
local function fail(at, message)
  error({at = at, message = message}, 0)
end

local SIMPLE = {
  ['"'] = '"', ["\\"] = "\\", ["/"] = "/", b = "\b", f = "\f", n = "\n", r = "\r", t = "\t",
}

local function after_space(text, i)
  return find(text, "[^ \t\r\n]", i) or #text + 1
end

-- The code unit of a \uXXXX at i, which is checked.
local function code_unit(text, i)
  local digits = text:match("^\\u(%x%x%x%x)", i)
  if not digits then
    fail(i, "\\u and four hexadecimal digits expected")
  end
  return tonumber(digits, 16)
end

-- The escape at i: what it stands for, and where the text goes on.
local function read_escape(text, i)
  local letter = sub(text, i + 1, i + 1)
  if SIMPLE[letter] then
    return SIMPLE[letter], i + 2
  elseif letter ~= "u" then
    fail(i, "an unknown escape in a string")
  end
  local code = code_unit(text, i)
  if code >= 0xD800 and code <= 0xDBFF and sub(text, i + 6, i + 7) == "\\u" then
    local low = code_unit(text, i + 6)
    if low >= 0xDC00 and low <= 0xDFFF then
      return utf8_char(0x10000 + (code - 0xD800) * 0x400 + low - 0xDC00), i + 12
    end
  end
  if code >= 0xD800 and code <= 0xDFFF then
    fail(i, "half a surrogate pair")
  end
  return utf8_char(code), i + 6
end

-- The string that begins at i with a quote, and where the text goes on.
local function read_string(text, i)
  local parts, from = {}, i + 1
  while true do
    local stop = find(text, '[%z\1-\31"\\]', from)
    local c = stop and sub(text, stop, stop)
    if not stop then
      fail(i, "a string that does not end")
    elseif c == '"' then
      parts[#parts + 1] = sub(text, from, stop - 1)
      return concat(parts), stop + 1
    elseif c ~= "\\" then
      fail(stop, "a control character in a string")
    end
    parts[#parts + 1] = sub(text, from, stop - 1)
    parts[#parts + 1], from = read_escape(text, stop)
  end
end

local function read_number(text, i)
  local last = select(2, find(text, "^%-?%d+", i))
  if not last or find(text, "^%-?0%d", i) then
    fail(i, "a value expected")
  end
  last = select(2, find(text, "^%.%d+", last + 1)) or last
  last = select(2, find(text, "^[eE][+-]?%d+", last + 1)) or last
  local digits = sub(text, i, last)
  local value = tonumber(digits) or tonumber((digits:gsub("%.", ","))) -- the host's locale
  if not value or value == math.huge or value == -math.huge then
    fail(i, "a number too large")
  end
  return value, last + 1
end

local WORDS = {t = {"true", true}, f = {"false", false}, n = {"null", json.null}}

local read_value

local function read_array(text, i, depth)
  local list = {}
  i = after_space(text, i + 1)
  if sub(text, i, i) == "]" then
    return list, i + 1
  end
  while true do
    list[#list + 1], i = read_value(text, i, depth)
    i = after_space(text, i)
    local c = sub(text, i, i)
    if c == "]" then
      return list, i + 1
    elseif c ~= "," then
      fail(i, "',' or ']' expected")
    end
    i = after_space(text, i + 1)
  end
end

local function read_object(text, i, depth)
  local object = setmetatable({}, Object)
  i = after_space(text, i + 1)
  if sub(text, i, i) == "}" then
    return object, i + 1
  end
  while true do
    if sub(text, i, i) ~= '"' then
      fail(i, "a key in quotes expected")
    end
    local key, after = read_string(text, i)
    if object[key] ~= nil then
      fail(i, "the key " .. options.show(key) .. " twice")
    end
    i = after_space(text, after)
    if sub(text, i, i) ~= ":" then
      fail(i, "':' expected")
    end
    object[key], i = read_value(text, after_space(text, i + 1), depth)
    i = after_space(text, i)
    local c = sub(text, i, i)
    if c == "}" then
      return object, i + 1
    elseif c ~= "," then
      fail(i, "',' or '}' expected")
    end
    i = after_space(text, i + 1)
  end
end

function read_value(text, i, depth)
  local c = sub(text, i, i)
  if c == '"' then
    return read_string(text, i)
  elseif c == "{" or c == "[" then
    if depth == MOST_NESTED then
      fail(i, "nested more than " .. MOST_NESTED .. " deep")
    end
    return (c == "{" and read_object or read_array)(text, i, depth + 1)
  end
  local word = WORDS[c]
  if word and sub(text, i, i + #word[1] - 1) == word[1] then
    return word[2], i + #word[1]
  end
  return read_number(text, i)
end

local function read_all(text)
  local bad = utf8.first_bad(text)
  if bad then
    fail(bad, "a byte that is no UTF-8")
  end
  local value, i = read_value(text, after_space(text, 1), 0)
  i = after_space(text, i)
  if i <= #text then
    fail(i, "more after the value")
  end
  return value
end

--- The value of a JSON text: objects and arrays are tables, null is json.null.
-- @return the value, or nil, message, "EFORMAT"
function json.decode(text)
  local ok, value = pcall(read_all, text)
  if ok then
    return value
  elseif type(value) ~= "table" then
    error(value, 0)
  end
  return nil, "no JSON at byte " .. options.number_text(value.at) .. ": " .. value.message,
    "EFORMAT"
end

--- Is this table one that is written as an object?
function json.is_object(value)
  if type(value) ~= "table" or value == json.null then
    return false
  end
  local kind = getmetatable(value)
  return kind == Object or kind == Pairs or (value[1] == nil and next(value) ~= nil)
end

return json
