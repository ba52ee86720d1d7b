-- Sequences: feeding, history, fork and rewind, scores.
local common = dofile "tests/spec/core/common.lua"
local core = require "lull.core"
local raises, fails = common.raises, common.fails
local unpack = unpack or table.unpack -- luacheck: ignore

describe("a sequence", function()
  local model, context, seq

  before_each(function()
    model = common.tiny_model()
    context = model:context {sequences = 4, length = 48}
    seq = context:sequence()
  end)
  after_each(common.clean)

  local function tokens(n, start)
    local list = {}
    for i = 1, n do
      list[i] = ((start or 0) + i * 31) % 300
    end
    return list
  end

  it("takes text, a token or a list, and chains", function()
    assert.are.equal(seq, seq:feed("ab"))
    assert.are.same(model:encode("ab"), seq:tokens())
    assert.are.equal(seq, seq:feed(7):feed({8, 9}):feed({}))
    assert.are.equal(seq, seq:feed("c"))
    local expected = model:encode("ab")
    for _, id in ipairs {7, 8, 9, model:encode("c", {start = false})[1]} do
      expected[#expected + 1] = id
    end
    assert.are.same(expected, seq:tokens())
    assert.are.equal(#expected, #seq)
    assert.are.equal(#expected, seq:length())
    assert.are.equal(#expected, seq:pending())
    assert.are.equal("lull.sequence (" .. #expected .. " of 48 tokens, " .. #expected .. " queued)",
      tostring(seq))
    context:step()
    assert.are.equal(0, seq:pending())
    assert.are.equal(context, seq:context())
    assert.are.equal(model, seq:model())
  end)

  it("starts with BOS also where the text is empty, and only then", function()
    seq:feed("")
    assert.are.same({1}, seq:tokens())
    seq:feed("")
    assert.are.same({1}, seq:tokens())
  end)

  it("shows its history", function()
    seq:feed({10, 11, 12, 13, 14})
    assert.are.same({10, 11, 12, 13, 14}, seq:tokens())
    assert.are.same({12, 13, 14}, seq:tokens(3))
    assert.are.same({11, 12}, seq:tokens(2, 3))
    assert.are.same({13, 14}, seq:tokens(-2))
    assert.are.same({10, 11, 12}, seq:tokens(-100, -3))
    assert.are.same({}, seq:tokens(4, 3))
    assert.are.same({}, seq:tokens(6))
    assert.are.same({10, 11, 12, 13, 14}, seq:tokens(0, 100))
    assert.are.same({10, 14, 14}, {seq:token(1), seq:token(5), seq:token(-1)})
    assert.is_nil(seq:token(6))
    assert.is_nil(seq:token(0))
    assert.is_nil(seq:token(-6))
    assert.is_nil(context:sequence():token(-1))
    raises("an integer in -2147483647..2147483647 expected, got 1.5", seq.token, seq, 1.5)
  end)

  it("shows its text", function()
    seq:feed("so\0\255!")
    assert.are.equal("so\0\255!", seq:text())
    assert.are.equal("!", seq:text(-1))
    assert.are.equal("\255!", seq:text(-2, -1))
    assert.are.equal("", seq:text(2, 1))
  end)

  it("refuses what does not fit and stays as it was", function()
    seq:feed(tokens(40))
    context:step()
    local before = common.logits(seq)
    fails("ECONTEXT", "48", seq:feed(tokens(9)))
    fails("ECONTEXT", "48", seq:feed(("a"):rep(9)))
    assert.are.equal(40, #seq)
    assert.are.same(before, common.logits(seq))
    assert(seq:feed(tokens(8)))
    assert.are.equal(0, context:step())
    for _ = 1, 3 do
      fails("ECONTEXT", "", seq:feed(1))
    end
    assert.are.equal(48, #seq)
    assert(seq:logits())
  end)

  it("checks tokens before it takes any", function()
    raises("element 3 must be an integer in 0..299, got 300", seq.feed, seq, {1, 2, 300})
    raises("an integer in 0..299 expected, got -1", seq.feed, seq, -1)
    raises("an integer in 0..299 expected, got 10000000000", seq.feed, seq, 1e10)
    raises("unknown option 'scores' (did you mean 'score'?)", seq.feed, seq, 1, {scores = true})
    raises("score must be true or false, got 1", seq.feed, seq, 1, {score = 1})
    raises("text, a token id or a list of token ids expected, got boolean", seq.feed, seq, true)
    assert.are.equal(0, #seq)
  end)

  it("has no logits before there are any", function()
    fails("ESTATE", "empty", seq:logits())
    seq:feed({1, 2})
    fails("ESTATE", "queued", seq:logits())
    context:step()
    local view = assert(seq:logits())
    seq:feed(3) -- and no step: no old logits for a new history
    fails("ESTATE", "queued", seq:logits())
    assert.are.equal("number", type(view:logprob(3))) -- which the view is still good for
  end)

  it("forks into what goes on alone", function()
    local all = tokens(40)
    seq:feed({unpack(all, 1, 20)})
    context:step()
    local fork = assert(seq:fork())
    assert.are.same(common.logits(seq), common.logits(fork))
    assert.are.same(seq:tokens(), fork:tokens())
    fork:feed(tokens(10, 5))
    seq:feed({unpack(all, 21)})
    context:step()
    assert.are.same(common.logits(common.fresh(model, all)), common.logits(seq))
    assert.are.same(common.logits(common.fresh(model, fork:tokens())), common.logits(fork))
    local second = fork:fork()
    fork:close()
    assert.are.same(common.logits(common.fresh(model, second:tokens())), common.logits(second))
    assert.are.equal(context, second:context())
  end)

  it("forks with its queue", function()
    seq:feed(tokens(5))
    context:step()
    seq:feed({1, 2})
    local fork = seq:fork()
    assert.are.equal(2, fork:pending())
    context:step()
    assert.are.same(common.logits(seq), common.logits(fork))
  end)

  it("rewinds to what it was", function()
    local all = tokens(40)
    seq:feed(all)
    context:step()
    for _, n in ipairs {39, 33, 32, 31, 17, 16, 15, 1} do
      assert.are.equal(seq, seq:rewind(n))
      assert.are.equal(n, #seq)
      assert.are.equal(1, seq:pending())
      assert.are.same(common.logits(common.fresh(model, seq:tokens())), common.logits(seq))
    end
    seq:feed(tokens(30, 3))
    assert.are.same(common.logits(common.fresh(model, seq:tokens())), common.logits(seq))
    seq:rewind(0)
    assert.are.equal(0, #seq)
    fails("ESTATE", "empty", seq:logits())
    seq:feed({3})
    assert.are.same(common.logits(common.fresh(model, {3})), common.logits(seq))
    raises("an integer in 0..1 expected, got 2", seq.rewind, seq, 2)
    raises("an integer in 0..1 expected, got -1", seq.rewind, seq, -1)
  end)

  it("scores what could follow, and is left as it was", function()
    seq:feed(tokens(6))
    context:step()
    local before = common.logits(seq)
    local scores = seq:score({4, 5, 6})
    assert.are.equal(3, #scores)
    assert.are.same(before, common.logits(seq))
    assert.are.equal(6, #seq)
    local other = common.fresh(model, tokens(6))
    for i, id in ipairs {4, 5, 6} do
      local direct = other:logits():logprob(id)
      assert.is_true(math.abs(direct - scores[i]) < 1e-6)
      other:feed(id)
      other:context():step()
    end
    assert.are.same({}, seq:score({}))
    assert.are.equal(1, #seq:score(9))
    assert.are.equal(#model:encode("ab", {start = false}), #seq:score("ab"))
    fails("ECONTEXT", "", seq:score(tokens(43)))
    fails("ESTATE", "empty", context:sequence():score({1}))
  end)

  it("records the scores of what it is fed", function()
    local all = tokens(8)
    seq:feed({all[1], all[2]})
    seq:feed({all[3], all[4], all[5]}, {score = true})
    seq:feed({all[6]})
    assert.are.same({false, false, false, false, false, false}, seq:scores())
    context:step()
    local scores = seq:scores()
    assert.are.same({false, false, false}, {scores[1], scores[2], scores[6]})
    local direct = common.fresh(model, {all[1], all[2]}):score({all[3], all[4], all[5]})
    for i = 1, 3 do
      assert.is_true(math.abs(direct[i] - scores[i + 2]) < 1e-6)
    end
    local fork = seq:fork()
    assert.are.same(scores, fork:scores())
  end)

  it("runs beside others as it would alone", function()
    local other = context:sequence()
    local a, b = tokens(20, 1), tokens(20, 2)
    for i = 1, 20 do
      seq:feed(a[i])
      other:feed(b[i])
      context:step()
    end
    assert.are.same(common.logits(common.fresh(model, a)), common.logits(seq))
    assert.are.same(common.logits(common.fresh(model, b)), common.logits(other))
  end)

  it("closes once and for all", function()
    seq:feed({1})
    assert.is_true(seq:close())
    assert.is_true(seq:close())
    assert.are.equal("lull.sequence (closed)", tostring(seq))
    for name, method in pairs(core.methods.sequence) do
      if name ~= "close" then
        raises("attempt to use a closed sequence", method, seq, 1, 1)
      end
    end
    raises("attempt to use a closed sequence", function() return #seq end)
  end)

  it("can be used from any coroutine", function()
    local co = coroutine.create(function()
      local view
      for _ = 1, 3 do
        seq:feed(5)
        context:step()
        view = seq:logits()
        coroutine.yield(view)
      end
    end)
    local _, view = coroutine.resume(co)
    local id = view:argmax()
    assert.are.equal("number", type(id))
    seq:feed(id)
    context:step()
    coroutine.resume(co)
    co, view = nil, nil
    collectgarbage()
    collectgarbage()
    assert.are.equal(view, nil)
    assert.are.same(common.logits(common.fresh(model, seq:tokens())), common.logits(seq))
    assert.is_nil(co)
  end)
end)
