-- How far two settings are apart: against the definition, and the bits of q8 that are the same.
local helper = require "tests.spec.helper"
local lull = require "lull"
local evaluate = require "lull.evaluate"
local likelihood = require "lull.evaluate.likelihood"

local model = helper.model()
local TEXTS = {
  "Once upon a time, there was a little girl named Lily. She liked to play in the park.",
  "Tom had a big red ball.",
}

local function near(wanted, got, tolerance)
  assert.is_true(math.abs(wanted - got) <= (tolerance or 1e-6) * math.max(1, math.abs(wanted)),
    ("%.9g wanted, got %.9g"):format(wanted, got))
end

describe("kl", function()
  local small

  setup(function()
    small = assert(lull.load(helper.model_path, {precision = "q4", cache = false}))
  end)

  teardown(function() small:close() end)

  -- Token by token, over the whole vocabulary, in Lua.
  local function reference(texts, length)
    local list = {}
    local a, b = assert(model:context {length = length}), assert(small:context {length = length})
    for _, text in ipairs(texts) do
      local ids, first = likelihood.text(model, text)
      for _, window in ipairs(likelihood.windows(ids, first, length, 1)) do
        local s, t = assert(a:sequence()), assert(b:sequence())
        s:feed(window.context)
        t:feed(window.context)
        for _, id in ipairs(window.predicted) do
          assert(a:step())
          assert(b:step())
          local p, q, sum = s:logits(), t:logits(), 0
          for token = 0, model:vocab_size() - 1 do
            local lp = p:logprob(token)
            sum = sum + math.exp(lp) * (lp - q:logprob(token))
          end
          list[#list + 1] = {kl = sum, a = p:logprob(id), b = q:logprob(id),
            same = p:argmax() == q:argmax()}
          if #s < length then
            s:feed(id)
            t:feed(id)
          end
        end
        s:close()
        t:close()
      end
    end
    a:close()
    b:close()
    return list
  end

  for _, length in ipairs {512, 8} do
    it("is its definition, in windows of " .. length, function()
      local seen = {}
      local result = assert(evaluate.kl(model, small, TEXTS, {
        length = length, each = function(token) seen[#seen + 1] = token end,
      }))
      local wanted = reference(TEXTS, length)
      assert.are.equal(#wanted, result.tokens)
      local sums = {kl = 0, a = 0, b = 0, same = 0, d = 0, d2 = 0}
      local largest = 0
      for i, token in ipairs(wanted) do
        near(token.kl, seen[i].kl, 1e-6)
        near(token.a, seen[i].a, 1e-12)
        near(token.b, seen[i].b, 1e-12)
        assert.are.equal(token.same, seen[i].same)
        largest = math.max(largest, token.kl)
        sums.kl, sums.a, sums.b = sums.kl + token.kl, sums.a + token.a, sums.b + token.b
        sums.same = sums.same + (token.same and 1 or 0)
        local d = token.b - token.a
        sums.d, sums.d2 = sums.d + d, sums.d2 + d * d
      end
      local n = #wanted
      near(sums.kl / n, result.kl.value)
      near(largest, result.maximum)
      near(sums.same / n, result.same_top.value)
      near(math.exp(-sums.a / n), result.perplexity_a.value)
      near(math.exp(-sums.b / n), result.perplexity_b.value)
      local ratio = math.exp(-sums.d / n)
      near(ratio, result.ratio.value)
      near(ratio * math.sqrt((sums.d2 / n - (sums.d / n) ^ 2) / (n - 1)), result.ratio.stderr)
      assert.are.equal("median", result.quantiles[1][1])
      assert.is_true(result.quantiles[1][2] <= result.quantiles[2][2])
    end)
  end

  it("is nothing between kernels, threads and chunks of a quantised model", function()
    local result = assert(evaluate.kl(model, model, TEXTS,
      {a = {cpu = "portable"}, b = {threads = 2}}))
    assert.are.equal(0, result.kl.value)
    assert.are.equal(0, result.maximum)
    assert.are.equal(1, result.same_top.value)
    assert.are.equal(1, result.ratio.value)
    local some = assert(evaluate.kl(model, small, TEXTS, {b = {kv = "f32"}, limit = 5}))
    assert.are.equal(5, some.tokens)
    assert.is_true(some.kl.value > 0)
  end)

  it("has the perplexity that the task has", function()
    local result = assert(evaluate.kl(model, small, TEXTS))
    local docs = {{id = "1", text = TEXTS[1]}, {id = "2", text = TEXTS[2]}}
    local run = assert(evaluate.run(model, "perplexity", docs))
    for _, metric in ipairs(run.tasks[1].metrics) do
      if metric.name == "token_perplexity" then
        near(metric.value, result.perplexity_a.value, 1e-7)
      end
    end
  end)

  it("refuses what cannot be compared", function()
    local none, message, code = evaluate.kl(model, small, {""})
    assert.is_nil(none)
    assert.matches("no text", message)
    assert.are.equal("EINVAL", code)
    assert.has_error(function() evaluate.kl(model, small, TEXTS, {overlap = 513}) end)
    assert.has_error(function() evaluate.kl(model, small, TEXTS, {a = {cup = 1}}) end)
    assert.has_error(function() evaluate.kl(model, 3, TEXTS) end)
    local other = helper.shared "stories260K.bin"
    if other then
      local foreign = assert(lull.load(other, {tokenizer = helper.shared "tok512.bin"}))
      none, message = evaluate.kl(model, foreign, TEXTS)
      assert.is_nil(none)
      assert.matches("vocabularies of 2048 and 512", message)
      foreign:close()
    end
  end)
end)
