--- Numbers as Python has them, on any Lua.
--
-- An int is a Lua number without a fraction, below 2^53 either way (more is refused: a double
-- could not hold it). A float is a table {kind = "float", value =}, because 1.0 prints "1.0" and
-- 1 prints "1", and Lua before 5.3 cannot tell them apart.
-- @module lull.template.number
local fault = require "lull.template.fault"

local number = {}

local floor, format = math.floor, string.format
local huge = math.huge

--- The largest int: beyond it a double cannot tell neighbours apart.
number.LIMIT = 2 ^ 53 - 1

local Float = {}

--- Is it a float?
function number.is_float(value)
  return getmetatable(value) == Float
end

--- A float.
function number.float(value)
  return setmetatable({kind = "float", value = value * 1.0}, Float)
end

--- An int, checked; -0 becomes 0, and Lua 5.3's integers doubles, which do not wrap around.
function number.int(value)
  if not (value >= -number.LIMIT and value <= number.LIMIT) then
    fault.raise("an integer of more than 53 bits")
  end
  return value + 0.0 + 0
end

--- A Lua number: an int where it has no fraction.
function number.from_lua(value)
  if value == floor(value) and value >= -number.LIMIT and value <= number.LIMIT then
    return number.int(value)
  end
  return number.float(value)
end

--- tonumber for decimal text, whatever the locale's decimal point.
function number.parse(s)
  return tonumber(s) or tonumber((s:gsub("%.", ",")))
end

--- string.format for one number, whatever the locale's decimal point.
function number.format(directive, value)
  return (format(directive, value):gsub(",", "."))
end

local TIE = "^(.-)%.?(%d*)5" .. ("0"):rep(24) .. "(.*)$"

--- A number with so many digits after the point, by %f, %e or %g (or F, E, G). Halves go to even:
-- LuaJIT's format sends them up.
function number.digits_after(value, conversion, precision)
  local function with(count)
    return number.format(format("%%.%.0f%s", count, conversion), value)
  end
  local rounded = with(precision)
  if conversion:find("[gG]") or precision > 70 then
    return rounded
  end
  -- A half shows exactly in the digits after: doubles do not come closer to one without being it.
  local whole, digits, exponent = with(precision + 25):match(TIE)
  if whole and #digits == precision and (whole .. digits):find("[02468]$") then
    return whole .. (digits ~= "" and "." .. digits or "") .. exponent
  end
  return rounded
end

--- An int in decimal.
function number.int_text(value)
  return format("%.0f", value)
end

-- The shortest digits that read as value again: "-", "d.ddd", exponent.
local function shortest(value)
  for precision = 0, 16 do
    local s = number.format(format("%%.%.0fe", precision), value)
    if number.parse(s) == value then
      local sign, head, tail, exponent = s:match("^(-?)(%d)%.?(%d*)e([-+]%d+)$")
      return sign, head .. tail, tonumber(exponent)
    end
  end
end

--- A float as Python's repr shows it.
function number.float_text(value)
  if value ~= value then
    return "nan"
  elseif value == huge or value == -huge then
    return value > 0 and "inf" or "-inf"
  elseif value == floor(value) and value > -1e15 and value < 1e15 then
    return format("%.1f", value):gsub(",", ".") .. ""
  end
  local sign, digits, exponent = shortest(value)
  digits = digits:gsub("0+$", "")
  if exponent < -4 or exponent >= 16 then
    local fraction = #digits > 1 and "." .. digits:sub(2) or ""
    return sign .. digits:sub(1, 1) .. fraction .. format("e%s%02d", exponent < 0 and "-" or "+",
      math.abs(exponent))
  elseif exponent < 0 then
    return sign .. "0." .. ("0"):rep(-exponent - 1) .. digits
  end
  digits = digits .. ("0"):rep(exponent + 1 - #digits)
  local fraction = digits:sub(exponent + 2)
  return sign .. digits:sub(1, exponent + 1) .. "." .. (fraction == "" and "0" or fraction)
end

--- Digits in a base as a number, or nil; it may be too large for an int. (tonumber wraps around or
-- stops at 32 bits, by the Lua.)
function number.digits(s, base)
  local value = 0.0
  for c in s:gmatch(".") do
    local digit = tonumber(c, 36)
    if not digit or digit >= base then
      return nil
    end
    value = value * base + digit
  end
  return value
end

--- int(text, base): surrounding space, a sign, a prefix, single underscores; or nil.
function number.read_int(s, base)
  local sign, body = s:match("^%s*([-+]?)([%w_]+)%s*$")
  if not body or body:find("__", 1, true) then
    return nil
  end
  body = body:lower()
  local prefix = ({["0b"] = 2, ["0o"] = 8, ["0x"] = 16})[body:sub(1, 2)]
  if prefix and (base == prefix or base == 0) then
    body, base = body:sub(3):gsub("^_", ""), prefix
  elseif base == 0 then
    base = (body:find("^0[_0]*$") or body:find("^[1-9]")) and 10 or nil
  end
  if not base or body:find("^_") or body:find("_$") then
    return nil
  end
  body = body:gsub("_", "")
  local value = body ~= "" and number.digits(body, base)
  return value and number.int(sign == "-" and -value or value)
end

--- float(text), or nil.
function number.read_float(s)
  local sign, body = s:match("^%s*([-+]?)(.-)%s*$")
  body = body:lower()
  local value
  if body == "inf" or body == "infinity" then
    value = huge
  elseif body == "nan" then
    value = 0 / 0
  elseif body:find("^%d[%d_]*%.?[%d_]*e?[-+]?%d*$") or body:find("^%.%d[%d_]*e?[-+]?%d*$") then
    if not body:find("__", 1, true) and not body:find("_$") and not body:find("_%.")
      and not body:find("%._") then
      value = number.parse((body:gsub("_", "")))
    end
  end
  return value and (sign == "-" and -value or value)
end

--- Round to a number of digits, halves of the exact binary value to even, as Python does.
function number.round(value, precision)
  if value ~= value or value == huge or value == -huge or precision > 300 then
    return value
  elseif precision >= 0 then
    return number.parse(number.digits_after(value, "f", precision))
  elseif precision < -308 then
    return 0 * value
  end
  -- Digits before the point: as many significant ones as remain.
  local exponent = tonumber(format("%.0e", math.abs(value)):match("e(.*)$"))
  local unit = number.power_of_ten(-precision)
  if exponent + precision < -1 then
    return 0 * value
  end
  local quotient = value / unit
  local low = floor(quotient)
  local rest = quotient - low
  if rest > 0.5 or rest == 0.5 and low % 2 == 1 then
    low = low + 1
  end
  return low * unit
end

--- Ten to the power n, which is at least 0, by multiplication.
function number.power_of_ten(n)
  local value = 1.0
  for _ = 1, n do
    value = value * 10
  end
  return value
end

return number
