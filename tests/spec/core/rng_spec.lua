-- Random numbers: functions of their arguments alone.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises = common.raises

describe("random", function()
  it("depends on each argument and on nothing else", function()
    local base = core.random(7, 0, 3, 0, 0)
    assert.are.equal(base, core.random(7, 0, 3))
    assert.are.equal(base, core.random(7, 0, 3, "select", 0))
    assert.are.equal(core.random(7, 0, 3, 1), core.random(7, 0, 3, "xtc"))
    local seen = {[base] = true}
    for _, other in ipairs {core.random(8, 0, 3), core.random(7, 1, 3), core.random(7, 0, 4),
      core.random(7, 0, 3, 1), core.random(7, 0, 3, 0, 1)} do
      assert.is_nil(seen[other])
      seen[other] = true
    end
  end)

  it("is uniform in 0 <= u < 1 with 24 bits", function()
    local sum, n = 0, 4000
    for position = 1, n do
      local u = core.random(1, 2, position)
      assert.is_true(u >= 0 and u < 1)
      assert.are.equal(0, u * 2 ^ 24 % 1)
      sum = sum + u
    end
    assert.is_true(math.abs(sum / n - 0.5) < 0.02)
  end)

  it("takes seeds and streams as numbers, hexadecimal and names", function()
    assert.are.equal(core.random(255, 16, 0), core.random("0xff", "0X10", 0))
    assert.are.equal(core.random(1, "lily", 0), core.random(1, core.hash("lily"), 0))
    assert.are_not.equal(core.random("0xffffffffffffffff", 0, 0), core.random(2 ^ 53, 0, 0))
    raises("'0x' and 1 to 16 hex digits", core.random, "12", 0, 0)
    raises("'0x' and 1 to 16 hex digits", core.random, "0x", 0, 0)
    raises("'0x' and 1 to 16 hex digits", core.random, "0x11223344556677889", 0, 0)
    raises("'0x' and 1 to 16 hex digits", core.random, "0x1g", 0, 0)
  end)

  it("checks ranges", function()
    for _, bad in ipairs {-1, 0.5, 2 ^ 53 + 2, 0 / 0, math.huge} do
      raises("bad argument #1", core.random, bad, 0, 0)
      raises("bad argument #2", core.random, 0, bad, 0)
      raises("bad argument #3", core.random, 0, 0, bad)
      raises("bad argument #4", core.random, 0, 0, 0, bad)
      raises("bad argument #5", core.random, 0, 0, 0, 0, bad)
    end
    assert.are.equal("number", type(core.random(2 ^ 53, 2 ^ 53, 2 ^ 32 - 1, 65535, 65535)))
    raises("an integer in 0..4294967295 expected, got 4294967296", core.random, 0, 0, 2 ^ 32)
    raises("an integer in 0..65535 expected, got 65536", core.random, 0, 0, 0, 65536)
  end)

  it("keeps named purposes away from numbered ones", function()
    local reserved = {}
    for purpose = 0, 63 do
      reserved[core.random(5, 0, 0, purpose)] = true
    end
    assert.is_nil(reserved[core.random(5, 0, 0, "dice")])
    assert.are_not.equal(core.random(5, 0, 0, "dice"), core.random(5, 0, 0, "coin"))
  end)
end)

describe("an rng", function()
  it("is a seed and a stream", function()
    local rng = core.rng {seed = 7, stream = "lily"}
    assert.are.equal(7, rng:seed())
    assert.are.equal(core.hash("lily"), rng:stream())
    assert.are.equal(core.random(7, "lily", 3, "xtc", 2), rng:uniform(3, "xtc", 2))
    assert.are.equal(rng:uniform(3), rng:uniform(3))
    assert.are.equal("lull.rng (seed 7, stream " .. core.hash("lily") .. ")", tostring(rng))
    assert.are.equal("0xffffffffffffffff", core.rng {seed = "0xffffffffffffffff"}:seed())
    assert.are.equal("0x0000000000000000", core.rng {seed = 0}:stream())
  end)

  it("needs a seed and rejects what it does not know", function()
    raises("seed is needed", core.rng, {})
    raises("table expected", core.rng)
    raises("unknown option 'sed' (did you mean 'seed'?)", core.rng, {sed = 1})
    raises("seed must be an integer in 0..9007199254740992, got 1.5", core.rng, {seed = 1.5})
    raises("an integer in 0..4294967295 expected, got -1",
      core.methods.rng.uniform, core.rng {seed = 1}, -1)
  end)
end)

describe("the generator state of llama2.c", function()
  it("is a value that can be copied and set", function()
    local state = core.llama2c_state(42)
    assert.are.equal("0x000000000000002a", state:value())
    local copy = state:clone()
    copy:reset(43)
    assert.are.equal("0x000000000000002a", state:value())
    assert.are.equal("0x000000000000002b", copy:value())
    assert.are.equal("lull.llama2c_state (0x000000000000002a)", tostring(state))
    raises("seed must be at least 1", core.llama2c_state, 0)
  end)
end)
