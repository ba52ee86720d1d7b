-- The collector: at the worst moments, and with C memory it does not see.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"

describe("the collector", function()
  after_each(function()
    collectgarbage("setpause", 200)
    collectgarbage("setstepmul", 200)
  end)
  teardown(common.clean)

  local function tell(path)
    local model = assert(core.load(path, {tokenizer = false, cache = false}))
    local seq = assert(assert(model:context {sequences = 2}):sequence())
    seq:feed({1, 17, 33})
    local out = {}
    for _ = 1, 5 do
      assert(seq:context():step())
      local logits = seq:logits():penalize(seq, {last = 3, frequency = 0.1}):top_k(20)
      for id, p in logits:candidates(3) do
        out[#out + 1] = id .. ":" .. p
      end
      local fork = seq:fork()
      out[#out + 1] = #fork:tokens()
      local id = logits:sample {seed = 3, position = #seq}
      out[#out + 1] = id
      seq:feed({id})
    end
    return table.concat(out, " ")
  end

  it("may run at every instruction", function()
    local path = common.tiny()
    local expected = tell(path)
    local function stress()
      collectgarbage()
    end
    collectgarbage("setpause", 0)
    collectgarbage("setstepmul", 1000000)
    if jit then -- luacheck: ignore
      jit.off() -- luacheck: ignore
    end
    debug.sethook(stress, "", 1)
    local ok, found = pcall(tell, path)
    debug.sethook()
    assert.is_true(ok, tostring(found))
    assert.are.equal(expected, found)
  end)

  local function memory()
    local file = io.open("/proc/self/statm")
    if not file then
      return nil
    end
    local pages = tonumber((file:read("*l"):match("^%d+ (%d+)")))
    file:close()
    return pages * 4096
  end

  it("keeps up with contexts and models that are dropped unclosed", function()
    if not memory() or (os.getenv("SAN") or "") ~= "" then
      pending("what a process holds is not known here (no /proc/self/statm, or a sanitizer)")
      return
    end
    local model = common.tiny_model({vocab = 2000, seq = 512})
    local each = model:context {sequences = 16}:info().memory_bytes
    assert.is_true(each > 2 ^ 20)
    local before = memory()
    for _ = 1, 200 do
      assert(model:context {sequences = 16})
    end
    assert.is_true(memory() - before < 50 * each)
    local path = common.tiny()
    before = memory()
    for _ = 1, 1000 do
      assert(core.load(path, {tokenizer = false, cache = false}))
    end
    assert.is_true(memory() - before < 2 ^ 25)
  end)

  it("keeps up with forks", function()
    local model = common.tiny_model()
    local context = model:context {sequences = 4}
    local seq = context:sequence():feed({1, 2})
    context:step()
    for _ = 1, 300 do
      assert(seq:fork()) -- a place is free again when its fork is garbage
    end
    assert.is_true(context:info().open_sequences <= 4)
  end)

  it("finalizes in any order, and an error in a finalizer passes through", function()
    local path = common.tiny()
    for _ = 1, 20 do
      local model = assert(core.load(path, {tokenizer = false, cache = false}))
      local cycle = {model}
      cycle.context = model:context {sequences = 2}
      cycle.seq = cycle.context:sequence():feed({1})
      cycle.fork = cycle.seq:fork()
      cycle.context:step()
      cycle.view = cycle.seq:logits()
      cycle.copy = cycle.view:clone()
      cycle.self = cycle
    end
    collectgarbage()
    collectgarbage()
    if newproxy then -- luacheck: ignore
      local model = assert(core.load(path, {tokenizer = false, cache = false}))
      local seq = model:context {sequences = 2}:sequence():feed({1, 2})
      local booms = 0
      for _ = 1, 30 do
        local ok, message = pcall(function()
          local proxy = newproxy(true) -- luacheck: ignore
          debug.getmetatable(proxy).__gc = function() error("boom", 0) end
          proxy = nil -- luacheck: ignore
          assert(seq:context():step())
          assert(seq:rewind(2))
          assert(seq:fork()):close()
          collectgarbage()
        end)
        assert.is_true(ok or message == "boom", message)
        booms = booms + (ok and 0 or 1)
      end
      while not pcall(collectgarbage) do end
      assert.is_true(booms > 0)
      assert.are.equal(2, #seq)
    end
  end)

  it("may close what a function is working on", function()
    if not newproxy then -- luacheck: ignore
      return
    end
    -- A finalizer closes the sequence, and a set of tokens, while a method allocates: an error or a
    -- result, no crash.
    local model = common.tiny_model()
    collectgarbage("setpause", 0)
    local many = {}
    for i = 1, 100 do
      many[i] = i
    end
    for i = 1, 260 do
      local context = model:context()
      local seq = context:sequence():feed({1, 2, 3})
      context:step()
      local view, set = seq:logits(), core.token_set(model, i % 2 == 0 and many or {1, 2})
      local other = view:clone():set(3, 1)
      local proxy = newproxy(true) -- luacheck: ignore
      debug.getmetatable(proxy).__gc = function()
        seq:close()
        set:close()
      end
      proxy = nil -- luacheck: ignore
      local calls = {
        function() return seq:tokens() end, function() return seq:scores() end,
        function() return seq:text() end, function() return seq:feed(("a"):rep(20)) end,
        function() return seq:score({1, 2}) end, function() return seq:logits() end,
        function() return view:clone() end, function() return view:candidates(20) end,
        function() return view:allow({1, 2}) end, function() return seq:fork() end,
        function() return view:penalize(seq, {last = 2, presence = 1}) end,
        function() return view:dry(seq, {breakers = {1}}) end,
        function() return view:dry(seq, {breakers = set}) end,
        function() return view:no_repeat(seq, 2) end, function() return set:ids() end,
        function() return set:clone():union(set) end,
        -- These need all values in one array.
        function() return view:softmax() end, function() return view:set(3, 1):entropy() end,
        function() return view:ban(set) end, function() return view:add(set, 1) end,
        function() return view:allow(set) end, function() return view:copy(other) end,
        function() return view:add_scaled(other, 1) end, function() return view:kl(other) end,
        function() return other:kl(view:set(3, 1)) end, function() return other:copy(view) end,
      }
      pcall(calls[i % #calls + 1])
    end
  end)
end)
