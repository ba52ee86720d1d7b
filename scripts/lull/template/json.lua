--- JSON as Python's json.dumps writes it; the filter tojson.
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

return json
