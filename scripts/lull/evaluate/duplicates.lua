--- Stories that are told twice, word for word or nearly.
-- @module lull.evaluate.duplicates
local core = require "lull.core"

local duplicates = {}

local floor = math.floor
local BINS = 128             -- of a sketch
local BANDS, ROWS = 32, 4    -- of the bins: two sketches meet where all rows of a band agree
local EMPTY_STEP = 2 ^ 40    -- sets what an empty bin borrows apart by how far away it was

-- The set of n-grams of words, by hash: {[number below 2^48] = true}.
local function shingles(list, n)
  local set = {}
  for i = 1, math.max(1, #list - n + 1) do
    local gram = table.concat(list, " ", i, math.min(#list, i + n - 1))
    set[tonumber(core.hash(gram):sub(-12), 16)] = true
  end
  return set
end

-- One permutation MinHash (Li, Owen & Zhang 2012, arXiv:1208.1259): the hashes are dealt to bins,
-- and the least of each bin is kept. Two sets agree in a bin with about their Jaccard similarity.
-- Empty bins take the next one's (Shrivastava & Li 2014, arXiv:1406.4784).
local function sketch(set)
  local bins = {}
  for hash in pairs(set) do
    local bin, value = hash % BINS + 1, floor(hash / BINS)
    if not bins[bin] or value < bins[bin] then
      bins[bin] = value
    end
  end
  local full = {}
  for bin = 1, BINS do
    local distance = 0
    while not bins[(bin + distance - 1) % BINS + 1] and distance < BINS do
      distance = distance + 1
    end
    full[bin] = (bins[(bin + distance - 1) % BINS + 1] or 0) + distance * EMPTY_STEP
  end
  return full
end

local function size(set)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  return n
end

-- Shared hashes / all hashes.
local function jaccard(a, b, size_a, size_b)
  local both = 0
  for hash in pairs(a) do
    if b[hash] then
      both = both + 1
    end
  end
  return both / (size_a + size_b - both)
end

--- Stories of which an earlier one has the same words.
-- @param lists a list of lists of words
-- @return a list: first[i] = the first story with the words of story i, or nil
function duplicates.exact(lists)
  local seen, first = {}, {}
  for i, list in ipairs(lists) do
    local key = table.concat(list, " ")
    if seen[key] then
      first[i] = seen[key]
    else
      seen[key] = i
    end
  end
  return first
end

-- The keys of a sketch's bands.
local function band_keys(bins)
  local keys = {}
  for band = 1, BANDS do
    local from = (band - 1) * ROWS
    keys[band] = band .. ":" .. string.format("%.0f,%.0f,%.0f,%.0f", bins[from + 1],
      bins[from + 2], bins[from + 3], bins[from + 4])
  end
  return keys
end

-- What is in any of the buckets of these keys, ascending.
local function candidates(buckets, keys)
  local list, known = {}, {}
  for _, key in ipairs(keys) do
    for _, j in ipairs(buckets[key] or {}) do
      if not known[j] then
        known[j] = true
        list[#list + 1] = j
      end
    end
  end
  table.sort(list)
  return list
end

--- Stories nearly like an earlier one that is not itself such a story: the Jaccard similarity of
-- their sets of five-grams of words is at least `threshold`. Candidates are found by MinHash in
-- bands (of pairs at the default 0.7 all but some in ten thousand are) and compared exactly.
-- @param lists a list of lists of words
-- @param threshold 0.7
-- @return a list: {first, similarity} for each such story, by its number; nil for others
function duplicates.near(lists, threshold)
  local buckets, sets, sizes, found = {}, {}, {}, {}
  for i, list in ipairs(lists) do
    local set = shingles(list, 5)
    sets[i], sizes[i] = set, size(set)
    local keys = band_keys(sketch(set))
    for _, j in ipairs(candidates(buckets, keys)) do
      local similarity = jaccard(set, sets[j], sizes[i], sizes[j])
      if similarity >= threshold then
        found[i] = {first = j, similarity = similarity}
        break
      end
    end
    for _, key in ipairs(found[i] and {} or keys) do
      local bucket = buckets[key] or {}
      buckets[key] = bucket
      bucket[#bucket + 1] = i
    end
  end
  return found
end

return duplicates
