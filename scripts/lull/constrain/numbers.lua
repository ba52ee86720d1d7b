--- Patterns for decimal numbers between two bounds, exact to the digit.
--
-- A digit string s is compared with a bound digit by digit; where it differs, what follows is
-- free. So a range takes about two patterns a digit.
-- @module lull.constrain.numbers
local program = require "lull.constrain.program"

local numbers = {}

local ZERO = ("0"):byte()
local DIGIT = program.bytes {{ZERO, ZERO + 9}}
local NOTHING = program.seq {}

local function digit_range(low, high)
  return program.bytes {{ZERO + low, ZERO + high}}
end

-- The alternatives of one digit and what may follow it: rest(low, high) for the bounds of the
-- rest, of which nil is none; it may return nil where nothing can follow.
local function by_digit(low, high, rest)
  local first = low and low:byte() - ZERO or 0
  local last = high and high:byte() - ZERO or 9
  local below, above = low and low:sub(2), high and high:sub(2)
  local list = {}
  local function add(from, to, a, b)
    local tail = from <= to and rest(a, b)
    if tail then
      list[#list + 1] = program.seq {digit_range(from, to), tail}
    end
  end
  if first == last then
    add(first, last, below, above)
  else
    local from, to = low and first + 1 or first, high and last - 1 or last
    if low then
      add(first, first, below, nil)
    end
    add(from, to, nil, nil)
    if high then
      add(last, last, nil, above)
    end
  end
  return list[1] and program.alt(list)
end

-- Digit strings of the length n between two of that length, or nil.
local function same_length(low, high, n)
  if n == 0 then
    return NOTHING
  elseif not low and not high then
    return program.many(DIGIT, n, n)
  end
  return by_digit(low, high, function(a, b)
    return same_length(a, b, n - 1)
  end)
end

-- Whole numbers without sign, low <= high, given as digits.
local function magnitudes(low, high)
  local list = {}
  for n = #low, #high do
    local from = n == #low and low or "1" .. ("0"):rep(n - 1)
    local to = n == #high and high or ("9"):rep(n)
    list[#list + 1] = same_length(from, to, n)
  end
  return program.alt(list)
end

local function whole(value)
  return (("%.0f"):format(value))
end

--- Whole numbers from low to high, or nil when there are none. Both within 2^53.
function numbers.integers(low, high)
  local list = {}
  if low > high then
    return nil
  elseif low < 0 then
    list[1] = program.seq {
      program.text "-", magnitudes(whole(high < 0 and -high or 1), whole(-low)),
    }
  end
  if high >= 0 then
    list[#list + 1] = magnitudes(whole(low > 0 and low or 0), whole(high))
  end
  return program.alt(list)
end

-------------------------------------------------------------------------------- fractions

-- A bound is {whole = digits, fraction = n digits, open = is it excluded?}; nil is none. In what
-- follows, low and high are what is left of the fractions, nil where the digits so far decided.

-- May the digits end here, so that all further ones are 0?
local function may_end(low, high, range)
  local above = not low or not low:find "[1-9]" and not range.low_open
  local below = not high or high:find "[1-9]" or not range.high_open
  return above and below
end

local fraction_rest

-- One or more digits behind the point, at most n.
local function fraction_digits(low, high, n, range)
  if n == 0 then
    return nil
  elseif not low and not high then
    return program.many(DIGIT, 1, n)
  end
  return by_digit(low, high, function(a, b)
    return fraction_rest(a, b, n - 1, range)
  end)
end

function fraction_rest(low, high, n, range)
  local ends, more = may_end(low, high, range), fraction_digits(low, high, n, range)
  if not more then
    return ends and NOTHING or nil
  end
  return ends and program.alt {more, NOTHING} or more
end

-- What follows the digits of the whole part.
local function fraction(low, high, n, range)
  local ends, more = may_end(low, high, range), fraction_digits(low, high, n, range)
  local behind = more and program.seq {program.text ".", more}
  if not behind then
    return ends and NOTHING or nil
  end
  return ends and program.alt {behind, NOTHING} or behind
end

-- value >= 0 as its whole part and n digits of the fraction; and is that less than the value?
local function split(value, n)
  local text = ("%." .. n .. "f"):format(value):gsub(",", ".")
  local whole_part, digits = text:match "^(%d+)%.?(%d*)$"
  return tonumber(whole_part), digits, tonumber(text)
end

-- Numbers without sign from low to high, each excluded if told so; nil when there are none.
local function unsigned(low, low_open, high, high_open, n)
  local low_whole, low_digits, low_value = split(low, n)
  local high_whole, high_digits, high_value = split(high, n)
  -- A bound between two numbers of n digits: the rounded one is outside, or inside.
  if low_value ~= low then
    low_open = low_value < low
  end
  if high_value ~= high then
    high_open = high_value > high
  end
  local range = {low_open = low_open, high_open = high_open}
  local list = {}
  local function add(from, to, a, b)
    local behind = from <= to and fraction(a, b, n, range)
    if behind then
      list[#list + 1] = program.seq {magnitudes(whole(from), whole(to)), behind}
    end
  end
  if low_whole == high_whole then
    add(low_whole, low_whole, low_digits, high_digits)
  else
    add(low_whole, low_whole, low_digits, nil)
    add(low_whole + 1, high_whole - 1, nil, nil)
    add(high_whole, high_whole, nil, high_digits)
  end
  return list[1] and program.alt(list)
end

--- Decimal numbers between two bounds with at most n digits behind the point, or nil when there
-- are none. No exponents, no -0.
-- @param low, high numbers within 1e15
-- @param low_open, high_open is the bound itself excluded?
function numbers.decimals(low, low_open, high, high_open, n)
  local list = {}
  if low > high then
    return nil
  end
  if low < 0 then
    local to_zero = high >= 0
    local negative = unsigned(to_zero and 0 or -high, to_zero or high_open, -low, low_open, n)
    list[1] = negative and program.seq {program.text "-", negative}
  end
  if high >= 0 then
    list[#list + 1] = unsigned(low > 0 and low or 0, low >= 0 and low_open, high, high_open, n)
  end
  return list[1] and program.alt(list)
end

return numbers
