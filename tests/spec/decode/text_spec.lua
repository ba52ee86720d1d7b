-- The decode loop: stop strings, banned phrases, log-probabilities, drafts, loops, sequences.
local helper = require "tests.spec.helper"
local lull = require "lull"
local chi_square = require "tests.spec.chi_square"

local model = helper.model()
local PROMPT = "Once upon a time"

local function tell(given)
  return assert(model:generate(PROMPT, given))
end

-- All pieces of a stream, and its facts.
local function pieces_of(given)
  local next_piece, facts = assert(model:stream(PROMPT, given))
  local pieces = {}
  local piece = next_piece()
  while piece do
    pieces[#pieces + 1] = piece
    piece = next_piece()
  end
  return pieces, facts
end

describe("stop strings", function()
  it("end the text before the first of them", function()
    for seed = 1, 30 do
      local whole = tell {seed = seed, max_tokens = 80}
      for _, stops in ipairs {{"."}, {" She", " He"}, {"the", "th", "t"}, {"\n\n", ", "}} do
        local text, facts = tell {seed = seed, max_tokens = 80, stop = stops}
        local first, which
        for _, stop in ipairs(stops) do
          local at = whole:find(stop, 1, true)
          if at and (not first or at < first) then
            first, which = at, stop
          end
        end
        assert.are.equal(first and whole:sub(1, first - 1) or whole, text)
        assert.are.equal(which, facts.stop)
        if first then
          assert.are.equal("stop", facts.finish_reason)
        end
        assert.are.equal(text, table.concat((pieces_of {seed = seed, max_tokens = 80,
          stop = stops})))
      end
    end
  end)

  it("may be a single string, and may lie across tokens", function()
    local text = tell {seed = 3, max_tokens = 60}
    local stop = text:sub(20, 34)
    assert.are.equal(text:sub(1, text:find(stop, 1, true) - 1),
      (tell {seed = 3, max_tokens = 60, stop = stop}))
  end)

  it("are never told in part", function()
    local text = tell {seed = 5, max_tokens = 60}
    local stop = text:sub(31, 50)
    local told = ""
    for _, piece in ipairs((pieces_of {seed = 5, max_tokens = 60, stop = stop})) do
      told = told .. piece
      assert.are.equal(text:sub(1, #told), told)
    end
    assert.are.equal(text:sub(1, 30), told)
  end)

  it("that never come leave the text whole", function()
    local text = tell {seed = 5, max_tokens = 60}
    local again, facts = tell {seed = 5, max_tokens = 60, stop = text:sub(-8) .. "#"}
    assert.are.equal(text, again)
    assert.is_nil(facts.stop)
  end)

  it("raise where they are none", function()
    assert.has_error(function() model:generate(PROMPT, {stop = 5}) end)
    assert.has_error(function() model:generate(PROMPT, {stop = {""}}) end,
      "bad option 'stop' (element 1: a string that is not empty expected, got '')")
  end)

  it("may be token ids", function()
    local ids = model:encode(tell {seed = 2, max_tokens = 40}, {start = false})
    local stopped = tell {seed = 2, max_tokens = 40, logprobs = 0}
    local _, facts = tell {seed = 2, max_tokens = 40, logprobs = 0}
    assert.is_true(#ids > 0 and #stopped > 0)
    local id = facts.logprobs[12].id
    local _, ended = tell {seed = 2, max_tokens = 40, stop_ids = {id}, logprobs = 0}
    assert.are.equal("stop", ended.finish_reason)
    assert.are.equal(id, ended.stop)
    for i, entry in ipairs(ended.logprobs) do
      assert.are.equal(facts.logprobs[i].id, entry.id)
      assert.are_not.equal(id, entry.id)
    end
    assert.are.same(facts.logprobs[#ended.logprobs + 1], ended.ending)
  end)
end)

describe("banned phrases", function()
  local function count(text, pattern)
    return select(2, text:gsub(pattern, ""))
  end

  it("never come up, whatever their form", function()
    local before, rewinds = 0, 0
    local forms = {
      [" was a"] = {" was a"},
      ["[Tt]here was"] = {{text = "there was", ignore_case = true}},
      ["%f[%a]%a+y%f[%A]"] = {{pattern = "%f[%a]%a+y%A"}},
      ["said"] = {function(text, from) return (text:find("said", from, true)) end},
    }
    for pattern, phrases in pairs(forms) do
      for seed = 1, 15 do
        local given = {seed = seed, max_tokens = 60}
        before = before + count(tell(given), pattern)
        given.ban_phrases = phrases
        local text, facts = tell(given)
        local checked = text
        if pattern:find("%%f") then
          checked = text:gsub("%a+$", "") -- the last word may still have gone on
        end
        assert.are.equal(0, count(checked, pattern), text)
        rewinds = rewinds + facts.rewinds
        assert.are.equal(text, table.concat((pieces_of(given))))
      end
    end
    assert.is_true(before > 20 and rewinds > 20, before .. " " .. rewinds)
  end)

  it("with LPeg", function()
    local lpeg = require "lpeg"
    local t = lpeg.P " t" * lpeg.R "az"
    for _, pattern in ipairs {t, lpeg.C(t), t * lpeg.Cc(false), t * lpeg.Cc(nil), t ^ 0} do
      local text, facts = tell {seed = 4, max_tokens = 50, ban_phrases = {pattern}}
      assert.is_nil(text:find(" t%l"))
      assert.are.equal("length", facts.finish_reason)
    end
  end)

  it("leave the text before them as it is", function()
    local text = tell {seed = 9, max_tokens = 60}
    local phrase = text:sub(30, 45)
    local other, facts = tell {seed = 9, max_tokens = 60, ban_phrases = {phrase}}
    assert.are.equal(text:sub(1, 20), other:sub(1, 20))
    assert.is_nil(other:find(phrase, 1, true))
    assert.is_true(facts.rewinds > 0)
  end)

  it("draw again from exactly the rest of the distribution", function()
    -- One token, which alone is the phrase: p(x) / (1 - p(banned)) for all others.
    local context = assert(model:context {length = 32})
    local seq = assert(context:sequence())
    assert(seq:feed("One day, a little girl named"))
    assert(context:step())
    local logits, expected = seq:logits(), {}
    local banned = logits:argmax()
    for id, p in logits:ban(banned):candidates(model:vocab_size()) do
      expected[id] = p
    end
    seq:close()
    local counts, n = {}, 2000
    local given = {
      max_tokens = 1, ban_phrases = {model:piece(banned)}, logprobs = 0, context = context,
      sampler = {lull.sampling.sample()},
    }
    for seed = 1, n do
      given.seed = seed
      local _, facts = assert(model:generate("One day, a little girl named", given))
      local id = facts.logprobs[1].id
      counts[id] = (counts[id] or 0) + 1
    end
    assert.is_nil(counts[banned])
    assert.is_true(chi_square.fits(counts, expected, n))
    context:close()
  end)

  it("of several tokens leave every other way on its probability", function()
    -- After f, s is taken back with it, and then another one than f is drawn: p(f) (1 - p(s | f))
    -- for f, and for each other x p(x) + p(f) p(s | f) p(x) / (1 - p(f)).
    local context = assert(model:context {length = 32})
    local seq = assert(context:sequence())
    assert(seq:feed("One day, a little girl named"))
    assert(context:step())
    local expected, f = {}, nil
    for id, p in seq:logits():candidates(model:vocab_size()) do
      f, expected[id] = f or id, p
    end
    assert(seq:feed(f))
    assert(context:step())
    local s, p_s = seq:logits():candidates(1)()
    seq:close()
    local p_f = expected[f]
    local both = p_f * p_s
    for id, p in pairs(expected) do
      expected[id] = id == f and p_f - both or p * (1 + both / (1 - p_f))
    end
    local counts, n, rewinds = {}, 4000, 0
    local given = {
      max_tokens = 2, ban_phrases = {model:piece(f) .. model:piece(s)}, logprobs = 0,
      context = context, sampler = {lull.sampling.sample()},
    }
    for seed = 1, n do
      given.seed = seed
      local _, facts = assert(model:generate("One day, a little girl named", given))
      local id = facts.logprobs[1].id
      counts[id] = (counts[id] or 0) + 1
      rewinds = rewinds + facts.rewinds
    end
    assert.is_true(math.abs(rewinds / n - both) < 0.03, rewinds .. " rewinds")
    assert.is_true(chi_square.fits(counts, expected, n))
    context:close()
  end)

  it("end the text where nothing else is possible, and after too many", function()
    local only = model:encode(" the", {start = false})[1]
    local text, facts = tell {
      seed = 1, ban_phrases = {" the"},
      sampler = function(logits, _, draw) return logits:allow(only):sample(draw()) end,
    }
    assert.are.equal("ban", facts.finish_reason)
    assert.are.equal("", text)
    local ended
    ended, facts = tell {seed = 1, max_tokens = 60, max_rewinds = 1, ban_phrases = {"e"}}
    assert.are.equal("ban", facts.finish_reason)
    assert.is_nil(ended:find("e"))
  end)

  it("raise where they are none", function()
    for _, phrase in ipairs {5, "", {}, {pattern = 5}, {pattern = "%"}, {txt = "x"}, {text = ""},
      {text = "x", pattern = "x"}, {pattern = "x", ignore_case = true}} do
      local ok, message = pcall(function()
        local text = model:generate(PROMPT, {ban_phrases = {phrase}})
        return text
      end)
      assert.is_false(ok)
      assert.is_truthy(message:find("text_spec.lua.*'ban_phrases'"), message)
    end
    for _, list in ipairs {{text = "x"}, "x", {"a", nil, "b"}} do
      assert.has_error(function() model:generate(PROMPT, {ban_phrases = list}) end,
        "bad option 'ban_phrases' to 'generate' (a list of phrases expected, got "
          .. (list == "x" and "'x')" or "a table)"))
    end
    for _, found in ipairs {true, "x", {}} do
      local ok, message = pcall(tell, {ban_phrases = {function() return found end}})
      assert.is_false(ok)
      assert.is_truthy(message:find("a function of 'ban_phrases' returned", 1, true), message)
    end
  end)

  it("do not hide what fails where one was taken back", function()
    local at
    local text, message, code = model:generate(PROMPT, {
      seed = 1, max_tokens = 20, ban_phrases = {" was"},
      sampler = function(logits, seq, draw)
        if at and #seq <= at then
          return nil, "gone", "ECANCELED" -- asked again at an earlier place
        end
        at = #seq
        return logits:sample(draw())
      end,
    })
    assert.is_nil(text)
    assert.are.same({"gone", "ECANCELED"}, {message, code})
  end)
end)

describe("log-probabilities", function()
  it("are those of the raw distribution", function()
    local text, facts = tell {seed = 6, max_tokens = 30, logprobs = 5, temperature = 1.3}
    assert.are.equal(facts.tokens, #facts.logprobs)
    local context = assert(model:context {length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    assert(context:step())
    local told = ""
    for _, entry in ipairs(facts.logprobs) do
      local logits = seq:logits():reset()
      assert.are.equal(logits:logprob(entry.id), entry.logprob)
      local i = 0
      for id in logits:candidates(5) do
        i = i + 1
        assert.are.equal(id, entry.top[i].id)
        assert.are.equal(logits:logprob(id), entry.top[i].logprob)
        assert.are.equal(model:piece(id), entry.top[i].piece)
      end
      assert.are.equal(5, #entry.top)
      told = told .. entry.piece
      assert(seq:feed(entry.id))
      assert(context:step())
    end
    assert.are.equal(text, told)
    context:close()
  end)
end)

describe("drafts", function()
  local decode = lull.decode
  it("change nothing but the number of passes", function()
    local accepted, drafted = 0, 0
    for seed = 1, 12 do
      for _, draft in ipairs {decode.draft_lookup {ngram = 1}, decode.draft_lookup(),
        decode.draft_model(model), decode.draft_model(model, {tokens = 7})} do
        for _, given in ipairs {
          {temperature = seed / 6}, {temperature = 0}, {mine = true},
        } do
          if given.mine then
            given = {sampler = function(logits, seq, draw)
              return logits:penalize(seq, {last = 32, frequency = 0.4}):sample(draw())
            end}
          end
          given.seed, given.max_tokens = seed, 50
          local text, plain = tell(given)
          given.draft = draft
          local drafted_text, facts = tell(given)
          assert.are.equal(text, drafted_text)
          for _, key in ipairs {"tokens", "finish_reason"} do
            assert.are.equal(plain[key], facts[key])
          end
          accepted, drafted = accepted + facts.accepted, drafted + facts.drafted
        end
      end
    end
    assert.is_true(accepted > drafted / 3, accepted .. " of " .. drafted)
  end)

  it("of the model itself are all right", function()
    local _, facts = tell {seed = 3, max_tokens = 41, draft = decode.draft_model(model)}
    assert.are.equal(facts.drafted, facts.accepted)
    assert.is_true(facts.accepted >= 30)
  end)

  it("work with phrases that are taken back", function()
    for seed = 1, 8 do
      local given = {seed = seed, max_tokens = 60, ban_phrases = {" was", " little", "the"}}
      local text = tell(given)
      for _, draft in ipairs {decode.draft_lookup(), decode.draft_model(model)} do
        given.draft = draft
        assert.are.equal(text, (tell(given)))
      end
    end
  end)

  it("refuse what is no model, and a context of another", function()
    local other = assert(lull.load(helper.model_path, {cache = false}))
    local context = assert(other:context {length = 16})
    for message, call in pairs {
      ["bad argument #1 to 'draft_model' (a model expected, got 'x')"] =
        function() decode.draft_model("x") end,
      ["bad option 'context' to 'draft_model' (it belongs to another model)"] =
        function() decode.draft_model(model, {context = context}) end,
      ["unknown option 'ngrams' to 'draft_lookup' (did you mean 'ngram'?)"] =
        function() decode.draft_lookup {ngrams = 1} end,
    } do
      local ok, raised = pcall(call)
      assert.is_false(ok)
      assert.is_truthy(raised:find(message, 1, true), raised)
      assert.is_truthy(raised:find("text_spec", 1, true), raised)
    end
    other:close()
  end)

  it("guess under guidance too, where it has a place for them", function()
    local sampling = lull.sampling
    for places, guesses in pairs {[1] = false, [2] = true} do
      local given = {seed = 3, max_tokens = 30, sampler = {
        decode.guidance {prompt = "A sad day.", sequences = places}, sampling.sample(),
      }}
      local text = tell(given)
      given.draft = decode.draft_model(model)
      local drafted_text, facts = tell(given)
      assert.are.equal(text, drafted_text)
      assert.are.equal(guesses, facts.accepted > 0)
    end
  end)

  it("refuse a model with another vocabulary", function()
    local path = helper.shared("stories260K.bin")
    if not path then
      pending("needs ../shared/models/stories260K.bin")
      return
    end
    local other = assert(lull.load(path, {tokenizer = helper.shared("tok512.bin")}))
    assert.has_error(function()
      model:generate(PROMPT, {draft = decode.draft_model(other)})
    end, "the draft model has 512 tokens and the model 2048; both must have the same vocabulary")
  end)
end)

describe("loops", function()
  it("end a text that repeats itself", function()
    local ids, i = {5, 6, 5, 7}, 0
    local _, facts = tell {loops = {size = 2, count = 4}, max_tokens = 100, sampler = function()
      i = i + 1
      return ids[i] or (i % 2 == 0 and 300 or 301)
    end}
    assert.are.equal("loop", facts.finish_reason)
    assert.are.equal("loop", facts.finish_reason)
    assert.are.equal(4 + 2 * 4, facts.tokens)
  end)

  it("have sane limits", function()
    for _, given in ipairs {{size = 0}, {count = 1}, {sizes = 3}} do
      assert.has_error(function() model:generate(PROMPT, {loops = given}) end)
    end
  end)
end)

describe("max_seconds", function()
  it("ends a text", function()
    local _, facts = tell {max_seconds = 0, seed = 1}
    assert.are.equal("time", facts.finish_reason)
    assert.are.equal(1, facts.tokens)
  end)
end)

describe("sequences", function()
  it("go on from what they hold, again and again", function()
    local whole = tell {seed = 8, max_tokens = 40}
    local context = assert(model:context {length = 128})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local text = ""
    for _, n in ipairs {10, 1, 17, 12} do
      local piece, facts = assert(seq:generate {seed = 8, max_tokens = n})
      assert.are.equal(n, facts.tokens)
      text = text .. piece
    end
    assert.are.equal(whole, text)
    assert.are.equal(#model:encode(PROMPT, {start = true}) + 40, #seq)
    context:close()
  end)

  it("keep what a strategy needs of all tokens, the last one too", function()
    local context = assert(model:context {length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT, {hidden = true}))
    assert(seq:generate {max_tokens = 5, sampler = {
      feed = {hidden = true}, apply = function(_, logits) return logits:argmax() end,
    }})
    assert(context:step())
    for i = 1, #seq do
      assert.is_table(seq:hidden(i))
    end
    context:close()
  end)

  it("stream, and stay usable", function()
    local context = assert(model:context {length = 64, sequences = 2})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local fork = assert(seq:fork())
    local pieces = {}
    for piece in assert(seq:stream {seed = 1, max_tokens = 20}) do
      pieces[#pieces + 1] = piece
    end
    assert.are.equal(table.concat(pieces), (fork:generate {seed = 1, max_tokens = 20}))
    assert.are.same(seq:tokens(), fork:tokens())
    context:close()
  end)

  it("belong to one text at a time", function()
    local context = assert(model:context {length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local next_piece = assert(seq:stream {seed = 1, max_tokens = 20})
    next_piece()
    assert(seq:feed(300))
    assert.has_error(next_piece,
      "the sequence was changed while a text is told on it; fork it first")
    assert(seq:generate {seed = 1, max_tokens = 5})
    context:close()
  end)

  it("stay usable when a strategy raises, wherever", function()
    local context = assert(model:context {length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local whole = seq:text()
    for _, method in ipairs {"apply", "accept", "reset"} do
      local count = 0
      local strategy = {apply = function(_, logits) return logits:argmax() end}
      local plain = strategy[method] or function() end
      strategy[method] = function(...)
        count = count + 1
        if count == (method == "reset" and 1 or 3) then
          error({method})
        end
        return plain(...)
      end
      local ok, raised = pcall(seq.generate, seq, {sampler = strategy, max_tokens = 6})
      assert.is_false(ok)
      assert.are.same({method}, raised)
      assert(seq:generate {max_tokens = 2, seed = 1})
      assert.are.equal(whole, seq:text():sub(1, #whole))
    end
    context:close()
  end)

  it("that are empty raise", function()
    local context = assert(model:context {length = 16})
    local seq = assert(context:sequence())
    assert.has_error(function() seq:generate() end, "'generate' goes on from what the sequence "
      .. "holds, and it is empty; feed it first")
    context:close()
  end)
end)

describe("guesses", function()
  it("are no part of the text", function()
    local context = assert(model:context {length = 12})
    local seq = assert(context:sequence())
    assert.are.equal("ESTATE", select(3, seq:guess(5)))
    assert(seq:feed({1, 300, 301}))
    assert.are.equal(4, seq:guess({302, 303, 304, 305}))
    assert.are.equal(3, #seq)
    assert.are.same({1, 300, 301}, seq:tokens())
    assert(context:step())
    assert.are.equal(0, seq:pending())
    assert(seq:feed(302))
    assert.are.equal(0, seq:pending())
    assert.are.equal(3, seq:guesses())
    local guessed = seq:logits():argmax()
    assert(seq:rewind(4))
    assert.are.equal(0, seq:guesses())
    assert(context:step())
    assert.are.equal(guessed, seq:logits():argmax())
    assert.are.equal(8, seq:guess({1, 1, 1, 1, 1, 1, 1, 1, 1, 1}))
    context:close()
  end)
end)
