-- Sets of tokens: what they hold, and logits that take them for ids.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises = common.raises

describe("a token set", function()
  local model, seq, view

  setup(function()
    model = common.tiny_model()
    seq = common.fresh(model, {1, 2, 3})
    view = seq:logits()
  end)
  teardown(common.clean)

  it("is made for a model or a number of tokens", function()
    assert.are.equal("lull.token_set (0 of 300 tokens)", tostring(core.token_set(model)))
    local set = core.token_set(33, {32, 0, 5, 5})
    assert.are.equal("lull.token_set (3 of 33 tokens)", tostring(set))
    assert.are.same({0, 5, 32}, set:ids())
    assert.are.equal(3, #set)
    assert.are.equal(3, set:count())
    assert.are.equal(33, set:size())
    assert.are.same({7}, core.token_set(33, 7):ids())
    assert.are.same({0, 5, 32}, core.token_set(33, set):ids())
    raises("a model or a number of tokens expected", core.token_set)
    raises("an integer in 1..", core.token_set, 0)
    raises("an integer in 0..32 expected, got 33", core.token_set, 33, 33)
    raises("element 2 must be an integer in 0..32, got 33", core.token_set, 33, {1, 33})
    raises("a token id, a list of token ids or a lull.token_set expected", core.token_set, 33,
      "x")
  end)

  it("takes ids, lists and sets, and gives them up", function()
    local set = core.token_set(300)
    assert.are.equal(set, set:add(299):add({0, 31}):add(core.token_set(300, {31, 64})))
    assert.are.same({0, 31, 64, 299}, set:ids())
    assert.is_true(set:has(299))
    assert.is_false(set:has(298))
    assert.are.equal(set, set:remove(299):remove({1, 31}):remove(core.token_set(300, {0})))
    assert.are.same({64}, set:ids())
    raises("an integer in 0..299", set.has, set, 300)
    raises("an integer in 0..299", set.has, set, -1)
  end)

  it("is united, cut, taken away and turned over in place", function()
    local a, b = core.token_set(40, {1, 2, 33}), core.token_set(40, {2, 3, 33})
    assert.are.same({1, 2, 3, 33}, a:clone():union(b):ids())
    assert.are.same({2, 33}, a:clone():intersect(b):ids())
    assert.are.same({1}, a:clone():subtract(b):ids())
    assert.are.equal(37, #a:clone():complement())
    assert.are.same(a:ids(), a:clone():complement():complement():ids())
    assert.are.equal(0, #core.token_set(40):intersect(a))
    assert.are.equal(40, #core.token_set(40):complement())
    assert.are.same({1, 2, 33}, a:ids()) -- a clone is another
    assert.are.equal(a, a:union(a):intersect(a))
    assert.are.equal(0, #a:subtract(a))
    raises("lull.token_set expected", a.union, a, {1})
    raises("of a vocabulary of 41 tokens, not 40", a.union, a, core.token_set(41))
    raises("of a vocabulary of 41 tokens, not 40", a.add, a, core.token_set(41))
  end)

  it("can be closed, and is then of no use", function()
    local set, other = core.token_set(300, 5), core.token_set(300)
    assert.is_true(set:close())
    assert.is_true(set:close())
    assert.are.equal("lull.token_set (closed)", tostring(set))
    for name, method in pairs(core.methods.token_set) do
      if name ~= "close" then
        raises("closed token set", method, set, name == "has" and 1 or other)
      end
    end
    raises("closed token set", other.union, other, set)
    raises("closed token set", view.ban, view, set)
    raises("closed token set", core.token_set, 300, set)
    model:context():close()
    local closed = common.tiny_model()
    closed:close()
    raises("closed model", core.token_set, closed)
  end)

  it("stands for ids in logits", function()
    local ids = {0, 5, 31, 32, 299}
    local set = core.token_set(model, ids)
    for _, verb in ipairs {"ban", "allow", "add"} do
      local by_ids, by_set = seq:logits():clone(), seq:logits():clone()
      assert.are.equal(by_ids, by_ids[verb](by_ids, ids, -2))
      assert.are.equal(by_set, by_set[verb](by_set, set, -2))
      for id = 0, 299 do
        assert.are.equal(by_ids:get(id), by_set:get(id))
      end
      raises("of a vocabulary of 299 tokens, not 300", by_set[verb], by_set, core.token_set(299),
        1)
      raises("a token id, a list of token ids or a lull.token_set expected", by_set[verb],
        by_set, true, 1)
    end
    assert.are.equal(-math.huge, view:allow(core.token_set(model)):logsumexp())
    view:reset():allow(core.token_set(model):complement())
    assert.are.equal(seq:logits():argmax(), view:argmax())
    view:add(set, -math.huge)
    assert.are.equal(-math.huge, view:get(31))
    view:reset():softmax()
    raises("logits are needed", view.ban, view, set)
    view:reset()
  end)
end)
