--- Attributes and items: what a dot and square brackets mean.
--
-- As in jinja2, a dot looks for a method first and for an item then, brackets the other way round,
-- and what is not there is undefined.
-- @module lull.template.access
local operators = require "lull.template.operators"
local signature = require "lull.template.signature"
local text = require "lull.template.text"
local values = require "lull.template.values"

local access = {
  --- Kinds to names to routines; lull.template.methods fills it in.
  methods = {},
}

local kind_of, type_name = values.kind, values.type_name

-- What would change an object: the sandbox has them undefined.
local UNSAFE = {list = {}, dict = {}}
for name in ("append clear pop reverse insert sort extend remove"):gmatch("%S+") do
  UNSAFE.list[name] = true
end
for name in ("clear pop popitem setdefault update"):gmatch("%S+") do
  UNSAFE.dict[name] = true
end

local function missing(value, name)
  if type(name) == "string" then
    return values.undefined("'" .. type_name(value) .. " object' has no attribute "
      .. text.repr(name:sub(1, 60)))
  end
  return values.undefined(type_name(value) .. " object has no such element")
end

-- A method or an attribute by name, or nil.
local function own(rt, value, name)
  local kind = kind_of(value)
  if value ~= nil and type(value) == "table" and value.attribute then
    return value:attribute(rt, name)
  elseif kind == "namespace" then
    return values.get(value.dict, name)
  end
  local method = access.methods[kind] and access.methods[kind][name]
  if method then
    return signature.bind(method, name, value)
  elseif UNSAFE[kind] and UNSAFE[kind][name] then
    return values.undefined("'" .. name .. "' would change a " .. kind
      .. ", which templates may not")
  end
end

-- An item, or nil.
local function entry(rt, value, key)
  local kind = kind_of(value)
  if kind == "dict" then
    return values.find(value, key)
  elseif kind == "str" or kind == "list" or kind == "tuple" or kind == "range" then
    local i = values.integer(key)
    return i and operators.index(rt, value, i)
  end
end

--- value.name
function access.attribute(rt, value, name)
  values.demand(value)
  local found = own(rt, value, name)
  if found == nil then
    found = entry(rt, value, name)
  end
  if found == nil then
    return missing(value, name)
  end
  return found
end

--- value[key]
function access.item(rt, value, key)
  values.demand(value)
  local found = entry(rt, value, key)
  if found == nil and type(key) == "string" then
    found = own(rt, value, key)
  end
  if found == nil then
    return missing(value, key)
  end
  return found
end

--- A path such as "function.name" or "0.id", as filters take it: a function (rt, value).
function access.path(path)
  local keys = {path}
  if type(path) == "string" then
    keys = text.split(path, ".", -1)
    for i, key in ipairs(keys) do
      keys[i] = key:find("^%d+$") and #key < 10 and tonumber(key) or key
    end
  end
  return function(rt, value)
    for _, key in ipairs(keys) do
      value = access.item(rt, value, key)
    end
    return value
  end
end

return access
