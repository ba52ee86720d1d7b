-- What a feed can keep beside the last logits: all logits, hidden states, early layers.
local common = dofile "tests/spec/core/common.lua"
local raises, fails = common.raises, common.fails

describe("a feed", function()
  local model, context, seq

  before_each(function()
    model = common.tiny_model()
    context = assert(model:context {sequences = 2})
    seq = assert(context:sequence())
  end)
  after_each(common.clean)

  local function values(logits)
    local out = {}
    for id = 0, model:vocab_size() - 1 do out[#out + 1] = logits:get(id) end
    return out
  end

  it("keeps the logits of all its tokens", function()
    local other = assert(context:sequence())
    seq:feed({5, 6, 7, 8}, {logits = "all"})
    assert.are.equal(0, context:step())
    for i, id in ipairs {5, 6, 7, 8} do
      other:feed(id)
      context:step()
      assert.are.same(values(other:logits()), values(seq:logits(i)))
    end
    assert.are.same(values(seq:logits()), values(seq:logits(-1)))
    local copy = seq:logits(2)
    seq:feed(9)
    context:step()
    assert.is_number(copy:top_k(3):sample(0.5)) -- a copy is never stale
    assert.are.equal(copy:clone():argmax(), copy:argmax())
    assert.is_truthy(seq:logits(2))
    fails("ESTATE", "not fed with logits", seq:logits(4)) -- was the last, and is no longer
  end)

  it("keeps hidden states", function()
    seq:feed({5, 6, 7}, {hidden = true})
    fails("ESTATE", "queued", seq:hidden())
    context:step()
    local hidden = assert(seq:hidden(2))
    assert.are.equal(model:info().dim, #hidden)
    assert.are.same(seq:hidden(), seq:hidden(3))
    local fork = assert(seq:fork())
    assert.are.same(hidden, fork:hidden(2))
    seq:feed(1)
    context:step()
    fails("ESTATE", "not fed with hidden", seq:hidden())
    assert.are.same(hidden, seq:hidden(2))
  end)

  it("keeps hidden states to be compared", function()
    seq:feed({5, 6, 7, 6}, {hidden = true})
    fails("ESTATE", "queued", seq:similarity())
    context:step()
    local function cosine(i, j)
      local a, b, ab, aa, bb = seq:hidden(i), seq:hidden(j), 0, 0, 0
      for k = 1, #a do
        ab, aa, bb = ab + a[k] * b[k], aa + a[k] * a[k], bb + b[k] * b[k]
      end
      return ab / math.sqrt(aa * bb)
    end
    local best, at = seq:similarity()
    assert.is_true(at >= 1 and at <= 3)
    assert.is_true(math.abs(best - cosine(4, at)) < 1e-12)
    for j = 1, 3 do
      assert.is_true(cosine(4, j) <= best + 1e-12)
      assert.are.equal(j, (select(2, seq:similarity(4, j, j))))
    end
    assert.are.same({seq:similarity(4, 1, 3)}, {best, at})
    assert.are.same({seq:similarity(-1, -4, -2)}, {best, at})
    assert.are.same({1, 2}, {seq:similarity(2, 1, 4)}) -- itself
    raises("no token before the first", seq.similarity, seq, 1)
    raises("the range is empty", seq.similarity, seq, 4, 3, 2)
    raises("the range is empty", seq.similarity, seq, 2, 3)
    raises("an integer in -4..4", seq.similarity, seq, 5)
    seq:feed(1)
    context:step()
    fails("ESTATE", "token 4: it was not fed with hidden", seq:similarity())
    fails("ESTATE", "token 4: it was not fed with hidden", seq:similarity(1, 2, 5))
  end)

  it("keeps the logits of early layers", function()
    local n = model:info().n_layers
    seq:feed({5, 6, 7}, {layers = {1, n}})
    context:step()
    assert.are.same(values(seq:logits()), values(seq:logits(3, n)))
    assert.are_not.same(values(seq:logits()), values(seq:logits(3, 1)))
    fails("ESTATE", "not fed with that layer", seq:logits(2, 1))
  end)

  it("checks what it is asked for", function()
    raises("logits must be 'last' or 'all'", seq.feed, seq, 1, {logits = "some"})
    raises("hidden must be", seq.feed, seq, 1, {hidden = 1})
    raises("a list of layers", seq.feed, seq, 1, {layers = 2})
    raises("a layer must be an integer in 1..4096", seq.feed, seq, 1, {layers = {0}})
    fails("EINVAL", "layer 98, expected ascending", seq:feed(1, {layers = {99}}))
    fails("EINVAL", "expected ascending", seq:feed(1, {layers = {1, 1}}))
    assert.are.equal(0, #seq)
    raises("the sequence is empty", seq.hidden, seq)
    seq:feed({1, 2})
    raises("an integer in -2..2", seq.hidden, seq, 3)
    raises("tokens count from 1", seq.logits, seq, 0)
  end)
end)
