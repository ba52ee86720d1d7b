-- Many texts at once: the same texts as alone, whatever else goes on.
local helper = require "tests.spec.helper"
local lull = require "lull"
local decode = lull.decode

local model = helper.model()
local PROMPTS = {"Once upon a time", "One day, Lily", "Tom had a", "The big red ball", "", "A"}

local function task(context, i, given)
  return function()
    local options = {context = context, seed = i, max_tokens = 10 + 7 * (i % 5)}
    for key, value in pairs(given or {}) do
      options[key] = value
    end
    return model:generate(PROMPTS[i % #PROMPTS + 1], options)
  end
end

local function alone(i, given)
  local context = assert(model:context {length = 128})
  local text = assert(task(context, i, given)())
  context:close()
  return text
end

describe("run", function()
  it("tells what each text tells alone", function()
    local context = assert(model:context {sequences = 16, length = 128, threads = 2})
    for _, given in ipairs {
      {}, {stop = {".", "he"}}, {ban_phrases = {" was", " a "}},
      {draft = decode.draft_lookup {ngram = 1}},
    } do
      local tasks = {}
      for i = 1, 16 do
        tasks[i] = task(context, i, given)
      end
      local results = decode.run(tasks)
      assert.are.equal(16, #results)
      for i = 1, 16 do
        assert.are.equal(alone(i, given), results[i][1])
      end
    end
    context:close()
  end)

  it("keeps a width, and fills places at once", function()
    local context = assert(model:context {sequences = 3, length = 128})
    local i, most = 0, 0
    local order = {}
    decode.run(function()
      i = i + 1
      return i <= 20 and task(context, i) or nil
    end, {
      width = 3,
      done = function(k, result)
        order[#order + 1] = k
        assert.are.equal(alone(k), result[1])
      end,
      step = function(used)
        most = math.max(most, used:info().open_sequences)
        return used:step()
      end,
    })
    assert.are.equal(20, #order)
    assert.are.equal(3, most)
    context:close()
  end)

  it("asks a source that has none now again after each step", function()
    local context = assert(model:context {sequences = 4, length = 128})
    local given, steps, joined = 0, 0, {}
    local function source()
      if given < 3 and steps >= given * 4 then
        given = given + 1
        joined[given] = steps
        return task(context, given)
      end
      return false
    end
    local results = decode.run(source, {
      step = function(used)
        steps = steps + 1
        return used:step()
      end,
    })
    assert.are.same({0, 4, 8}, joined)
    for i = 1, 3 do
      assert.are.equal(alone(i), results[i][1])
    end
    assert.are.same({}, decode.run(function() return false end))
    context:close()
  end)

  it("serves several contexts and models", function()
    local other = assert(lull.load(helper.model_path, {precision = "f32", cache = false}))
    local a = assert(model:context {sequences = 2, length = 128})
    local b = assert(other:context {sequences = 2, length = 128})
    local results = decode.run {task(a, 1), task(a, 2), function()
      return other:generate("Tom", {context = b, seed = 3, max_tokens = 30})
    end}
    assert.are.equal(alone(1), results[1][1])
    assert.are.equal(alone(2), results[2][1])
    assert.are.equal(other:generate("Tom", {seed = 3, max_tokens = 30}), results[3][1])
  end)

  it("with no tasks is at its end", function()
    assert.are.same({}, decode.run {})
    assert.are.same({}, decode.run(function() return nil end))
  end)

  it("lets other tasks finish when one raises, then raises its value", function()
    local context = assert(model:context {sequences = 4, length = 128})
    local reason = {"a table"}
    local function failing()
      return model:generate("Tom", {context = context, seed = 1, sampler = function(logits, seq)
        if #seq > 6 then
          error(reason)
        end
        return logits:argmax()
      end})
    end
    local finished = 0
    local ok, raised = pcall(decode.run, {task(context, 1), failing, task(context, 2)}, {
      done = function(_, result) finished = finished + (result.failed and 0 or 1) end,
    })
    assert.is_false(ok)
    assert.are.equal(reason, raised)
    assert.are.equal(2, finished)
    local results = decode.run({task(context, 1), failing, task(context, 2)},
      {errors = "return"})
    assert.are.equal(alone(1), results[1][1])
    assert.is_true(results[2].failed)
    assert.are.equal(reason, results[2].error)
    assert.are.equal(alone(2), results[3][1])
    context:close()
  end)

  it("passes foreign yields on, with what they are answered", function()
    local context = assert(model:context {sequences = 3, length = 128})
    local function dreaming(i)
      return task(context, i, {sampler = function(logits, _, draw)
        local a, b, c = coroutine.yield("dream", i, nil)
        assert(a == i and b == nil and c == "woken")
        return logits:sample(draw())
      end})
    end
    local dreams = {0, 0}
    local thread = coroutine.create(function()
      return decode.run {dreaming(1), task(context, 3), dreaming(2)}
    end)
    local ok, what, i, none = coroutine.resume(thread)
    while ok and coroutine.status(thread) ~= "dead" do
      assert.are.equal("dream", what)
      assert.is_nil(none)
      dreams[i] = dreams[i] + 1
      ok, what, i, none = coroutine.resume(thread, i, nil, "woken")
    end
    assert.is_true(ok, what)
    assert.are.equal(alone(3), what[2][1])
    assert.is_true(dreams[1] > 5 and dreams[2] > 5)
    context:close()
  end)

  it("hands a failed step to those that waited for it", function()
    local context = assert(model:context {sequences = 2, length = 128})
    local steps = 0
    local results = decode.run({task(context, 1), task(context, 2)}, {step = function(used)
      steps = steps + 1
      if steps == 3 then
        used:cancel()
      end
      return used:step()
    end})
    for i = 1, 2 do
      assert.is_nil(results[i][1])
      assert.are.equal("ECANCELED", results[i][3])
    end
    assert.are.equal(0, context:info().open_sequences)
    assert.are.equal(alone(1), assert(decode.run({task(context, 1)}))[1][1])
    context:close()
  end)

  it("wakes a task whose sequence was closed under it", function()
    local context = assert(model:context {sequences = 2, length = 128})
    local seq = assert(context:sequence())
    assert(seq:feed("Tom"))
    local results = decode.run {
      function() return decode.wait(seq) end,
      function() seq:close() return "closed" end,
    }
    assert.are.same({n = 3, nil, "the sequence was closed", "ESTATE"}, results[1])
    assert.are.equal("closed", results[2][1])
    results = decode.run {task(context, 1), function() context:close() return 1 end}
    assert.are.equal("ESTATE", results[1][3])
  end)

  it("runs inside a task of another run", function()
    local context = assert(model:context {sequences = 4, length = 128})
    local results = decode.run {
      task(context, 1),
      function() return decode.run {task(context, 2), task(context, 3)} end,
    }
    assert.are.equal(alone(1), results[1][1])
    assert.are.equal(alone(2), results[2][1][1][1])
    assert.are.equal(alone(3), results[2][1][2][1])
    context:close()
  end)

  it("raises for what are no tasks and no options", function()
    assert.has_error(function() decode.run(5) end)
    assert.has_error(function() decode.run {"a text"} end,
      "'run': task 1 is 'a text', not a function")
    assert.has_error(function() decode.run({}, {width = 0}) end)
    assert.has_error(function() decode.run({}, {witdh = 1}) end,
      "unknown option 'witdh' to 'run' (did you mean 'width'?)")
  end)
end)
