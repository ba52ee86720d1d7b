-- Contrastive search against its definition.
local helper = require "tests.spec.helper"
local lull = require "lull"
local decode = lull.decode

local model = helper.model()
local PROMPTS = {"One day, Lily", "Tom had a", ""}

local function cosine(a, b)
  local ab, aa, bb = 0, 0, 0
  for i = 1, #a do
    ab, aa, bb = ab + a[i] * b[i], aa + a[i] * a[i], bb + b[i] * b[i]
  end
  return ab / math.sqrt(aa * bb)
end

-- The ids it tells, token by token on one sequence that is taken back.
local function reference(prompt, k, alpha, n)
  local context = assert(model:context {length = 64})
  local seq = assert(context:sequence())
  assert(seq:feed(prompt, {hidden = true}))
  assert(context:step())
  local ids = {}
  while #ids < n do
    local length, best, best_score = #seq, nil, nil
    local candidates = {}
    for id, p in seq:logits():candidates(k) do
      candidates[#candidates + 1] = {id = id, p = p}
    end
    for _, one in ipairs(candidates) do
      assert(seq:feed(one.id, {hidden = true}))
      assert(context:step())
      local hidden, nearest = seq:hidden(), -1
      for i = 1, length do
        nearest = math.max(nearest, cosine(hidden, seq:hidden(i)))
      end
      local score = (1 - alpha) * one.p - alpha * nearest
      if not best or score > best_score then
        best, best_score = one.id, score
      end
      assert(seq:rewind(length))
      assert(context:step())
    end
    if best == model:bos() or best == model:eos() then
      break
    end
    ids[#ids + 1] = best
    assert(seq:feed(best, {hidden = true}))
    assert(context:step())
  end
  context:close()
  return ids
end

describe("contrastive_search", function()
  it("is what it is defined as", function()
    for _, prompt in ipairs(PROMPTS) do
      for _, o in ipairs {{4, 0.6}, {8, 0.3}, {2, 1}} do
        local expected = reference(prompt, o[1], o[2], 16)
        local text, facts = assert(decode.contrastive_search(model, prompt, {
          k = o[1], alpha = o[2], max_tokens = 16,
        }))
        assert.are.same(expected, facts.ids)
        assert.are.equal(#expected, facts.tokens)
        local told = model:decode(expected)
        assert.are.equal(prompt == "" and told:gsub("^ ", "") or told, text)
      end
    end
  end)

  it("is greedy with k = 1 or alpha = 0", function()
    for _, given in ipairs {{k = 1}, {alpha = 0}} do
      given.max_tokens = 30
      assert.are.equal(model:generate("Tom had a", {temperature = 0, max_tokens = 30}),
        (decode.contrastive_search(model, "Tom had a", given)))
    end
  end)

  it("sums log-probabilities, and ends where it should", function()
    local context = assert(model:context {sequences = 8, length = 30})
    local seq = assert(context:sequence())
    assert(seq:feed("Tom had a"))
    local text, facts = assert(decode.contrastive_search(seq, {max_tokens = 12}))
    local sum = 0
    for _, score in ipairs(seq:score(facts.ids)) do
      sum = sum + score
    end
    assert.is_true(math.abs(sum - facts.logprob) < 1e-4)
    assert.are.equal("length", facts.finish_reason)
    local stop = text:sub(9, 12)
    local short, stopped, _ = decode.contrastive_search(seq, {max_tokens = 12, stop = stop})
    assert.are.equal(text:sub(1, text:find(stop, 1, true) - 1), short)
    assert.are.equal(stop, stopped.stop)
    _, stopped = decode.contrastive_search(seq, {stop_ids = {facts.ids[4]}})
    assert.are.equal(facts.ids[4], stopped.stop)
    assert.is_true(#stopped.ids < 4)
    _, stopped = decode.contrastive_search(seq, {})
    assert.are.equal("context", stopped.finish_reason)
    assert.are.equal(30 - #seq, stopped.tokens)
    assert(seq:feed(stopped.ids))
    text, stopped = decode.contrastive_search(seq, {})
    assert.are.equal("", text)
    assert.are.equal("context", stopped.finish_reason)
    context:close()
  end)

  it("uses the hidden states that are there", function()
    local context = assert(model:context {sequences = 8, length = 60})
    local seq = assert(context:sequence())
    assert(seq:feed("Tom had a", {hidden = true}))
    assert(context:step())
    local view = seq:logits()
    local text = assert(decode.contrastive_search(seq, {max_tokens = 12}))
    assert.is_number(view:argmax()) -- it was not taken back
    assert.are.equal(text, (decode.contrastive_search(model, "Tom had a", {max_tokens = 12})))
    context:close()
  end)

  it("has sane limits", function()
    for _, given in ipairs {{k = 0}, {alpha = 1.5}, {alpha = -1}, {beams = 3}} do
      assert.has_error(function() decode.contrastive_search(model, "Tom", given) end)
    end
  end)
end)
