-- Choosing among continuations.
local helper = require "tests.spec.helper"
local lull = require "lull"
local decode = lull.decode

local model = helper.model()
local PROMPT = "The dog wagged its tail. It was"
local CHOICES = {" sad", " happy", " very happy to see the ball", {model:eos()}, ".", " angry"}

local function sums(prompt, choices)
  local context = assert(model:context {length = 64})
  local seq = assert(context:sequence())
  assert(seq:feed(prompt))
  local list = {}
  for i, choice in ipairs(choices) do
    local sum = 0
    for _, score in ipairs(seq:score(choice)) do
      sum = sum + score
    end
    list[i] = sum
  end
  context:close()
  return list
end

local function near(expected, actual)
  assert.is_true(math.abs(expected - actual) < 1e-4, expected .. " " .. actual)
end

describe("choose", function()
  it("takes the choice with the best score", function()
    local expected, prior = sums(PROMPT, CHOICES), sums("Well,", CHOICES)
    local scores = {
      sum = function(i) return expected[i] end,
      token = function(i, tokens) return expected[i] / tokens end,
      byte = function(i)
        return expected[i] / math.max(1, type(CHOICES[i]) == "string" and #CHOICES[i] or 0)
      end,
      prior = function(i) return expected[i] - prior[i] end,
    }
    for name, score in pairs(scores) do
      local choice, facts = assert(decode.choose(model, PROMPT, CHOICES, {
        normalize = name, prior = name == "prior" and "Well," or nil,
      }))
      local best, total = 1, 0
      for i in ipairs(CHOICES) do
        near(expected[i], facts.logprobs[i])
        near(score(i, facts.tokens[i]), facts.scores[i])
        best = facts.scores[i] > facts.scores[best] and i or best
        total = total + facts.probabilities[i]
        near(math.exp(facts.scores[i] - facts.scores[1]),
          facts.probabilities[i] / facts.probabilities[1])
      end
      near(1, total)
      assert.are.equal(best, facts.index)
      assert.are.equal(CHOICES[best], choice)
    end
    assert.are.equal(" happy", (decode.choose(model, PROMPT, {" sad", " happy"})))
  end)

  it("gives the same scores with few places, on a sequence, and with many choices", function()
    local choices = {}
    for i = 1, 70 do
      choices[i] = model:decode {300 + i, 301 + i, i % 3 == 0 and 500 or nil}
    end
    local _, expected = assert(decode.choose(model, PROMPT, choices))
    for places = 2, 5 do
      local context = assert(model:context {sequences = places, length = 40})
      local _, facts = assert(decode.choose(model, PROMPT, choices, {context = context}))
      assert.are.same(expected.scores, facts.scores)
      assert.are.equal(0, context:info().open_sequences)
      local seq = assert(context:sequence())
      assert(seq:feed(PROMPT))
      _, facts = assert(decode.choose(seq, choices, {
        normalize = places > 2 and "prior" or "sum", prior = places > 2 and "Well" or nil,
      }))
      assert.are.same(expected.logprobs, facts.logprobs)
      assert.are.equal(1, context:info().open_sequences)
      assert.are.same(model:encode(PROMPT, {start = true}), seq:tokens())
      context:close()
    end
    near(sums(PROMPT, {choices[66]})[1], expected.scores[66])
  end)

  it("takes the first of equals", function()
    local _, facts = decode.choose(model, PROMPT, {" sad", " happy", " happy"})
    assert.are.equal(2, facts.index)
  end)

  it("returns what fails", function()
    local context = assert(model:context {sequences = 1, length = 40})
    local none, message, code = decode.choose(model, PROMPT, {" very happy"}, {context = context})
    assert.is_nil(none)
    assert.is_string(message)
    assert.are.equal("ELIMIT", code)
    assert.are.equal(" sad", (decode.choose(model, PROMPT, {" sad"}, {context = context})))
    none, message, code = decode.choose(model, PROMPT, {(" sad"):rep(50)}, {context = context})
    assert.is_nil(none)
    assert.is_string(message)
    assert.is_string(code)
    assert.are.equal(0, context:info().open_sequences)
    context:close()
  end)

  it("raises for what is no choice", function()
    for message, call in pairs {
      ["bad argument #3 to 'choose' (a list of strings or lists of token ids expected, got nil)"]
        = function() decode.choose(model, PROMPT) end,
      ["bad argument #3 to 'choose' (choice 2: a string or a list of token ids that is not empty"]
        = function() decode.choose(model, PROMPT, {"a", ""}) end,
      ["bad option 'normalize' to 'choose' ('sum' or 'token' or 'byte' or 'prior' expected"]
        = function() decode.choose(model, PROMPT, {"a"}, {normalize = "mean"}) end,
      ["bad option 'prior' to 'choose' (it goes with normalize = 'prior')"]
        = function() decode.choose(model, PROMPT, {"a"}, {prior = "x"}) end,
      ["bad argument #3 to 'choose', choice 1 (token 1: an integer in 0..2047"]
        = function() decode.choose(model, PROMPT, {{5000}}) end,
    } do
      local ok, raised = pcall(call)
      assert.is_false(ok)
      assert.is_truthy(raised:find(message, 1, true), raised)
    end
  end)
end)
