--- The filters for sequences: choosing, ordering, grouping.
-- @module lull.template.sequences
local access = require "lull.template.access"
local fault = require "lull.template.fault"
local methods = require "lull.template.methods"
local operators = require "lull.template.operators"
local signature = require "lull.template.signature"
local text = require "lull.template.text"
local values = require "lull.template.values"

local sequences = {}
local filters = {}
sequences.filters = filters

local routine, given, integer = signature.routine, signature.given, signature.integer
local kind_of = values.kind

local function truth_of(value)
  return value ~= nil and values.truth(value)
end

-- What sorting and comparing filters see of a value unless they are case sensitive.
local function folded(value, case_sensitive)
  return type(value) == "string" and not truth_of(case_sensitive) and text.lower(value) or value
end

local function itself(_, value)
  return value
end

-- The value at an attribute's path, or the value itself where none is given.
local function getter(attribute)
  return given(attribute) and access.path(attribute) or itself
end

-- A value, or what is given for one that is undefined.
local function instead(value, default)
  if kind_of(value) == "undefined" and given(default) then
    return default
  end
  return value
end

-------------------------------------------------------------------------------- order

-- Merge order[from..middle] and order[middle+1..to] into out; of equals the left comes first.
local function merge(order, out, from, middle, to, before)
  local left, right = from, middle + 1
  for i = from, to do
    if left <= middle and (right > to or not before(order[right], order[left])) then
      out[i], left = order[left], left + 1
    else
      out[i], right = order[right], right + 1
    end
  end
end

--- The positions of keys in ascending order, those of equal keys as they came (merge sort;
-- table.sort keeps no order, and what it does with an inconsistent one is anyone's guess).
function sequences.order(rt, keys, descending)
  local n, order, out = #keys, {}, {}
  for i = 1, n do
    order[i] = i
  end
  local function before(i, j)
    if descending then
      i, j = j, i
    end
    return values.less(rt, keys[i], keys[j], "<")
  end
  local width = 1
  while width < n do
    for from = 1, n, 2 * width do
      merge(order, out, from, math.min(from + width - 1, n), math.min(from + 2 * width - 1, n),
        before)
    end
    order, out = out, order
    width = 2 * width
  end
  return order
end

local function ordered(rt, items, keys, descending)
  local sorted = {}
  for i, position in ipairs(sequences.order(rt, keys, descending)) do
    sorted[i] = items[position]
  end
  return values.list(sorted)
end

filters.sort = routine("reverse? case_sensitive? attribute?",
  function(rt, value, reverse, case_sensitive, attribute)
    local getters = {}
    for _, path in ipairs(type(attribute) == "string" and text.split(attribute, ",", -1)
      or {attribute}) do
      getters[#getters + 1] = getter(path)
    end
    getters[1] = getters[1] or itself
    local items, keys = values.demand_items(rt, value), {}
    for i, item in ipairs(items) do
      local key = {}
      for k, get in ipairs(getters) do
        key[k] = folded(get(rt, item), case_sensitive)
      end
      keys[i] = values.list(key)
    end
    return ordered(rt, items, keys, truth_of(reverse))
  end)

filters.dictsort = routine("case_sensitive? by? reverse?",
  function(rt, value, case_sensitive, by, reverse)
    by = signature.string(by, "key")
    if by ~= "key" and by ~= "value" then
      fault.raise("dictsort sorts by 'key' or 'value'")
    elseif kind_of(values.demand(value)) ~= "dict" then
      fault.raise("dictsort needs a mapping, not '" .. values.type_name(value) .. "'")
    end
    local keys = {}
    for i = 1, value.n do
      keys[i] = folded((by == "key" and value.keys or value.values)[i], case_sensitive)
    end
    return ordered(rt, values.view(value, "items").items, keys, truth_of(reverse))
  end)

-- The least item by `before`, the first of equals.
local function extreme(before)
  return routine("case_sensitive? attribute?", function(rt, value, case_sensitive, attribute)
    local get = getter(attribute)
    local best, best_key
    for _, item in ipairs(values.demand_items(rt, value)) do
      local key = folded(get(rt, item), case_sensitive)
      if best == nil or before(rt, key, best_key) then
        best, best_key = item, key
      end
    end
    if best == nil then
      return values.undefined("no aggregated item, the sequence was empty")
    end
    return best
  end)
end

filters.min = extreme(operators.compare["<"])
filters.max = extreme(operators.compare[">"])

filters.reverse = routine("", function(rt, value)
  if type(value) == "string" then
    local list = values.items(rt, value)
    local n = #list
    for i = 1, math.floor(n / 2) do
      list[i], list[n + 1 - i] = list[n + 1 - i], list[i]
    end
    return table.concat(list)
  end
  local items, reversed = values.demand_items(rt, value), {}
  for i = #items, 1, -1 do
    reversed[#reversed + 1] = items[i]
  end
  return kind_of(value) == "iterator" and values.list(reversed) or values.iterator(reversed)
end)

filters.groupby = routine("attribute default? case_sensitive?",
  function(rt, value, attribute, default, case_sensitive)
    local get = access.path(attribute)
    local items, keys = values.demand_items(rt, value), {}
    local function key_of(item)
      return instead(get(rt, item), default)
    end
    for i, item in ipairs(items) do
      keys[i] = folded(key_of(item), case_sensitive)
    end
    local groups, last = {}, nil
    for _, i in ipairs(sequences.order(rt, keys)) do
      if last == nil or not values.equal(rt, keys[i], last) then
        local list = values.list {}
        local group = values.tuple {key_of(items[i]), list}
        function group.attribute(_, _, name)
          return name == "grouper" and group[1] or name == "list" and list or nil
        end
        groups[#groups + 1] = group
      end
      last = keys[i]
      local list = groups[#groups][2]
      list[#list + 1] = items[i]
    end
    return values.list(groups)
  end)

-------------------------------------------------------------------------------- choice

filters.first = routine("", function(rt, value)
  if kind_of(value) == "iterator" then
    value.position = math.min(value.position + 1, #value.items + 1)
    local item = value.items[value.position]
    if item ~= nil then
      return item
    end
  else
    local item = values.demand_items(rt, value)[1]
    if item ~= nil then
      return item
    end
  end
  return values.undefined("no first item, the sequence was empty")
end)

filters.last = routine("", function(rt, value)
  if kind_of(value) == "iterator" then
    fault.raise("'generator' object is not reversible; make it a list first")
  end
  local items = values.demand_items(rt, value)
  if #items == 0 then
    return values.undefined("no last item, the sequence was empty")
  end
  return items[#items]
end)

filters.unique = routine("case_sensitive? attribute?",
  function(rt, value, case_sensitive, attribute)
    local get, seen, kept = getter(attribute), values.dict(), {}
    for _, item in ipairs(values.demand_items(rt, value)) do
      local key = folded(get(rt, item), case_sensitive)
      if values.get(seen, key) == nil then
        values.put(seen, key, true)
        kept[#kept + 1] = item
      end
    end
    return values.iterator(kept)
  end)

-- The items of what map, select and their like take: nothing at all of what is false.
local function operands(rt, value)
  return values.truth(value) and values.demand_items(rt, value) or {}
end

local function rest_of(args, from)
  local rest = {}
  for i = from, #args do
    rest[#rest + 1] = args[i]
  end
  return rest
end

-- select, reject, selectattr, rejectattr: items that pass a test, or do not.
local function choosing(wanted, by_attribute)
  return routine("*", function(rt, value, args, named)
    local items = operands(rt, value)
    local get, off = itself, 1
    if by_attribute then
      get, off = access.path(args[1] or fault.raise("the name of an attribute is missing")), 2
    end
    local name = args[off] ~= nil and values.demand_string(args[off])
    local rest, kept = rest_of(args, off + 1), {}
    for _, item in ipairs(items) do
      rt:spend(1)
      local operand = get(rt, item)
      local passes
      if name then
        passes = rt:test(name, operand, rest, named)
      else
        passes = values.truth(operand)
      end
      if passes == wanted then
        kept[#kept + 1] = item
      end
    end
    return values.iterator(kept)
  end)
end

filters.select, filters.reject = choosing(true, false), choosing(false, false)
filters.selectattr, filters.rejectattr = choosing(true, true), choosing(false, true)

-- What map(attribute=..., default=...) does to each item.
local function attribute_mapper(named)
  local get, default = access.path(values.get(named, "attribute")), values.get(named, "default")
  if named.n > (default ~= nil and 2 or 1) then
    fault.raise("map takes attribute and default by name, and nothing else")
  end
  return function(rt, item)
    return instead(get(rt, item), default)
  end
end

filters.map = routine("*", function(rt, value, args, named)
  local items = operands(rt, value)
  local convert
  if #args == 0 and named and values.get(named, "attribute") ~= nil then
    convert = attribute_mapper(named)
  else
    local name = values.demand_string(args[1] or fault.raise("map needs the name of a filter"))
    local rest = rest_of(args, 2)
    convert = function(_, item) return rt:filter(name, item, rest, named) end
  end
  local mapped = {}
  for i, item in ipairs(items) do
    rt:spend(1)
    mapped[i] = convert(rt, item)
  end
  return values.iterator(mapped)
end)

filters.items = routine("", function(_, value)
  if kind_of(value) == "undefined" then
    return values.iterator {}
  elseif kind_of(value) ~= "dict" then
    fault.raise("items needs a mapping, not '" .. values.type_name(value) .. "'")
  end
  return values.iterator(values.view(value, "items").items)
end)

-------------------------------------------------------------------------------- the rest

filters.length = routine("", function(_, value)
  return values.length(value)
    or fault.raise("object of type '" .. values.type_name(value) .. "' has no length")
end)
filters.count = filters.length

-- A list of its own.
local function copied(rt, value)
  local list = {}
  for i, item in ipairs(values.demand_items(rt, value)) do
    list[i] = item
  end
  return list
end

filters.list = routine("", function(rt, value)
  return values.list(copied(rt, value))
end)

filters.join = routine("d? attribute?", function(rt, value, separator, attribute)
  local get = getter(attribute)
  local parts = copied(rt, value)
  for i, item in ipairs(parts) do
    parts[i] = values.str(rt, get(rt, item))
  end
  return methods.join(rt, values.str(rt, separator or ""), parts)
end)

filters.sum = routine("attribute? start?", function(rt, value, attribute, start)
  local get, total = getter(attribute), start or 0
  if type(total) == "string" then
    fault.raise("sum cannot add texts; use join")
  end
  for _, item in ipairs(values.demand_items(rt, value)) do
    total = operators.binary["+"](rt, total, get(rt, item))
  end
  return total
end)

filters.batch = routine("linecount fill_with?", function(rt, value, size, fill)
  size = values.demand_integer(size)
  local rows, row = {}, nil
  for _, item in ipairs(values.demand_items(rt, value)) do
    if not row or #row == size then
      row = values.list {}
      rows[#rows + 1] = row
    end
    row[#row + 1] = item
  end
  if row and given(fill) then
    rt:spend(math.max(0, size))
    for _ = #row + 1, size do
      row[#row + 1] = fill
    end
  end
  return values.iterator(rows)
end)

filters.slice = routine("slices fill_with?", function(rt, value, slices, fill)
  slices = integer(slices)
  local items = values.demand_items(rt, value)
  if slices == 0 then
    fault.raise("slice: division by zero")
  end
  rt:spend(math.max(0, slices))
  local share, extra = math.floor(#items / slices), #items % slices
  local columns, at = {}, 0
  for i = 1, slices do
    local column = values.list {}
    for _ = 1, share + (i <= extra and 1 or 0) do
      at = at + 1
      column[#column + 1] = items[at]
    end
    if given(fill) and i > extra then
      column[#column + 1] = fill
    end
    columns[i] = column
  end
  return values.iterator(columns)
end)

return sequences
