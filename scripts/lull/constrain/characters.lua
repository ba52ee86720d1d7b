--- Sets of characters, as ascending lists of ranges of code points {{first, last}, ...}, and the
-- bytes they are written in.
-- @module lull.constrain.characters
local program = require "lull.constrain.program"

local characters = {}

local char, floor = string.char, math.floor

local LAST = 0x10FFFF
local SURROGATES = {first = 0xD800, last = 0xDFFF} -- no characters: UTF-8 cannot write them

--- The same set with its ranges in order, none touching another.
function characters.normal(ranges)
  local sorted, merged = {}, {}
  for i, range in ipairs(ranges) do
    sorted[i] = range
  end
  table.sort(sorted, function(a, b) return a[1] < b[1] or a[1] == b[1] and a[2] < b[2] end)
  for _, range in ipairs(sorted) do
    local before = merged[#merged]
    if before and range[1] <= before[2] + 1 then
      before[2] = math.max(before[2], range[2])
    else
      merged[#merged + 1] = {range[1], range[2]}
    end
  end
  return merged
end

--- All characters up to `last` (all of Unicode) that are not in a set.
function characters.without(ranges, last)
  local rest, from = {}, 0
  last = last or LAST
  for _, range in ipairs(characters.normal(ranges)) do
    if range[1] > from then
      rest[#rest + 1] = {from, range[1] - 1}
    end
    from = range[2] + 1
  end
  if from <= last then
    rest[#rest + 1] = {from, last}
  end
  return rest
end

--- What is in both sets.
function characters.both(a, b)
  local shared = {}
  for _, x in ipairs(characters.normal(a)) do
    for _, y in ipairs(characters.normal(b)) do
      local first, last = math.max(x[1], y[1]), math.min(x[2], y[2])
      if first <= last then
        shared[#shared + 1] = {first, last}
      end
    end
  end
  return shared
end

--- A code point in UTF-8 (RFC 3629).
function characters.utf8(code)
  if code < 0x80 then
    return char(code)
  elseif code < 0x800 then
    return char(0xC0 + floor(code / 0x40), 0x80 + code % 0x40)
  elseif code < 0x10000 then
    return char(0xE0 + floor(code / 0x1000), 0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
  end
  return char(0xF0 + floor(code / 0x40000), 0x80 + floor(code / 0x1000) % 0x40,
    0x80 + floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

-- What of a lead byte is the character's, by the length in bytes.
local LEAD_SIZE = {128, 32, 16, 8}

--- The character at a place in text: code point and the place behind it, or nil where there is no
-- UTF-8.
function characters.at(text, i)
  local lead = text:byte(i)
  local length = lead < 0x80 and 1 or lead >= 0xF0 and 4 or lead >= 0xE0 and 3 or 2
  local code = lead % LEAD_SIZE[length]
  for k = i + 1, i + length - 1 do
    code = code * 64 + (text:byte(k) or 0) % 64
  end
  if code <= LAST and characters.utf8(code) == text:sub(i, i + length - 1)
    and (code < SURROGATES.first or code > SURROGATES.last) then
    return code, i + length
  end
end

--- Where text stops being UTF-8, or nil.
function characters.invalid(text)
  local at = text:find "[\128-\255]"
  while at do
    local _, behind = characters.at(text, at)
    if not behind then
      return at
    end
    at = text:find("[\128-\255]", behind)
  end
end

--- Where a byte of a text is, for people.
function characters.place(text, at)
  local before = text:sub(1, at - 1)
  local _, lines = before:gsub("\n", "")
  local _, column = before:match("[^\n]*$"):gsub("[^\128-\191]", "")
  return "line " .. lines + 1 .. ", column " .. column + 1
end

local SPLITS = {0x7F, 0x7FF, SURROGATES.first - 1, SURROGATES.last, 0xFFFF}

-- Call add(low, high) for the parts of first..last, all of one length in UTF-8, whose bytes are
-- independent ranges: where the bytes behind the first that differs do not run from 80 to BF, the
-- range is cut.
local function cut(first, last, add)
  local span = 0x40
  while span <= 0x40000 do
    if floor(first / span) ~= floor(last / span) then
      local middle
      if first % span ~= 0 then
        middle = first - first % span + span
      elseif last % span ~= span - 1 then
        middle = last - last % span
      end
      if middle then
        cut(first, middle - 1, add)
        return cut(middle, last, add)
      end
    end
    span = span * 0x40
  end
  add(characters.utf8(first), characters.utf8(last))
end

-- Ranges of bytes, as text, for what comes first and what must come behind that; so that equal
-- ends are one pattern, and what may begin them is one set.
local Tails = {}
Tails.__index = Tails

function Tails:add(low, high)
  local key = low:sub(2) .. high:sub(2)
  if not self.first[key] then
    self.keys[#self.keys + 1] = key
    self.first[key] = {}
  end
  local ranges = self.first[key]
  ranges[#ranges + 1] = {low:byte(), high:byte()}
end

-- The pattern of some first bytes and, behind them, the byte ranges low..high.
function Tails:sequence(first, low, high)
  local bytes = program.bytes(first)
  return low == "" and bytes or program.seq {bytes, self:tail(low, high)}
end

-- One pattern for equal ranges.
function Tails:tail(low, high)
  local key = low .. high
  self.tails[key] = self.tails[key] or program.unit(
    self:sequence({{low:byte(), high:byte()}}, low:sub(2), high:sub(2)))
  return self.tails[key]
end

function Tails:pattern()
  local alternatives = {}
  for i, key in ipairs(self.keys) do
    alternatives[i] = self:sequence(self.first[key], key:sub(1, #key / 2), key:sub(#key / 2 + 1))
  end
  return alternatives[1] and program.alt(alternatives)
end

--- A pattern for one character of a set, in UTF-8; nil when the set has none that UTF-8 can write.
function characters.pattern(ranges)
  local tails = setmetatable({keys = {}, first = {}, tails = {}}, Tails)
  local function add(first, last)
    if first < SURROGATES.first or last > SURROGATES.last then
      cut(first, last, function(low, high)
        tails:add(low, high)
      end)
    end
  end
  for _, range in ipairs(characters.normal(ranges)) do
    local first, last = range[1], range[2]
    for _, split in ipairs(SPLITS) do
      if first <= split and split < last then
        add(first, split)
        first = split + 1
      end
    end
    add(first, last)
  end
  return tails:pattern()
end

--- The same for a set of bytes.
function characters.byte_pattern(ranges)
  return ranges[1] and program.bytes(ranges)
end

return characters
