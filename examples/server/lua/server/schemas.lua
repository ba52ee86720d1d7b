--- Answers that must be JSON: constraints by schema, the last ones kept.
-- @module server.schemas
local constrain = require "lull.constrain"
local errors = require "server.errors"
local lrucache = require "resty.lrucache"
require "lull.constrain.json_schema" -- now, while its file can be read for sure

local cjson = require "cjson"

local schemas = {}

local KEPT = 32
local MOST_BYTES = 16384

local cache = assert(lrucache.new(KEPT))

--- Any object.
schemas.OBJECT = {type = "object"}

--- The constraint of a schema.
-- @param schema as it was decoded
-- @raise a failure where it cannot be used
function schemas.constraint(schema)
  local text = cjson.encode(schema)
  local known = cache:get(text)
  if known then
    return known
  elseif #text > MOST_BYTES then
    errors.bad("the JSON schema is longer than " .. MOST_BYTES .. " bytes", nil, "invalid_schema")
  end
  local ok, made = pcall(constrain.json_schema, schema)
  if not ok then
    errors.bad(tostring(made), nil, "invalid_schema")
  end
  cache:set(text, made)
  return made
end

return schemas
