--- Arithmetic, indexing and slicing, with Python's meaning.
-- @module lull.template.operators
local fault = require "lull.template.fault"
local format = require "lull.template.format"
local number = require "lull.template.number"
local text = require "lull.template.text"
local values = require "lull.template.values"

local operators = {}

local floor, fmod, huge = math.floor, math.fmod, math.huge
local kind_of, type_name = values.kind, values.type_name

local function unsupported(operator, a, b)
  values.demand(a)
  values.demand(b)
  fault.raise("unsupported operand types for " .. operator .. ": '" .. type_name(a) .. "' and '"
    .. type_name(b) .. "'")
end

-------------------------------------------------------------------------------- arithmetic

-- Two numbers and whether the result is a float; nothing when one of them is none.
local function numbers(a, b)
  local x, y = values.number(a), values.number(b)
  if x and y then
    return x, y, kind_of(a) == "float" or kind_of(b) == "float"
  end
end

local function result(value, is_float)
  return is_float and number.float(value) or number.int(value)
end

local function nonzero(y)
  if y == 0 then
    fault.raise("division by zero")
  end
end

-- The remainder with the sign of the divisor.
local function modulo(x, y)
  if (y == huge or y == -huge) and x == x and x ~= huge and x ~= -huge then
    return (x == 0 or (x < 0) == (y < 0)) and x or y
  end
  local rest = fmod(x, y)
  if rest ~= 0 and (rest < 0) ~= (y < 0) then
    rest = rest + y
  elseif rest == 0 then
    rest = (y < 0 and -1 or 1) * 0 -- with its sign; the literals 0.0 and -0.0 are one in Lua 5.1
  end
  return rest
end

local function floor_divide(x, y)
  local rest = modulo(x, y)
  local quotient = (x - rest) / y
  if quotient ~= quotient or quotient == huge or quotient == -huge then
    return quotient
  end
  local low = floor(quotient)
  return quotient - low > 0.5 and low + 1 or low
end

-- x to the power of an int of at least 0, by squaring.
local function whole_power(x, n)
  local value = 1.0
  x = x * 1.0
  while n > 0 do
    if n % 2 == 1 then
      value = value * x
    end
    n = floor(n / 2)
    x = n > 0 and x * x or x
  end
  return value
end

local function power(x, y, is_float)
  if not is_float and y >= 0 then
    return number.int(whole_power(x, y))
  elseif x == 0 and y < 0 then
    fault.raise("zero cannot be raised to a negative power")
  elseif x < 0 and y ~= floor(y) then
    fault.raise("complex numbers are not supported")
  end
  local value
  if y == floor(y) and y >= -1024 and y <= 1024 then
    value = y < 0 and 1 / whole_power(x, -y) or whole_power(x, y)
  else
    value = require("lull.core").math.pow(x, y)
  end
  if (value == huge or value == -huge) and x ~= value and -x ~= value and y ~= huge
    and y ~= -huge then
    fault.raise("the result of ** is too large")
  end
  return number.float(value)
end

-- items * n.
local function repeated(rt, sequence, times)
  local n = values.integer(times)
  if not n then
    return nil
  end
  n = n > 0 and n or 0
  if kind_of(sequence) == "str" then
    rt:text(#sequence * n)
    return sequence:rep(n)
  end
  rt:spend(#sequence * n)
  local items = {kind = sequence.kind}
  for _ = 1, n do
    for i = 1, #sequence do
      items[#items + 1] = sequence[i]
    end
  end
  return items
end

local function is_sequence(value)
  local kind = kind_of(value)
  return kind == "str" or kind == "list" or kind == "tuple"
end

--- a OPERATOR b, by the operator: functions (rt, a, b).
operators.binary = {
  ["+"] = function(rt, a, b)
    local x, y, is_float = numbers(a, b)
    if x then
      return result(x + y, is_float)
    elseif not is_sequence(a) or kind_of(a) ~= kind_of(b) then
      return unsupported("+", a, b)
    elseif kind_of(a) == "str" then
      rt:text(#a + #b)
      return a .. b
    end
    rt:spend(#a + #b)
    local items = {kind = a.kind}
    for i = 1, #a do
      items[i] = a[i]
    end
    for i = 1, #b do
      items[#items + 1] = b[i]
    end
    return items
  end,

  ["-"] = function(_, a, b)
    local x, y, is_float = numbers(a, b)
    return x and result(x - y, is_float) or unsupported("-", a, b)
  end,

  ["*"] = function(rt, a, b)
    local x, y, is_float = numbers(a, b)
    if x then
      return result(x * 1.0 * y, is_float)
    end
    return is_sequence(a) and repeated(rt, a, b) or is_sequence(b) and repeated(rt, b, a)
      or unsupported("*", a, b)
  end,

  ["/"] = function(_, a, b)
    local x, y = numbers(a, b)
    if not x then
      return unsupported("/", a, b)
    end
    nonzero(y)
    return number.float(x / y)
  end,

  ["//"] = function(_, a, b)
    local x, y, is_float = numbers(a, b)
    if not x then
      return unsupported("//", a, b)
    end
    nonzero(y)
    return result(floor_divide(x, y), is_float)
  end,

  ["%"] = function(rt, a, b)
    if kind_of(a) == "str" then
      return format.percent(rt, a, b)
    end
    local x, y, is_float = numbers(a, b)
    if not x then
      return unsupported("%", a, b)
    end
    nonzero(y)
    return result(modulo(x, y), is_float)
  end,

  ["**"] = function(_, a, b)
    local x, y, is_float = numbers(a, b)
    return x and power(x, y, is_float) or unsupported("**", a, b)
  end,
}

--- -a and +a.
function operators.negate(a, sign)
  local x = values.number(values.demand(a))
  if not x then
    fault.raise("bad operand type for unary " .. sign .. ": '" .. type_name(a) .. "'")
  end
  return result(sign == "-" and -x or x, kind_of(a) == "float")
end

--- a OPERATOR b for one of == != < > <= >= in notin.
operators.compare = {
  ["=="] = values.equal,
  ["!="] = function(rt, a, b) return not values.equal(rt, a, b) end,
  ["<"] = function(rt, a, b) return values.less(rt, a, b, "<") end,
  [">"] = function(rt, a, b) return values.less(rt, b, a, ">") end,
  ["<="] = function(rt, a, b)
    return values.less(rt, a, b, "<=") or values.equal(rt, a, b)
  end,
  [">="] = function(rt, a, b)
    return values.less(rt, b, a, ">=") or values.equal(rt, a, b)
  end,
  ["in"] = function(rt, a, b) return values.contains(rt, b, a) end,
  ["notin"] = function(rt, a, b) return not values.contains(rt, b, a) end,
}

-------------------------------------------------------------------------------- subscripts

--- Item i, from 0 or negative from the end, of a str, list, tuple or range; nil beyond its ends.
function operators.index(rt, sequence, i)
  local kind = kind_of(sequence)
  local n = values.length(sequence)
  i = i < 0 and i + n or i
  if i < 0 or i >= n then
    return nil
  elseif kind == "range" then
    return sequence.start + i * sequence.step
  elseif kind == "str" then
    rt:spend(text.is_ascii(sequence) and 1 or #sequence / 8)
    return text.sub(sequence, i + 1, i + 1)
  end
  return sequence[i + 1]
end

-- A bound of a slice as an int, or nil for None.
local function bound(value)
  if kind_of(value) == "none" then
    return nil
  end
  return values.integer(values.demand(value))
    or fault.raise("slice indices must be ints or None, not '" .. type_name(value) .. "'")
end

-- A bound in low..high, counted from the end when negative.
local function clamp(value, n, low, high, default)
  if not value then
    return default
  end
  value = value < 0 and value + n or value
  return math.max(low, math.min(high, value))
end

--- sequence[start:stop:step], each None or an int.
function operators.slice(rt, sequence, start, stop, step)
  local kind = kind_of(values.demand(sequence))
  if not is_sequence(sequence) and kind ~= "range" then
    fault.raise("'" .. type_name(sequence) .. "' object cannot be sliced")
  end
  start, stop, step = bound(start), bound(stop), bound(step) or 1
  if step == 0 then
    fault.raise("slice step cannot be zero")
  end
  local n = values.length(sequence)
  local low, high = step > 0 and 0 or -1, step > 0 and n or n - 1
  local from = clamp(start, n, low, high, step > 0 and 0 or n - 1)
  local to = clamp(stop, n, low, high, step > 0 and n or -1)
  if kind == "range" then
    return values.range(sequence.start + from * sequence.step,
      sequence.start + to * sequence.step, sequence.step * step)
  elseif kind == "str" and step == 1 then
    rt:text(#sequence)
    return text.sub(sequence, from + 1, to)
  end
  local items = values.items(rt, sequence)
  local taken = {kind = kind}
  for i = from, to - (step > 0 and 1 or -1), step do
    taken[#taken + 1] = items[i + 1]
  end
  rt:spend(#taken)
  return kind == "str" and table.concat(taken) or taken
end

return operators
