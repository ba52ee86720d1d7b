-- Steps in the background: start, poll, wait, fd, and what is refused meanwhile.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises, fails = common.raises, common.fails

local function busy(...)
  fails("ESTATE", "runs in the background", ...)
end

describe("a background step", function()
  local model, context, seq

  before_each(function()
    model = common.tiny_model()
    context = assert(model:context {sequences = 2, batch = 1})
    seq = assert(context:sequence())
    local ids = {}
    for i = 1, 40 do ids[i] = i end
    seq:feed(ids)
  end)
  after_each(common.clean)

  local function values()
    local logits, out = assert(seq:logits()), {}
    for id = 0, model:vocab_size() - 1 do out[#out + 1] = logits:get(id) end
    return out
  end

  it("gives what a step gives", function()
    assert.are.equal(0, context:step())
    local expected = values()
    seq:rewind(0)
    local ids = {}
    for i = 1, 40 do ids[i] = i end
    seq:feed(ids)
    assert.are.equal(context, context:start())
    assert.are.equal(0, context:wait())
    assert.are.same(expected, values())
  end)

  it("ends by itself and says so", function()
    assert.is_true(context:poll())
    context:start {max_tokens = 25}
    local deadline = core.clock() + 20
    while not context:poll() do
      assert.is_true(core.clock() < deadline)
    end
    assert.are.equal(15, context:wait())
    fails("ESTATE", "no step was started", context:wait())
    local fd = context:fd()
    assert.is_true(fd >= 0)
    assert.are.equal(fd, context:fd())
  end)

  it("refuses other calls until it is waited for", function()
    context:step {max_tokens = 39}
    context:start()
    busy(context:start())
    busy(context:step())
    busy(context:sequence())
    busy(seq:feed(1))
    busy(seq:fork())
    busy(seq:rewind(3))
    busy(seq:logits())
    assert.are.equal(1, seq:pending())
    assert.are.equal(40, #seq)
    context:wait()
    assert.are.equal(0, seq:pending())
    assert.is_truthy(seq:feed(1))
  end)

  it("makes views of the sequences it evaluates stale", function()
    context:step()
    local view = seq:logits()
    seq:feed(7)
    assert.is_number(view:get(0))
    context:start()
    raises("logits are stale", view.get, view, 0)
    context:wait()
    raises("logits are stale", view.get, view, 0)
  end)

  it("is cancelled, and the sequence goes on", function()
    context:cancel()
    context:start()
    fails("ECANCELED", "canceled", context:wait())
    assert.are.equal(0, context:step())
    assert.is_truthy(seq:logits())
  end)

  it("survives closing and collecting", function()
    context:start()
    seq:close()
    raises("attempt to use a closed sequence", seq.length, seq)
    context:wait()
    assert.are.equal(0, context:info().open_sequences)
    for i = 1, 30 do
      local other = assert(model:context {batch = 1})
      local text = assert(other:sequence())
      text:feed({1, 2, 3, 4, 5, 6, 7, 8, 9})
      other:start()
      if i % 2 == 0 then other:close() end
    end
    collectgarbage()
    collectgarbage()
  end)
end)
