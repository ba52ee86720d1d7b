--- The tests of a template, `value is NAME`: a map of names to routines whose result is a boolean.
-- @module lull.template.tests
local fault = require "lull.template.fault"
local filters = require "lull.template.filters"
local operators = require "lull.template.operators"
local signature = require "lull.template.signature"
local text = require "lull.template.text"
local values = require "lull.template.values"

local tests = {}

local routine, kind_of = signature.routine, values.kind

local function plain(test)
  return routine("", function(_, value) return test(value) end)
end

local function of_kind(...)
  local wanted = {}
  for _, kind in ipairs {...} do
    wanted[kind] = true
  end
  return plain(function(value) return wanted[kind_of(value)] == true end)
end

tests.undefined = of_kind("undefined")
tests.defined = plain(function(value) return kind_of(value) ~= "undefined" end)
tests.none, tests.boolean, tests.string = of_kind("none"), of_kind("bool"), of_kind("str")
tests.integer, tests.float = of_kind("int"), of_kind("float")
tests.number, tests.mapping = of_kind("int", "float", "bool"), of_kind("dict")
tests.sequence = of_kind("str", "list", "tuple", "dict", "range", "undefined")
tests.iterable = of_kind("str", "list", "tuple", "dict", "range", "undefined", "view", "iterator")
tests["true"] = plain(function(value) return value == true end)
tests["false"] = plain(function(value) return value == false end)
tests.escaped = plain(function() return false end)
tests.callable = plain(function(value)
  return type(value) == "table" and (value.call ~= nil or value.kind == "undefined")
end)

tests.lower = routine("", function(rt, value) return text.is_lower(values.str(rt, value)) end)
tests.upper = routine("", function(rt, value) return text.is_upper(values.str(rt, value)) end)

local function remainder(rt, value, divisor, wanted)
  return values.equal(rt, operators.binary["%"](rt, value, divisor), wanted)
end

tests.odd = routine("", function(rt, value) return remainder(rt, value, 2, 1) end)
tests.even = routine("", function(rt, value) return remainder(rt, value, 2, 0) end)
tests.divisibleby = routine("num", function(rt, value, num)
  return remainder(rt, value, num, 0)
end)

tests.sameas = routine("other", function(_, value, other)
  return value == other
    or kind_of(value) == "float" and kind_of(other) == "float" and value.value == other.value
end)

tests.filter = routine("", function(_, value) return filters[value] ~= nil end)
tests.test = routine("", function(_, value) return tests[value] ~= nil end)

for operator, names in pairs {
  ["=="] = "== eq equalto", ["!="] = "!= ne", [">"] = "> gt greaterthan", [">="] = ">= ge",
  ["<"] = "< lt lessthan", ["<="] = "<= le", ["in"] = "in",
} do
  local compare = operators.compare[operator]
  for name in names:gmatch("%S+") do
    tests[name] = routine("other", function(rt, value, other) return compare(rt, value, other) end)
  end
end

-- What jinja2 has and a text needs no browser for.
for name in ("pprint random striptags urlize wordwrap xmlattr filesizeformat"):gmatch("%S+") do
  filters[name] = routine("*", function()
    fault.raise("the filter '" .. name .. "' is not supported")
  end)
end

return tests
