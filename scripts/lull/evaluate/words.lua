--- Words, n-grams and spans of texts: what the story metrics count.
--
-- A word is a run of letters (bytes above 127 count as letters), with apostrophes inside; small
-- letters of ASCII are made of large ones. Words become numbers, so that n-grams compare fast.
-- @module lull.evaluate.words
local words = {}

--- The words of a text.
function words.of(text)
  local list = {}
  -- U+2019, which typographic text has for apostrophes, and U+2018; U+201C, U+201D and dashes
  -- are no letters.
  text = text:lower():gsub("\226\128[\152\153]", "'"):gsub("\226\128[\144-\191]", " ")
  for word in text:gmatch "[%a\128-\255][%a\128-\255']*" do
    list[#list + 1] = word:gsub("'+$", "")
  end
  return list
end

--- Numbers for words, from 1, the same for the same word in all texts.
-- @param texts a list of lists of words
-- @return a list of lists of numbers, and how many there are
function words.numbered(texts)
  local numbers, count, all = {}, 0, {}
  for i, list in ipairs(texts) do
    local own = {}
    for k, word in ipairs(list) do
      if not numbers[word] then
        count = count + 1
        numbers[word] = count
      end
      own[k] = numbers[word]
    end
    all[i] = own
  end
  return all, count
end

--- The n-grams of a text as one key each: numbers where they fit a double, strings otherwise.
-- @param ids a list of numbers of words
-- @param n 1..
-- @param count how many numbers there are
function words.grams(ids, n, count)
  local list, base, limit = {}, count + 1, 1
  for _ = 1, n do
    limit = limit * base
  end
  local as_number = limit <= 2 ^ 53
  for i = 1, #ids - n + 1 do
    if as_number then
      local key = 0
      for k = i, i + n - 1 do
        key = key * base + ids[k]
      end
      list[i] = key
    else
      list[i] = table.concat(ids, " ", i, i + n - 1)
    end
  end
  return list
end

-- names[i] for spans of length 2k made of names for spans of length k: equal where the spans are.
local function doubled(names, length, n)
  local of_pair, count, new = {}, 0, {}
  local base = n + 1
  for i = 1, n - 2 * length + 1 do
    local key = names[i] * base + names[i + length]
    if not of_pair[key] then
      count = count + 1
      of_pair[key] = count
    end
    new[i] = of_pair[key]
  end
  return new
end

-- The first span of some length that comes twice (and where again), or nil. lengths and names are
-- of the largest power of two that is not longer.
local function repeated(names, power, length, n, apart)
  local seen, base = {}, n + 1
  for i = 1, n - length + 1 do
    local key = names[i] * base + names[i + length - power]
    local first = seen[key]
    if not first then
      seen[key] = i
    elseif not apart or i - first >= length then
      return first, i
    end
  end
end

--- The longest span of words that comes twice in a text. Exact, in O(n log n) (Karp, Miller &
-- Rosenberg 1972): spans of lengths 1, 2, 4, ... get names, equal where the spans are; a span of
-- any length has the pair of names of its first and its last part; the longest repeated length is
-- found by bisection, since what begins a repeated span is repeated.
-- @param ids a list of numbers of words
-- @param apart true: the two must not overlap
-- @return its length (0 where no word comes twice), where it begins, where it comes again
function words.longest_repeat(ids, apart)
  local n = #ids
  local unique = {}
  local first, count = {}, 0
  for i, id in ipairs(ids) do -- names below n + 1, so that pairs fit a double
    if not unique[id] then
      count = count + 1
      unique[id] = count
    end
    first[i] = unique[id]
  end
  local levels, power = {[1] = first}, 1
  local best, at, again = 0, nil, nil
  while power <= n do -- the largest power of two that is repeated
    local i, j = repeated(levels[power], power, power, n, apart)
    if not i then
      break
    end
    best, at, again = power, i, j
    levels[power * 2] = doubled(levels[power], power, n)
    power = power * 2
  end
  if best == 0 then
    return 0
  end
  local low, high = best, math.min(best * 2 - 1, n)
  while low < high do
    local middle = math.ceil((low + high) / 2)
    local i, j = repeated(levels[best], best, middle, n, apart)
    if i then
      low, at, again = middle, i, j
    else
      high = middle - 1
    end
  end
  return low, at, again
end

return words
