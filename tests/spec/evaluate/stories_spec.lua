-- Metrics of stories, each against the most naive way to compute it.
local helper = require "tests.spec.helper"
local evaluate = require "lull.evaluate"
local bleu = require "lull.evaluate.bleu"
local compression = require "lull.evaluate.compression"
local duplicates = require "lull.evaluate.duplicates"
local inflections = require "lull.evaluate.inflections"
local json = require "lull.json"
local lull = require "lull"
local words = require "lull.evaluate.words"

local function near(wanted, got, tolerance)
  assert.is_true(got ~= nil and math.abs(wanted - got) <= (tolerance or 1e-12),
    ("%.15g wanted, got %s"):format(wanted, tostring(got)))
end

-- Random texts of few words, so that much repeats; the same every time.
local function random_text(seed, length, vocabulary)
  local list = {}
  for i = 1, length do
    list[i] = "w" .. string.char(97 + math.floor(lull.random(seed, 0, i) * vocabulary))
  end
  return table.concat(list, " ")
end

local function grams(list, n)
  local found = {}
  for i = 1, #list - n + 1 do
    found[i] = table.concat(list, " ", i, i + n - 1)
  end
  return found
end

local function counts(list)
  local found = {}
  for _, item in ipairs(list) do
    found[item] = (found[item] or 0) + 1
  end
  return found
end

local function size(set)
  local n = 0
  for _ in pairs(set) do
    n = n + 1
  end
  return n
end

describe("words", function()
  it("are letters with apostrophes, in small letters", function()
    assert.are.same({"don't", "stop", "he", "said", "caf\195\169s", "it's"},
      words.of("\226\128\156Don't STOP,\226\128\157 he said\226\128\148caf\195\169s; "
        .. "'it\226\128\153s'!"))
    assert.are.same({}, words.of " 12 -- ... ")
  end)

  it("have n-grams in any vocabulary", function()
    for _, count in ipairs {3, 2 ^ 20} do
      local list = words.grams({1, 2, 3, 1, 2, 3}, 4, count)
      assert.are.equal(3, #list)
      assert.are.equal(3, size(counts(list)))
      list = words.grams({1, 2, 1, 2, 1}, 2, count)
      assert.are.equal(2, size(counts(list)))
    end
  end)

  it("have a longest span that comes twice", function()
    local function naive(ids, apart)
      for length = #ids - 1, 1, -1 do
        for i = 1, #ids - length do
          for j = i + (apart and length or 1), #ids - length + 1 do
            local same = true
            for k = 0, length - 1 do
              same = same and ids[i + k] == ids[j + k]
            end
            if same then
              return length
            end
          end
        end
      end
      return 0
    end
    for seed = 1, 60 do
      local ids = words.numbered {words.of(random_text(seed, 1 + seed % 40, 2 + seed % 9))}
      for _, apart in ipairs {true, false} do
        local length, i, j = words.longest_repeat(ids[1], apart)
        assert.are.equal(naive(ids[1], apart), length)
        for k = 0, length - 1 do
          assert.are.equal(ids[1][i + k], ids[1][j + k])
        end
        assert.is_true(length == 0 or j - i >= (apart and length or 1))
      end
    end
    assert.are.equal(0, (words.longest_repeat {}))
    local long = {}
    for i = 1, 20000 do
      long[i] = i % 5000
    end
    assert.are.equal(10000, (words.longest_repeat(long, true)))
  end)
end)

describe("self-BLEU", function()
  -- Every pair of texts, as the paper has it.
  local function naive(texts)
    local mean = 0
    for i, text in ipairs(texts) do
      local log_sum = 0
      for n = 1, 4 do
        local own, matched = counts(grams(text, n)), 0
        for gram, count in pairs(own) do
          local most = 0
          for j, other in ipairs(texts) do
            if j ~= i then
              most = math.max(most, counts(grams(other, n))[gram] or 0)
            end
          end
          matched = matched + math.min(count, most)
        end
        log_sum = log_sum + math.log((matched > 0 and matched or 0.1)
          / math.max(1, #text - n + 1)) / 4
      end
      local nearest
      for j, other in ipairs(texts) do
        if j ~= i and (not nearest or math.abs(#other - #text) < math.abs(nearest - #text)
            or (math.abs(#other - #text) == math.abs(nearest - #text) and #other < nearest)) then
          nearest = #other
        end
      end
      local brevity = #text < nearest and math.exp(1 - nearest / #text) or 1
      mean = mean + brevity * math.exp(log_sum) / #texts
    end
    return mean
  end

  it("is the mean BLEU of each text against the others", function()
    for seed = 1, 8 do
      local texts = {}
      for i = 1, 6 do
        texts[i] = words.of(random_text(seed * 100 + i, 5 + (i * seed) % 17, 4))
      end
      local ids, count = words.numbered(texts)
      near(naive(texts), bleu.self(ids, count), 1e-12)
    end
  end)

  it("is 1 for equal texts and nothing for one", function()
    local ids, count = words.numbered {words.of "a b c d e", words.of "a b c d e"}
    near(1, bleu.self(ids, count))
    assert.is_nil(bleu.self({ids[1]}, count))
  end)
end)

describe("compression", function()
  it("is nearly what gzip makes of it", function()
    for _, path in ipairs {"README.md", "core/lull.h", "scripts/lull/options.lua"} do
      local code, out = helper.shell("gzip -9 -c < " .. path .. " | wc -c")
      assert.are.equal(0, code)
      local size_of = compression.size(helper.read(path))
      assert.is_true(math.abs(size_of / tonumber(out) - 1) < 0.06, path .. " " .. size_of)
    end
  end)

  it("sees what repeats", function()
    assert.is_nil(compression.ratio "")
    assert.is_true(compression.ratio(("the cat sat "):rep(200)) > 40)
    local noise = {}
    for i = 1, 2000 do
      noise[i] = string.char(math.floor(lull.random(1, 1, i) * 256))
    end
    near(1, compression.ratio(table.concat(noise)), 0.08)
  end)
end)

describe("duplicates", function()
  local base = words.of(random_text(7, 150, 20))

  local function changed(list, places)
    local copy = {}
    for i, word in ipairs(list) do
      copy[i] = word
    end
    for i = 1, places do
      copy[i * 20] = "changed"
    end
    return copy
  end

  it("are found word for word", function()
    assert.are.same({[3] = 1}, duplicates.exact {base, changed(base, 1), changed(base, 0)})
  end)

  it("are found nearly, as comparing all pairs finds them", function()
    local lists = {base}
    for i = 1, 7 do
      lists[#lists + 1] = changed(base, i)
    end
    for seed = 1, 20 do
      lists[#lists + 1] = words.of(random_text(50 + seed, 120, 20))
    end
    lists[#lists + 1] = words.of "short one"
    lists[#lists + 1] = words.of "short one"
    local function naive(threshold)
      local found = {}
      for i, list in ipairs(lists) do
        for j = 1, i - 1 do
          local a, b = counts(grams(list, math.min(5, #list))),
            counts(grams(lists[j], math.min(5, #lists[j])))
          local both = 0
          for gram in pairs(a) do
            both = both + (b[gram] and 1 or 0)
          end
          local similarity = both / (size(a) + size(b) - both)
          if similarity >= threshold and not found[j] and not found[i] then
            found[i] = {first = j, similarity = similarity}
          end
        end
      end
      return found
    end
    for _, threshold in ipairs {0.9, 0.7, 0.6} do
      assert.are.same(naive(threshold), duplicates.near(lists, threshold))
    end
  end)
end)

describe("inflected forms", function()
  it("belong to their words", function()
    local set = {}
    for word in ("stop carry make big run child be do lie happy dog wish box go"):gmatch "%a+" do
      set[word] = true
    end
    for word in ("stopped stopping carried carries making made bigger biggest ran running children "
      .. "was don't lay lain happily dogs dog's wishes boxes goes went stop"):gmatch "%S+" do
      assert.is_true(inflections.belongs(word, set), word)
    end
    for word in ("xylophone sto carr chil beast dogma"):gmatch "%S+" do
      assert.is_false(inflections.belongs(word, set), word)
    end
  end)
end)

describe("stories", function()
  it("by hand", function()
    local r = evaluate.stories({
      {text = "The cat sat. The cat sat.", finish_reason = "stop", required = {"sit", "dog"}},
      {text = "The cat said \"hi\"", finish_reason = "length", required = {"cat"}},
      {text = "the CAT sat, the cat sat!", finish_reason = "stop"},
    }, {vocabulary = {the = true, cat = true, sit = true}})
    assert.are.equal(3, r.stories)
    assert.are.equal(16, r.words)
    -- the cat sat the cat sat / the cat said hi / the cat sat the cat sat
    near(5 / 16, r.distinct_1)
    near(5 / 13, r.distinct_2) -- the-cat cat-sat sat-the cat-said said-hi
    near(5 / 10, r.distinct_3) -- tcs cst stc tcs | tcs' csh | ...
    near(0, r.repetition_4.value)
    near((3 + 0 + 3) / 3, r.longest_repeat.value)
    assert.are.same({words = 3, story = 1, text = "the cat sat"}, r.longest)
    near(1 / 3, r.duplicates)
    near(2 / 3, r.ended.value)
    near(2 / 3, r.ended_in_sentence.value)
    near(2 / 17 / 3, r.dialogue.value)
    near((0.5 + 1) / 2, r.required.value)
    near(0.5, r.all_required.value)
    near(2 / 16, r.outside_vocabulary)
    assert.are.same({{text = "hi", count = 1}, {text = "said", count = 1}}, r.strange)
    assert.are.equal(2, r.different_openings)
    assert.are.same({text = "the cat sat", count = 2, share = 2 / 3}, r.openings[1])
  end)

  it("of distinct n-grams and repetition, the naive way", function()
    local list, seen, total, rates = {}, {}, 0, {}
    for seed = 1, 12 do
      local text = random_text(seed, 30 + seed, 3)
      list[seed] = {text = text}
      local own = grams(words.of(text), 4)
      rates[seed] = 1 - size(counts(own)) / #own
      for _, gram in ipairs(grams(words.of(text), 3)) do
        seen[gram], total = true, total + 1
      end
    end
    local r = evaluate.stories(list)
    near(size(seen) / total, r.distinct_3)
    local mean = 0
    for _, rate in ipairs(rates) do
      mean = mean + rate / #rates
    end
    near(mean, r.repetition_4.value)
  end)

  it("end in a sentence, whatever closes it", function()
    local ends = require("lull.evaluate.stories").ends_in_sentence
    for _, text in ipairs {"He ran.", "He ran!\n", "\"He ran?\"", "He ran\226\128\166",
      "\226\128\156He ran.\226\128\157", "(He ran.)"} do
      assert.is_true(ends(text), text)
    end
    for _, text in ipairs {"", "He ran", "He ran,", "\"He ran\"", "He. ran"} do
      assert.is_false(ends(text), text)
    end
  end)

  it("of nothing and of little are no error", function()
    for _, list in ipairs {{}, {{text = ""}}, {{text = "."}, {text = "a"}}} do
      local r = evaluate.stories(list, {vocabulary = {}})
      assert.are.equal(#list, r.stories)
      assert.is_truthy(json.encode(r))
    end
    assert.has_error(function() evaluate.stories({}, {vocabluary = {}}) end)
  end)

  it("have a list of words to keep to", function()
    local children = evaluate.children()
    assert.is_true(size(children) >= 1500 and size(children) < 2500)
    assert.is_true(children.dog and children.happy and children.lily)
    local r = evaluate.stories({{text = "The happy dogs were running to the park."}},
      {vocabulary = children})
    assert.are.equal(0, r.outside_vocabulary)
  end)
end)

describe("files of stories", function()
  after_each(helper.clean)

  local function read(text, given)
    return evaluate.read_stories(helper.write(helper.scratch(), text), given)
  end

  it("are what lull batch writes, other JSON lines or plain text", function()
    assert.are.same({
      {id = "a", text = "One.", finish_reason = "stop", required = {"run", "red", "old"}},
      {id = "c", text = "Two.", finish_reason = "length", required = {}},
    }, read([[{"id":"a","text":"One.","labels":{"verb":"run","adjective":["red","old"],"n":1},]]
      .. [["finish_reason":"stop"}]] .. "\n" .. [[{"id":"b","error":{"line":2}}]] .. "\n"
      .. [[{"id":"c","text":"Two.","finish_reason":"length"}]],
      {labels = {"verb", "adjective"}}))
    assert.are.same({{id = "x", text = "Hi. Yes.", finish_reason = "stop"}},
      read([[{"id":"x","prompt":"Hi.","text":" Yes.","finish_reason":"stop"}]],
        {with_prompt = true}))
    local list = read([[{"custom_id":"q","response":{"body":{"choices":[{"index":0,"message":]]
      .. [[{"content":"Told."},"finish_reason":"length"}],"lull":{"finish_reason":"stop"}}}}]])
    assert.are.equal("Told.", list[1].text)
    assert.are.equal("stop", list[1].finish_reason)
    assert.are.equal(2, #assert(read "one\n<|endoftext|>\ntwo"))
  end)

  it("are told where they are wrong", function()
    for _, case in ipairs {
      {"{\"text\":\"a\"}\n{\"text\":3}", ":2: field 'text': a string expected, got 3"},
      {"{\"text\":\"a\"}\n{\"text\":", ":2: no JSON"}, {"{\"id\":1,\"error\":{}}", "no story"},
      {"", "no story"},
    } do
      local none, message, code = read(case[1])
      assert.is_nil(none)
      assert.matches(case[2], message)
      assert.are.equal("EFORMAT", code)
    end
  end)
end)
