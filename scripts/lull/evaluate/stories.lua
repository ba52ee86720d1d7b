--- What can be counted of stories without a model: are they varied, do they repeat themselves, do
-- they end, are their words those that were asked for.
--
--     local r = evaluate.stories {{text = "Once upon a time ..."}, ...}
--     print(r.distinct_2, r.repetition_4.value)
--
-- Plain Lua over texts. Words are those of lull.evaluate.words.
-- @module lull.evaluate.stories
local bleu = require "lull.evaluate.bleu"
local compression = require "lull.evaluate.compression"
local core = require "lull.core"
local duplicates = require "lull.evaluate.duplicates"
local inflections = require "lull.evaluate.inflections"
local options = require "lull.options"
local statistics = require "lull.evaluate.statistics"
local words = require "lull.evaluate.words"

local stories = {}

local sqrt = math.sqrt

-- A mean over stories and its error.
local function estimate(values)
  if #values == 0 then
    return nil
  end
  local mean, deviation = statistics.mean(values)
  return {value = mean, stderr = deviation and deviation / sqrt(#values), n = #values}
end

-------------------------------------------------------------------------------- variety

--- Different n-grams / n-grams, of all stories together (distinct-n: Li et al. 2016,
-- arXiv:1510.03055). It falls with the amount of text, so compare equal amounts.
local function distinct(ids, n, count)
  local seen, different, total = {}, 0, 0
  for _, list in ipairs(ids) do
    for _, gram in ipairs(words.grams(list, n, count)) do
      total = total + 1
      if not seen[gram] then
        seen[gram] = true
        different = different + 1
      end
    end
  end
  return total > 0 and different / total or nil
end

--- Of one story: n-grams that came before in it / n-grams (rep-n: Welleck et al. 2019,
-- arXiv:1908.04319).
local function repetition(list, n, count)
  local rate = distinct({list}, n, count)
  return rate and 1 - rate
end

-- `most` of the stories, chosen by seed, in their order.
local function sample(ids, most, seed)
  local keep, n = {}, #ids
  for i = 1, n do
    keep[i] = i
  end
  for i = 1, math.min(most, n) do
    local k = i + math.floor(core.random(seed, "stories", i, "sample") * (n - i + 1))
    keep[i], keep[k] = keep[k], keep[i]
  end
  local chosen = {}
  for i = 1, math.min(most, n) do
    chosen[i] = keep[i]
  end
  table.sort(chosen)
  for i, k in ipairs(chosen) do
    chosen[i] = ids[k]
  end
  return chosen
end

-------------------------------------------------------------------------------- endings, openings

-- Marks that end a sentence, and what may stand after them.
local ENDS = {".", "!", "?", "\226\128\166"} -- and an ellipsis
local CLOSERS = {'"', "'", ")", "\226\128\157", "\226\128\153"}

local function without_end(text, list)
  for _, mark in ipairs(list) do
    if text:sub(-#mark) == mark then
      return text:sub(1, -#mark - 1)
    end
  end
end

--- Does a text end with a whole sentence?
local function ends_in_sentence(text)
  text = text:match "^(.-)%s*$"
  local shorter = without_end(text, CLOSERS)
  while shorter do
    text, shorter = shorter, without_end(shorter, CLOSERS)
  end
  return without_end(text, ENDS) ~= nil
end

-- The share of a text's bytes inside double quotes.
local function dialogue(text)
  local inside = 0
  text = text:gsub("\226\128[\156\157]", '"')
  for quoted in text:gmatch '"([^"\n]*)"' do
    inside = inside + #quoted
  end
  return #text > 0 and inside / #text or 0
end

-- The most frequent first words: {{text, count, share}, ...}, and how many different there are.
local function openings(lists, n, most)
  local counts, list = {}, {}
  for _, story in ipairs(lists) do
    local key = table.concat(story, " ", 1, math.min(n, #story))
    if not counts[key] then
      list[#list + 1] = key
    end
    counts[key] = (counts[key] or 0) + 1
  end
  table.sort(list, function(a, b)
    if counts[a] ~= counts[b] then
      return counts[a] > counts[b]
    end
    return a < b
  end)
  local top = {}
  for i = 1, math.min(most, #list) do
    top[i] = {text = list[i], count = counts[list[i]], share = counts[list[i]] / #lists}
  end
  return top, #list
end

-------------------------------------------------------------------------------- words asked for

-- The share of words outside a list, and the most frequent of these.
local function outside(lists, vocabulary, most)
  local strange, total, different, counts = 0, 0, {}, {}
  for _, list in ipairs(lists) do
    for _, word in ipairs(list) do
      total = total + 1
      if not inflections.belongs(word, vocabulary) then
        strange = strange + 1
        if not counts[word] then
          different[#different + 1] = word
        end
        counts[word] = (counts[word] or 0) + 1
      end
    end
  end
  table.sort(different, function(a, b)
    if counts[a] ~= counts[b] then
      return counts[a] > counts[b]
    end
    return a < b
  end)
  local top = {}
  for i = 1, math.min(most, #different) do
    top[i] = {text = different[i], count = counts[different[i]]}
  end
  return total > 0 and strange / total or 0, top, #different
end

-- The share of required words that are in a story (an inflected form counts), or nil where none are
-- required.
local function present(list, required)
  if not required or #required == 0 then
    return nil
  end
  local has, found = {}, 0
  for _, word in ipairs(list) do
    for _, form in ipairs(inflections.bases(word)) do
      has[form] = true
    end
  end
  for _, word in ipairs(required) do
    local all = true
    for _, part in ipairs(words.of(word)) do
      local one = false
      for _, form in ipairs(inflections.bases(part)) do
        one = one or has[form]
      end
      all = all and one
    end
    found = found + (all and 1 or 0)
  end
  return found / #required
end

-------------------------------------------------------------------------------- all of them

local RULES = {
  vocabulary = {type = "table"},
  sample = {type = "integer", min = 2, default = 500},
  seed = {type = "integer", min = 0, default = 0},
  near = {type = "number", min = 0.1, max = 1, default = 0.7},
  opening = {type = "integer", min = 1, max = 20, default = 3},
  top = {type = "integer", min = 0, default = 5},
}

local function longest_of(lists, ids)
  local lengths, longest = {}, nil
  for i, list in ipairs(ids) do
    local length, at = words.longest_repeat(list, true)
    lengths[i] = length
    if length > 0 and (not longest or length > longest.words) then
      longest = {words = length, story = i, text = table.concat(lists[i], " ", at,
        at + length - 1)}
    end
  end
  return lengths, longest
end

local function count_of(list)
  local n = 0
  for _ in pairs(list) do
    n = n + 1
  end
  return n
end

local function column(list, value)
  local values = {}
  for i, item in ipairs(list) do
    values[#values + 1] = value(item, i)
  end
  return values
end

--- Count.
-- @param list stories: {text, finish_reason = optional, required = an optional list of words}
-- @param given optional:
--   vocabulary  {word = true}: the words that stories should keep to (inflected forms count)
--   sample      self-BLEU is of so many stories, chosen by seed; 500
--   seed        0
--   near        from this Jaccard similarity of five-grams on a story is nearly another, 0.7
--   opening     words that are an opening, 3
--   top         openings and strange words that are listed, 5
-- @return a table; {value, stderr, n} are means over stories:
--   stories, words, bytes          how many there are
--   length                         words of a story
--   distinct_1, distinct_2, distinct_3   different n-grams / n-grams, of all stories together
--   self_bleu                      BLEU-4 against the others: high where stories are alike
--   repetition_4                   four-grams that were in the story before
--   longest_repeat                 words of the longest span that comes twice in a story;
--   longest = {words, story, text} the longest of all
--   compression                    bytes / bytes compressed, all together; see
--                                  lull.evaluate.compression
--   duplicates, near_duplicates    stories that are an earlier one, word for word or nearly
--   outside_vocabulary             share of words; strange = {{text, count}, ...}, strange_words
--   required                       share of the required words; all_required: of stories with all
--   ended                          finish_reason is "stop"
--   ended_in_sentence              the last sentence is whole
--   dialogue                       share of bytes in quotes
--   openings = {{text, count, share}, ...}, different_openings
function stories.stories(list, given)
  given = options.check("stories", given, RULES)
  local lists, texts, bytes, total = {}, {}, 0, 0
  for i, story in ipairs(list) do
    lists[i], texts[i] = words.of(story.text), story.text
    bytes, total = bytes + #story.text, total + #lists[i]
  end
  local ids, count = words.numbered(lists)
  local lengths, longest = longest_of(lists, ids)
  local n = #list
  local found = {
    stories = n, words = total, bytes = bytes,
    length = estimate(column(lists, function(words_of) return #words_of end)),
    distinct_1 = distinct(ids, 1, count), distinct_2 = distinct(ids, 2, count),
    distinct_3 = distinct(ids, 3, count),
    self_bleu = bleu.self(sample(ids, given.sample, given.seed), count),
    repetition_4 = estimate(column(ids, function(own) return repetition(own, 4, count) end)),
    longest_repeat = estimate(lengths), longest = longest,
    compression = compression.ratio(table.concat(texts, "\n")),
    duplicates = n > 0 and count_of(duplicates.exact(lists)) / n or nil,
    near_duplicates = n > 0 and count_of(duplicates.near(lists, given.near)) / n or nil,
    ended = estimate(column(list, function(story)
      return story.finish_reason and (story.finish_reason == "stop" and 1 or 0)
    end)),
    ended_in_sentence = estimate(column(list, function(story)
      return ends_in_sentence(story.text) and 1 or 0
    end)),
    dialogue = estimate(column(list, function(story) return dialogue(story.text) end)),
    required = estimate(column(list, function(story, i)
      return present(lists[i], story.required)
    end)),
    all_required = estimate(column(list, function(story, i)
      local share = present(lists[i], story.required)
      return share and (share == 1 and 1 or 0)
    end)),
  }
  found.openings, found.different_openings = openings(lists, given.opening, given.top)
  if given.vocabulary then
    found.outside_vocabulary, found.strange, found.strange_words =
      outside(lists, given.vocabulary, given.top)
  end
  return found
end

--- What single metrics are made of, for loops of your own.
stories.distinct = function(list, n)
  local lists = {}
  for i, text in ipairs(list) do
    lists[i] = words.of(text)
  end
  local ids, count = words.numbered(lists)
  return distinct(ids, n, count)
end
stories.repetition = repetition
stories.ends_in_sentence = ends_in_sentence

return stories
