--- Python's objects in Lua: what they are, how they compare, how they print.
--
-- Strings and booleans are Lua's, ints are Lua numbers without a fraction; all else is a table
-- with a `kind`: none, undefined, float, list, tuple, dict, range, view (what dict.items() gives),
-- iterator (what map and select give: consumed once), function, namespace, and objects of the
-- engine with attributes of their own.
-- @module lull.template.values
local fault = require "lull.template.fault"
local number = require "lull.template.number"
local text = require "lull.template.text"

local values = {}

local MAX_NESTING = 100 -- of lists in lists when they are compared or printed

-------------------------------------------------------------------------------- kinds

local KINDS = {string = "str", number = "int", boolean = "bool"}

--- The kind of a value.
local function kind_of(value)
  return type(value) == "table" and value.kind or KINDS[type(value)]
end

values.kind = kind_of

local NAMES = {none = "NoneType", iterator = "generator"}

--- The name of its type in messages.
function values.type_name(value)
  local kind = kind_of(value)
  return kind == "view" and "dict_" .. value.what or NAMES[kind] or kind
end

local type_name = values.type_name

--- None.
values.none = {kind = "none"}

--- What a name without a value gives: prints nothing, is false, and faults on most other uses.
function values.undefined(hint)
  return {kind = "undefined", hint = hint}
end

--- The fault of using an undefined value, if it is one.
local function demand(value)
  if kind_of(value) == "undefined" then
    fault.raise(value.hint)
  end
  return value
end

values.demand = demand

--- A list; it takes over the Lua table.
function values.list(items)
  items.kind = "list"
  return items
end

--- A tuple; it takes over the Lua table.
function values.tuple(items)
  items.kind = "tuple"
  return items
end

--- What yields its items once.
function values.iterator(items)
  return {kind = "iterator", items = items, position = 0}
end

--- Something to call: call(rt, args, named) with a Lua list and a dict or nil.
function values.callable(name, call)
  return {kind = "function", name = name, call = call}
end

function values.range(start, stop, step)
  local n = math.ceil((stop - start) / step)
  return {kind = "range", start = start, stop = stop, step = step, n = n > 0 and n + 0.0 or 0}
end

-------------------------------------------------------------------------------- numbers

--- The Lua number of an int, float or bool; nil for anything else.
function values.number(value)
  local kind = kind_of(value)
  if kind == "int" then
    return value
  elseif kind == "float" then
    return value.value
  elseif kind == "bool" then
    return value and 1 or 0
  end
end

--- The Lua number of an int or bool; nil for anything else.
function values.integer(value)
  return kind_of(value) ~= "float" and values.number(value) or nil
end

--- The same, but what else is given is a fault.
function values.demand_integer(value)
  return values.integer(demand(value))
    or fault.raise("an int is needed, not '" .. type_name(value) .. "'")
end

function values.demand_string(value)
  if type(demand(value)) ~= "string" then
    fault.raise("a str is needed, not '" .. type_name(value) .. "'")
  end
  return value
end

-------------------------------------------------------------------------------- dicts

-- What is equal has one key: 1, 1.0 and True; strings apart from numbers. What can change has
-- none: nil.
local function hash(value, depth)
  local kind = kind_of(value)
  if kind == "str" then
    return "s" .. value
  elseif kind == "int" or kind == "bool" or kind == "float" then
    return values.number(value) == values.number(value) and values.number(value) or value
  elseif kind == "tuple" then
    if depth > MAX_NESTING then
      fault.raise("nested too deeply", nil, "ELIMIT")
    end
    local parts = {}
    for i, item in ipairs(value) do
      local part = hash(item, depth + 1)
      if part == nil then
        return nil
      end
      part = type(part) == "number" and number.float_text(part) or tostring(part)
      parts[i] = #part .. ":" .. part
    end
    return "t" .. table.concat(parts)
  elseif kind == "list" or kind == "dict" or kind == "view" and value.what ~= "values" then
    return nil
  elseif kind == "undefined" then
    return "u"
  end
  return value
end

local function demand_hash(value)
  local hashed = hash(value, 1)
  if hashed == nil then
    fault.raise("unhashable type: '" .. values.type_name(value) .. "'")
  end
  return hashed
end

--- A dict: keys in the order in which they came.
function values.dict()
  return {kind = "dict", n = 0, keys = {}, values = {}, index = {}}
end

--- Set an entry of a dict under construction.
function values.put(dict, key, value)
  local hashed = demand_hash(key)
  local i = dict.index[hashed]
  if not i then
    i = dict.n + 1
    dict.n, dict.index[hashed], dict.keys[i] = i, i, key
  end
  dict.values[i] = value
end

--- An entry of a dict, or nil.
function values.get(dict, key)
  return dict.values[dict.index[demand_hash(key)]]
end

--- The same, and also nil for what cannot be a key.
function values.find(dict, key)
  local hashed = hash(key, 1)
  if hashed ~= nil then
    return dict.values[dict.index[hashed]]
  end
end

--- A dict from a Lua table of names, in this order of them.
function values.dict_of(names, from)
  local dict = values.dict()
  for _, name in ipairs(names) do
    values.put(dict, name, from[name])
  end
  return dict
end

local function pair_list(dict)
  local items = {}
  for i = 1, dict.n do
    items[i] = values.tuple {dict.keys[i], dict.values[i]}
  end
  return items
end

--- What keys(), values() and items() give.
function values.view(dict, what)
  local items = what == "items" and pair_list(dict) or dict[what]
  return {kind = "view", what = what, items = items, n = dict.n}
end

-------------------------------------------------------------------------------- sequences

--- The number of items, or nil for what has no length.
function values.length(value)
  local kind = kind_of(value)
  if kind == "str" then
    return text.length(value)
  elseif kind == "list" or kind == "tuple" then
    return #value
  elseif kind == "dict" or kind == "range" or kind == "view" then
    return value.n
  elseif kind == "undefined" then
    return 0
  end
  return type(value) == "table" and value.length and value:length() or nil
end

--- The items of anything one can iterate over, as a Lua list that must not be changed; nil for
-- what one cannot. An iterator is consumed.
function values.items(rt, value)
  local kind = kind_of(value)
  if kind == "list" or kind == "tuple" then
    return value
  elseif kind == "str" then
    rt:spend(#value)
    return text.chars(value)
  elseif kind == "dict" then
    return value.keys
  elseif kind == "view" then
    return value.items
  elseif kind == "undefined" then
    return {}
  elseif kind == "range" then
    rt:spend(value.n)
    local items = {}
    for i = 1, value.n do
      items[i] = value.start + (i - 1) * value.step
    end
    return items
  elseif kind == "iterator" then
    local rest = {}
    for i = value.position + 1, #value.items do
      rest[#rest + 1] = value.items[i]
    end
    value.position = #value.items
    return rest
  end
end

--- The same, but what cannot be iterated over is a fault.
function values.demand_items(rt, value)
  local items = values.items(rt, value)
    or fault.raise("'" .. type_name(value) .. "' object is not iterable")
  rt:spend(1 + #items / 8)
  return items
end

--- bool(value).
function values.truth(value)
  if type(value) == "boolean" then
    return value
  elseif type(value) == "number" then
    return value ~= 0
  elseif type(value) == "string" then
    return value ~= ""
  end
  local kind = value.kind
  if kind == "none" or kind == "undefined" then
    return false
  elseif kind == "float" then
    return value.value ~= 0
  end
  local n = values.length(value)
  return n == nil or n > 0
end

-------------------------------------------------------------------------------- comparison

local function nest(depth)
  depth = (depth or 0) + 1
  if depth > MAX_NESTING then
    fault.raise("nested too deeply", nil, "ELIMIT")
  end
  return depth
end

local equal

local function equal_dicts(rt, a, b, depth)
  if a.n ~= b.n then
    return false
  end
  for i = 1, a.n do
    local other = values.get(b, a.keys[i])
    if other == nil or not equal(rt, a.values[i], other, depth) then
      return false
    end
  end
  return true
end

--- a == b.
function equal(rt, a, b, depth)
  rt:spend(1)
  if a == b and type(a) ~= "table" then
    return true
  end
  local x, y = values.number(a), values.number(b)
  if x or y then
    return x == y
  end
  local kind = kind_of(a)
  if kind ~= kind_of(b) or kind == "str" then
    return false
  elseif kind == "undefined" then
    return true
  elseif kind == "range" then
    a, b = values.items(rt, a), values.items(rt, b)
  elseif kind == "dict" then
    return equal_dicts(rt, a, b, nest(depth))
  elseif kind ~= "list" and kind ~= "tuple" then
    return a == b
  end
  if #a ~= #b then
    return false
  end
  depth = nest(depth)
  for i = 1, #a do
    if a[i] ~= b[i] and not equal(rt, a[i], b[i], depth) then
      return false
    end
  end
  return true
end

values.equal = equal

--- Is value among the items? As Python's `in`: the same object, or an equal one.
function values.among(rt, items, value)
  for i = 1, #items do
    if items[i] == value or equal(rt, items[i], value) then
      return true
    end
  end
  return false
end

--- value in container.
function values.contains(rt, container, value)
  local kind = kind_of(container)
  if kind == "str" then
    if type(value) ~= "string" then
      demand(value)
      fault.raise("'in <string>' needs a str as its left operand, not '" .. type_name(value)
        .. "'")
    end
    rt:search(#container, #value)
    return container:find(value, 1, true) ~= nil
  elseif kind == "dict" then
    return values.get(container, value) ~= nil
  end
  local items = values.items(rt, container)
    or fault.raise("argument of type '" .. type_name(container) .. "' is not iterable")
  return values.among(rt, items, value)
end

--- a < b; a fault for what has no order. `operator` is for its message.
function values.less(rt, a, b, operator, depth)
  local x, y = values.number(a), values.number(b)
  if x and y then
    rt:spend(1)
    return x < y
  end
  demand(a)
  demand(b)
  local kind = kind_of(a)
  if kind == "str" and type(b) == "string" then
    rt:spend(1 + math.min(#a, #b) / 8)
    return text.less(a, b)
  elseif (kind == "list" or kind == "tuple") and kind == kind_of(b) then
    depth = nest(depth)
    for i = 1, math.min(#a, #b) do
      if not equal(rt, a[i], b[i], depth) then
        return values.less(rt, a[i], b[i], operator, depth)
      end
    end
    return #a < #b
  end
  fault.raise("'" .. operator .. "' not supported between instances of '" .. type_name(a)
    .. "' and '" .. type_name(b) .. "'")
end

-------------------------------------------------------------------------------- printing

local repr

local function append(rt, out, piece)
  rt:spend(1)
  out.size = out.size + #piece
  if out.size > rt.bytes then
    rt:text(out.size)
  end
  out[#out + 1] = piece
end

local function append_items(rt, out, items, open, close, depth)
  append(rt, out, open)
  for i = 1, #items do
    if i > 1 then
      append(rt, out, ", ")
    end
    repr(rt, items[i], out, depth)
  end
  append(rt, out, close)
end

local function append_dict(rt, out, dict, depth)
  append(rt, out, "{")
  for i = 1, dict.n do
    repr(rt, dict.keys[i], out, depth)
    append(rt, out, ": ")
    repr(rt, dict.values[i], out, depth)
    append(rt, out, i < dict.n and ", " or "")
  end
  append(rt, out, "}")
end

-- Objects that are not data; Python shows their addresses.
local function opaque(value)
  return value.text and value:text()
    or "<" .. type_name(value) .. (value.name and " " .. value.name or "") .. ">"
end

--- Append repr(value) to a list of pieces.
function repr(rt, value, out, depth)
  local kind = kind_of(value)
  if kind == "str" then
    rt:spend(#value / 8)
    append(rt, out, text.repr(value))
  elseif kind == "int" then
    append(rt, out, number.int_text(value))
  elseif kind == "bool" then
    append(rt, out, value and "True" or "False")
  elseif kind == "float" then
    append(rt, out, number.float_text(value.value))
  elseif kind == "none" then
    append(rt, out, "None")
  elseif kind == "undefined" then
    append(rt, out, "Undefined")
  elseif kind == "list" then
    append_items(rt, out, value, "[", "]", nest(depth))
  elseif kind == "tuple" then
    append_items(rt, out, value, "(", #value == 1 and ",)" or ")", nest(depth))
  elseif kind == "view" then
    append_items(rt, out, value.items, "dict_" .. value.what .. "([", "])", nest(depth))
  elseif kind == "dict" then
    append_dict(rt, out, value, nest(depth))
  elseif kind == "namespace" then
    append(rt, out, "<Namespace ")
    append_dict(rt, out, value.dict, nest(depth))
    append(rt, out, ">")
  elseif kind == "range" then
    local step = value.step ~= 1 and ", " .. number.int_text(value.step) or ""
    append(rt, out, "range(" .. number.int_text(value.start) .. ", "
      .. number.int_text(value.stop) .. step .. ")")
  else
    append(rt, out, opaque(value))
  end
end

--- repr(value).
function values.repr(rt, value)
  local out = {size = 0}
  repr(rt, value, out)
  return table.concat(out)
end

--- str(value): how it is printed.
function values.str(rt, value)
  if type(value) == "string" then
    return value
  elseif kind_of(value) == "undefined" then
    return ""
  end
  return values.repr(rt, value)
end

return values
