--- Which bytes are UTF-8.
-- @module lull.utf8
local utf8 = {}

--- U+FFFD, for bytes that are no UTF-8.
utf8.REPLACEMENT = "\239\191\189"

local byte, find, sub = string.byte, string.find, string.sub

local function continues(value, low, high)
  return value and value >= (low or 0x80) and value <= (high or 0xBF)
end

--- Length of the valid character at byte i, or nil.
function utf8.length(text, i)
  local a, b, c, d = byte(text, i, i + 3)
  if a < 0x80 then
    return 1
  elseif a >= 0xC2 and a <= 0xDF then
    return continues(b) and 2 or nil
  elseif a >= 0xE0 and a <= 0xEF then
    return continues(b, a == 0xE0 and 0xA0, a == 0xED and 0x9F) and continues(c) and 3 or nil
  elseif a >= 0xF0 and a <= 0xF4 then
    return continues(b, a == 0xF0 and 0x90, a == 0xF4 and 0x8F) and continues(c)
      and continues(d) and 4 or nil
  end
end

--- Where the first byte from `from` (1) on stands that belongs to no character, or nil.
function utf8.first_bad(text, from)
  local i = find(text, "[\128-\255]", from)
  while i do
    local length = utf8.length(text, i)
    if not length then
      return i
    end
    i = find(text, "[\128-\255]", i + length)
  end
end

--- The text with U+FFFD in place of each byte that belongs to no character.
function utf8.valid(text)
  local bad, from, parts = utf8.first_bad(text), 1, {}
  while bad do
    parts[#parts + 1] = sub(text, from, bad - 1) .. utf8.REPLACEMENT
    from = bad + 1
    bad = utf8.first_bad(text, from)
  end
  return from == 1 and text or table.concat(parts) .. sub(text, from)
end

return utf8
