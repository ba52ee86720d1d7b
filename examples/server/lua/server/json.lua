--- JSON as the server reads and writes it.
--
-- Written are lists, and objects whose fields keep their order: json.object {{name, value}, ...};
-- a field without a value is null. Bytes that are no UTF-8 become U+FFFD.
-- @module server.json
local console = require "lull.command.console"

local json = {}

local cjson = require("cjson").new()
cjson.decode_invalid_numbers(false)
cjson.decode_max_depth(32)

json.encode = console.json
json.object = console.object

--- null within a list, where Lua's nil would end it.
json.NULL = 0 / 0

--- What null is in something decoded.
json.decoded_null = cjson.null

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

--- @return the value, or nil and what is wrong
function json.decode(text)
  local ok, value = pcall(cjson.decode, text)
  if not ok then
    return nil, tostring(value)
  end
  return value
end

return json
