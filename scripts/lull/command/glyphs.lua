--- Text as it can be shown: whole characters, how wide they are, and what stands for those that
-- must not reach a terminal.
-- @module lull.command.glyphs
local utf8 = require "lull.utf8"

local glyphs = {}

local LEAD_MODULUS = {128, 32, 16, 8} -- of the first byte, by the character's length

local function code_point(text, i, length)
  local code = text:byte(i) % LEAD_MODULUS[length]
  for k = i + 1, i + length - 1 do
    code = code * 64 + text:byte(k) % 64
  end
  return code
end

local function within(ranges, code)
  for i = 1, #ranges, 2 do
    if code >= ranges[i] and code <= ranges[i + 1] then
      return true
    end
  end
  return false
end

-- What a terminal would obey rather than show: C0 and C1 controls, marks that turn the direction
-- of writing, line separators; and what would not be seen at all.
local UNSAFE = {
  0, 0x1F, 0x7F, 0x9F, 0xAD, 0xAD, 0x61C, 0x61C, 0x180E, 0x180E, 0x200B, 0x200F, 0x2028, 0x202E,
  0x2060, 0x206F, 0xFE00, 0xFE0F, 0xFEFF, 0xFEFF, 0xFFF0, 0xFFFB, 0xE0000, 0xE0FFF,
}
-- No columns of their own: marks on the character before.
local MARKS = {
  0x300, 0x36F, 0x483, 0x489, 0x591, 0x5BD, 0x610, 0x61A, 0x64B, 0x65F, 0x93C, 0x93C, 0x94D, 0x94D,
  0xE31, 0xE31, 0xE34, 0xE3A, 0xE47, 0xE4E, 0x1AB0, 0x1AFF, 0x1DC0, 0x1DFF, 0x20D0, 0x20FF,
  0x3099, 0x309A, 0xFE20, 0xFE2F,
}
-- Two columns each: East Asian characters and emoji.
local WIDE = {
  0x1100, 0x115F, 0x231A, 0x231B, 0x23E9, 0x23EC, 0x25FD, 0x25FE, 0x2614, 0x2615, 0x2648, 0x2653,
  0x26AA, 0x26AB, 0x26BD, 0x26BE, 0x26C4, 0x26C5, 0x2705, 0x2705, 0x270A, 0x270B, 0x2728, 0x2728,
  0x2753, 0x2755, 0x2795, 0x2797, 0x2B1B, 0x2B1C, 0x2B50, 0x2B50, 0x2E80, 0x303E, 0x3041, 0x33FF,
  0x3400, 0x4DBF, 0x4E00, 0x9FFF, 0xA000, 0xA4CF, 0xA960, 0xA97F, 0xAC00, 0xD7A3, 0xF900, 0xFAFF,
  0xFE30, 0xFE6F, 0xFF01, 0xFF60, 0xFFE0, 0xFFE6, 0x16FE0, 0x1B2FF, 0x1F004, 0x1F004,
  0x1F0CF, 0x1F0CF, 0x1F18E, 0x1F18E, 0x1F191, 0x1F19A, 0x1F200, 0x1F64F, 0x1F680, 0x1F6FF,
  0x1F7E0, 0x1F7EB, 0x1F900, 0x1FAFF, 0x20000, 0x3FFFD,
}

local NAMES = {["\n"] = "↵", ["\r"] = "\\r", ["\t"] = "\\t"}

--- The characters of a text as a terminal may have them: a list of {shown, width in columns, length
-- in bytes}. A byte that is no UTF-8 is shown as \xE9, a control character as \x1B or \u{202E}, and
-- a line end as an arrow.
function glyphs.list(text)
  local list, i = {}, 1
  while i <= #text do
    local length = utf8.length(text, i)
    local shown = text:sub(i, i + (length or 1) - 1)
    local code = length and code_point(text, i, length)
    if not code or within(UNSAFE, code) then
      local width
      if NAMES[shown] then
        width = shown == "\n" and 1 or 2
      end
      shown = NAMES[shown]
        or string.format((code or 0) >= 0x80 and "\\u{%X}" or "\\x%02X", code or shown:byte())
      list[#list + 1] = {shown, width or #shown, length or 1}
    else
      list[#list + 1] =
        {shown, within(MARKS, code) and 0 or within(WIDE, code) and 2 or 1, length}
    end
    i = i + (length or 1)
  end
  return list
end

local ELLIPSIS = "…"

local function shown(list, columns)
  local total = 0
  for _, glyph in ipairs(list) do
    total = total + glyph[2]
  end
  local out, width = {}, 0
  for _, glyph in ipairs(list) do
    if columns and total > columns and width + glyph[2] > columns - 1 then
      return table.concat(out) .. ELLIPSIS, width + 1
    end
    out[#out + 1], width = glyph[1], width + glyph[2]
  end
  return table.concat(out), width
end

--- A text as a terminal may have it, cut where it is wider than so many columns.
-- @return what to print, and its width
function glyphs.show(text, columns)
  return shown(glyphs.list(text), columns)
end

--- The same for a piece of a text, in which blanks count: at its ends they are visible.
function glyphs.show_piece(piece, columns)
  local list = glyphs.list(piece)
  if #list == 0 then
    return '""', 2
  end
  local function mark(i)
    if list[i][1] == " " then
      list[i][1] = "␣"
    end
  end
  mark(1)
  mark(#list)
  return shown(list, columns)
end

return glyphs
