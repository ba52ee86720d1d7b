--- The methods of strings, dicts, lists and other objects.
--
-- Those that change an object are refused, as in the sandbox that chat templates are written for.
-- @module lull.template.methods
local access = require "lull.template.access"
local fault = require "lull.template.fault"
local format = require "lull.template.format"
local operators = require "lull.template.operators"
local signature = require "lull.template.signature"
local text = require "lull.template.text"
local values = require "lull.template.values"

local methods = {}

local routine, given = signature.routine, signature.given
local integer, string_of = signature.integer, signature.string
local kind_of = values.kind

-------------------------------------------------------------------------------- str

local str = {}
methods.str = str

-- A method without parameters.
local function plain(convert)
  return routine("", function(_, s) return convert(s) end)
end

for _, name in ipairs {"upper", "lower", "title", "capitalize", "swapcase"} do
  str[name] = plain(text[name])
end
str.casefold = str.lower
str.isupper = plain(text.is_upper)
str.islower = plain(text.is_lower)

local function all(test)
  return plain(function(s) return text.all(s, test) end)
end

str.isalpha = all(text.is_letter)
str.isdigit = all(text.is_digit)
str.isdecimal, str.isnumeric = str.isdigit, str.isdigit
str.isalnum = all(function(c) return text.is_letter(c) or text.is_digit(c) end)
str.isspace = all(function(c) return text.SPACE[c] ~= nil end)
str.isascii = plain(text.is_ascii)
str.isidentifier = plain(function(s) return s:find("^[A-Za-z_][A-Za-z0-9_]*$") ~= nil end)

local function stripping(left, right)
  return routine("chars?", function(_, s, set)
    return text.strip(s, string_of(set), left, right)
  end)
end

str.strip, str.lstrip, str.rstrip = stripping(true, true), stripping(true, false),
  stripping(false, true)

local function splitting(split)
  return routine("sep? maxsplit?", function(rt, s, separator, limit)
    separator = string_of(separator)
    if separator == "" then
      fault.raise("split() needs a separator that is not empty")
    end
    rt:search(#s, separator and #separator or 1)
    local parts = split(s, separator, integer(limit, -1))
    rt:spend(#parts)
    return values.list(parts)
  end)
end

str.split, str.rsplit = splitting(text.split), splitting(text.rsplit)

str.splitlines = routine("keepends?", function(rt, s, keep)
  local lines = text.lines(s, keep ~= nil and values.truth(keep))
  rt:spend(#lines)
  return values.list(lines)
end)

--- str.replace; what it will make is measured before.
function methods.replace(rt, s, old, new, limit)
  rt:search(#s, #old)
  local count = old == "" and text.length(s) + 1 or text.count(s, old)
  count = limit >= 0 and math.min(limit, count) or count
  rt:text(#s + count * (#new - #old))
  return text.replace(s, old, new, limit)
end

str.replace = routine("old new count?", function(rt, s, old, new, limit)
  return methods.replace(rt, s, values.demand_string(old), values.demand_string(new),
    integer(limit, -1))
end)

-- The part of s between two optional bounds, and the first one's index from 0.
local function window(rt, s, from, to)
  local none = values.none
  local part = operators.slice(rt, s, from or none, to or none, none)
  local start = integer(given(from) and from or nil, 0)
  local n = text.length(s)
  return part, math.max(0, start < 0 and start + n or start), start > n
end

-- find and rfind: the index from 0, or -1.
local function finding(search)
  return function(rt, s, part, from, to)
    part = values.demand_string(part)
    local inside, offset, beyond = window(rt, s, from, to)
    rt:search(#inside, #part)
    local at = not beyond and search(inside, part)
    return at and text.before(inside, at) + offset or -1
  end
end

local find = finding(function(s, part) return (s:find(part, 1, true)) end)
local rfind = finding(function(s, part)
  return part == "" and #s + 1 or text.find_last(s, part, #s)
end)

local function demanding(search)
  return function(...)
    local at = search(...)
    return at >= 0 and at or fault.raise("substring not found")
  end
end

str.find, str.index = routine("sub start? end?", find), routine("sub start? end?", demanding(find))
str.rfind, str.rindex = routine("sub start? end?", rfind),
  routine("sub start? end?", demanding(rfind))

str.count = routine("sub start? end?", function(rt, s, part, from, to)
  part = values.demand_string(part)
  local inside, _, beyond = window(rt, s, from, to)
  rt:search(#inside, #part)
  return beyond and 0 or part == "" and text.length(inside) + 1 or text.count(inside, part)
end)

-- startswith and endswith take a str or a tuple of them.
local function affixed(matches)
  return routine("affix start? end?", function(rt, s, affix, from, to)
    local inside, _, beyond = window(rt, s, from, to)
    local list = kind_of(affix) == "tuple" and affix or {affix}
    for _, one in ipairs(list) do
      if matches(inside, values.demand_string(one)) and not beyond then
        return true
      end
    end
    return false
  end)
end

str.startswith = affixed(function(s, affix) return s:sub(1, #affix) == affix end)
str.endswith = affixed(function(s, affix) return affix == "" or s:sub(-#affix) == affix end)

str.removeprefix = routine("prefix", function(_, s, prefix)
  prefix = values.demand_string(prefix)
  return s:sub(1, #prefix) == prefix and s:sub(#prefix + 1) or s
end)

str.removesuffix = routine("suffix", function(_, s, suffix)
  suffix = values.demand_string(suffix)
  return suffix ~= "" and s:sub(-#suffix) == suffix and s:sub(1, -#suffix - 1) or s
end)

str.partition = routine("sep", function(_, s, separator)
  separator = values.demand_string(separator)
  if separator == "" then
    fault.raise("partition() needs a separator that is not empty")
  end
  local from, to = s:find(separator, 1, true)
  return values.tuple(from and {s:sub(1, from - 1), separator, s:sub(to + 1)} or {s, "", ""})
end)

str.rpartition = routine("sep", function(_, s, separator)
  separator = values.demand_string(separator)
  if separator == "" then
    fault.raise("rpartition() needs a separator that is not empty")
  end
  local from = text.find_last(s, separator, #s)
  return values.tuple(from and {s:sub(1, from - 1), separator, s:sub(from + #separator)}
    or {"", "", s})
end)

--- separator.join(items), all of them str.
function methods.join(rt, separator, items)
  local size = 0
  for i = 1, #items do
    size = size + #values.demand_string(items[i]) + #separator
  end
  rt:text(size)
  rt:spend(#items)
  local parts = {}
  for i = 1, #items do
    parts[i] = items[i]
  end
  return table.concat(parts, separator)
end

str.join = routine("iterable", function(rt, s, items)
  return methods.join(rt, s, values.demand_items(rt, items))
end)

--- s in the middle of a field; of an odd number of spaces Python puts the odd one at the left if
-- the width is odd.
function methods.center(rt, s, width, fill)
  local room = width - text.length(s)
  if room <= 0 then
    return s
  end
  rt:text(#s + room * #fill)
  local left = math.floor(room / 2) + (room % 2 == 1 and width % 2 == 1 and 1 or 0)
  return fill:rep(left) .. s .. fill:rep(room - left)
end

local function justified(place)
  return routine("width fillchar?", function(rt, s, width, fill)
    width, fill = values.demand_integer(width), string_of(fill, " ")
    if text.length(fill) ~= 1 then
      fault.raise("the fill character must be exactly one character")
    end
    rt:text(#s + math.max(0, width) * #fill)
    return place(rt, s, width, fill)
  end)
end

str.center = justified(methods.center)
str.ljust = justified(function(_, s, width, fill) return format.pad(s, width, "<", fill) end)
str.rjust = justified(function(_, s, width, fill) return format.pad(s, width, ">", fill) end)

str.zfill = routine("width", function(rt, s, width)
  width = values.demand_integer(width)
  rt:text(#s + math.max(0, width))
  local sign, rest = s:match("^([-+]?)(.*)$")
  return sign .. format.pad(rest, width - #sign, ">", "0")
end)

str.format = routine("*", function(rt, s, args, named)
  return format.braces(rt, s, args, named, {
    attribute = function(value, name) return access.attribute(rt, value, name) end,
    item = function(value, key) return access.item(rt, value, key) end,
  })
end)

-------------------------------------------------------------------------------- dict

local dict = {}
methods.dict = dict

for _, name in ipairs {"keys", "values", "items"} do
  dict[name] = routine("", function(rt, self)
    rt:spend(self.n)
    return values.view(self, name)
  end)
end

dict.get = routine("key default?", function(_, self, key, default)
  local value = values.get(self, key)
  if value == nil then
    value = default
  end
  return value == nil and values.none or value
end)

dict.copy = routine("", function(rt, self)
  rt:spend(self.n)
  local copied = values.dict()
  for i = 1, self.n do
    values.put(copied, self.keys[i], self.values[i])
  end
  return copied
end)

-------------------------------------------------------------------------------- list, tuple, range

local function count(rt, self, value)
  local n = 0
  for _, item in ipairs(values.items(rt, self)) do
    n = n + ((item == value or values.equal(rt, item, value)) and 1 or 0)
  end
  return n
end

local function index(rt, self, value, from, to)
  local items = values.items(rt, self)
  local n = #items
  local first, last = integer(from, 0), integer(to, n)
  first, last = first < 0 and first + n or first, last < 0 and last + n or last
  for i = math.max(0, first) + 1, math.min(n, last) do
    if items[i] == value or values.equal(rt, items[i], value) then
      return i - 1
    end
  end
  fault.raise("index(): the value is not there")
end

methods.tuple = {count = routine("value", count), index = routine("value start? stop?", index)}
methods.range = {count = routine("value", count), index = routine("value", index)}
methods.list = {
  count = methods.tuple.count, index = methods.tuple.index,
  copy = routine("", function(rt, self)
    return operators.binary["+"](rt, self, values.list {})
  end),
}

-------------------------------------------------------------------------------- float, int

methods.float = {
  is_integer = routine("", function(_, self) return self.value == math.floor(self.value) end),
}

access.methods = methods

return methods
