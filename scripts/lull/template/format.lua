--- Python's two ways of filling values into a string: `"%s" % x` and `"{}".format(x)`.
-- @module lull.template.format
local fault = require "lull.template.fault"
local number = require "lull.template.number"
local text = require "lull.template.text"
local values = require "lull.template.values"

local format = {}

local MAX_WIDTH = 10000 -- and precision

local function width_of(digits)
  local width = digits ~= "" and tonumber(digits) or nil
  if width and width > MAX_WIDTH then
    fault.raise("a field wider than " .. MAX_WIDTH)
  end
  return width
end

-- s in a field, at its left ("<"), right (">") or middle ("^").
local function pad(s, width, align, fill)
  local room = (width or 0) - text.length(s)
  if room <= 0 then
    return s
  elseif align == "<" then
    return s .. fill:rep(room)
  elseif align == ">" then
    return fill:rep(room) .. s
  end
  local left = math.floor(room / 2)
  return fill:rep(left) .. s .. fill:rep(room - left)
end

format.pad = pad

local BASES = {b = 2, o = 8, x = 16, X = 16}

-- The digits of an int of at least 0.
local function digits_in(value, base, upper)
  if base == 10 then
    return number.int_text(value)
  end
  local list = {}
  repeat
    local digit = value % base
    table.insert(list, 1, ("0123456789abcdef"):sub(digit + 1, digit + 1))
    value = math.floor(value / base)
  until value == 0
  local digits = table.concat(list)
  return upper and digits:upper() or digits
end

-- A float's digits without its sign, by a conversion of C's printf.
local function float_digits(value, conversion, precision, alternate)
  if value ~= value or value == math.huge then
    local name = value ~= value and "nan" or "inf"
    return conversion:find("%u") and name:upper() or name
  elseif precision > 99 then
    fault.raise("a precision of more than 99") -- more than string.format takes
  end
  local digits = number.digits_after(value, conversion == "F" and "f" or conversion, precision)
  if alternate and not digits:find(".", 1, true) then
    digits = digits:gsub("^%d+", "%0.")
  end
  return digits
end

local function sign_of(value, flag)
  if value < 0 or value == 0 and 1 / value < 0 then
    return "-"
  end
  return (flag == "+" or flag == " ") and flag or ""
end

local function grouped(digits, separator)
  local whole, rest = digits:match("^(%d+)(.*)$")
  if not separator or not whole then
    return digits
  end
  whole = whole:reverse():gsub("(%d%d%d)", "%1" .. separator):reverse()
  return whole:gsub("^" .. separator, "") .. rest
end

-- Sign, prefix and digits of a number in a field.
local function numeric(sign, prefix, digits, field)
  if field.align == "=" then
    local room = (field.width or 0) - #sign - #prefix
    return sign .. prefix .. pad(digits, room, ">", field.fill)
  end
  return pad(sign .. prefix .. digits, field.width, field.align or ">", field.fill)
end

-------------------------------------------------------------------------------- "%s" % x

local function demand_number(value, conversion)
  return values.number(values.demand(value))
    or fault.raise("%" .. conversion .. " format: a number is needed, not '"
      .. values.type_name(value) .. "'")
end

local function truncated(value)
  if value ~= value or value == math.huge or value == -math.huge then
    fault.raise("cannot convert " .. number.float_text(value) .. " to an int")
  end
  return number.int(value < 0 and math.ceil(value) or math.floor(value))
end

format.truncated = truncated

local function percent_one(rt, value, conversion, field, precision)
  if conversion == "s" or conversion == "r" or conversion == "a" then
    local s = conversion == "s" and values.str(rt, value) or values.repr(rt, value)
    s = precision and text.sub(s, 1, precision) or s
    return pad(s, field.width, field.left and "<" or ">", " ")
  elseif conversion == "c" then
    local s = type(value) == "string" and value or text.encode(values.demand_integer(value))
    if text.length(s) ~= 1 then
      fault.raise("%c needs an int or one character")
    end
    return pad(s, field.width, field.left and "<" or ">", " ")
  end
  local given = demand_number(value, conversion)
  local prefix = ""
  local digits
  if conversion:find("[diu]") then
    given = truncated(given)
    digits = digits_in(math.abs(given), 10)
  elseif BASES[conversion] then
    given = values.integer(value)
      or fault.raise("%" .. conversion .. " format: an int is needed, not 'float'")
    digits = digits_in(math.abs(given), BASES[conversion], conversion == "X")
    prefix = field.alternate and "0" .. conversion or ""
  else
    digits = float_digits(math.abs(given), conversion, precision or 6, field.alternate)
  end
  if precision and not conversion:find("[eEfFgG]") then
    digits = ("0"):rep(precision - #digits) .. digits
  end
  field.align = field.left and "<" or field.zero and "=" or ">"
  field.fill = field.align == "=" and "0" or " "
  return numeric(sign_of(given, field.sign), prefix, digits, field)
end

-- The flags of a % directive.
local function flags_of(flags)
  return {
    left = flags:find("-", 1, true) ~= nil,
    zero = flags:find("0", 1, true) ~= nil,
    alternate = flags:find("#", 1, true) ~= nil,
    sign = flags:find("+", 1, true) and "+" or flags:find(" ", 1, true) and " ",
  }
end

local DIRECTIVE = "^([-+ #0]*)([%d*]*)(%.?)([%d*]*)[hlL]?(.?)()"

--- template % argument: a tuple gives one value for each directive, a dict gives them by name.
function format.percent(rt, template, argument)
  local kind = values.kind(argument)
  local list = kind == "tuple" and argument or {argument}
  local used, parts, i, size = 0, {}, 1, 0
  local function next_value()
    used = used + 1
    if list[used] == nil then
      fault.raise("not enough arguments for the format string")
    end
    return list[used]
  end
  local function number_or_star(digits)
    return digits == "*" and values.demand_integer(next_value()) or width_of(digits)
  end
  local function add(piece)
    size = size + #piece
    rt:text(size)
    parts[#parts + 1] = piece
  end
  while true do
    local at = template:find("%", i, true)
    if not at then
      break
    end
    add(template:sub(i, at - 1))
    local name, after = template:match("^%(([^()]*)%)()", at + 1)
    local flags, width, point, precision, conversion, last = template:match(DIRECTIVE,
      after or at + 1)
    i = last
    if conversion == "%" and last == at + 2 then
      add("%")
    elseif conversion == "" or not conversion:find("[diouxXeEfFgGcrsa]") then
      fault.raise("unsupported format character after '%' in " .. text.repr(template:sub(1, 40)))
    else
      local field = flags_of(flags)
      field.width = number_or_star(width)
      if field.width and field.width < 0 then
        field.left, field.width = true, -field.width
      end
      width_of(tostring(field.width or ""))
      precision = point == "." and (number_or_star(precision) or 0) or nil
      local value
      if name then
        if kind == "dict" then
          value = values.get(argument, name)
        end
        if value == nil then
          fault.raise("the format needs a mapping with '" .. name .. "'")
        end
      else
        value = next_value()
      end
      add(percent_one(rt, value, conversion, field, precision))
    end
  end
  add(template:sub(i))
  if used < #list and kind ~= "dict" and kind ~= "list" then
    fault.raise("not all arguments were used by the format string")
  end
  return table.concat(parts)
end

-------------------------------------------------------------------------------- "{}".format(x)

local SPEC = "^([-+ ]?)(#?)(0?)(%d*)([,_]?)(%.?)(%d*)(%a?%%?)$"

-- [[fill]align][sign][#][0][width][grouping][.precision][type]
local function parse_spec(spec)
  local field = {}
  local list = text.chars(spec)
  if list[2] and list[2]:find("^[<>=^]$") then
    field.fill, field.align = list[1], list[2]
    spec = spec:sub(#list[1] + 2)
  elseif list[1] and list[1]:find("^[<>=^]$") then
    field.align = list[1]
    spec = spec:sub(2)
  end
  local sign, alternate, zero, width, group, point, precision, kind = spec:match(SPEC)
  if not sign or point == "." and precision == "" or #kind > 1 then
    fault.raise("invalid format specifier " .. text.repr(spec))
  end
  if zero == "0" and not field.align then
    field.align, field.fill = "=", field.fill or "0"
  elseif zero == "0" then
    field.fill = field.fill or "0"
  end
  field.sign, field.alternate = sign, alternate == "#"
  field.width, field.group = width_of(width), group ~= "" and group or nil
  field.precision, field.type = width_of(precision), kind
  field.fill = field.fill or " "
  return field
end

local function spec_float(value, field)
  local magnitude = math.abs(value)
  local kind = field.type == "" and (field.precision and "g" or "r") or field.type
  local digits
  if kind == "r" then
    digits = number.float_text(magnitude)
  elseif kind == "%" then
    digits = float_digits(magnitude * 100, "f", field.precision or 6) .. "%"
  else
    digits = float_digits(magnitude, kind, field.precision or 6, field.alternate)
    if field.type == "" and not digits:find("[.einn]") then
      digits = digits .. ".0"
    end
  end
  return numeric(sign_of(value, field.sign), "", grouped(digits, field.group), field)
end

local function spec_one(rt, value, spec)
  local kind = values.kind(value)
  if spec == "" then
    return values.str(rt, value)
  end
  local field = parse_spec(spec)
  local bad = "unknown format code '" .. field.type .. "' for '" .. values.type_name(value) .. "'"
  if kind == "str" then
    if field.type ~= "" and field.type ~= "s" or field.align == "=" or field.sign ~= ""
      or field.group or field.alternate then
      fault.raise(bad)
    end
    value = field.precision and text.sub(value, 1, field.precision) or value
    return pad(value, field.width, field.align or "<", field.fill)
  elseif kind == "int" or kind == "bool" then
    local given = values.number(value)
    if field.type:find("^[eEfFgG%%]$") then
      return spec_float(given + 0.0, field)
    elseif field.type ~= "" and field.type ~= "d" and field.type ~= "n" and not BASES[field.type]
      or field.precision then
      fault.raise(bad)
    end
    local base = BASES[field.type] or 10
    local digits = digits_in(math.abs(given), base, field.type == "X")
    local prefix = field.alternate and base ~= 10 and "0" .. field.type or ""
    return numeric(sign_of(given, field.sign), prefix, grouped(digits, field.group), field)
  elseif kind == "float" then
    if field.type ~= "" and not field.type:find("^[eEfFgG%%]$") then
      fault.raise(bad)
    end
    return spec_float(value.value, field)
  end
  fault.raise("unsupported format string for '" .. values.type_name(values.demand(value)) .. "'")
end

-- The value that a field name such as 0, name, name.attribute or name[key] stands for.
local function look_up(name, args, named, access)
  local first, rest = name:match("^([^.%[]*)(.*)$")
  local value
  if first:find("^%d+$") then
    value = args[tonumber(first) + 1]
  else
    value = named and values.get(named, first)
  end
  if value == nil then
    fault.raise("format: there is no argument '" .. first .. "'")
  end
  while rest ~= "" do
    local attribute, after = rest:match("^%.([^.%[]+)()")
    local key, closed = rest:match("^%[([^%]]+)%]()")
    if attribute then
      value = access.attribute(value, attribute)
    elseif key then
      value = access.item(value, key:find("^%d+$") and tonumber(key) or key)
    else
      fault.raise("format: bad field name " .. text.repr(name))
    end
    rest = rest:sub(after or closed)
  end
  return value
end

--- template.format(*args, **named).
-- @param access how to read attributes and items: functions attribute(value, name), item(...)
function format.braces(rt, template, args, named, access)
  local parts, i, size = {}, 1, 0
  local automatic, numbered = 0, false
  local function add(piece)
    size = size + #piece
    rt:text(size)
    parts[#parts + 1] = piece
  end
  local function value_of(name)
    if name == "" or name:find("^[.%[]") then
      automatic = automatic + 1
      name = number.int_text(automatic - 1) .. name
    else
      numbered = numbered or name:find("^%d") ~= nil
    end
    if numbered and automatic > 0 then
      fault.raise("format: some fields are numbered and some are not")
    end
    return look_up(name, args, named, access)
  end
  while true do
    local at = template:find("[{}]", i)
    if not at then
      break
    end
    add(template:sub(i, at - 1))
    local brace = template:sub(at, at)
    if template:sub(at + 1, at + 1) == brace then
      add(brace)
      i = at + 2
    else
      local name, conversion, spec, after = template:match("^{([^{}!:]*)(!?%a?):?([^{}]*)}()", at)
      if not name then
        fault.raise("format: a single '" .. brace .. "' in " .. text.repr(template:sub(1, 40)))
      end
      local value = value_of(name)
      if conversion == "!r" or conversion == "!a" then
        value = values.repr(rt, value)
      elseif conversion == "!s" then
        value = values.str(rt, value)
      elseif conversion ~= "" then
        fault.raise("format: unknown conversion '" .. conversion .. "'")
      end
      add(spec_one(rt, value, spec))
      i = after
    end
  end
  add(template:sub(i))
  return table.concat(parts)
end

return format
