--- Strings as Python has them: sequences of code points, held in UTF-8.
--
-- A byte that is no part of valid UTF-8 counts as one character. Indices here are Lua's: from 1.
-- Case and letters are known for Latin, Greek and Cyrillic; other scripts with case pass unchanged.
-- @module lull.template.text
local text = {}

local byte, char, sub, find = string.byte, string.char, string.sub, string.find
local floor = math.floor

--- A code point as UTF-8. Surrogates and what is beyond Unicode become U+FFFD.
function text.encode(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 64), 0x80 + code % 64)
  elseif code > 0x10FFFF or (code >= 0xD800 and code < 0xE000) then
    code = 0xFFFD
  end
  if code < 0x10000 then
    return char(0xE0 + floor(code / 4096), 0x80 + floor(code / 64) % 64, 0x80 + code % 64)
  end
  return char(0xF0 + floor(code / 262144), 0x80 + floor(code / 4096) % 64,
    0x80 + floor(code / 64) % 64, 0x80 + code % 64)
end

local encode = text.encode

--- Where the character that starts at byte i ends.
local function char_end(s, i)
  local lead = byte(s, i)
  local n = lead < 0xC2 and 0 or lead < 0xE0 and 1 or lead < 0xF0 and 2 or lead < 0xF5 and 3 or 0
  for k = i + 1, i + n do
    local follower = byte(s, k)
    if not follower or follower < 0x80 or follower > 0xBF then
      return i
    end
  end
  return i + n
end

text.char_end = char_end

-- Where the character that ends at byte j starts.
local function char_start(s, j)
  for i = j, math.max(1, j - 3), -1 do
    if byte(s, i) < 0x80 or byte(s, i) > 0xBF then
      return char_end(s, i) == j and i or j
    end
  end
  return j
end

--- The code point of one character; a stray byte is its own.
function text.code(c)
  local a, b, d, e = byte(c, 1, 4)
  if not b then
    return a
  elseif not d then
    return (a - 0xC0) * 64 + b - 0x80
  elseif not e then
    return (a - 0xE0) * 4096 + (b - 0x80) * 64 + d - 0x80
  end
  return (a - 0xF0) * 262144 + (b - 0x80) * 4096 + (d - 0x80) * 64 + e - 0x80
end

local code_of = text.code

--- Is every byte below 128, so that bytes are characters?
local function is_ascii(s)
  return not find(s, "[\128-\255]")
end

text.is_ascii = is_ascii

--- The characters of s as a list.
function text.chars(s)
  local list, n, i = {}, 0, 1
  while i <= #s do
    local j = char_end(s, i)
    n = n + 1
    list[n] = sub(s, i, j)
    i = j + 1
  end
  return list
end

local chars = text.chars

--- How many characters.
function text.length(s)
  return is_ascii(s) and #s or #chars(s)
end

--- Characters i to j, both positive.
function text.sub(s, i, j)
  if is_ascii(s) then
    return sub(s, i, j)
  end
  return table.concat(chars(s), "", i, math.min(j, text.length(s)))
end

--- Characters before byte i: how Python counts what find returns.
function text.before(s, i)
  return text.length(sub(s, 1, i - 1))
end

--- Does a come before b, by code points? Lua's own < asks the locale.
function text.less(a, b)
  for i = 1, math.min(#a, #b) do
    local x, y = byte(a, i), byte(b, i)
    if x ~= y then
      return x < y
    end
  end
  return #a < #b
end

-------------------------------------------------------------------------------- white space

-- What str.isspace and \s accept.
local SPACE = {}
for _, code in ipairs {
  9, 10, 11, 12, 13, 28, 29, 30, 31, 32, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000,
} do
  SPACE[encode(code)] = true
end
for code = 0x2000, 0x200A do
  SPACE[encode(code)] = true
end

text.SPACE = SPACE

--- The first byte at or after i that starts no white space.
function text.skip_space(s, i)
  while i <= #s do
    local j = char_end(s, i)
    if not SPACE[sub(s, i, j)] then
      break
    end
    i = j + 1
  end
  return i
end

--- str.strip: without the characters of `set` (white space) at the left, the right, or both ends.
function text.strip(s, set, left, right)
  local unwanted = SPACE
  if set then
    unwanted = {}
    for _, c in ipairs(chars(set)) do
      unwanted[c] = true
    end
  end
  local i, j = 1, #s
  while left and i <= j do
    local k = char_end(s, i)
    if not unwanted[sub(s, i, k)] then
      break
    end
    i = k + 1
  end
  while right and j >= i do
    local k = char_start(s, j)
    if not unwanted[sub(s, k, j)] then
      break
    end
    j = k - 1
  end
  return sub(s, i, j)
end

-- The words between white space.
local function split_space(s, limit)
  local parts, i = {}, text.skip_space(s, 1)
  while i <= #s do
    if #parts == limit then
      parts[#parts + 1] = sub(s, i)
      break
    end
    local j = i
    while j <= #s do
      local k = char_end(s, j)
      if SPACE[sub(s, j, k)] then
        break
      end
      j = k + 1
    end
    parts[#parts + 1] = sub(s, i, j - 1)
    i = text.skip_space(s, j)
  end
  return parts
end

-- The last byte at or before j that ends no white space.
local function skip_space_left(s, j)
  while j >= 1 do
    local i = char_start(s, j)
    if not SPACE[sub(s, i, j)] then
      break
    end
    j = i - 1
  end
  return j
end

-- The same from the right; the list comes out backwards.
local function split_space_right(s, limit)
  local parts, j = {}, skip_space_left(s, #s)
  while j >= 1 do
    if #parts == limit then
      parts[#parts + 1] = sub(s, 1, j)
      break
    end
    local i = j
    while i >= 1 do
      local k = char_start(s, i)
      if SPACE[sub(s, k, i)] then
        break
      end
      i = k - 1
    end
    parts[#parts + 1] = sub(s, i + 1, j)
    j = skip_space_left(s, i)
  end
  return parts
end

local function reversed(list)
  local n = #list
  for i = 1, floor(n / 2) do
    list[i], list[n + 1 - i] = list[n + 1 - i], list[i]
  end
  return list
end

--- str.split: at separator, or at white space without one; at most limit times if that is not
-- negative.
function text.split(s, separator, limit)
  if not separator then
    return split_space(s, limit)
  end
  local parts, i = {}, 1
  while #parts ~= limit do
    local from, to = find(s, separator, i, true)
    if not from then
      break
    end
    parts[#parts + 1] = sub(s, i, from - 1)
    i = to + 1
  end
  parts[#parts + 1] = sub(s, i)
  return parts
end

--- Where part last starts so that it ends at or before byte `last`, or nil.
function text.find_last(s, part, last)
  local from = find(s:sub(1, last):reverse(), part:reverse(), 1, true)
  return from and math.min(last, #s) - from - #part + 2
end

--- str.rsplit.
function text.rsplit(s, separator, limit)
  if not separator then
    return reversed(split_space_right(s, limit))
  end
  local parts = text.split(s:reverse(), separator:reverse(), limit)
  for i = 1, #parts do
    parts[i] = parts[i]:reverse()
  end
  return reversed(parts)
end

local LINE_ENDS = {}
for _, code in ipairs {10, 11, 12, 13, 28, 29, 30, 0x85, 0x2028, 0x2029} do
  LINE_ENDS[encode(code)] = true
end

--- str.splitlines.
function text.lines(s, keep)
  local lines, start, i = {}, 1, 1
  while i <= #s do
    local j = char_end(s, i)
    if LINE_ENDS[sub(s, i, j)] then
      if sub(s, i, i + 1) == "\r\n" then
        j = i + 1
      end
      lines[#lines + 1] = sub(s, start, keep and j or i - 1)
      start = j + 1
    end
    i = j + 1
  end
  if start <= #s then
    lines[#lines + 1] = sub(s, start)
  end
  return lines
end

--- How often part occurs, not overlapping; part is not empty.
function text.count(s, part)
  local n, i = 0, 1
  while true do
    local from, to = find(s, part, i, true)
    if not from then
      return n
    end
    n, i = n + 1, to + 1
  end
end

--- str.replace, at most limit times if that is not negative.
function text.replace(s, old, new, limit)
  if old == "" then
    local list = chars(s)
    local parts, n = {}, #list
    for i = 1, n + 1 do
      parts[#parts + 1] = (limit < 0 or i <= limit) and new or ""
      parts[#parts + 1] = list[i]
    end
    return table.concat(parts)
  end
  return table.concat(text.split(s, old, limit), new)
end

-------------------------------------------------------------------------------- case

local UPPER, LOWER = {}, {}

local function pair(upper, lower)
  upper, lower = encode(upper), encode(lower)
  UPPER[lower], LOWER[upper] = upper, lower
end

-- first to last in steps; the lower case is `distance` further on.
local function range(first, last, step, distance)
  for code = first, last, step do
    pair(code, code + distance)
  end
end

range(0x41, 0x5A, 1, 32)
range(0xC0, 0xD6, 1, 32)
range(0xD8, 0xDE, 1, 32)
range(0x100, 0x12E, 2, 1)
range(0x132, 0x136, 2, 1)
range(0x139, 0x147, 2, 1)
range(0x14A, 0x176, 2, 1)
range(0x179, 0x17D, 2, 1)
pair(0x178, 0xFF)
pair(0x386, 0x3AC)
range(0x388, 0x38A, 1, 37)
pair(0x38C, 0x3CC)
range(0x38E, 0x38F, 1, 63)
range(0x391, 0x3A1, 1, 32)
range(0x3A3, 0x3AB, 1, 32)
range(0x400, 0x40F, 1, 80)
range(0x410, 0x42F, 1, 32)
range(0x460, 0x480, 2, 1)
range(0x48A, 0x4BE, 2, 1)
range(0x1E00, 0x1E94, 2, 1)
range(0x1EA0, 0x1EFE, 2, 1)
UPPER[encode(0xDF)] = "SS"
UPPER[encode(0xB5)] = encode(0x39C)
UPPER[encode(0x3C2)] = encode(0x3A3)

local function mapped(s, map)
  local list = chars(s)
  for i = 1, #list do
    list[i] = map[list[i]] or list[i]
  end
  return table.concat(list)
end

function text.upper(s) return mapped(s, UPPER) end
function text.lower(s) return mapped(s, LOWER) end

-- An upper case letter at the beginning of a word.
local function titled(c)
  return c == encode(0xDF) and "Ss" or UPPER[c] or c
end

--- str.capitalize.
function text.capitalize(s)
  local list = chars(text.lower(s))
  list[1] = list[1] and titled(list[1])
  return table.concat(list)
end

--- str.title: every run of letters with case begins with a capital.
function text.title(s)
  local list, inside = chars(s), false
  for i, c in ipairs(list) do
    list[i] = inside and (LOWER[c] or c) or titled(c)
    inside = UPPER[c] ~= nil or LOWER[c] ~= nil
  end
  return table.concat(list)
end

--- str.swapcase.
function text.swapcase(s)
  local list = chars(s)
  for i, c in ipairs(list) do
    list[i] = UPPER[c] or LOWER[c] or c
  end
  return table.concat(list)
end

-- Letters of scripts without case.
local LETTERS = {
  {0x5D0, 0x5EA}, {0x620, 0x64A}, {0x904, 0x939}, {0xE01, 0xE30}, {0x3041, 0x3096},
  {0x30A1, 0x30FA}, {0x3400, 0x4DBF}, {0x4E00, 0x9FFF}, {0xAC00, 0xD7A3}, {0x20000, 0x323AF},
}

--- Is this character a letter?
function text.is_letter(c)
  if UPPER[c] or LOWER[c] then
    return true
  end
  local code = code_of(c)
  for _, span in ipairs(LETTERS) do
    if code >= span[1] and code <= span[2] then
      return true
    end
  end
  return false
end

function text.is_digit(c)
  return find(c, "^[0-9]$") ~= nil
end

--- Do all characters of a text that is not empty pass the test?
function text.all(s, test)
  for _, c in ipairs(chars(s)) do
    if not test(c) then
      return false
    end
  end
  return s ~= ""
end

--- str.isupper and str.islower: there are letters of this case, and none of the other.
local function only(wanted, other)
  return function(s)
    local any = false
    for _, c in ipairs(chars(s)) do
      if other[c] and not wanted[c] then
        return false
      end
      any = any or wanted[c] ~= nil
    end
    return any
  end
end

text.is_upper = only(LOWER, UPPER)
text.is_lower = only(UPPER, LOWER)

--- Words as the regular expression \w+ finds them.
function text.words(s)
  local n, inside = 0, false
  for _, c in ipairs(chars(s)) do
    local word = c == "_" or text.is_digit(c) or text.is_letter(c)
    n = n + (word and not inside and 1 or 0)
    inside = word
  end
  return n
end

-- Not printable, so that repr escapes them: controls, separators, marks of direction, private
-- use. What Unicode has not assigned is taken for printable.
local HIDDEN = {
  {0, 31}, {127, 160}, {0xAD, 0xAD}, {0x600, 0x605}, {0x61C, 0x61C}, {0x1680, 0x1680},
  {0x180E, 0x180E}, {0x2000, 0x200F}, {0x2028, 0x202F}, {0x205F, 0x206F}, {0x3000, 0x3000},
  {0xD800, 0xF8FF}, {0xFEFF, 0xFEFF}, {0xFFF0, 0xFFFB}, {0xFFFE, 0xFFFF}, {0xE0000, 0x10FFFF},
}

local SHORT = {["\n"] = "\\n", ["\r"] = "\\r", ["\t"] = "\\t", ["\\"] = "\\\\"}

local function escaped(c)
  if SHORT[c] then
    return SHORT[c]
  end
  local code = code_of(c)
  for _, span in ipairs(HIDDEN) do
    if code >= span[1] and code <= span[2] then
      return string.format(code < 256 and "\\x%02x" or code < 65536 and "\\u%04x" or "\\U%08x",
        code)
    end
  end
  return c
end

--- repr of a string: in single quotes unless double ones save escaping.
function text.repr(s)
  local quote = find(s, "'", 1, true) and not find(s, '"', 1, true) and '"' or "'"
  if find(s, "[^ -~]") or find(s, "\\", 1, true) then
    local list = chars(s)
    for i, c in ipairs(list) do
      list[i] = escaped(c)
    end
    s = table.concat(list)
  end
  if quote == "'" then
    s = s:gsub("'", "\\'")
  end
  return quote .. s .. quote
end

return text
