-- Scores of cases small enough to be computed by hand, standard errors, filters.
require "tests.spec.helper"
local evaluate = require "lull.evaluate"
local filters = require "lull.evaluate.filters"
local respond = require "lull.evaluate.respond"
local statistics = require "lull.evaluate.statistics"

local function near(wanted, got, tolerance)
  assert.is_true(got ~= nil and math.abs(wanted - got) <= (tolerance or 1e-12),
    ("%.15g wanted, got %s"):format(wanted, tostring(got)))
end

local function by_name(metrics)
  local list = {}
  for _, metric in ipairs(metrics) do
    list[metric.name] = metric.value
    list[metric.name .. "_stderr"] = metric.stderr
  end
  return list
end

-- The metrics of requests with responses, which are given their hashes.
local function scored(requests, responses, given)
  for i, request in ipairs(requests) do
    request.id, request.task = tostring(i), request.task or "t"
    responses[i].id, responses[i].task = request.id, request.task
  end
  for i, request in ipairs(requests) do
    responses[i].request = respond.hash(request)
  end
  local result = assert(evaluate.score(requests, responses, given))
  return by_name(result.tasks[1].metrics), result
end

describe("multiple choice", function()
  local function question(label, choices)
    return {kind = "multiple_choice", context = "q", continuations = choices, choices = choices,
      label = label, normalized = true}
  end

  it("is scored by sum, characters, bytes and mutual information", function()
    -- Per character: -4/2 = -2, -5/5 = -1, -4.5/2 = -2.25; per byte: -4/2, -5/5, -4.5/6 = -0.75.
    local choices = {"ab", "abcde", "\226\130\172\226\130\172"}
    local logprobs, priors = {-4, -5, -4.5}, {-1, -5.5, -1}
    for label, wanted in ipairs {{1, 0, 0, 0}, {0, 1, 0, 1}, {0, 0, 1, 0}} do
      local got = scored({question(label - 1, choices)},
        {{logprobs = logprobs, unconditional_logprobs = priors}})
      assert.are.same(wanted, {got.acc, got.acc_norm, got.acc_bytes, got.acc_mutual_info})
    end
  end)

  it("takes the first of equals", function()
    assert.are.equal(1, scored({question(0, {"a", "b"})}, {{logprobs = {-1, -1}}}).acc)
    assert.are.equal(0, scored({question(1, {"a", "b"})}, {{logprobs = {-1, -1}}}).acc)
  end)

  it("is a mean with a bootstrapped error", function()
    local requests, responses = {}, {}
    for i = 1, 200 do
      requests[i] = question(i % 4 == 0 and 1 or 0, {"a", "b"})
      responses[i] = {logprobs = {-2, -1}}
    end
    local got, result = scored(requests, responses, {bootstrap = 2000, seed = 3})
    assert.are.equal(0.25, got.acc)
    near(math.sqrt(0.25 * 0.75 / 199), got.acc_stderr, 0.002)
    assert.are.equal(got.acc_stderr, (scored(requests, responses,
      {bootstrap = 2000, seed = 3})).acc_stderr)
    assert.are_not.equal(got.acc_stderr, (scored(requests, responses,
      {bootstrap = 2000, seed = 4})).acc_stderr)
    assert.is_nil(scored(requests, responses, {bootstrap = 0}).acc_stderr)
    assert.are.equal(200, result.tasks[1].n)
    assert.are.equal(1, result.rows[4].acc)
  end)
end)

describe("log-likelihood", function()
  it("gives accuracy and perplexities", function()
    local got = scored({
      {kind = "loglikelihood", context = "a", continuations = {" four"}},
      {kind = "loglikelihood", context = "a", continuations = {" seven77"}},
    }, {
      {logprobs = {-2}, tokens = {1}, greedy = {true}},
      {logprobs = {-4}, tokens = {4}, greedy = {false}},
    })
    assert.are.equal(0.5, got.acc)
    near(math.exp(3), got.perplexity)
    near(math.exp(6 / 5), got.token_perplexity)
    near(6 / 13 / math.log(2), got.bits_per_byte)
  end)

  it("of whole texts is over words, bytes and tokens of all", function()
    local got = scored({
      {kind = "rolling", text = "one two\n three"}, {kind = "rolling", text = "four"},
    }, {{logprob = -8, tokens = 3}, {logprob = -2, tokens = 2}})
    near(math.exp(10 / 4), got.word_perplexity)
    near(math.exp(10 / 18), got.byte_perplexity)
    near(10 / 18 / math.log(2), got.bits_per_byte)
    near(math.exp(2), got.token_perplexity)
    -- Both drawn, one twice, or the other: standard deviation of 1/4 x, 1/2 y, 1/4 z.
    local values = {8 / 14, 10 / 18, 10 / 18, 2 / 4}
    local mean, deviation = statistics.mean(values)
    near(mean, (8 / 14 + 20 / 18 + 2 / 4) / 4)
    near(deviation * math.sqrt(3 / 4) / math.log(2), got.bits_per_byte_stderr, 0.003)
  end)
end)

describe("texts that were told", function()
  local function told(texts, target, given)
    return scored({{kind = "generate", context = "q", target = target}}, {{texts = texts}}, given)
  end

  it("match exactly, or by their words", function()
    assert.are.equal(1, told({"The cat."}, {"a dog", "The cat."}).exact_match)
    assert.are.equal(0, told({"the cat."}, {"The cat."}).exact_match)
    assert.are.equal(1, told({"the cat."}, {"The cat."}, {ignore_case = true}).exact_match)
    assert.are.equal(1, told({"the cat"}, {"A cat!"}).f1)
    near(2 * 2 / (3 + 4), told({"red big cat"}, {"the red cat ran far"}).f1)
    assert.are.equal(0, told({"dog"}, {"cat"}).f1)
    assert.are.equal(0, told({"dog"}, {}).f1)
  end)

  it("go through pipelines, one metric for each", function()
    local got = told({"is 12", "it is 7 or 9", "7"}, {"7"}, {filters = {
      {name = "first", {"pattern", "%d+"}, {"take_first"}},
      {name = "most", {"pattern", "%d+"}, {"majority"}},
    }})
    assert.are.equal(0, got["exact_match,first"])
    assert.are.equal(1, got["exact_match,most"])
  end)

  it("are filtered as the harness filters", function()
    local function apply(pipeline, texts)
      return filters.apply(pipeline, texts)
    end
    local texts = {"a 1 b 2", "none", "#3 x"}
    assert.are.same({"1", "[invalid]", "3"}, apply({{"pattern", "%d"}}, texts))
    assert.are.same({"2", "-", "3"}, apply({{"pattern", "(%d)", select = -1, fallback = "-"}},
      texts))
    assert.are.same({"b", "[invalid]", "[invalid]"},
      apply({{"pattern", "(x*)(%a)", select = 1}}, {"1 b", "2", ""}))
    assert.are.same({"2"}, apply({{"pattern", "%d", select = 2}, {"take_first"}}, texts))
    assert.are.same({"x"}, apply({{"majority"}}, {"y", "x", "x", "y", "x"}))
    assert.are.same({"y"}, apply({{"majority"}}, {"y", "x", "x", "y"}))
    assert.are.same({"ab"}, apply({{"strip"}, {"lowercase"}}, {"  AB\n"}))
    assert.are.same({"AB!"}, apply({function(list) return {list[1] .. "!"} end}, {"AB"}))
    assert.are.same({}, apply({{"majority"}}, {}))
    for _, bad in ipairs {{{"first"}}, {{name = "x", {"frist"}}}, {{name = "x", {"pattern"}}},
      {{name = "x", {"pattern", "("}}}} do
      assert.has_error(function() filters.check(bad) end)
    end
  end)
end)

describe("scores", function()
  it("of one's own are means of one's own", function()
    local got = scored({{kind = "generate", context = "q"}, {kind = "generate", context = "q"}},
      {{texts = {"abc"}}, {texts = {"a"}}}, {
        row = function(_, response)
          return {{"length", #response.texts[1]}, {"text", response.texts[1]}}
        end,
      })
    assert.are.equal(2, got.length)
    assert.is_nil(got.text)
  end)

  it("need every response, to these requests", function()
    local requests = {{id = "1", task = "t", kind = "rolling", text = "a"}}
    local none, message, code = evaluate.score(requests, {})
    assert.is_nil(none)
    assert.matches("no response to request '1' of t", message)
    assert.are.equal("ESTATE", code)
    none, message = evaluate.score(requests, {{id = "1", task = "t", request = "0x0"}})
    assert.is_nil(none)
    assert.matches("another request of that id", message)
    assert.are.same({tasks = {}, rows = {}}, evaluate.score({}, {}))
  end)
end)

describe("statistics", function()
  it("have means, deviations and quantiles as numpy has", function()
    local mean, deviation = statistics.mean {2, 4, 4, 4, 5, 5, 7, 9}
    near(5, mean)
    near(math.sqrt(32 / 7), deviation)
    assert.is_nil(select(2, statistics.mean {3}))
    assert.is_nil(statistics.mean {})
    near(2.5, statistics.quantile({1, 2, 3, 4}, 0.5))
    near(3.7, statistics.quantile({1, 2, 3, 4}, 0.9))
    near(4, statistics.quantile({1, 2, 3, 4}, 1))
    near(1, statistics.quantile({1}, 0.5))
  end)
end)
