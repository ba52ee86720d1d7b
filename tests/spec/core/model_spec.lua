-- Models: loading, sharing, text to tokens and back, closing.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises, fails = common.raises, common.fails

describe("a model", function()
  after_each(common.clean)

  it("says what it is", function()
    local model = assert(core.load(common.MODEL))
    assert.is_truthy(tostring(model):match(
      "^lull%.model %(llama, 6 layers, dim 128, 2048 tokens, q8, %d+%.%d MB%)$"))
    assert.are.equal(2048, model:vocab_size())
    assert.are.equal(1, model:bos())
    assert.are.equal(2, model:eos())
    assert.are.equal(512, model:info().seq_len)
    assert.is_true(model:close())
    assert.are.equal("lull.model (closed)", tostring(model))
    assert.is_true(model:close())
    raises("attempt to use a closed model", model.vocab_size, model)
  end)

  it("loads in the precision asked for", function()
    local path = common.tiny()
    for _, precision in ipairs {"f32", "q8", "q4"} do
      local model = assert(core.load(path, {tokenizer = false, precision = precision}))
      assert.are.equal(precision, model:info().precision)
      assert.are.equal("f32", model:info().stored)
    end
    assert.are.equal("q8", assert(core.load(path, {tokenizer = false})):info().precision)
    assert.are.equal(16,
      assert(core.load(path, {tokenizer = false, group = 16})):info().group)
    raises("precision must be 'f32', 'q8' or 'q4', got string 'q5'", core.load, path,
      {precision = "q5"})
    raises("byte_order must be 'little' or 'big', got string 'any'", core.load, path,
      {byte_order = "any"})
    raises("tokenizer must be a path or false, got boolean", core.load, path, {tokenizer = true})
    raises("group must be an integer in 1..65536, got 65537", core.load, path, {group = 65537})
  end)

  it("names what is wrong with a file", function()
    fails("EIO", "no/such/file", core.load("no/such/file"))
    fails("EFORMAT", "", core.load(common.write(common.name(), "")))
    fails("EFORMAT", "", core.load(common.write(common.name(), ("x"):rep(1000))))
    fails("EIO", "", core.load(common.MODEL, {tokenizer = "no/such/tokenizer"}))
    fails("EFORMAT", "", core.load(common.MODEL, {tokenizer = common.tokenizer(300)}))
    fails("EFORMAT", "", core.load(common.MODEL, {tokenizer = common.MODEL}))
    fails("ELIMIT", "", core.load(common.MODEL, {max_file_bytes = 1000, cache = false}))
    fails("ELIMIT", "", core.load(common.MODEL, {max_memory_bytes = 1000, cache = false}))
    raises("path contains a zero byte", core.load, common.MODEL .. "\0")
    raises("tokenizer contains a zero byte", core.load, common.MODEL, {tokenizer = "a\0b"})
  end)

  it("turns text into tokens and back", function()
    local model = common.model()
    local ids = assert(model:encode("Once upon a time"))
    assert.are.equal(model:bos(), ids[1])
    assert.are.equal("Once upon a time", model:decode(ids))
    local plain = model:encode("Once upon a time", {start = false})
    assert.are_not.equal(model:bos(), plain[1])
    assert.are.equal("Once upon a time", model:decode(plain))
    local pieces = {}
    for i, id in ipairs(plain) do
      pieces[i] = model:piece(id)
    end
    assert.are.equal("Once upon a time", table.concat(pieces))
    assert.are.same({model:bos()}, model:encode(""))
    assert.are.same({}, model:encode("", {start = false}))
    assert.are.equal("", model:decode({}))
    assert.are.equal(model:piece(300), model:decode(300))
    assert.are.equal("", model:piece(model:bos()))
  end)

  it("brings any bytes back", function()
    local model, all = common.model(), {}
    for b = 0, 255 do
      all[b + 1] = string.char(b)
    end
    for _, text in ipairs {table.concat(all), "\0", "\0\0a\0", "\255\254", " ", "  a  ",
      "\195\164\240\159\152\128", "a\240\159", ("lily "):rep(20000)} do
      assert.are.equal(text, model:decode(assert(model:encode(text))))
      assert.are.equal(text, model:decode(assert(model:encode(text, {start = false}))))
    end
  end)

  it("does without a tokenizer", function()
    local model = assert(core.load(common.MODEL, {tokenizer = false}))
    fails("ESTATE", "", model:encode("a"))
    fails("ESTATE", "", model:decode({1, 2}))
    fails("ESTATE", "", model:piece(1))
    assert.are.equal(2048, model:vocab_size())
    assert(common.fresh(model, {1, 2}):logits())
  end)

  it("rejects what is no token", function()
    local model = common.model()
    raises("an integer in 0..2047 expected, got 2048", model.piece, model, 2048)
    raises("an integer in 0..2047 expected, got -1", model.piece, model, -1)
    raises("element 3 must be an integer in 0..2047, got 3.5", model.decode, model, {1, 2, 3.5})
    raises("element 2 must be an integer in 0..2047, got string '7'", model.decode, model, {1, "7"})
    raises("element 1 must be an integer in 0..2047, got nan", model.decode, model, {0 / 0})
    local holes = {1, 2, 3, 4}
    holes[2] = nil
    raises("element 2 must be an integer in 0..2047, got nil", model.decode, model, holes)
    raises("a token id or a list of token ids expected, got string", model.decode, model, "a")
  end)

  it("closes without harm to what was made from it", function()
    local model = assert(core.load(common.MODEL, {cache = false}))
    local context = assert(model:context())
    local seq = context:sequence()
    model:close()
    assert(seq:feed("Once"))
    assert(context:step())
    assert.are.equal(2048, seq:logits():size())
    assert.are.equal("Once", seq:text())
    assert.are.equal(model, context:model())
    assert.are.equal(model, seq:model())
    raises("attempt to use a closed model", model.context, model)
    raises("attempt to use a closed model", model.encode, model, "a")
  end)
end)

describe("the cache of models", function()
  after_each(common.clean)

  -- Handles of one copy show the same address nowhere, so sharing is told by limits: a hit is
  -- checked against them by the cache, whose message has its own words.
  local function is_shared(path, options)
    options.max_file_bytes = 10
    local _, message = core.load(path, options)
    return message:find("the file is %d+ bytes, the limit is 10") ~= nil
  end

  it("shares a model as long as a handle or a context lives", function()
    local path = common.tiny()
    assert.is_false(is_shared(path, {tokenizer = false}))
    local a = assert(core.load(path, {tokenizer = false}))
    assert.is_true(is_shared(path, {tokenizer = false}))
    local b = assert(core.load(path, {tokenizer = false}))
    a:close()
    assert.is_true(is_shared(path, {tokenizer = false}))
    local context = assert(b:context())
    b:close()
    assert.is_true(is_shared(path, {tokenizer = false}))
    context:close()
    assert.is_false(is_shared(path, {tokenizer = false}))
  end)

  it("tells apart what was asked for differently", function()
    local path = common.tiny()
    local kept = assert(core.load(path, {tokenizer = false}))
    assert.is_false(is_shared(path, {tokenizer = false, precision = "f32"}))
    assert.is_false(is_shared(path, {tokenizer = false, group = 16}))
    assert.is_false(is_shared(path, {tokenizer = false, byte_order = "little"}))
    assert.is_false(is_shared(path, {tokenizer = common.tokenizer()}))
    assert.is_false(is_shared(path, {tokenizer = false, cache = false}))
    assert.is_true(is_shared(path, {tokenizer = false}))
    fails("ELIMIT", "in memory", core.load(path, {tokenizer = false, max_memory_bytes = 10}))
    kept:close()
  end)

  it("never gives an old file's model for a new file", function()
    local path = common.tiny {seed = 1}
    local a = assert(core.load(path, {tokenizer = false}))
    local first = common.logits(common.fresh(a, {1, 2}))
    local other = common.tiny {seed = 2}
    common.write(path, common.read(other)) -- same name, same size, another content
    local b = assert(core.load(path, {tokenizer = false}))
    assert.are_not.same(first, common.logits(common.fresh(b, {1, 2})))
    assert.are.same(first, common.logits(common.fresh(a, {1, 2})))
    local c = assert(core.load(other, {tokenizer = false}))
    assert.are.same(common.logits(common.fresh(c, {1, 2})),
      common.logits(common.fresh(b, {1, 2})))
  end)

  it("keeps no copy that nobody has", function()
    local path = common.tiny()
    for _ = 1, 300 do -- dropped, never closed
      assert(core.load(path, {tokenizer = false}))
    end
    collectgarbage()
    collectgarbage()
    assert.is_false(is_shared(path, {tokenizer = false}))
  end)
end)
