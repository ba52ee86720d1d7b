--- JSON as the server reads and writes it.
--
-- Written are lists, and objects whose fields keep their order: json.object {{name, value}, ...};
-- a field without a value is null. Bytes that are no UTF-8 become U+FFFD. cjson does strings and
-- numbers; what it does not have is an order of fields, and lists that are empty.
-- @module server.json
local utf8 = require "lull.utf8"

local json = {}

local cjson = require("cjson").new()
cjson.decode_invalid_numbers(false)
cjson.decode_max_depth(32)
cjson.encode_invalid_numbers "null"

local concat, find, gsub = table.concat, string.find, string.gsub

-------------------------------------------------------------------------------- writing

local Object, Map = {}, {}

--- An object of fields {name, value}, in this order.
function json.object(fields)
  return setmetatable(fields, Object)
end

--- An object of those fields that have a value.
function json.present(fields)
  local out = json.object {}
  for _, field in ipairs(fields) do
    if field[2] ~= nil then
      out[#out + 1] = field
    end
  end
  return out
end

--- An object of a table from strings to numbers, in any order. The strings must be UTF-8.
function json.map(numbers)
  return setmetatable(numbers, Map)
end

--- null within a list, where Lua's nil would end it.
json.NULL = {}

--- A place in an object that json.template leaves open.
json.HOLE = {}

-- cjson writes \/ for /, which is the same and looks odd.
local function string_of(text)
  local encoded = cjson.encode(find(text, "[\128-\255]") and utf8.valid(text) or text)
  return find(text, "/", 1, true) and gsub(encoded, "\\/", "/") or encoded
end

-- What is no table.
local function scalar(value)
  local kind = type(value)
  if kind == "string" then
    return string_of(value)
  elseif value == nil or value == json.NULL then
    return "null"
  elseif kind == "number" then
    return cjson.encode(value)
  elseif kind == "boolean" then
    return tostring(value)
  end
end

-- The names of fields are few: each is encoded once.
local NAMES = setmetatable({}, {__index = function(names, name)
  names[name] = cjson.encode(name) .. ":"
  return names[name]
end})

local put

local function put_table(out, value)
  local kind = getmetatable(value)
  if kind == Map then
    out[#out + 1] = cjson.encode(value)
    return
  end
  local opening = kind == Object and "{" or "["
  if #value == 0 then
    out[#out + 1] = opening
  end
  for i, item in ipairs(value) do
    out[#out + 1] = i == 1 and opening or ","
    if kind == Object then
      out[#out + 1] = NAMES[item[1]]
      item = item[2]
    end
    put(out, item)
  end
  out[#out + 1] = kind == Object and "}" or "]"
end

function put(out, value)
  local text = scalar(value)
  if text or value == json.HOLE then
    out[#out + 1] = text or value
  else
    put_table(out, value)
  end
end

function json.encode(value)
  local text = scalar(value)
  if text then
    return text
  end
  local out = {}
  put_table(out, value)
  return concat(out)
end

local Template = {}
Template.__index = Template

--- What many objects have in common, encoded once.
-- @param value with json.HOLE in the places where they differ
-- @return the template
function json.template(value)
  local out = {}
  put(out, value)
  local parts, first = {}, 1
  for i = 1, #out + 1 do
    if i > #out or out[i] == json.HOLE then
      parts[#parts + 1] = concat(out, "", first, i - 1)
      first = i + 1
    end
  end
  return setmetatable(parts, Template)
end

--- Fill in values, one for each hole.
-- @return the object, encoded
function Template:fill(...)
  local out = {self[1]}
  for i = 2, #self do
    out[#out + 1] = json.encode((select(i - 1, ...)))
    out[#out + 1] = self[i]
  end
  return concat(out)
end

-------------------------------------------------------------------------------- reading

--- What null is in something decoded.
json.decoded_null = cjson.null

--- @return the value, or nil and what is wrong
function json.decode(text)
  local ok, value = pcall(cjson.decode, text)
  if not ok then
    return nil, tostring(value)
  end
  return value
end

return json
