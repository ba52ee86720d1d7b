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

local concat = table.concat

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

-- cjson writes \/ for /, which is the same and looks odd.
local function string_of(text)
  local encoded = cjson.encode(utf8.valid(text))
  return encoded:find("\\/", 1, true) and encoded:gsub("\\/", "/") or encoded
end

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
      out[#out + 1] = cjson.encode(item[1]) .. ":"
      item = item[2]
    end
    put(out, item)
  end
  out[#out + 1] = kind == Object and "}" or "]"
end

function put(out, value)
  local kind = type(value)
  if kind == "string" then
    out[#out + 1] = string_of(value)
  elseif kind == "number" then
    out[#out + 1] = cjson.encode(value)
  elseif kind == "boolean" then
    out[#out + 1] = tostring(value)
  elseif value == nil or value == json.NULL then
    out[#out + 1] = "null"
  else
    put_table(out, value)
  end
end

function json.encode(value)
  local out = {}
  put(out, value)
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
