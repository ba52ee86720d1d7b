--- Between Lua's values and a template's.
-- @module lull.template.convert
local fault = require "lull.template.fault"
local number = require "lull.template.number"
local options = require "lull.options"
local text = require "lull.template.text"
local values = require "lull.template.values"

local convert = {}

local unpack = unpack or table.unpack -- luacheck: compat
local MAX_NESTING = 100

-- A map whose keys have an order; see convert.ordered.
local Ordered = {}

--- A map that keeps its order: a dict from a list of pairs. A plain Lua table has no order, so
-- its keys are sorted.
-- @param pairs_ {{"role", "user"}, {"content", "Hi"}}
function convert.ordered(pairs_)
  options.argument("ordered", 1, pairs_, {type = "table", text = "a list of pairs"})
  for i, pair in ipairs(pairs_) do
    if type(pair) ~= "table" or pair[1] == nil then
      error("bad argument #1 to 'ordered' (a pair {key, value} expected at " .. i .. ", got "
        .. options.show(pair) .. ")", 2)
    end
  end
  return setmetatable({pairs = pairs_}, Ordered)
end

--- A float: 1.0 where Lua's 1 is an int.
function convert.float(value)
  options.argument("float", 1, value, {
    text = "a number", test = function(given) return type(given) == "number" end,
  })
  return number.float(value)
end

-- 1..n and nothing else, so that it is a list. An empty table is one too.
local function is_list(given)
  local n = 0
  for _ in pairs(given) do
    n = n + 1
  end
  return n == #given and (n == 0 or given[1] ~= nil), n
end

-- Numbers before strings, each in their order.
local function key_order(a, b)
  if type(a) ~= type(b) then
    return type(a) == "number"
  elseif type(a) == "string" then
    return text.less(a, b)
  end
  return a < b
end

local function sorted_keys(given, path)
  local keys = {}
  for key in pairs(given) do
    if type(key) ~= "string" and type(key) ~= "number" then
      error("bad variable '" .. path .. "' (its keys must be strings or numbers, not "
        .. options.show(key) .. ")", 0)
    end
    keys[#keys + 1] = key
  end
  table.sort(keys, key_order)
  return keys
end

local from

local function dict_from(keys, entry, path, depth)
  local dict = values.dict()
  for i, key in ipairs(keys) do
    local value = entry(key, i)
    if value == nil then
      value = values.none
    end
    values.put(dict, from(key, path, depth),
      from(value, path .. "." .. tostring(key), depth))
  end
  return dict
end

local function table_from(given, path, depth)
  if depth > MAX_NESTING then
    error("bad variable '" .. path:sub(1, 60) .. "...' (nested too deeply, or in itself)", 0)
  elseif getmetatable(given) == Ordered then
    local keys = {}
    for i, pair in ipairs(given.pairs) do
      keys[i] = pair[1]
    end
    return dict_from(keys, function(_, i) return given.pairs[i][2] end, path, depth)
  end
  local listed, n = is_list(given)
  if listed then
    local items = {}
    for i = 1, n do
      items[i] = from(given[i], path .. "[" .. i .. "]", depth)
    end
    return values.list(items)
  end
  return dict_from(sorted_keys(given, path), function(key) return given[key] end, path, depth)
end

-- The null of a reader of JSON, if that is loaded.
local function is_null(value)
  for _, name in ipairs {"lull.json", "cjson"} do
    local reader = package.loaded[name]
    if type(reader) == "table" and value == reader.null then
      return true
    end
  end
  return false
end

-- What the engine made itself: none, floats, and what a function got and gives back.
local made = setmetatable({}, {__mode = "k"})

--- Mark a template's value, so that it passes unchanged.
function convert.own(value)
  if type(value) == "table" then
    made[value] = true
  end
  return value
end

convert.own(values.none)

--- The function of a template for one of Lua: positional arguments as they come, keyword
-- arguments as a table after them. What it returns is converted; `nil, message` is a fault.
local function function_from(given, name)
  return values.callable(name, function(_, args, named)
    local list = {}
    for i, value in ipairs(args) do
      list[i] = convert.to_lua(value)
    end
    local n = #args
    if named then
      n = n + 1
      list[n] = convert.to_lua(named)
    end
    local result, message = given(unpack(list, 1, n))
    if result == nil then
      return message == nil and values.none or fault.raise(tostring(message))
    end
    return convert.from_lua(result, "what " .. name .. " returns")
  end)
end

function from(value, path, depth)
  local kind = type(value)
  if kind == "string" or kind == "boolean" then
    return value
  elseif kind == "number" then
    return number.from_lua(value)
  elseif kind == "function" then
    return function_from(value, path)
  elseif is_null(value) then
    return values.none
  elseif kind ~= "table" then
    error("bad variable '" .. path .. "' (" .. kind .. "s mean nothing in a template)", 0)
  elseif made[value] or number.is_float(value) then
    return value
  end
  return table_from(value, path, depth + 1)
end

--- A template's value for one of Lua. Lists are tables with 1..n, other tables are dicts.
-- @param path its name, for messages
-- @raise on what a template cannot hold
function convert.from_lua(value, path)
  return from(value, path, 0)
end

--- All variables of a rendering: a table of names, or a dict made by template.json.
function convert.variables(given)
  local converted = {}
  if made[given] then
    for i = 1, given.n or 0 do
      converted[given.keys[i]] = given.values[i]
    end
    return converted
  end
  for name, value in pairs(given) do
    converted[name] = convert.from_lua(value, tostring(name))
  end
  return converted
end

--- A Lua value for a template's: None and undefined are nil, numbers lose whether they were
-- floats, dicts lose their order.
function convert.to_lua(value)
  local kind = values.kind(value)
  if kind == "none" or kind == "undefined" then
    return nil
  elseif kind == "str" or kind == "bool" then
    return value
  elseif values.number(value) then
    return values.number(value)
  elseif kind == "dict" then
    local map = {}
    for i = 1, value.n do
      local key = convert.to_lua(value.keys[i])
      if key ~= nil then
        map[key] = convert.to_lua(value.values[i])
      end
    end
    return map
  elseif kind == "list" or kind == "tuple" then
    local list = {}
    for i, item in ipairs(value) do
      list[i] = convert.to_lua(item)
    end
    return list
  end
  return convert.own(value)
end

return convert
