local helper = require "tests.spec.helper"
local lull = require "lull"
local sampling = lull.sampling

local model = helper.model()

-- A sequence with logits to work on.
local function ready(text)
  local context = assert(model:context {length = 64, sequences = 4})
  local seq = assert(context:sequence())
  assert(seq:feed(text or "Once upon a time"))
  assert(context:step())
  return seq, context
end

local function choose(strategy, seq, seed)
  return strategy:apply(seq:logits():reset(), seq, sampling.draws(seq, {seed = seed or 1}))
end

describe("a chain", function()
  it("prints its stages in order", function()
    assert.are.equal("top_k(40) -> top_p(0.95) -> min_p(0.05) -> temperature(0.8) -> sample",
      tostring(sampling.from {}))
    assert.are.equal("top_k(5) -> greedy",
      tostring(sampling.chain {sampling.top_k(5), sampling.greedy()}))
    assert.are.equal("function -> sample",
      tostring(sampling.chain {function() end, sampling.sample()}))
    assert.are.equal("mine -> sample",
      tostring(sampling.chain {{name = "mine", apply = function() end}, sampling.sample()}))
  end)

  it("leaves out what is off", function()
    assert.are.equal("sample",
      tostring(sampling.from {top_k = 0, top_p = 1, min_p = 0, temperature = 1}))
    assert.are.equal("greedy", tostring(sampling.from {temperature = 0, top_k = 7}))
    assert.are.equal("top_k(3) -> sample",
      tostring(sampling.from {top_k = 3, top_p = 1, min_p = 0, temperature = 1}))
  end)

  it("must end in a stage that chooses", function()
    assert.has_error(function() sampling.chain {} end)
    assert.has_error(function() sampling.chain {sampling.top_k(4)} end)
    assert.has_error(function() sampling.chain {sampling.sample(), sampling.temperature(1)} end)
    assert.has_error(function() sampling.chain {sampling.top_k(4), 7} end)
    assert.has_error(function() sampling.chain(nil) end)
    local _, message = pcall(sampling.chain, {sampling.sample(), sampling.top_k(4)})
    assert.is_truthy(message:find("'sample' chooses the token", 1, true), message)
    _, message = pcall(sampling.chain, {sampling.top_k(4)})
    assert.is_truthy(message:find("chooses no token", 1, true), message)
  end)

  it("ends at the first stage that chooses", function()
    local seq = ready()
    local after = false
    local chain = sampling.chain {
      function() return 300 end,
      function() after = true return 5 end,
    }
    assert.are.equal(300, choose(chain, seq))
    assert.is_false(after)
  end)

  it("may be a stage of another chain", function()
    local seq = ready()
    local inner = sampling.chain {sampling.top_k(1), sampling.sample()}
    local outer = sampling.chain {sampling.temperature(0.5), inner}
    assert.are.equal(seq:logits():reset():argmax(), choose(outer, seq))
  end)

  it("tells every stage of the tokens, and clones and resets their state", function()
    local function counter()
      return {
        name = "counter", n = 0, selector = true,
        apply = function(self) return self.n end,
        accept = function(self) self.n = self.n + 1 end,
        reset = function(self) self.n = 0 end,
      }
    end
    local chain = sampling.chain {counter()}
    chain:accept(1)
    chain:accept(1)
    local copy = sampling.clone(chain)
    copy:accept(1)
    assert.are.equal(2, chain:apply())
    assert.are.equal(3, copy:apply())
    copy:reset()
    assert.are.equal(0, copy:apply())
    assert.are.equal(2, chain:apply())
    assert.are.equal("counter", tostring(copy))
  end)

  it("tells every stage that has a rewind of it", function()
    local kept = {}
    local chain = sampling.chain {
      {name = "one", apply = function() end, rewind = function(_, n) kept[1] = n end},
      sampling.top_k(4),
      {{name = "two", apply = function() end, rewind = function(_, n) kept[2] = n end},
        sampling.sample()},
    }
    chain:rewind(7)
    assert.are.same({7, 7}, kept)
  end)
end)

describe("a strategy", function()
  it("is refused where it is none", function()
    for _, value in ipairs {1, "x", true, {apply = 1}, {}, {apply = print, clone = 1},
      {apply = print, rewind = 1}} do
      assert.has_error(function() sampling.strategy(value) end)
    end
    assert.has_error(function() sampling.strategy(nil) end)
  end)

  it("without a clone of its own is copied with its tables", function()
    local mine = {name = "mine", seen = {deep = {1}}, apply = function() end}
    mine.itself = mine
    local copy = sampling.clone(mine)
    copy.seen.deep[1] = 2
    assert.are.equal(1, mine.seen.deep[1])
    assert.are.equal(copy, copy.itself)
    assert.are.equal(mine.apply, copy.apply)
  end)

  local ranges = {
    top_k = {0, -1, 1.5, 0 / 0, "40"}, top_p = {-0.1, 1.1, 0 / 0}, min_p = {-0.1, 1.1, 0 / 0},
    temperature = {0, -1, 0 / 0, 1 / 0, 1e-9, 1e9},
  }
  for name, values in pairs(ranges) do
    it(name .. " refuses what is out of its range", function()
      assert.has_error(function() sampling[name]() end)
      for _, value in ipairs(values) do
        local ok, message = pcall(sampling[name], value)
        assert.is_false(ok)
        assert.is_truthy(message:find("bad argument #1 to '" .. name .. "'", 1, true), message)
      end
    end)
  end

  it("from refuses options it does not know, and values out of range", function()
    for _, given in ipairs {{temprature = 1}, {top_k = -1}, {top_p = 2}, {temperature = -1},
      {min_p = "0"}, {temperature = 0 / 0}} do
      assert.has_error(function() sampling.from(given) end)
    end
  end)
end)

describe("the default chain", function()
  it("does what its stages do by hand", function()
    local seq = ready()
    for seed = 1, 20 do
      local draw = sampling.draws(seq, {seed = seed})
      local id = choose(sampling.from {}, seq, seed)
      local logits = seq:logits():reset()
      logits:top_k(40):top_p(0.95):min_p(0.05):temperature(0.8)
      assert.are.equal(logits:sample(draw()), id)
    end
  end)

  it("chooses only among what its stages leave", function()
    local seq = ready()
    local allowed = {}
    for id in seq:logits():reset():candidates(3) do
      allowed[id] = true
    end
    local chain = sampling.from {top_k = 3, temperature = 5, top_p = 1, min_p = 0}
    local seen = {}
    for seed = 1, 100 do
      local id = choose(chain, seq, seed)
      assert.is_true(allowed[id])
      seen[id] = true
    end
    for id in pairs(allowed) do
      assert.is_true(seen[id], "token " .. id .. " never came in 100 draws at temperature 5")
    end
  end)

  it("reports logits that allow no token", function()
    local seq = ready()
    local logits = seq:logits():reset()
    for id = 0, model:vocab_size() - 1 do
      logits:ban(id)
    end
    local draw = sampling.draws(seq, {seed = 1})
    for _, strategy in ipairs {sampling.greedy(), sampling.sample()} do
      local id, message, code = strategy:apply(logits, seq, draw)
      assert.is_nil(id)
      assert.are.equal("string", type(message))
      assert.are.equal("EINVAL", code)
    end
  end)
end)

describe("draws", function()
  it("depend on seed, stream, position, purpose and attempt, and on nothing else", function()
    local seq = ready()
    local first = sampling.draws(seq, {seed = 5, stream = "lily"})
    local u = first()
    assert.are.equal(u, first())
    assert.are.equal(u, first("select"))
    assert.are.equal(u, sampling.draws(seq, {seed = 5, stream = "lily"})())
    assert.are_not.equal(u, sampling.draws(seq, {seed = 6, stream = "lily"})())
    assert.are_not.equal(u, sampling.draws(seq, {seed = 5, stream = "tom"})())
    assert.are_not.equal(u, first("dice"))
    assert.are.equal(u, lull.random(5, "lily", #seq, 0, 0))
    assert.is_true(u >= 0 and u < 1)
  end)

  it("that were discarded do not come again", function()
    local seq, context = ready()
    local draw = sampling.draws(seq, {seed = 5})
    local start = #seq
    local before = {}
    for i = 1, 3 do
      before[i] = draw()
      seq:feed(300)
      context:step()
    end
    assert(seq:rewind(start + 1))
    context:step()
    draw:discard(start + 1)
    assert.are_not.equal(before[2], draw())
    seq:feed(300)
    assert.are_not.equal(before[3], draw())
    assert(seq:rewind(start))
    assert.are.equal(before[1], draw())
  end)

  it("of a fork are the same, or another stream's, and go their own way", function()
    local seq = ready()
    local draw = sampling.draws(seq, {seed = 5})
    draw()
    draw:discard(#seq)
    local other = assert(seq:fork())
    local same, different = draw:fork(other), draw:fork(other, "other")
    assert.are.equal(draw(), same())
    assert.are_not.equal(draw(), different())
    same:discard(#seq)
    assert.are_not.equal(draw(), same())
    assert(other:feed(300))
    assert.are_not.equal(draw(), draw:fork(other)())
  end)

  it("refuse bad seeds and streams", function()
    local seq = ready()
    for _, given in ipairs {{}, {seed = -1}, {seed = 1.5}, {seed = "x"}, {seed = 2 ^ 54},
      {seed = 1, stream = {}}, {seed = 1, steam = 1}} do
      assert.has_error(function() sampling.draws(seq, given) end)
    end
    assert.is_truthy(sampling.draws(seq, {seed = "0xffffffffffffffff"})())
  end)
end)
