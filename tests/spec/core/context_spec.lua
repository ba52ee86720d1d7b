-- Contexts: options, stepping, cancelling, closing.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises, fails = common.raises, common.fails

describe("a context", function()
  local model

  before_each(function() model = common.tiny_model() end)
  after_each(common.clean)

  it("says what it is", function()
    local context = assert(model:context {sequences = 3, length = 40, threads = 2, batch = 8,
      kv = "f32", cpu = "portable"})
    local info = context:info()
    assert.are.same({3, 0, 40, 2, 8, "f32", "portable"}, {info.sequences, info.open_sequences,
      info.length, info.threads, info.batch, info.kv, info.kernel})
    assert.is_true(info.memory_bytes >= info.kv_bytes and info.kv_bytes > 0)
    assert.are.equal(0, info.blocks_used)
    assert.are.equal("lull.context (0 of 3 sequences, length 40, 2 threads, portable)",
      tostring(context))
    assert.are.equal(model, context:model())
    local seq = context:sequence()
    seq:feed({1, 2, 3})
    assert.are.equal(1, context:info().open_sequences)
    assert.are.equal(1, context:info().blocks_used)
    assert.is_true(context:close())
    assert.is_true(context:close())
    assert.are.equal("lull.context (closed)", tostring(context))
    raises("attempt to use a closed context", context.info, context)
  end)

  it("measures where the time of steps goes, if asked to", function()
    local silent, context = model:context {}, assert(model:context {profile = true})
    for _, c in ipairs {silent, context} do
      c:sequence():feed({1, 2, 3})
      assert(c:step())
    end
    assert.are.same({linear = 0, attention = 0, other = 0, passes = 0, tokens = 0}, silent:times())
    local times = context:times()
    assert.are.same({1, 3}, {times.passes, times.tokens})
    assert.is_true(times.linear > 0 and times.attention > 0 and times.other > 0)
    raises("profile must be true or false", model.context, model, {profile = 1})
  end)

  it("has defaults that follow the model", function()
    local info = model:context():info()
    assert.are.same({1, 64, 1, 64, "bf16"},
      {info.sequences, info.length, info.threads, info.batch, info.kv})
    local float = common.tiny_model({}, {precision = "f32", tokenizer = false})
    assert.are.equal("f32", float:context {}:info().kv)
    assert.is_true(model:context {threads = 0}:info().threads >= 1)
  end)

  it("checks its options", function()
    for _, case in ipairs {
      {"sequences", 0, "sequences must be an integer in 1..65536, got 0"},
      {"sequences", 65537, "got 65537"},
      {"length", 0, "length must be an integer in 1..64, got 0"},
      {"length", 65, "length must be an integer in 1..64, got 65"},
      {"threads", 257, "threads must be an integer in 0..256, got 257"},
      {"threads", 10000, "got 10000"},
      {"threads", -1, "got -1"},
      {"threads", 1.5, "got 1.5"},
      {"batch", 0, "batch must be an integer in 1..1024, got 0"},
      {"batch", "8", "got string '8'"},
      {"kv", "f16", "kv must be 'f32' or 'bf16', got string 'f16'"},
      {"kv", 32, "got 32"},
      {"cpu", 1, "cpu must be a string, got 1"},
      {"max_memory_bytes", 0 / 0, "got nan"},
    } do
      raises(case[3], model.context, model, {[case[1]] = case[2]})
    end
    raises("unknown option 'thread' (did you mean 'threads'?)", model.context, model, {thread = 1})
    raises("unknown option 'temperature'", model.context, model, {temperature = 1})
    raises("unknown option 1", model.context, model, {2})
    fails("EINVAL", "portable", model:context {cpu = "z80"})
    fails("ELIMIT", "", model:context {sequences = 64, max_memory_bytes = 1000})
  end)

  it("takes options from a table with a metatable, and passes its errors on", function()
    local options = setmetatable({length = 20}, {__index = {sequences = 2}})
    assert.are.same({2, 20}, {model:context(options):info().sequences,
      model:context(options):info().length})
    local problem = {}
    local ok, found = pcall(model.context, model, setmetatable({}, {__index = function()
      error(problem)
    end}))
    assert.is_false(ok)
    assert.are.equal(problem, found)
    raises("attempt to use a closed model", model.context, model, setmetatable({}, {
      __index = function() model:close() end}))
  end)

  it("evaluates at most as many tokens as it may", function()
    local context = model:context {sequences = 2}
    local a, b = context:sequence(), context:sequence()
    a:feed({1, 2, 3, 4, 5})
    b:feed({6, 7, 8})
    assert.are.equal(6, context:step {max_tokens = 2})
    assert.are.equal(6, a:pending() + b:pending())
    assert.are.equal(0, context:step())
    assert.are.equal(0, context:step())
    assert.are.same(common.logits(common.fresh(model, {1, 2, 3, 4, 5})), common.logits(a))
    assert.are.same(common.logits(common.fresh(model, {6, 7, 8})), common.logits(b))
    for _, bad in ipairs {0, -1, 1.5, 0 / 0, math.huge} do
      raises("max_tokens must be an integer in 1..", context.step, context, {max_tokens = bad})
    end
    assert.are.equal(0, context:step {max_tokens = 2 ^ 53})
  end)

  it("gives the same logits with any kernel, threads, batch and chunks", function()
    local tokens = {}
    for i = 1, 60 do
      tokens[i] = i * 37 % 300
    end
    local expected = common.logits(common.fresh(model, tokens, {cpu = "portable"}))
    for _, cpu in ipairs(core.cpus()) do
      if cpu.available then
        for _, threads in ipairs {1, 2, 7} do
          for _, batch in ipairs {1, 7, 32} do
            local context = model:context {cpu = cpu.name, threads = threads, batch = batch}
            local seq = context:sequence()
            seq:feed(tokens)
            while assert(context:step {max_tokens = 13}) > 0 do end
            assert.are.same(expected, common.logits(seq))
            context:close()
          end
        end
      end
    end
  end)

  it("can be cancelled", function()
    local context = model:context()
    local seq = context:sequence()
    seq:feed({1, 2, 3})
    assert.are.equal(context, context:cancel())
    fails("ECANCELED", "", context:step())
    assert.are.equal(0, context:step())
    assert.are.same(common.logits(common.fresh(model, {1, 2, 3})), common.logits(seq))
  end)

  it("has as many places as it was given", function()
    local context = model:context {sequences = 2}
    local a, b = assert(context:sequence()), assert(context:sequence())
    fails("ELIMIT", "2 sequences", context:sequence())
    fails("ELIMIT", "2 sequences", a:fork())
    b:close()
    assert(context:sequence()) -- and dropped
    assert(a:fork()) -- the dropped one made room
    assert.are.equal("lull.context (2 of 2 sequences, length 64, 1 thread, "
      .. context:info().kernel .. ")", tostring(context))
  end)

  it("closes its sequences with it", function()
    local context = model:context {sequences = 2}
    local seq = context:sequence()
    seq:feed({1, 2})
    context:step()
    local view = seq:logits()
    context:close()
    raises("attempt to use a sequence of a closed context", seq.feed, seq, 1)
    raises("attempt to use a sequence of a closed context", seq.tokens, seq)
    raises("logits are stale: the context was closed", view.get, view, 0)
    assert.are.equal("lull.sequence (closed)", tostring(seq))
    assert.are.equal("lull.logits (stale)", tostring(view))
    raises("attempt to use a closed context", context.sequence, context)
    assert.is_true(seq:close())
    assert.is_true(seq:close())
  end)

  it("is kept by its sequences", function()
    local seq = model:context():sequence()
    collectgarbage()
    collectgarbage()
    assert(seq:feed({1, 2, 3}))
    assert.are.equal(0, seq:context():step())
    assert(seq:logits())
  end)
end)
