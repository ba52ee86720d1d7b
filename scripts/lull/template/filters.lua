--- The filters that work on one value: texts, numbers, JSON.
--
-- `filters` maps names to routines (see lull.template.signature), whose subject is what stands
-- before the bar. Those for sequences are in lull.template.sequences.
-- @module lull.template.filters
local access = require "lull.template.access"
local fault = require "lull.template.fault"
local format = require "lull.template.format"
local json = require "lull.template.json"
local methods = require "lull.template.methods"
local number = require "lull.template.number"
local sequences = require "lull.template.sequences"
local signature = require "lull.template.signature"
local text = require "lull.template.text"
local values = require "lull.template.values"

local filters = {}

local routine, given, integer = signature.routine, signature.given, signature.integer
local kind_of = values.kind
local unpack = unpack or table.unpack -- luacheck: compat

for name, filter in pairs(sequences.filters) do
  filters[name] = filter
end

-------------------------------------------------------------------------------- text

-- A filter of the value's text.
local function textual(parameters, body)
  return routine(parameters, function(rt, value, ...)
    local s = values.str(rt, value)
    rt:spend(#s / 8)
    return body(rt, s, ...)
  end)
end

local function plain(convert)
  return textual("", function(_, s) return convert(s) end)
end

filters.upper, filters.lower = plain(text.upper), plain(text.lower)
filters.capitalize = plain(text.capitalize)
filters.string = plain(function(s) return s end)
filters.safe = filters.string -- nothing is escaped unless it is asked for
filters.wordcount = plain(text.words)

-- Letters after these begin a word.
local function begins_word(c)
  return text.SPACE[c] or c:find("^[-({%[<]$")
end

filters.title = plain(function(s)
  local list, fresh = text.chars(s), true
  for i, c in ipairs(list) do
    list[i] = fresh and text.upper(c) or text.lower(c)
    fresh = begins_word(c)
  end
  return table.concat(list)
end)

filters.trim = textual("chars?", function(_, s, set)
  return text.strip(s, signature.string(set), true, true)
end)

filters.replace = textual("old new count?", function(rt, s, old, new, count)
  return methods.replace(rt, s, values.str(rt, old), values.str(rt, new),
    given(count) and integer(count) or -1)
end)

local ENTITIES = {
  ["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ["'"] = "&#39;", ['"'] = "&#34;",
}

filters.escape = plain(function(s) return (s:gsub("[&<>'\"]", ENTITIES)) end)
filters.e, filters.forceescape = filters.escape, filters.escape

filters.center = textual("width?", function(rt, s, width)
  return methods.center(rt, s, integer(width, 80), " ")
end)

filters.indent = routine("width? first? blank?", function(rt, s, width, first, blank)
  local margin = width
  if type(width) ~= "string" then
    width = integer(width, 4)
    rt:text(math.max(0, width))
    margin = (" "):rep(width)
  end
  local lines = text.lines(values.demand_string(s) .. "\n")
  rt:text(#s + #lines * #margin)
  blank = blank ~= nil and values.truth(blank)
  for i = 2, #lines do
    lines[i] = (blank or lines[i] ~= "") and margin .. lines[i] or lines[i]
  end
  first = first ~= nil and values.truth(first)
  return (first and margin or "") .. table.concat(lines, "\n")
end)

filters.truncate = routine("length? killwords? end? leeway?",
  function(rt, s, length, killwords, tail, leeway)
    length, tail = integer(length, 255), signature.string(tail, "...")
    leeway = given(leeway) and integer(leeway) or 5
    if length < text.length(tail) or leeway < 0 then
      fault.raise("truncate needs a length of at least that of its end")
    end
    local n = values.length(s) or fault.raise("truncate needs a text")
    if n <= length + leeway then
      return s
    end
    rt:spend(#values.demand_string(s) / 8)
    local kept = text.sub(s, 1, length - text.length(tail))
    if killwords == nil or not values.truth(killwords) then
      kept = text.rsplit(kept, " ", 1)[1]
    end
    return kept .. tail
  end)

filters.format = textual("*", function(rt, s, args, named)
  if named and #args > 0 then
    fault.raise("format takes values by position or by name, not both")
  end
  return format.percent(rt, s, named or values.tuple {unpack(args)})
end)

local function percent_encoded(s, kept)
  return (s:gsub("[^A-Za-z0-9_.~" .. kept .. "-]", function(c)
    return string.format("%%%02X", c:byte())
  end))
end

filters.urlencode = routine("", function(rt, value)
  if type(value) == "string" or not values.items(rt, value) then
    return percent_encoded(values.str(rt, value), "/")
  end
  local pairs_ = kind_of(value) == "dict" and values.view(value, "items") or value
  local parts = {}
  for _, pair in ipairs(values.demand_items(rt, pairs_)) do
    local items = values.demand_items(rt, pair)
    if #items ~= 2 then
      fault.raise("urlencode needs pairs")
    end
    local halves = {}
    for i = 1, 2 do
      halves[i] = percent_encoded(values.str(rt, items[i]), ""):gsub("%%20", "+")
    end
    parts[#parts + 1] = table.concat(halves, "=")
  end
  return table.concat(parts, "&")
end)

-------------------------------------------------------------------------------- any value

filters.default = routine("default_value? boolean?", function(_, value, default, boolean)
  if kind_of(value) == "undefined"
    or boolean ~= nil and values.truth(boolean) and not values.truth(value) then
    if default == nil then
      return ""
    end
    return default
  end
  return value
end)
filters.d = filters.default

filters.attr = routine("name", function(rt, value, name)
  if kind_of(value) == "dict" and not access.methods.dict[name] then
    return values.undefined("'dict object' has no attribute " .. values.repr(rt, name))
  end
  return access.attribute(rt, value, values.demand_string(name))
end)

-- separators=(item, key)
local function separators_of(rt, separators)
  if not given(separators) then
    return nil, nil
  end
  local items = values.demand_items(rt, separators)
  if #items ~= 2 then
    fault.raise("tojson: separators are two texts")
  end
  return values.demand_string(items[1]), values.demand_string(items[2])
end

-- The parameters of Hugging Face's tojson; jinja2's own would escape HTML.
filters.tojson = routine("ensure_ascii? indent? separators? sort_keys?",
  function(rt, value, ascii, indent, separators, sort_keys)
    local margin
    if given(indent) then
      margin = type(indent) == "string" and indent
        or (" "):rep(math.max(0, math.min(100, values.demand_integer(indent))))
    end
    local item_separator, key_separator = separators_of(rt, separators)
    return json.write(rt, value, {
      indent = margin, ascii = ascii ~= nil and values.truth(ascii),
      item_separator = item_separator, key_separator = key_separator,
      sort = sort_keys ~= nil and values.truth(sort_keys) and function(keys)
        return sequences.order(rt, keys)
      end or nil,
    })
  end)

-------------------------------------------------------------------------------- numbers

local function demand_number(value)
  return values.number(values.demand(value))
    or fault.raise("a number is needed, not '" .. values.type_name(value) .. "'")
end

local function same_kind(value, result)
  return kind_of(value) == "float" and number.float(result) or number.int(result)
end

filters.abs = routine("", function(_, value)
  return same_kind(value, math.abs(demand_number(value)))
end)

local function finite(value)
  return value and value == value and math.abs(value) ~= math.huge and value or nil
end

filters.int = routine("default? base?", function(_, value, default, base)
  base = integer(base, 10)
  if base ~= 0 and (base < 2 or base > 36) then
    fault.raise("int: a base is 0 or 2..36")
  end
  local result
  values.demand(value)
  if type(value) == "string" then
    result = number.read_int(value, base) or finite(number.read_float(value))
  else
    result = finite(values.number(value))
  end
  if not result then
    return default == nil and 0 or default
  end
  return format.truncated(result)
end)

filters.float = routine("default?", function(_, value, default)
  values.demand(value)
  local result = type(value) == "string" and number.read_float(value)
    or values.number(value)
  if not result then
    return default == nil and number.float(0) or default
  end
  return number.float(result)
end)

-- math.ceil or math.floor to a number of digits.
local function cut(value, precision, direction)
  if not finite(value) then
    fault.raise("cannot convert " .. number.float_text(value) .. " to an int")
  end
  local unit = number.power_of_ten(math.abs(precision))
  if precision < 0 then
    unit = 1 / unit
  end
  return (direction(value * unit) + 0.0) / unit -- -0 becomes 0, as Python's ints have it
end

filters.round = routine("precision? method?", function(_, value, precision, method)
  precision, method = integer(precision, 0), signature.string(method, "common")
  if math.abs(precision) > 400 then
    fault.raise("round: too many digits")
  end
  local given_number = demand_number(value)
  if method == "ceil" or method == "floor" then
    return number.float(cut(given_number, precision, math[method]))
  elseif method ~= "common" then
    fault.raise("round: the method must be common, ceil or floor")
  end
  return same_kind(value, number.round(given_number, precision))
end)

return filters
