-- How probable continuations are: against seq:score, whatever is shared and however wide.
local helper = require "tests.spec.helper"
local lull = require "lull"
local evaluate = require "lull.evaluate"
local json = require "lull.json"
local likelihood = require "lull.evaluate.likelihood"
local scoring = require "lull.decode.scoring"

local model = helper.model()

local function near(wanted, got, tolerance)
  assert.is_true(math.abs(wanted - got) <= (tolerance or 1e-6) * math.max(1, math.abs(wanted)),
    ("%.9g wanted, got %.9g"):format(wanted, got))
end

local function sum(list)
  local total = 0
  for _, value in ipairs(list) do
    total = total + value
  end
  return total
end

-- log p(continuation | context) by the shortest way there is.
local function direct(before, after)
  local context = assert(model:context {length = 512})
  local seq = assert(context:sequence())
  assert(seq:feed(before))
  assert(context:step())
  local total = sum(assert(seq:score(after)))
  context:close()
  return total
end

describe("scoring", function()
  it("equals seq:score, alone, shared, and after tokens of its own", function()
    local context = assert(model:context {sequences = 6})
    local seq = assert(context:sequence())
    local prompt = model:encode("Once upon a time, there was a", {start = true})
    local lists, before = {}, {}
    for i, text in ipairs {" little girl", " big", " dog who liked to run and play"} do
      lists[i] = model:encode(text, {start = false})
      before[i] = model:encode(i == 2 and " very" or "", {start = false})
    end
    seq:feed(prompt)
    assert(context:step())
    local results = assert(scoring.score(seq, lists, {before = before, each = true}))
    local narrow = assert(scoring.score(seq, lists, {before = before, each = true, width = 1}))
    for i, list in ipairs(lists) do
      local whole = {}
      for _, part in ipairs {prompt, before[i]} do
        for _, id in ipairs(part) do
          whole[#whole + 1] = id
        end
      end
      near(direct(whole, list), results[i].logprob)
      near(sum(results[i].each), results[i].logprob)
      assert.are.equal(#list, results[i].tokens)
      assert.are.same(results[i], narrow[i])
    end
    assert.are.equal(#prompt, #seq)
    assert.are.equal(1, context:info().open_sequences)
    context:close()
  end)

  it("knows what greedy decoding would tell", function()
    local text = model:generate("Once upon a time", {temperature = 0, max_tokens = 12})
    local request = {id = "1", task = "t", kind = "loglikelihood", context = "Once upon a time"}
    local function greedy(continuation)
      request.continuations = {continuation}
      return assert(evaluate.respond(model, {request}))[1].greedy[1]
    end
    assert.is_true(greedy(text))
    assert.is_true(greedy(text:match "^,%s*%a+"))
    assert.is_false(greedy(text .. " xylophone"))
    assert.is_false(greedy(" xylophone"))
    assert.is_false(greedy(", xylophone" .. text))
  end)

  it("needs places for one at a time only", function()
    local context = assert(model:context {sequences = 2})
    local seq = assert(context:sequence())
    seq:feed "One day"
    assert(context:step())
    local lists = {}
    for i = 1, 5 do
      lists[i] = model:encode(" the dog ran " .. ("far "):rep(i), {start = false})
    end
    local results = assert(scoring.score(seq, lists))
    assert.are.equal(5, #results)
    local other = assert(context:sequence()) -- no place is left
    local none, _, code = scoring.score(seq, lists)
    assert.is_nil(none)
    assert.are.equal("ELIMIT", code)
    other:close()
    context:close()
  end)
end)

describe("the border of context and continuation", function()
  local function text(ids)
    return model:decode(ids)
  end

  it("moves space from the context's end to the continuation", function()
    local a, b = assert(likelihood.split(model, "One day, Tom  ", "ran"))
    local c, d = assert(likelihood.split(model, "One day, Tom", "  ran"))
    assert.are.same({a, b}, {c, d})
    assert.are.equal("One day, Tom", text(a))
    assert.are.equal("  ran", text(b))
  end)

  it("encodes both together, and never leaves nothing", function()
    local whole = model:encode("One day", {start = true})
    local a, b = assert(likelihood.split(model, "One da", "y"))
    assert.are.equal(#whole, #a + #b > #whole and #whole or #a + #b)
    assert.is_true(#b >= 1)
    a, b = assert(likelihood.split(model, "One", " day"))
    local joined = {}
    for _, list in ipairs {a, b} do
      for _, id in ipairs(list) do
        joined[#joined + 1] = id
      end
    end
    assert.are.same(whole, joined)
  end)

  it("takes BOS for an empty context and refuses an empty continuation", function()
    local a, b = assert(likelihood.split(model, "", "Tom"))
    assert.are.same({model:bos()}, a)
    assert.are.same(model:encode("Tom", {start = true})[2], b[1])
    local none, _, code = likelihood.split(model, "", "")
    assert.is_nil(none)
    assert.are.equal("EINVAL", code)
  end)

  it("leaves out the beginning of what is too long", function()
    local a, b, cut = likelihood.fit({1, 2, 3, 4}, {5, 6}, 4)
    assert.are.same({{2, 3, 4}, {5, 6}, true}, {a, b, cut})
    a, b, cut = likelihood.fit({1, 2, 3}, {5, 6}, 4)
    assert.are.same({{1, 2, 3}, {5, 6}, false}, {a, b, cut})
    assert.are.equal("ECONTEXT", select(3, likelihood.fit({1}, {2, 3, 4, 5, 6}, 4)))
  end)
end)

describe("windows", function()
  -- By hand, as lm-evaluation-harness documents them: tokens 1..10, windows of 4.
  it("share one token by default", function()
    assert.are.same({
      {context = {0}, predicted = {1, 2, 3, 4}},
      {context = {4}, predicted = {5, 6, 7, 8}},
      {context = {6, 7, 8}, predicted = {9, 10}},
    }, likelihood.windows({1, 2, 3, 4, 5, 6, 7, 8, 9, 10}, 0, 4, 1))
  end)

  it("overlap as far as asked", function()
    assert.are.same({
      {context = {0}, predicted = {1, 2, 3, 4}},
      {context = {2, 3, 4}, predicted = {5, 6}},
      {context = {4, 5, 6}, predicted = {7, 8}},
      {context = {5, 6, 7, 8}, predicted = {9}},
    }, likelihood.windows({1, 2, 3, 4, 5, 6, 7, 8, 9}, 0, 4, 3))
    assert.are.same({}, likelihood.windows({}, 0, 4, 1))
    assert.are.same({{context = {0}, predicted = {1}}}, likelihood.windows({1}, 0, 4, 1))
  end)

  it("predict each token once, within the length", function()
    for n = 1, 23 do
      for length = 1, 6 do
        for overlap = 1, length do
          local ids, seen = {}, {}
          for i = 1, n do
            ids[i] = i
          end
          for _, window in ipairs(likelihood.windows(ids, 0, length, overlap)) do
            assert.is_true(#window.context + #window.predicted - 1 <= length)
            assert.are.equal(window.predicted[1] - 1, window.context[#window.context])
            for _, id in ipairs(window.predicted) do
              seen[#seen + 1] = id
            end
          end
          assert.are.same(ids, seen)
        end
      end
    end
  end)
end)

describe("responses", function()
  local docs = {}
  for i = 1, 9 do
    docs[i] = {
      id = "d" .. i, label = i % 3,
      context = "Once upon a time, there was a little " .. (i % 2 == 0 and "girl" or "boy"),
      choices = {"named Lily", "who loved to play in park " .. i, " named Tom"},
    }
  end
  local task = evaluate.task {
    name = "x", kind = "multiple_choice", mutual_information = true,
  }

  it("do not depend on the width, threads or kernels", function()
    local requests = assert(evaluate.requests(task, docs, {fewshot = 2}))
    requests[10] = {
      id = "w", task = "y", kind = "multiple_choice", label = 0, choices = {"Tom", "Lily"},
      contexts = {"Lily hid it because Tom", "Lily hid it because Lily"},
      continuations = {" was bad.", " was bad."},
    }
    requests[11] = {id = "g", task = "z", kind = "generate", context = "One day,", target = {""},
      stop = {"\n"}, max_tokens = 20, sampling = {temperature = 0.9}, repeats = 3}
    requests[12] = {id = "r", task = "r", kind = "rolling", text = "A dog ran. A cat sat."}
    local one = json.encode(assert(evaluate.respond(model, requests, {parallel = 1})))
    for _, given in ipairs {
      {parallel = 3}, {parallel = 12, threads = 2}, {}, {parallel = 2, cpu = "portable"},
    } do
      assert.are.equal(one, json.encode(assert(evaluate.respond(model, requests, given))))
    end
  end)

  it("are log-probabilities of what follows", function()
    local requests = assert(evaluate.requests(task, docs, {limit = 2}))
    local responses = assert(evaluate.respond(model, requests))
    for i, request in ipairs(requests) do
      for k, continuation in ipairs(request.continuations) do
        near(direct(likelihood.split(model, request.context, continuation)),
          responses[i].logprobs[k])
        near(direct(likelihood.split(model, "", continuation)),
          responses[i].unconditional_logprobs[k])
      end
    end
  end)

  it("of contexts of their own, too, cut where they are too long", function()
    local long = ("The cat sat on the mat. "):rep(20)
    local request = {
      id = "1", task = "w", kind = "multiple_choice", label = 0, choices = {"a", "b"},
      contexts = {long .. "Tom", "Lily"}, continuations = {" was happy.", " was happy."},
    }
    local response = assert(evaluate.respond(model, {request}, {length = 32}))[1]
    assert.are.equal(1, response.truncated)
    local before, after = likelihood.split(model, request.contexts[1], " was happy.")
    near(direct(likelihood.fit(before, after, 32)), response.logprobs[1])
    near(direct(likelihood.split(model, "Lily", " was happy.")), response.logprobs[2])
    request.continuations[1] = long
    local none, message, code = evaluate.respond(model, {request}, {length = 32})
    assert.is_nil(none)
    assert.matches("request '1' of w: the continuation has %d+ tokens", message)
    assert.are.equal("ECONTEXT", code)
  end)

  it("of a whole text are its perplexity, as seq:score has it", function()
    local text = helper.read "examples/models/README.md"
    local docs_of = {{id = "1", text = text}}
    local ids = model:encode(text, {start = true})
    local first = table.remove(ids, 1)
    for _, overlap in ipairs {1, 20} do
      local total = 0
      for _, window in ipairs(likelihood.windows(ids, first, 64, overlap)) do
        total = total + direct(window.context, window.predicted)
      end
      local result = assert(evaluate.run(model, "perplexity", docs_of,
        {length = 64, overlap = overlap}))
      local metrics = {}
      for _, metric in ipairs(result.tasks[1].metrics) do
        metrics[metric.name] = metric.value
      end
      near(math.exp(-total / #ids), metrics.token_perplexity)
      near(-total / math.log(2) / #text, metrics.bits_per_byte)
      near(math.exp(-total / #text), metrics.byte_perplexity)
    end
    -- In one piece.
    local whole = "One day, a girl named Lily went to the park. She saw a big dog."
    ids = model:encode(whole, {start = true})
    near(direct({table.remove(ids, 1)}, ids),
      assert(evaluate.respond(model, {{id = "1", task = "p", kind = "rolling", text = whole}}))[1]
        .logprob)
  end)

  it("that are told end before a stop string, by the seed", function()
    local request = {id = "1", task = "g", kind = "generate", context = "Once upon a time",
      target = {}, stop = {"."}, max_tokens = 40, sampling = {temperature = 1}, repeats = 4}
    local function texts(seed)
      return assert(evaluate.respond(model, {request}, {seed = seed}))[1].texts
    end
    local a = texts(1)
    assert.are.same(a, texts(1))
    assert.are_not.same(a, texts(2))
    assert.are_not.equal(a[1], a[2])
    for _, text in ipairs(a) do
      assert.is_nil(text:find(".", 1, true))
    end
  end)

  it("of a model that computes no numbers are a failure", function()
    local bytes = helper.read(helper.model_path) -- the first norm weight becomes NaN
    local path = helper.write(helper.scratch(), bytes:sub(1, 256) .. "\0\0\192\127"
      .. bytes:sub(261))
    local broken = assert(lull.load(path, {tokenizer = "examples/models/tokenizer.bin"}))
    for _, request in ipairs {
      {id = "1", task = "t", kind = "rolling", text = "One day"},
      assert(evaluate.requests(task, docs, {limit = 1}))[1],
    } do
      local none, message, code = evaluate.respond(broken, {request})
      assert.is_nil(none)
      assert.matches("no numbers", message)
      assert.are.equal("EINVAL", code)
    end
    local none, message = evaluate.kl(model, broken, {"One day"})
    assert.is_nil(none)
    assert.matches("no numbers", message)
    broken:close()
    helper.clean()
  end)

  it("without a tokenizer are none at all", function()
    local blind = assert(lull.load(helper.model_path, {tokenizer = false, cache = false}))
    local requests = assert(evaluate.requests(task, docs, {limit = 1}))
    local none, message, code = evaluate.respond(blind, requests)
    assert.is_nil(none)
    assert.matches("request 'd1' of x", message)
    assert.are.equal("ESTATE", code)
    assert.has_error(function() evaluate.respond(model, requests, {paralel = 2}) end)
    assert.has_error(function() evaluate.respond(model, requests, {length = 513}) end)
    assert.are.same({}, evaluate.respond(model, {}))
    blind:close()
  end)
end)
