--- One JSON schema that allows what two schemas both allow.
-- @module lull.constrain.merging
local json = require "lull.constrain.json"

local merging = {}

local function fail(place, message)
  error {message = message, place = place}
end

local function object(place)
  return {kind = "object", keys = {}, map = {}, place = place}
end

local function put(into, key, value)
  if into.map[key] == nil then
    into.keys[#into.keys + 1] = key
  end
  into.map[key] = value
end

local function all_of(a, b, place)
  local both = object(place)
  put(both, "allOf", {kind = "array", a, b})
  return both
end

-- What is in both of two lists, by a function that finds the value of b for one of a, or nil.
local function common(a, b, find)
  local list = {kind = "array"}
  for _, x in ipairs(a) do
    for _, y in ipairs(b) do
      local found = find(x, y)
      if found ~= nil then
        list[#list + 1] = found
        break
      end
    end
  end
  return list
end

local function as_list(value)
  return json.kind(value) == "array" and value or {kind = "array", value}
end

local function same_type(a, b)
  if a == b or a == "integer" and b == "number" then
    return a
  elseif a == "number" and b == "integer" then
    return b
  end
end

local function same_value(a, b)
  if json.encode(a) == json.encode(b) then
    return a
  end
end

local function union(a, b)
  local list, seen = {kind = "array"}, {}
  for _, names in ipairs {a, b} do
    for _, name in ipairs(names) do
      if not seen[name] then
        seen[name] = true
        list[#list + 1] = name
      end
    end
  end
  return list
end

local function stronger(compare)
  return function(a, b, place)
    if json.kind(a) ~= "number" or json.kind(b) ~= "number" then
      fail(place, "this must be a number")
    end
    return compare(a.value, b.value) and a or b
  end
end

local larger = stronger(function(a, b) return a > b end)
local smaller = stronger(function(a, b) return a < b end)

local function concat(a, b)
  local list = {kind = "array"}
  for _, part in ipairs {a, b} do
    for _, item in ipairs(part) do
      list[#list + 1] = item
    end
  end
  return list
end

local function properties(a, b, place)
  local merged = object(place)
  merged.sorted = a.sorted and b.sorted
  for _, key in ipairs(a.keys) do
    put(merged, key, b.map[key] ~= nil and all_of(a.map[key], b.map[key], place) or a.map[key])
  end
  for _, key in ipairs(b.keys) do
    if a.map[key] == nil then
      put(merged, key, b.map[key])
    end
  end
  return merged
end

local function schema(a, b, place)
  if a == false or b == false then
    return false
  elseif a == true then
    return b
  end
  return b == true and a or all_of(a, b, place)
end

local COMBINE = {
  type = function(a, b, place)
    local list = common(as_list(a), as_list(b), same_type)
    return list[1] and list or fail(place, "no type is allowed")
  end,
  enum = function(a, b, place)
    local list = common(as_list(a), as_list(b), same_value)
    return list[1] and list or fail(place, "no value is allowed")
  end,
  const = function(a, b, place)
    return same_value(a, b) or fail(place, "no value is allowed")
  end,
  properties = properties, required = union, order = union,
  additionalProperties = schema, items = schema,
  minimum = larger, exclusiveMinimum = larger, minLength = larger, minItems = larger,
  maximum = smaller, exclusiveMaximum = smaller, maxLength = smaller, maxItems = smaller,
  allOf = concat, nullable = function(a, b) return a and b end,
}

-- Where one schema allows no other properties than its own, the other's must be among them.
local function check_closed(closed, other, place)
  if closed.map.additionalProperties ~= false or json.kind(other.map.properties) ~= "object" then
    return
  end
  local own = closed.map.properties
  for _, key in ipairs(other.map.properties.keys) do
    if not own or own.map[key] == nil then
      fail(place, "'" .. key .. "' is allowed by one schema and forbidden by another")
    end
  end
end

--- Merge two schemas.
-- @raise a table {message =, place =} where they contradict each other, or where it takes more than
--   a schema of the supported keywords can say
function merging.merge(a, b, place)
  if a == true or a == false then
    a, b = b, a
  end
  if b == true then
    return a
  elseif a == false or b == false then
    return false
  elseif json.kind(a) ~= "object" or json.kind(b) ~= "object" then
    fail(place, "a schema is an object or a boolean")
  end
  check_closed(a, b, place)
  check_closed(b, a, place)
  local merged = object(a.place or place)
  for _, key in ipairs(a.keys) do
    put(merged, key, a.map[key])
  end
  for _, key in ipairs(b.keys) do
    local mine, theirs = merged.map[key], b.map[key]
    if mine == nil then
      put(merged, key, theirs)
    elseif COMBINE[key] then
      put(merged, key, COMBINE[key](mine, theirs, place .. "/" .. key))
    elseif not same_value(mine, theirs) then
      fail(place, "two values of '" .. key .. "' are not supported")
    end
  end
  return merged
end

return merging
