--- The functions every template can call.
-- @module lull.template.functions
local fault = require "lull.template.fault"
local signature = require "lull.template.signature"
local values = require "lull.template.values"

local functions = {}

local kind_of = values.kind
local MAX_RANGE = 100000 -- of jinja2's sandbox

-- A function as a value, from a routine without a subject.
local function define(name, parameters, body)
  functions[name] = signature.bind(signature.routine(parameters, body), name)
end

define("range", "start stop? step?", function(_, _, start, stop, step)
  start = values.demand_integer(start)
  stop = stop ~= nil and values.demand_integer(stop)
  if not stop then
    start, stop = 0, start
  end
  step = signature.integer(step, 1)
  if step == 0 then
    fault.raise("range: the step must not be zero")
  end
  local range = values.range(start, stop, step)
  if range.n > MAX_RANGE then
    fault.raise("range: more than " .. MAX_RANGE .. " items", nil, "ELIMIT")
  end
  return range
end)

-- Add a mapping, or a sequence of pairs, to a dict.
local function update(rt, dict, source)
  if kind_of(source) == "dict" then
    for i = 1, source.n do
      values.put(dict, source.keys[i], source.values[i])
    end
    return
  end
  for _, pair in ipairs(values.demand_items(rt, source)) do
    local items = values.demand_items(rt, pair)
    if #items ~= 2 then
      fault.raise("dict: the sequence must have pairs, not " .. #items .. " items")
    end
    values.put(dict, items[1], items[2])
  end
end

-- dict(mapping, **named), and namespace(...) too.
local function new_dict(rt, _, args, named)
  if #args > 1 then
    fault.raise("dict() takes at most 1 argument by position, got " .. #args)
  end
  local dict = values.dict()
  if args[1] ~= nil then
    update(rt, dict, args[1])
  end
  if named then
    update(rt, dict, named)
  end
  rt:spend(dict.n)
  return dict
end

define("dict", "*", new_dict)

define("namespace", "*", function(...)
  return {kind = "namespace", dict = new_dict(...)}
end)

-- An object with methods that are called without arguments.
local function object(kind, methods)
  return {kind = kind, attribute = function(self, _, name)
    local method = methods[name]
    return method and values.callable(name, function() return method(self) end)
  end}
end

define("cycler", "*", function(_, _, items)
  if #items == 0 then
    fault.raise("cycler: there is nothing to cycle through")
  end
  local position = 0
  local cycler = object("cycler", {
    next = function()
      local item = items[position + 1]
      position = (position + 1) % #items
      return item
    end,
    reset = function()
      position = 0
      return values.none
    end,
  })
  local method = cycler.attribute
  function cycler.attribute(self, rt, name)
    if name == "current" then
      return items[position + 1]
    end
    return method(self, rt, name)
  end
  return cycler
end)

define("joiner", "sep?", function(_, _, separator)
  local used = false
  local joiner = values.callable("joiner", function()
    if used then
      return separator == nil and ", " or separator
    end
    used = true
    return ""
  end)
  return joiner
end)

define("raise_exception", "message", function(rt, _, message)
  fault.raise(values.str(rt, message))
end)

-------------------------------------------------------------------------------- the clock

local DAYS = {"Sunday", "Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday"}
local MONTHS = {
  "January", "February", "March", "April", "May", "June", "July", "August", "September",
  "October", "November", "December",
}

local function digits(form, value)
  return (form:gsub("N", string.format("%.0f", value)))
end

local function padded(value, width, fill)
  local s = digits("N", value)
  return fill:rep(width - #s) .. s
end

-- The conversions of strftime, in English, of a table as os.date("*t") gives it.
local DIRECTIVES = {
  Y = function(t) return digits("N", t.year) end,
  y = function(t) return padded(t.year % 100, 2, "0") end,
  m = function(t) return padded(t.month, 2, "0") end,
  d = function(t) return padded(t.day, 2, "0") end,
  e = function(t) return padded(t.day, 2, " ") end,
  H = function(t) return padded(t.hour, 2, "0") end,
  I = function(t) return padded((t.hour + 11) % 12 + 1, 2, "0") end,
  M = function(t) return padded(t.min, 2, "0") end,
  S = function(t) return padded(t.sec, 2, "0") end,
  j = function(t) return padded(t.yday, 3, "0") end,
  p = function(t) return t.hour < 12 and "AM" or "PM" end,
  A = function(t) return DAYS[t.wday] end,
  a = function(t) return DAYS[t.wday]:sub(1, 3) end,
  w = function(t) return digits("N", t.wday - 1) end,
  u = function(t) return digits("N", (t.wday + 5) % 7 + 1) end,
  B = function(t) return MONTHS[t.month] end,
  b = function(t) return MONTHS[t.month]:sub(1, 3) end,
  n = function() return "\n" end,
  t = function() return "\t" end,
}
DIRECTIVES.h = DIRECTIVES.b

local COMPOUND = {
  F = "%Y-%m-%d", T = "%H:%M:%S", D = "%m/%d/%y", R = "%H:%M", r = "%I:%M:%S %p",
  c = "%a %b %e %H:%M:%S %Y", x = "%m/%d/%y", X = "%H:%M:%S",
}

--- strftime in the C locale; %-d leaves out the padding; what it does not know stays as it is.
-- @param t a table as of os.date("*t")
function functions.strftime(form, t)
  form = form:gsub("%%([FTDRrcxX])", COMPOUND)
  return (form:gsub("%%(%-?)(.)", function(flag, letter)
    if letter == "%" then
      return "%"
    end
    local directive = DIRECTIVES[letter]
    local s = directive and directive(t)
    return s and flag == "-" and (s:gsub("^[0 ]+(.)", "%1")) or s
  end))
end

define("strftime_now", "format", function(rt, _, form)
  form = values.demand_string(form)
  rt:text(32 * #form)
  return functions.strftime(form, os.date("*t", rt.clock()))
end)

return functions
