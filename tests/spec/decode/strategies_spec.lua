-- What all strategies that drive the loop have in common: alone or among others, on a model or a
-- sequence, with stages that raise or yield, in contexts that fail.
local helper = require "tests.spec.helper"
local lull = require "lull"
local decode, sampling = lull.decode, lull.sampling

local model = helper.model()
local PROMPT = "One day, Lily"
local PLACES, LENGTH = 24, 64

local function sampled(stage)
  return {stage or sampling.temperature(1), sampling.sample()}
end

-- By name: what it is called with after the prompt. `stage`, if given, is user code in it.
local STRATEGIES = {
  best_of = function(stage)
    return {n = 3, seed = 5, max_tokens = 12, sampler = sampled(stage)}
  end,
  self_consistency = function(stage)
    return {n = 4, seed = 5, max_tokens = 8, sampler = sampled(stage), answer = "%a+"}
  end,
  beam = function(stage)
    return {beams = 4, groups = 2, max_tokens = 10, phrases = {" dog"}, sampler_stages = stage}
  end,
  contrastive_search = function(stage)
    return {k = 3, max_tokens = 10, sampler_stages = stage}
  end,
}

-- A value as text, without what depends on the machine and the moment.
local function flat(value)
  if type(value) ~= "table" then
    return tostring(value)
  end
  local parts = {}
  for key, item in pairs(value) do
    if not tostring(key):find("seconds") and key ~= "threads" then
      parts[#parts + 1] = tostring(key) .. "=" .. flat(item)
    end
  end
  table.sort(parts)
  return "{" .. table.concat(parts, " ") .. "}"
end

local function tell(name, target, given)
  if target == model then
    return decode[name](model, PROMPT, given)
  end
  return decode[name](target, given)
end

local function with(given, key, value)
  given[key] = value
  return given
end

local function open(places)
  return assert(model:context {sequences = places or PLACES, length = LENGTH})
end

for name, options in pairs(STRATEGIES) do
  describe(name, function()
    local text, facts = tell(name, model, options())
    local expected = flat(text) .. flat(facts)

    it("tells the same in a context of mine and on a sequence, which stays as it is", function()
      local context = open()
      local again, others = tell(name, model, with(options(), "context", context))
      assert.are.equal(expected, flat(again) .. flat(others))
      assert.are.equal(0, context:info().open_sequences)
      local seq = assert(context:sequence())
      assert(seq:feed(PROMPT))
      local ids = seq:tokens()
      for _ = 1, 2 do
        again, others = tell(name, seq, options())
        assert.are.equal(expected, flat(again) .. flat(others))
        assert.are.same(ids, seq:tokens())
        assert.are.equal(1, context:info().open_sequences)
      end
      context:close()
    end)

    it("tells the same with a stage that yields", function()
      local yields = 0
      local thread = coroutine.create(function()
        return tell(name, model, options(function()
          assert(coroutine.yield("mine") == "answer")
        end))
      end)
      local ok, what, others = coroutine.resume(thread)
      while ok and coroutine.status(thread) ~= "dead" do
        assert.are.equal("mine", what)
        yields = yields + 1
        ok, what, others = coroutine.resume(thread, "answer")
      end
      assert.is_true(ok, what)
      assert.is_true(yields >= 8)
      assert.are.equal(text, what)
      assert.are.equal(facts.tokens, others.tokens)
    end)

    it("lets a stage raise, and leaves nothing behind", function()
      local context = open()
      local reason, calls = {"mine"}, 0
      local ok, raised = pcall(tell, name, model, with(options(function()
        calls = calls + 1
        if calls == 7 then
          error(reason)
        end
      end), "context", context))
      assert.is_false(ok)
      assert.are.equal(reason, raised)
      collectgarbage()
      collectgarbage()
      assert.are.equal(0, context:info().open_sequences)
      assert.are.equal(text, (tell(name, model, with(options(), "context", context))))
      context:close()
    end)

    it("returns what fails, and leaves nothing behind", function()
      for at = 1, 5 do
        local context = open()
        local steps = 0
        local results = decode.run({function()
          return tell(name, model, with(options(), "context", context))
        end}, {step = function(used)
          steps = steps + 1
          if steps == at then
            used:cancel()
          end
          return used:step()
        end})
        assert.is_nil(results[1][1])
        assert.are.equal("ECANCELED", results[1][3])
        assert.are.equal(0, context:info().open_sequences)
        context:close()
      end
      local context = open(2)
      local none, message, code = tell(name, model, with(options(), "context", context))
      assert.is_nil(none)
      assert.are.equal("ELIMIT", code)
      assert.is_truthy(message:find("sequences"))
      assert.are.equal(0, context:info().open_sequences)
      context:close()
      none, message, code = decode[name](model, ("word "):rep(600), options())
      assert.is_nil(none)
      assert.are.equal("ECONTEXT", code)
      assert.is_string(message)
    end)

    it("ends where the context does", function()
      local given = with(options(), "length", 8)
      local _, short = tell(name, model, given)
      local list = short.candidates or short.texts or {short}
      for _, one in ipairs(list) do
        assert.are.equal("context", one.finish_reason)
      end
    end)

    it("raises for what it is not meant for", function()
      local where = "to '" .. name .. "'"
      for message, call in pairs {
        ["unknown option 'max_token' " .. where .. " (did you mean 'max_tokens'?)"] = function()
          decode[name](model, PROMPT, with(options(), "max_token", 5))
        end,
        ["bad option 'max_tokens' " .. where .. " (an integer of at least 1 expected, got 0)"] =
          function() decode[name](model, PROMPT, with(options(), "max_tokens", 0)) end,
        ["bad argument #1 " .. where .. " (a model or a sequence expected, got 'x')"] = function()
          decode[name]("x", PROMPT, options())
        end,
        ["bad argument #2 " .. where .. " (a string or a list of token ids expected, got nil)"] =
          function() decode[name](model, nil, options()) end,
        ["bad option 'threads' " .. where .. " ('context' is given, which has its own)"] =
          function()
            local context = open(1)
            decode[name](model, PROMPT, with(with(options(), "threads", 1), "context", context))
          end,
        ["unknown option 'threads' " .. where] = function()
          local seq = open(1):sequence()
          seq:feed(PROMPT)
          decode[name](seq, with(options(), "threads", 1))
        end,
        ["'" .. name .. "' goes on from what the sequence holds, and it is empty; feed it first"] =
          function() decode[name](open(1):sequence(), options()) end,
      } do
        local ok, raised = pcall(call)
        assert.is_false(ok)
        assert.is_truthy(raised:find(message, 1, true), raised)
        assert.is_truthy(raised:find("strategies_spec", 1, true), raised)
      end
    end)
  end)
end

describe("all of them", function()
  it("fail by name with a model that computes no numbers, alone or as a second one", function()
    local bytes = helper.read(helper.model_path) -- the first norm weight becomes NaN
    local path = helper.write(helper.scratch(), bytes:sub(1, 256) .. "\0\0\192\127"
      .. bytes:sub(261))
    local broken = assert(lull.load(path, {tokenizer = "examples/models/tokenizer.bin"}))
    local function fails(expected, told, message, code)
      assert.is_nil(told)
      assert.are.equal("EINVAL", code)
      assert.is_truthy(message:find(expected, 1, true), message)
    end
    for name, options in pairs(STRATEGIES) do
      fails("not finite", decode[name](broken, PROMPT, options()))
    end
    for _, normalize in ipairs {"sum", "prior"} do
      fails("no numbers for choice 1", decode.choose(broken, PROMPT, {" was", " sat down"},
        {normalize = normalize}))
    end
    for _, options in ipairs {
      {}, {temperature = 0}, {mirostat = 1}, {mirostat = 2}, {adaptive_target = 0.3},
      {xtc_probability = 1}, {watermark = {secret = "x"}}, {dry_multiplier = 1}, {logprobs = 2},
      {constraint = lull.constrain.regex "[a-z ]+"}, {ban_phrases = {"a"}},
      {draft = decode.draft_model(model)}, {draft = decode.draft_lookup()},
    } do
      fails("not finite", broken:generate(PROMPT, with(options, "seed", 1)))
    end
    for _, second in ipairs {
      decode.guidance {model = broken, prompt = ""}, decode.contrastive_decoding {model = broken},
    } do
      fails("not finite", model:generate(PROMPT, {sampler = {second, sampling.sample()}}))
    end
    fails("not finite", broken:generate(PROMPT, {
      sampler = {decode.dola(broken), sampling.sample()},
    }))
    local given = {seed = 1, max_tokens = 9}
    local told = model:generate(PROMPT, given)
    given.draft = decode.draft_model(broken)
    assert.are.equal(told, (model:generate(PROMPT, given)))
    broken:close()
    helper.clean()
  end)

  it("share passes and tell what they tell alone", function()
    local context = open(40)
    local tasks, names, steps = {}, {}, 0
    for name, options in pairs(STRATEGIES) do
      names[#names + 1] = name
      tasks[#tasks + 1] = function()
        local text = tell(name, model, with(options(), "context", context))
        return text
      end
    end
    names[#names + 1] = "choose"
    tasks[#tasks + 1] = function()
      return (decode.choose(model, PROMPT, {" was", " sat", " and Tom"}, {context = context}))
    end
    tasks[#tasks + 1] = function()
      return (model:generate(PROMPT, {context = context, seed = 9, max_tokens = 20}))
    end
    local results = decode.run(tasks, {step = function(used)
      steps = steps + 1
      return used:step()
    end})
    for i, name in ipairs(names) do
      local alone = name == "choose" and decode.choose(model, PROMPT, {" was", " sat", " and Tom"})
        or (tell(name, model, STRATEGIES[name]()))
      assert.are.equal(alone, results[i][1])
    end
    assert.are.equal(model:generate(PROMPT, {seed = 9, max_tokens = 20}), results[#tasks][1])
    assert.is_true(steps <= 22, steps .. " steps") -- those of the longest text
    assert.are.equal(0, context:info().open_sequences)
    context:close()
  end)
end)
