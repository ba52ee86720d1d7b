--- BLEU-4 of texts against each other.
-- @module lull.evaluate.bleu
local core = require "lull.core"
local statistics = require "lull.evaluate.statistics"
local words = require "lull.evaluate.words"

local bleu = {}

local exp, log = core.math.exp, core.math.log
local N, EPSILON = 4, 0.1 -- what a precision of no match counts as, over its denominator

-- How often each n-gram comes.
local function counts_of(grams)
  local counts = {}
  for _, gram in ipairs(grams) do
    counts[gram] = (counts[gram] or 0) + 1
  end
  return counts
end

-- For each n-gram the largest count in any text, in which, and the largest in the others: what
-- clips the counts of a text against all others, without looking at each.
local function largest(all)
  local top, where, second = {}, {}, {}
  for i, counts in ipairs(all) do
    for gram, count in pairs(counts) do
      if count > (top[gram] or 0) then
        second[gram], top[gram], where[gram] = top[gram], count, i
      elseif count > (second[gram] or 0) then
        second[gram] = count
      end
    end
  end
  return function(gram, i)
    return (where[gram] == i and second[gram] or where[gram] ~= i and top[gram]) or 0
  end
end

-- The length of another text that is nearest to n; of two, the shorter.
local function nearest_length(lengths, i)
  local best
  for j, length in ipairs(lengths) do
    if j ~= i then
      local distance = math.abs(length - lengths[i])
      local least = best and math.abs(best - lengths[i])
      if not best or distance < least or (distance == least and length < best) then
        best = length
      end
    end
  end
  return best
end

--- The BLEU-4 of each text with all others as references: 1 where it is made of phrases of
-- theirs. Precisions without a match count as 0.1 / their denominator (Chen & Cherry 2014, method
-- 1; NLTK's method1). It grows with the number of texts, so compare equal numbers. Linear in all
-- words, as the two largest counts are kept.
-- @param ids a list of texts as lists of numbers (words.numbered)
-- @param count how many numbers there are
-- @return a list of numbers, which is empty for fewer than two texts
function bleu.each(ids, count)
  if #ids < 2 then
    return {}
  end
  local lengths, sums = {}, {}
  for i, list in ipairs(ids) do
    lengths[i], sums[i] = #list, 0
  end
  for n = 1, N do
    local all = {}
    for i, list in ipairs(ids) do
      all[i] = counts_of(words.grams(list, n, count))
    end
    local clip = largest(all)
    for i, counts in ipairs(all) do
      local matched = 0
      for gram, times in pairs(counts) do
        matched = matched + math.min(times, clip(gram, i))
      end
      local total = math.max(1, lengths[i] - n + 1)
      sums[i] = sums[i] + log(math.max(matched, EPSILON) / total) / N
    end
  end
  local values = {}
  for i in ipairs(ids) do
    local reference = nearest_length(lengths, i)
    local brevity = lengths[i] < reference and 1 - reference / math.max(1, lengths[i]) or 0
    values[i] = exp(sums[i] + brevity)
  end
  return values
end

--- Their mean (self-BLEU: Zhu et al. 2018, arXiv:1802.01886), or nil for fewer than two texts.
function bleu.self(ids, count)
  return (statistics.mean(bleu.each(ids, count)))
end

return bleu
