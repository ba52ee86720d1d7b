-- Files that results are kept in, signals that wait, and what a model is called.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"

describe("a file for results", function()
  after_each(common.clean)

  it("is appended to, read and cut", function()
    local name = common.write(common.name(), "one\n")
    local file = assert(core.file(name))
    assert.are.equal(4, file:size())
    assert.is_true(file:write("two\0\n"))
    assert.is_true(file:sync())
    assert.are.equal("one\ntwo\0\n", file:read(0, 100))
    assert.are.equal("two", file:read(4, 3))
    assert.are.equal("", file:read(9, 1))
    assert.is_true(file:truncate(4))
    assert.is_true(file:write("x"))
    assert.are.equal(5, file:size())
    assert.is_true(file:close())
    assert.is_true(file:close())
    assert.has_error(function() file:size() end, "attempt to use a closed file")
    assert.are.equal("one\nx", common.read(name))
  end)

  it("is made only where that is asked for", function()
    local name = common.name()
    os.remove(name)
    local file, message, code = core.file(name)
    assert.is_nil(file)
    assert.are.equal("EIO", code)
    assert.is_truthy(message:find("No such file", 1, true))
    file = assert(core.file(name, {create = true}))
    assert.are.same({true, true}, {file:regular()})
    file:close()
    file = assert(core.file(name, {create = true}))
    assert.are.same({true, false}, {file:regular()})
  end)

  it("reports what the system refuses", function()
    local _, message, code = core.file("/")
    assert.are.same({"/: Is a directory", "EIO"}, {message, code})
    local full = assert(core.file("/dev/full"))
    assert.are.same({false, false}, {full:regular()})
    local ok
    ok, message, code = full:write("x")
    assert.is_nil(ok)
    assert.are.same({"/dev/full: No space left on device", "EIO"}, {message, code})
  end)

  it("has one id under all its names", function()
    local name = common.write(common.name(), "")
    local id = assert(core.file_id(name))
    assert.are.equal(id, core.file_id((name:gsub("/([^/]*)$", "/./%1"))))
    assert.are_not.equal(id, core.file_id(common.name()))
    assert.is_nil(core.file_id("no/such/file"))
  end)

  it("is locked for other processes", function()
    local name = common.name()
    local file = assert(core.file(name, {lock = true}))
    local other = ([[%s -e 'package.cpath = %q .. package.cpath
      local file, message, code = require("lull.core").file(%q, {lock = true})
      print(file and "mine" or code .. message:match("locked by process %%d+"))' 2>&1]]):format(
      os.getenv("LUA") or "lua5.1", (os.getenv("BUILD") or "build") .. "/?.so;", name)
    local function ask()
      local pipe = io.popen(other)
      local answer = pipe:read("*a")
      pipe:close()
      return answer
    end
    assert.is_truthy(ask():find("^ESTATElocked by process %d+\n$"))
    file:close()
    assert.are.equal("mine\n", ask())
  end)
end)

describe("signals that wait", function()
  it("are told, once each", function()
    local signals = core.signals()
    assert.is_nil(signals:poll())
    os.execute("kill -TERM $PPID; kill -INT $PPID; kill -INT $PPID")
    assert.are.equal("INT", signals:poll())
    assert.are.equal("TERM", signals:poll())
    assert.is_nil(signals:poll())
    assert.is_true(signals:close())
    assert.is_true(signals:close())
    assert.has_error(function() signals:poll() end, "attempt to use a closed watch")
  end)
end)

describe("a fingerprint", function()
  after_each(common.clean)

  it("is the same for the same model in another file, and not for another precision", function()
    local name, tokenizer = common.tiny {dim = 32, hidden = 64}, common.tokenizer()
    local seen = {}
    local function fingerprint(path, given)
      given.tokenizer = tokenizer
      local model = assert(core.load(path, given))
      local found = model:fingerprint()
      assert.is_truthy(found:find("^0x%x+$"))
      model:close()
      return found
    end
    for _, precision in ipairs {"f32", "q8", "q4"} do
      local found = fingerprint(name, {precision = precision, group = precision ~= "f32" and 32
        or nil})
      assert.is_nil(seen[found])
      seen[found] = precision
    end
    local q8 = fingerprint(name, {precision = "q8", group = 32})
    assert.are.equal("q8", seen[q8])
    assert.is_nil(seen[fingerprint(name, {precision = "q8", group = 16})])
    for _, order in ipairs {"little", "big"} do
      local other = common.name()
      assert(core.quantize(name, other, {to = "q8", group = 32, format = "llama2c",
        byte_order = order, overwrite = true}))
      assert.are.equal(q8, fingerprint(other, {}))
    end
  end)
end)
