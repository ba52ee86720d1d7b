--- JSON: written as Python's json.dumps does it, for the filter tojson, and read with the order of
-- its keys.
-- @module lull.template.json
local fault = require "lull.template.fault"
local number = require "lull.template.number"
local text = require "lull.template.text"
local values = require "lull.template.values"

local json = {}

local format = string.format
local MAX_NESTING = 100

local SHORT = {
  ["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\b"] = "\\b", ["\f"] = "\\f",
  ['"'] = '\\"', ["\\"] = "\\\\",
}

local function escape(c)
  return SHORT[c] or format("\\u%04x", c:byte())
end

local function escape_wide(c)
  local code = text.code(c)
  if code < 0x10000 then
    return format("\\u%04x", code)
  end
  code = code - 0x10000
  return format("\\u%04x\\u%04x", 0xD800 + math.floor(code / 1024), 0xDC00 + code % 1024)
end

local CONTROLS = {}
for code = 0, 31 do
  CONTROLS[string.char(code)] = true
end

local function quoted(s, ascii)
  if s:find("%c") or s:find('["\\]') then
    s = s:gsub('.', function(c)
      return (CONTROLS[c] or SHORT[c]) and escape(c) or nil
    end)
  end
  if ascii and s:find("[\127-\255]") then
    local list = text.chars(s)
    for i, c in ipairs(list) do
      list[i] = c:byte() >= 127 and escape_wide(c) or c
    end
    s = table.concat(list)
  end
  return '"' .. s .. '"'
end

local function float_text(value)
  if value ~= value then
    return "NaN"
  elseif value == math.huge or value == -math.huge then
    return value > 0 and "Infinity" or "-Infinity"
  end
  return number.float_text(value)
end

local Writer = {}
Writer.__index = Writer

function Writer:add(piece)
  self.size = self.size + #piece
  self.rt:spend(1)
  if self.size > self.rt.bytes then
    self.rt:text(self.size)
  end
  self[#self + 1] = piece
end

-- A line break and the indentation of a level, if there is any.
function Writer:line(depth)
  if self.indent then
    self:add("\n" .. self.indent:rep(depth))
  end
end

function Writer:string(s)
  self.rt:spend(#s / 8)
  self:add(quoted(s, self.ascii))
end

local SCALARS = {
  none = function() return "null" end,
  bool = function(value) return value and "true" or "false" end,
  int = number.int_text,
  float = function(value) return float_text(value.value) end,
}

function Writer:key(key)
  local scalar = SCALARS[values.kind(key)]
  if type(key) == "string" then
    self:string(key)
  elseif scalar then
    self:string(scalar(key))
  else
    fault.raise("tojson: keys must be str, int, float, bool or None, not '"
      .. values.type_name(key) .. "'")
  end
end

function Writer:dict(dict, depth)
  local order = {}
  for i = 1, dict.n do
    order[i] = i
  end
  if self.sort then
    order = self.sort(dict.keys)
  end
  for n, i in ipairs(order) do
    self:add(n == 1 and "{" or self.item_separator)
    self:line(depth)
    self:key(dict.keys[i])
    self:add(self.key_separator)
    self:value(dict.values[i], depth)
  end
  if dict.n == 0 then
    return self:add("{}")
  end
  self:line(depth - 1)
  self:add("}")
end

function Writer:list(list, depth)
  if #list == 0 then
    return self:add("[]")
  end
  for i = 1, #list do
    self:add(i == 1 and "[" or self.item_separator)
    self:line(depth)
    self:value(list[i], depth)
  end
  self:line(depth - 1)
  self:add("]")
end

--- Write a value that stands at a depth of nesting.
function Writer:value(value, depth)
  local kind = values.kind(value)
  if depth > MAX_NESTING then
    fault.raise("nested too deeply", nil, "ELIMIT")
  elseif kind == "str" then
    self:string(value)
  elseif SCALARS[kind] then
    self:add(SCALARS[kind](value))
  elseif kind == "dict" then
    self:dict(value, depth + 1)
  elseif kind == "list" or kind == "tuple" then
    self:list(value, depth + 1)
  else
    fault.raise("tojson: '" .. values.type_name(value) .. "' is not JSON serializable")
  end
end

--- json.dumps(value).
-- @param options indent: a text for each level, or nil for one line; item_separator,
-- key_separator; ascii: escape all other characters; sort: nil, or a function from a list of keys
-- to their positions in order
function json.write(rt, value, options)
  local writer = setmetatable({
    rt = rt, size = 0, indent = options.indent, ascii = options.ascii, sort = options.sort,
    item_separator = options.item_separator or options.indent and "," or ", ",
    key_separator = options.key_separator or ": ",
  }, Writer)
  writer:value(value, 0)
  return table.concat(writer)
end

-------------------------------------------------------------------------------- reading

local Reader = {}
Reader.__index = Reader

function Reader:fail(what)
  fault.raise("JSON: " .. what .. " at byte " .. format("%.0f", self.i))
end

-- What matches a pattern here, after white space; moves on.
function Reader:take(pattern)
  local from, to = self.s:find("^[ \t\r\n]*" .. pattern, self.i)
  if from then
    local taken = self.s:sub(from, to):gsub("^[ \t\r\n]+", "")
    self.i = to + 1
    return taken
  end
end

local ESCAPED = {
  n = "\n", r = "\r", t = "\t", b = "\b", f = "\f", ['"'] = '"', ["\\"] = "\\", ["/"] = "/",
}

-- The escape sequence whose backslash is at byte i: its text, and the byte after it.
function Reader:escape(i)
  local letter = self.s:sub(i + 1, i + 1)
  if ESCAPED[letter] then
    return ESCAPED[letter], i + 2
  end
  local high = self.s:match("^u(%x%x%x%x)", i + 1)
  if not high then
    self.i = i
    self:fail("an unknown escape")
  end
  high = tonumber(high, 16)
  local low = self.s:match("^\\u([dD][c-fC-F]%x%x)", i + 6)
  if high >= 0xD800 and high < 0xDC00 and low then
    return text.encode(0x10000 + (high - 0xD800) * 1024 + tonumber(low, 16) - 0xDC00), i + 12
  end
  return text.encode(high), i + 6
end

function Reader:string()
  local parts, i = {}, self.i
  while true do
    local at = self.s:find('["\\%c]', i)
    local c = at and self.s:sub(at, at)
    if not at or CONTROLS[c] then
      self:fail("a string that does not end")
    end
    parts[#parts + 1] = self.s:sub(i, at - 1)
    if c == '"' then
      self.i = at + 1
      return table.concat(parts)
    elseif c == "\\" then
      parts[#parts + 1], i = self:escape(at)
    else
      parts[#parts + 1], i = c, at + 1
    end
  end
end

function Reader:number()
  local digits = self:take("%-?%d+%.?%d*[eE]?[-+]?%d*")
  local value = digits and not digits:find("^%-?0%d") and not digits:find("%.$")
    and not digits:find("%.[eE]") and number.parse(digits)
  if not value then
    self:fail("an unexpected character")
  elseif digits:find("[.eE]") or math.abs(value) > number.LIMIT then
    return number.float(value)
  end
  return number.int(value)
end

function Reader:list(depth)
  local list = values.list {}
  if self:take("%]") then
    return list
  end
  repeat
    list[#list + 1] = self:value(depth)
  until not self:take(",")
  return self:take("%]") and list or self:fail("',' or ']' is missing")
end

function Reader:dict(depth)
  local dict = values.dict()
  if self:take("}") then
    return dict
  end
  repeat
    local key = self:take('"') and self:string() or self:fail("a key is missing")
    if not self:take(":") then
      self:fail("':' is missing")
    end
    values.put(dict, key, self:value(depth))
  until not self:take(",")
  return self:take("}") and dict or self:fail("',' or '}' is missing")
end

local WORDS = {["true"] = true, ["false"] = false, null = values.none}

function Reader:value(depth)
  depth = depth + 1
  if depth > MAX_NESTING then
    self:fail("nested too deeply")
  elseif self:take('"') then
    return self:string()
  elseif self:take("{") then
    return self:dict(depth)
  elseif self:take("%[") then
    return self:list(depth)
  end
  local word = self:take("%l+")
  if word == nil then
    return self:number()
  elseif WORDS[word] == nil then
    self:fail("an unknown word")
  end
  return WORDS[word]
end

--- A template's value from JSON. Keys keep their order, {} is a dict and [] a list, 1.0 a float.
-- What is wrong with the text is a fault.
function json.read(s)
  local reader = setmetatable({s = s, i = 1}, Reader)
  local value = reader:value(0)
  if not reader:take("$") then
    reader:fail("something after the value")
  end
  return value
end

return json
