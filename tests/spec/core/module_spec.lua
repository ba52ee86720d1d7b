-- The module itself: what it exports, what it leaves alone, its functions without objects.
local before = {denormal = 2 ^ -1022 / 2 ~= 0, string_index = getmetatable("").__index}
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises, fails = common.raises, common.fails

describe("the module", function()
  it("leaves the host alone", function()
    assert.is_true(before.denormal)
    assert.is_true(2 ^ -1022 / 2 ~= 0)
    assert.are.equal(before.string_index, getmetatable("").__index)
    local file = assert(io.popen((os.getenv("LUA") or "lua5.1") .. [[ -e '
      local known = {} for k in pairs(_G) do known[k] = true end
      local path, cpath = package.path, package.cpath
      require "lull.core"
      for k in pairs(_G) do if not known[k] then print("global", k) end end
      if path ~= package.path or cpath ~= package.cpath then print("path") end' 2>&1]]))
    assert.are.equal("", file:read("*a"))
    file:close()
  end)

  it("has a version and names its kernels, the portable one first", function()
    assert.is_truthy(core.version:match("^%d+%.%d+%.%d+$"))
    local cpus = core.cpus()
    assert.are.same({name = "portable", available = true}, cpus[1])
    for _, cpu in ipairs(cpus) do
      assert.are.equal("string", type(cpu.name))
      assert.are.equal("boolean", type(cpu.available))
    end
  end)

  it("can be opened again, and its types stay what they were", function()
    local model = common.model()
    package.loaded["lull.core"] = nil
    local again = require "lull.core"
    assert.are_not.equal(core, again)
    assert.are.equal(core.methods.model, again.methods.model)
    assert.are.equal("context", (again.methods.model.context(model):info().kernel and "context"))
    assert.are.equal(2048, assert(again.load(common.MODEL)):vocab_size())
    package.loaded["lull.core"] = core
  end)

  it("can be required in a coroutine that is then collected", function()
    package.loaded["lull.core"] = nil
    local model
    coroutine.wrap(function()
      model = assert(require("lull.core").load(common.MODEL))
    end)()
    collectgarbage()
    collectgarbage()
    assert.are.equal(2048, model:vocab_size())
    assert.is_true(model:close())
    package.loaded["lull.core"] = core
  end)

  it("hides metatables and shows method tables", function()
    local model = common.model()
    assert.is_false(getmetatable(model))
    assert.has_error(function() setmetatable(model, {}) end)
    assert.are.equal(core.methods.model.encode, model.encode)
    core.methods.model.spec_added = function(self) return self:vocab_size() end
    assert.are.equal(2048, model:spec_added())
    core.methods.model.spec_added = nil
  end)

  it("has elementary functions", function()
    local m = core.math
    assert.are.equal(1, m.exp(0))
    assert.are.equal(0, m.log(1))
    assert.are.equal(1024, m.pow(2, 10))
    assert.are.equal(0, m.sin(0))
    assert.are.equal(1, m.cos(0))
    for x = -5, 5, 0.37 do
      assert.is_true(math.abs(m.exp(x) / math.exp(x) - 1) < 1e-15)
      assert.is_true(math.abs(m.sin(x) - math.sin(x)) < 1e-15)
      assert.is_true(math.abs(m.cos(x) - math.cos(x)) < 1e-15)
    end
    local nan = m.log(-1)
    assert.is_true(nan ~= nan)
    assert.are.equal(-math.huge, m.log(0))
    raises("number expected, got string '1'", m.exp, "1")
    raises("bad argument #2", m.pow, 2)
  end)

  it("has a clock that does not go back", function()
    local a = core.clock()
    assert.is_true(core.clock() >= a)
  end)

  it("measures how fast memory is read", function()
    assert.is_true(core.read_bandwidth(100000, {seconds = 0}) > 0)
    assert.is_true(core.read_bandwidth(1, {seconds = 0, threads = 2}) > 0)
    raises("bad argument #1", core.read_bandwidth, 0)
    raises("threads", core.read_bandwidth, 1, {threads = 257})
    raises("seconds", core.read_bandwidth, 1, {seconds = -1})
  end)

  it("finds whole characters", function()
    assert.are.equal(0, core.utf8_complete(""))
    assert.are.equal(3, core.utf8_complete("abc"))
    assert.are.equal(1, core.utf8_complete("a\195"))
    assert.are.equal(3, core.utf8_complete("a\195\164"))
    assert.are.equal(0, core.utf8_complete("\240\159\152"))
    assert.are.equal(2, core.utf8_complete("\255\255"))
    assert.are.equal(3, core.utf8_complete("\0\0\0"))
  end)

  it("hashes strings", function()
    assert.is_truthy(core.hash(""):match("^0x%x+$"))
    assert.are.equal(18, #core.hash("lily"))
    assert.are_not.equal(core.hash("lily"), core.hash("lily\0"))
    raises("string expected, got no value", core.hash)
  end)
end)

describe("inspect and quantize", function()
  it("say what a file is", function()
    local info = assert(core.inspect(common.MODEL))
    assert.are.equal("llama", info.architecture)
    assert.are.equal("llama2.c v2", info.format)
    assert.are.equal("little", info.byte_order)
    assert.are.equal("q8", info.stored)
    assert.are.equal(32, info.stored_group)
    assert.are.equal("q8", info.precision)
    assert.are.equal(2048, info.vocab_size)
    assert.are.equal(2048, info.n_tokenizer)
    assert.are.equal(6, info.n_layers)
    assert.is_true(info.shared_classifier)
    assert.is_true(info.needs_bytes.f32 > info.needs_bytes.q8)
    assert.are.equal(1, info.bos)
    local loaded = common.model():info()
    for _, key in ipairs {"format", "dim", "hidden_dim", "n_heads", "n_kv_heads", "seq_len",
      "file_bytes", "n_parameters", "precision", "group", "bos", "eos"} do
      assert.are.equal(info[key], loaded[key])
    end
  end)

  it("explain what a file is not", function()
    fails("EIO", "no/such/file", core.inspect("no/such/file"))
    local name = common.write(common.name(), "<!DOCTYPE html>")
    fails("EFORMAT", "", core.inspect(name))
    fails("EFORMAT", "", core.load(name))
    raises("path contains a zero byte", core.inspect, common.MODEL .. "\0.bin")
    raises("unknown option 'tokeniser' (did you mean 'tokenizer'?)", core.inspect, name,
      {tokeniser = false})
    common.clean()
  end)

  it("write 8-bit files that load the same as the input", function()
    local input, output = common.tiny(), common.name()
    os.remove(output)
    local report = assert(core.quantize(input, output))
    assert.are.equal(#common.read(input), report.input_bytes)
    assert.are.equal(#common.read(output), report.output_bytes)
    assert.is_true(report.rms_error > 0 and report.rms_error < 0.01)
    fails("ESTATE", "", core.quantize(input, output))
    assert(core.quantize(input, output, {overwrite = true}))
    local a = assert(core.load(input, {tokenizer = false, group = report.group}))
    local b = assert(core.load(output, {tokenizer = false}))
    assert.are.equal("llama2.c v2", b:info().format)
    assert.are.same(common.logits(common.fresh(a, {1, 5, 9})),
      common.logits(common.fresh(b, {1, 5, 9})))
    raises("group must be an integer in 1..65536, got 0", core.quantize, input, output, {group = 0})
    common.clean()
  end)

  it("write GGUF files that need no tokenizer beside them", function()
    local input, output = common.tiny {dim = 32, hidden = 64}, common.name()
    local tokenizer = common.tokenizer(300)
    local given = assert(core.load(input, {tokenizer = tokenizer}))
    local ids = given:encode("to be, or not")
    for _, to in ipairs {"f32", "f16", "q8", "q4"} do
      for _, order in ipairs {"little", "big"} do
        local quantised = to:sub(1, 1) == "q"
        local report = assert(core.quantize(input, output, {format = "gguf", to = to,
          tokenizer = tokenizer, byte_order = order, overwrite = true}))
        assert.are.equal(quantised and 32 or 0, report.group)
        assert.are.equal(#common.read(output), report.output_bytes)
        local info = assert(core.inspect(output))
        assert.are.equal("GGUF v3", info.format)
        assert.are.equal(order, info.byte_order)
        assert.are.equal(to, info.stored)
        assert.are.equal(report.group, info.stored_group)
        assert.are.equal(quantised and to or "q8", info.precision)
        local b = assert(core.load(output, {precision = not quantised and "f32" or nil}))
        assert.are.same(ids, b:encode("to be, or not"))
        local a = assert(core.load(input, {tokenizer = false, precision = quantised and to or "f32",
          group = quantised and 32 or nil}))
        if to ~= "f16" then
          assert.are.same(common.logits(common.fresh(a, {1, 5, 9})),
            common.logits(common.fresh(b, {1, 5, 9})))
        end
      end
    end
    fails("EUNSUPPORTED", "has 4 bits already", core.quantize(output, common.name(),
      {overwrite = true}))
    common.clean()
  end)

  it("refuse what does not go together", function()
    local input, output = common.tiny {dim = 32, hidden = 60}, common.name()
    local tokenizer = common.tokenizer(300)
    local function quantize(given)
      given.overwrite = true
      return core.quantize(input, output, given)
    end
    fails("EINVAL", "llama2.c version 2 holds 8 bits only", quantize {to = "q4"})
    fails("EINVAL", "holds 8 bits only", quantize {to = "f32", format = "llama2c"})
    fails("EINVAL", "rows of blk.0.ffn_down.weight have 60 weights, Q8_0 needs a multiple of 32",
      quantize {format = "gguf", tokenizer = tokenizer})
    fails("EINVAL", "floats have no groups", quantize {format = "gguf", to = "f16", group = 32})
    fails("EIO", "no/such/file", quantize {format = "gguf", to = "f16", tokenizer = "no/such/file"})
    assert(quantize {format = "gguf", to = "f16", tokenizer = tokenizer})
    raises("format must be 'llama2c' or 'gguf', got string 'onnx'", quantize, {format = "onnx"})
    raises("to must be 'f32', 'q8', 'q4' or 'f16', got string 'q5'", quantize, {to = "q5"})
    raises("tokenizer", core.quantize, input, output, {tokenizer = false})
    common.clean()
  end)
end)
