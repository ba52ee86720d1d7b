--- How far a text can be compressed: an estimate of what gzip makes of it, in plain Lua.
--
-- The text is parsed as deflate does (RFC 1951): at each byte the longest match of 3..258 bytes in
-- the last 32,768, greedily, with one byte of lazy matching; else a literal. The size is what an
-- ideal entropy coder of deflate's two alphabets (literals and lengths; distances) would need, plus
-- the alphabets' extra bits; the tables that gzip has to send are not counted. That is within a few
-- per cent of gzip -9, and neither zlib nor any other library is needed.
-- @module lull.evaluate.compression
local core = require "lull.core"

local compression = {}

local log, floor = core.math.log, math.floor
local LN2 = log(2)
local WINDOW, LONGEST, SHORTEST = 32768, 258, 3
local CHAIN = 64 -- earlier places that are looked at
local BLOCK = 2 ^ 20

-- Deflate's codes: the number of extra bits grows by one every 4 (lengths) or 2 (distances) codes.
local function coder(first, per_step)
  local bases, extras = {}, {}
  local base, extra, span, code = first, 0, 1, 0 -- span: 2 to the power of extra
  local function add(count)
    for _ = 1, count do
      code = code + 1
      bases[code], extras[code] = base, extra
      base = base + span
    end
  end
  add(per_step * 2)
  while base <= WINDOW do
    extra, span = extra + 1, span * 2
    add(per_step)
  end
  return function(value)
    local low, high = 1, code
    while low < high do
      local middle = floor((low + high + 1) / 2)
      if bases[middle] <= value then
        low = middle
      else
        high = middle - 1
      end
    end
    return low, extras[low]
  end
end

local length_code, distance_code = coder(SHORTEST, 4), coder(1, 2)

-- Bits per symbol of counts, times their sum.
local function entropy(counts)
  local total, bits = 0, 0
  for _, count in pairs(counts) do
    total = total + count
  end
  local sorted = {}
  for _, count in pairs(counts) do
    sorted[#sorted + 1] = count
  end
  table.sort(sorted) -- a fixed order of the sum
  for _, count in ipairs(sorted) do
    bits = bits - count * log(count / total) / LN2
  end
  return bits
end

-- The longest match at i: length, distance.
local function longest_match(bytes, i, n, head, previous)
  local best, distance = 0, nil
  local at, steps = head, 0
  local most = n - i + 1
  if most > LONGEST then
    most = LONGEST
  end
  while at and i - at <= WINDOW and steps < CHAIN do
    if bytes[at + best] == bytes[i + best] then
      local length = 0
      while length < most and bytes[at + length] == bytes[i + length] do
        length = length + 1
      end
      if length > best then
        best, distance = length, i - at
        if length == most then
          break
        end
      end
    end
    at, steps = previous[at], steps + 1
  end
  return best, distance
end

-- The bytes that one block would be compressed to.
local function block_size(text)
  local n, bytes = #text, {}
  for from = 1, n, 4096 do
    local part = {text:byte(from, math.min(n, from + 4095))}
    for k = 1, #part do
      bytes[from + k - 1] = part[k]
    end
  end
  local heads, previous = {}, {}
  local symbols, distances, extra_bits = {}, {}, 0
  local function enter(i)
    if i + 2 <= n then
      local key = (bytes[i] * 256 + bytes[i + 1]) * 256 + bytes[i + 2]
      previous[i], heads[key] = heads[key], i
    end
  end
  local function match_at(i)
    if i + 2 > n then
      return 0
    end
    local key = (bytes[i] * 256 + bytes[i + 1]) * 256 + bytes[i + 2]
    return longest_match(bytes, i, n, heads[key], previous)
  end
  local i = 1
  local length, distance = match_at(1)
  while i <= n do
    enter(i)
    local next_length, next_distance = match_at(i + 1)
    if length >= SHORTEST and length >= next_length then
      local code, extra = length_code(length)
      symbols[256 + code] = (symbols[256 + code] or 0) + 1
      extra_bits = extra_bits + extra
      code, extra = distance_code(distance)
      distances[code] = (distances[code] or 0) + 1
      extra_bits = extra_bits + extra
      for k = i + 1, i + length - 1 do
        enter(k)
      end
      i = i + length
      length, distance = match_at(i)
    else
      symbols[bytes[i]] = (symbols[bytes[i]] or 0) + 1
      i, length, distance = i + 1, next_length, next_distance
    end
  end
  return math.ceil((entropy(symbols) + entropy(distances) + extra_bits) / 8)
end

--- The bytes that a text would be compressed to, in blocks of a megabyte, which know nothing of
-- each other: memory for large texts is bounded.
function compression.size(text)
  local size = 0
  for from = 1, #text, BLOCK do
    size = size + block_size(text:sub(from, from + BLOCK - 1))
  end
  return size
end

--- Bytes before / bytes after: about 2.2 for one story, more where it repeats itself (Shaib et al.
-- 2024, arXiv:2403.00553). nil for an empty text.
function compression.ratio(text)
  local size = compression.size(text)
  return size > 0 and #text / size or nil
end

return compression
