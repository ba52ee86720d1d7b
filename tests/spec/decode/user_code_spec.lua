-- A user's code wherever the decode loop calls some: it may yield, which changes nothing, and may
-- raise, which leaves every sequence usable.
local helper = require "tests.spec.helper"
local lull = require "lull"
local decode, sampling = lull.decode, lull.sampling

local model = helper.model()
local PROMPT = "One day, Lily"
local unpack = table.unpack or unpack -- luacheck: ignore 143

-- A function that first calls hit(name).
local function hooked(hit, name, call)
  return function(...)
    hit(name)
    return call(...)
  end
end

-- An object that has each of the named methods of another, hooked.
local function wrapped(hit, kind, object, methods)
  local wrapper = {}
  for _, method in ipairs(methods) do
    wrapper[method] = function(_, ...)
      hit(kind .. " " .. method)
      return object[method](object, ...)
    end
  end
  return wrapper
end

-- With state: how many tokens were accepted. It chooses, unless it is for a search.
local function strategy(hit, searching)
  local count = 0
  local own = {name = "own", selector = not searching}
  function own.apply(_, logits, _, draw)
    logits:temperature(0.8 + count % 3 * 0.1)
    return not searching and logits:sample(draw()) or nil
  end
  function own.accept()
    count = count + 1
  end
  function own.rewind(_, kept)
    count = kept
  end
  function own.reset()
    count = 0
  end
  for _, method in ipairs {"apply", "accept", "rewind", "reset"} do
    own[method] = hooked(hit, "strategy " .. method, own[method])
  end
  own.clone = hooked(hit, "strategy clone", function()
    local copy = strategy(hit, searching)
    for _ = 1, count do
      copy.accept()
    end
    return copy
  end)
  own.close = hooked(hit, "strategy close", function() end)
  return own
end

local LETTERS = lull.constrain.regex "[a-zA-Z ,.]*"

local function constraint(hit)
  return {matcher = function(_, ...)
    hit "constraint matcher"
    return wrapped(hit, "matcher", LETTERS:matcher(...),
      {"allows", "accept", "mask", "complete", "reset"})
  end}
end

local function draft(hit)
  local lookup = decode.draft_lookup {ngram = 1, tokens = 3}
  return {open = function(_, ...)
    hit "draft open"
    local drafter = wrapped(hit, "drafter", lookup:open(...), {"propose"})
    drafter.close = hooked(hit, "drafter close", function() end)
    return drafter
  end}
end

local function bans(hit)
  return {hooked(hit, "ban_phrases", function(text, from)
    return (text:find(" was", from, true))
  end), " the"}
end

-- What is called with a sequence, and with hit(name) in all its user's code.
local CALLS = {
  generate = function(seq, hit)
    return seq:generate {
      seed = 3, max_tokens = 24, sampler = strategy(hit), constraint = constraint(hit),
      draft = draft(hit), ban_phrases = bans(hit),
    }
  end,
  redrawn = function(seq, hit) -- a chain whose draw is repeated under the constraint
    return seq:generate {
      seed = 3, max_tokens = 20, constraint = constraint(hit),
      sampler = {
        decode.guidance {prompt = "A sad day."}, hooked(hit, "stage", function() end),
        sampling.temperature(2), sampling.sample(),
      },
    }
  end,
  best_of = function(seq, hit)
    return decode.best_of(seq, {
      n = 2, seed = 3, max_tokens = 10, sampler = strategy(hit), constraint = constraint(hit),
      ban_phrases = bans(hit), score = hooked(hit, "score", function(text) return #text end),
    })
  end,
  self_consistency = function(seq, hit)
    return decode.self_consistency(seq, {
      n = 2, seed = 3, max_tokens = 6, sampler = strategy(hit), draft = draft(hit),
      answer = hooked(hit, "answer", function(text) return text:match "%a+" end),
    })
  end,
  beam = function(seq, hit)
    return decode.beam(seq, {
      beams = 3, max_tokens = 6, sampler_stages = strategy(hit, true),
    })
  end,
}

local function open()
  local context = assert(model:context {sequences = 6, length = 64})
  local seq = assert(context:sequence())
  assert(seq:feed(PROMPT))
  return context, seq
end

-- Resume until it is dead. What it returned; raises what it raised.
local function run(thread, ...)
  local result = {coroutine.resume(thread, ...)}
  while coroutine.status(thread) ~= "dead" do
    assert(result[1] and result[2] == "mine", result[2])
    result = {coroutine.resume(thread, "answer")}
  end
  assert(result[1], result[2])
  return unpack(result, 2, 3)
end

for name, call in pairs(CALLS) do
  describe("user code in " .. name, function()
    local places, plain, plain_facts, told = {}, nil, nil, nil -- how often where; what is told

    lazy_setup(function()
      local context, seq = open()
      plain, plain_facts = assert(call(seq, function(place)
        places[place] = (places[place] or 0) + 1
      end))
      told = seq:text()
      context:close()
    end)

    it("is called where this test says", function()
      local expected = {
        generate = "strategy apply,strategy accept,strategy rewind,strategy reset,"
          .. "constraint matcher,matcher accept,matcher mask,matcher complete,matcher reset,"
          .. "draft open,drafter propose,drafter close,ban_phrases",
        redrawn = "constraint matcher,matcher allows,matcher accept,matcher mask,stage",
        best_of = "strategy clone,strategy close,score,ban_phrases,matcher accept",
        self_consistency = "strategy clone,draft open,drafter propose,drafter close,answer",
        beam = "strategy apply,strategy accept,strategy clone,strategy close,strategy reset",
      }
      for place in expected[name]:gmatch "[^,]+" do
        assert.is_truthy(places[place], place)
      end
    end)

    it("may yield", function()
      local context, seq = open()
      local yields = 0
      local text, facts = run(coroutine.create(function()
        return call(seq, function()
          yields = yields + 1
          assert(coroutine.yield("mine") == "answer")
        end)
      end))
      assert.is_true(yields > 10)
      assert.are.equal(plain, text)
      assert.are.equal(plain_facts.tokens, facts.tokens)
      assert.are.equal(told, seq:text())
      context:close()
    end)

    it("may raise, at first and later", function()
      for place, count in pairs(places) do
        for _, at in ipairs {1, math.ceil(count / 2)} do
          local context, seq = open()
          local reason, calls = {place}, 0
          local ok, raised = pcall(call, seq, function(here)
            calls = calls + (here == place and 1 or 0)
            if here == place and calls == at then
              error(reason)
            end
          end)
          assert.is_false(ok)
          assert.are.equal(reason, raised)
          local text = seq:text()
          assert.are.equal(PROMPT, text:sub(1, #PROMPT))
          assert(seq:generate {seed = 1, max_tokens = 3})
          assert.are.equal(text, seq:text():sub(1, #text))
          collectgarbage()
          collectgarbage()
          assert.are.equal(1, context:info().open_sequences)
          assert.is_true(seq:rewind(#assert(model:encode(PROMPT, {start = true}))) ~= nil)
          assert.are.equal(plain, (assert(call(seq, function() end))))
          context:close()
        end
      end
    end)
  end)
end
