-- Logits: views and copies, verbs that change values, verbs that choose.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises, fails = common.raises, common.fails

local function near(expected, found, tolerance)
  assert.is_true(math.abs(expected - found) <= (tolerance or 1e-6),
    "expected " .. expected .. ", got " .. found)
end

describe("logits", function()
  local model, context, seq, view

  before_each(function()
    model = common.tiny_model()
    context = model:context {sequences = 3}
    seq = context:sequence()
    seq:feed({1, 20, 30})
    context:step()
    view = seq:logits()
  end)
  after_each(common.clean)

  local function values(v)
    v = v or view
    local out = {}
    for id = 0, v:size() - 1 do
      out[id] = v:get(id)
    end
    return out
  end

  local function allowed(v)
    local n = 0
    for _, x in pairs(values(v)) do
      n = n + (x > -math.huge and 1 or 0)
    end
    return n
  end

  --- Only these values, at ids 0, 1, ...; the rest is banned.
  local function only(list)
    local ids = {}
    for i = 1, #list do
      ids[i] = i - 1
      view:set(i - 1, list[i])
    end
    return view:allow(ids)
  end

  describe("as a view", function()
    it("is one object while the sequence stays as it is", function()
      assert.are.equal(view, seq:logits())
      view:set(3, 1.5)
      assert.are.equal(1.5, seq:logits():get(3))
      assert.are.equal(300, view:size())
      assert.are.equal(300, #view)
      assert.are.equal("lull.logits (300 values)", tostring(view))
      seq:feed(4) -- queues, changes nothing yet
      assert.are.equal(1.5, view:get(3))
    end)

    it("is stale after a step, a rewind, a score", function()
      local message = "logits are stale: the sequence was stepped; call seq:logits() again"
      seq:feed(4)
      context:step()
      raises(message, view.get, view, 0)
      raises(message, view.sample, view, 0.5)
      assert.are.equal("lull.logits (stale)", tostring(view))
      view = seq:logits()
      assert.are.equal("number", type(view:get(0)))
      seq:rewind(2)
      raises(message, view.argmax, view)
      context:step()
      view = seq:logits()
      context:sequence():feed({9})
      context:step() -- of another sequence
      assert.are.equal("number", type(view:get(0)))
      seq:close()
      raises("logits are stale: the sequence was closed", view.get, view, 0)
    end)

    it("gives the raw values back", function()
      local raw = values()
      view:scale(0.5):ban({1, 2, 3}):top_k(5)
      assert.are_not.same(raw, values())
      assert.are.equal(view, view:reset())
      assert.are.same(raw, values())
      assert(view:softmax())
      assert.are.same(raw, values(view:reset()))
    end)

    it("leaves the fork's values alone", function()
      local raw = values()
      local fork = seq:fork()
      view:scale(2)
      assert.are.same(raw, values(fork:logits()))
    end)

    it("can be closed", function()
      assert.is_true(view:close())
      assert.is_true(view:close())
      raises("attempt to use closed logits", view.get, view, 0)
      assert.are.equal("lull.logits (closed)", tostring(view))
      assert.are_not.equal(view, seq:logits())
      assert.are.equal("number", type(seq:logits():get(0)))
    end)

    it("keeps its sequence alive", function()
      local lone = (function()
        local s = model:context():sequence():feed({1, 2})
        s:context():step()
        return s:logits()
      end)()
      collectgarbage()
      collectgarbage()
      assert.are.equal("number", type(lone:get(0)))
    end)
  end)

  describe("as a copy", function()
    it("is never stale and has its own values", function()
      local raw = values()
      view:scale(0.5)
      local copy = view:clone()
      assert.are.same(values(), values(copy))
      copy:ban(1)
      assert.is_true(view:get(1) > -math.huge)
      local logprob = view:logprob(5)
      seq:feed(4)
      context:step()
      assert.are.equal(-math.huge, copy:get(1))
      assert.are.equal(logprob, copy:logprob(5))
      assert.are.same(raw, values(copy:reset()))
      local second = copy:clone()
      assert.is_true(copy:close())
      assert.are.same(raw, values(second))
      raises("attempt to use closed logits", copy.get, copy, 0)
      seq:close()
      context:close()
      assert.are.same(raw, values(second))
    end)
  end)

  describe("single values", function()
    it("can be set, added to, banned", function()
      assert.are.equal(view, view:set(3, -0.25):add(3, 1))
      assert.are.equal(0.75, view:get(3))
      view:add({3, 4, 3}, 0.5)
      assert.are.equal(1.75, view:get(3))
      view:ban(3):add(3, 100)
      assert.are.equal(-math.huge, view:get(3))
      view:ban({5, 6, 6}):set(7, -math.huge)
      assert.are.equal(296, allowed())
      view:set(3, 2)
      assert.are.equal(2, view:get(3))
    end)

    it("can be the only ones", function()
      local raw = values()
      view:allow({7, 8, 8})
      assert.are.equal(2, allowed())
      assert.are.equal(raw[8], view:get(8))
      view:allow(9)
      assert.are.equal(0, allowed())
      view:reset():allow({})
      assert.are.equal(0, allowed())
    end)

    it("are finite or banned", function()
      for _, bad in ipairs {0 / 0, math.huge, 1e39, "1"} do
        raises("a finite number or -math.huge expected", view.set, view, 0, bad)
        raises("a finite number or -math.huge expected", view.add, view, 0, bad)
      end
      for _, bad in ipairs {-1, 300, 0.5, 0 / 0, 1e10, 2 ^ 53} do
        raises("an integer in 0..299 expected", view.get, view, bad)
        raises("an integer in 0..299 expected", view.set, view, bad, 0)
        raises("an integer in 0..299", view.ban, view, bad)
        raises("element 2 must be an integer in 0..299", view.ban, view, {0, bad})
        raises("element 1 must be an integer in 0..299", view.allow, view, {bad})
      end
    end)
  end)

  describe("the whole", function()
    it("is scaled", function()
      local raw = values()
      view:scale(0.5)
      for id, x in pairs(values()) do
        assert.are.equal(raw[id] * 0.5, x)
      end
      view:reset():temperature(2)
      assert.are.equal(raw[9] * 0.5, view:get(9))
      view:reset():temperature(1)
      assert.are.same(raw, values())
      for _, bad in ipairs {-1, 1e-45, 1e38, 0 / 0, math.huge} do
        raises("a number in", view.temperature, view, bad)
      end
    end)

    it("at temperature 0 is greedy", function()
      local best = view:argmax()
      view:temperature(0)
      assert.are.equal(1, allowed())
      assert.are.equal(best, view:sample(0.999))
    end)

    it("keeps the k largest", function()
      only {1, 5, 3, 5, 2}
      view:top_k(3)
      assert.are.same({5, 3, 5}, {view:get(1), view:get(2), view:get(3)})
      assert.are.equal(3, allowed())
      view:top_k(1)
      assert.are.same({1, 5}, {allowed(), view:get(1)}) -- of equals the lower id
      view:reset():top_k(300):top_k(2 ^ 53)
      assert.are.equal(300, allowed())
      for _, bad in ipairs {0, -1, 1.5, 0 / 0} do
        raises("an integer in 1..9007199254740992 expected", view.top_k, view, bad)
      end
    end)

    it("keeps the smallest set whose mass reaches p", function()
      local log = core.math.log
      only {log(0.5), log(0.3), log(0.15), log(0.05)}
      view:top_p(0.79)
      assert.are.equal(2, allowed())
      view:top_p(0)
      assert.are.equal(1, allowed())
      view:reset():top_p(1)
      assert.are.equal(300, allowed())
      for _, bad in ipairs {-0.1, 1.1, 0 / 0} do
        raises("a number in 0..1 expected", view.top_p, view, bad)
        raises("a number in 0..1 expected", view.min_p, view, bad)
      end
    end)

    it("keeps what is at least p times as probable as the best", function()
      local log = core.math.log
      only {log(0.5), log(0.3), log(0.15), log(0.05)}
      view:min_p(0.25)
      assert.are.equal(3, allowed())
      view:min_p(1)
      assert.are.equal(1, allowed())
      view:reset():min_p(0)
      assert.are.equal(300, allowed())
    end)

    it("has a logsumexp, an entropy and log-probabilities", function()
      only {0, 0, 0, 0}
      near(core.math.log(4), view:logsumexp())
      near(core.math.log(4), view:entropy())
      near(-core.math.log(4), view:current_logprob(2))
      assert.are.equal(-math.huge, view:current_logprob(4))
      local raw = seq:logits():clone():reset()
      near(raw:get(7) - raw:logsumexp(), view:logprob(7), 1e-5)
      view:allow({})
      assert.are.equal(-math.huge, view:logsumexp())
    end)

    it("becomes probabilities", function()
      local logprob = view:current_logprob(11)
      assert.are.equal(view, view:softmax())
      assert.are.equal("lull.logits (300 probabilities)", tostring(view))
      local sum = 0
      for _, p in pairs(values()) do
        sum = sum + p
      end
      near(1, sum, 1e-5)
      near(core.math.exp(logprob), view:get(11))
      near(logprob, view:current_logprob(11), 1e-5)
      for _, verb in ipairs {"set", "add", "ban", "allow", "scale", "temperature", "top_k", "top_p",
        "min_p", "softmax", "logsumexp", "entropy", "penalize", "llama2c"} do
        raises("logits are needed, but softmax() has made them probabilities", view[verb], view,
          1, 1)
      end
      assert.are.equal(300, view:clone():size())
      assert.is_truthy(tostring(view:clone()):find("probabilities"))
    end)
  end)

  describe("candidates", function()
    it("come by rank with their probabilities", function()
      local log = core.math.log
      only {log(0.15), log(0.5), log(0.05), log(0.3)}
      local ids, ps = {}, {}
      for id, p in view:candidates(3) do
        ids[#ids + 1], ps[#ps + 1] = id, p
      end
      assert.are.same({1, 3, 0}, ids)
      near(0.5, ps[1])
      near(0.3, ps[2])
      local n = 0
      for _ in view:candidates(300) do
        n = n + 1
      end
      assert.are.equal(4, n)
    end)

    it("are the same of probabilities", function()
      local expected = {}
      for id, p in view:candidates(20) do
        expected[#expected + 1] = {id, p}
      end
      view:softmax()
      local i = 0
      for id, p in view:candidates(20) do
        i = i + 1
        assert.are.equal(expected[i][1], id)
        near(expected[i][2], p)
        assert.are.equal(view:get(id), p)
      end
      assert.are.equal(20, i)
    end)

    it("are a snapshot: the loop may do anything", function()
      local n = 0
      for id in view:candidates(5) do
        n = n + 1
        if n < 3 then
          seq:logits():ban(id)
          seq:feed(id)
          context:step()
        elseif n == 3 then
          seq:close()
          context:close()
          collectgarbage()
        end
      end
      assert.are.equal(5, n)
    end)

    it("can be taken over several coroutines, and past the end", function()
      local next_one = view:candidates(2)
      local first = coroutine.wrap(function() return (next_one()) end)()
      local second = next_one()
      assert.are_not.equal(first, second)
      assert.is_nil(next_one())
      assert.is_nil(next_one())
      for _, bad in ipairs {0, -1, 1.5} do
        raises("an integer in 1..9007199254740992 expected", view.candidates, view, bad)
      end
    end)
  end)

  describe("choosing", function()
    it("takes the largest, of equals the first", function()
      only {1, 5, 3, 5}
      assert.are.equal(1, view:argmax())
      view:allow({})
      assert.is_nil(view:argmax())
    end)

    it("draws the first id at which the cumulated probability exceeds u", function()
      local log = core.math.log
      only {log(0.25), log(0.5), log(0.25)}
      assert.are.same({0, 0, 1, 1, 2, 2}, {view:sample(0), view:sample(0.2), view:sample(0.3),
        view:sample(0.7), view:sample(0.8), view:sample(1 - 2 ^ -24)})
      view:softmax()
      assert.are.same({0, 1, 2}, {view:sample(0.2), view:sample(0.3), view:sample(0.8)})
      for _, bad in ipairs {-0.1, 1, 0 / 0, math.huge} do
        raises("a number in 0 <= u < 1 expected", view.sample, view, bad)
      end
    end)

    it("draws with named randomness", function()
      local u = core.random(7, "lily", 3, "select", 1)
      local id = view:sample(u)
      assert.are.equal(id, view:sample {seed = 7, stream = "lily", position = 3, attempt = 1})
      assert.are.equal(id,
        view:sample {rng = core.rng {seed = 7, stream = "lily"}, position = 3, attempt = 1})
      raises("position is needed", view.sample, view, {seed = 7})
      raises("seed or rng is needed", view.sample, view, {position = 7})
      raises("rng excludes seed and stream", view.sample, view,
        {rng = core.rng {seed = 1}, seed = 1, position = 0})
      raises("rng must be a lull.rng, got table", view.sample, view, {rng = {}, position = 0})
      raises("unknown option 'sead' (did you mean 'seed'?)", view.sample, view,
        {sead = 1, position = 0})
      raises("a number in 0 <= u < 1 or a table of options expected, got string", view.sample, view,
        "0.5")
    end)

    it("says when it cannot", function()
      view:allow({})
      fails("EINVAL", "no token is allowed", view:sample(0.5))
      fails("EINVAL", "no token is allowed", view:softmax())
      assert.are.equal("lull.logits (300 values)", tostring(view))
    end)

    it("follows run.c with its generator", function()
      local state = core.llama2c_state(1)
      local greedy = view:argmax()
      local before = values()
      assert.are.equal(greedy, view:llama2c(state, 0, 0.9))
      assert.are.same(before, values())
      assert.are.equal("0x0000000000000001", state:value())
      local copy = view:clone()
      local id = view:llama2c(state, 1, 0.9)
      assert.are.equal("lull.logits (300 probabilities)", tostring(view))
      assert.are.equal(id, copy:llama2c(core.llama2c_state(1), 1, 0.9))
      assert.are_not.equal("0x0000000000000001", state:value())
      raises("lull.llama2c_state expected", copy.llama2c, copy:reset(), 1, 1, 1)
      raises("bad argument", copy.llama2c, copy, state, -1, 1)
    end)
  end)

  describe("penalties", function()
    it("touch each token of the window once", function()
      seq = context:sequence()
      seq:feed({5, 6, 5, 7, 5, 8})
      only {0, 0, 0, 0, 0, 2, -2, 1, 4, 3}
      assert.are.equal(view, view:penalize(seq, {last = 4, repetition = 2}))
      assert.are.same({1, -2, 0.5, 2, 3},
        {view:get(5), view:get(6), view:get(7), view:get(8), view:get(9)})
      view:penalize(seq, {frequency = 0.5, presence = 0.25})
      assert.are.same({1 - 1.75, -2.75, -0.25, 1.25, 3},
        {view:get(5), view:get(6), view:get(7), view:get(8), view:get(9)})
      local before = values()
      view:penalize(seq, {last = 0, frequency = 9}):penalize(seq, {}):penalize(seq)
      view:penalize(context:sequence(), {frequency = 9})
      assert.are.same(before, values())
    end)

    it("leave what is banned banned, and check their options", function()
      seq:feed({5})
      view:ban(5):penalize(seq, {repetition = 2, frequency = -5})
      assert.are.equal(-math.huge, view:get(5))
      raises("repetition must be a number in", view.penalize, view, seq, {repetition = 0})
      raises("last must be an integer in", view.penalize, view, seq, {last = -1})
      raises("frequency must be a number in", view.penalize, view, seq, {frequency = 0 / 0})
      local other = common.tiny_model({vocab = 320}):context():sequence()
      raises("its model has another vocabulary", view.penalize, view, other)
    end)
  end)

  describe("that are no numbers", function()
    it("are seen, and never chosen", function()
      local broken = common.tiny_model({bad = 0 / 0}, {tokenizer = false})
      local s = common.fresh(broken, {1, 2})
      local bad = s:logits()
      assert.is_true(bad:get(0) ~= bad:get(0))
      fails("EINVAL", "not finite", bad:sample(0.5))
      fails("EINVAL", "not finite", bad:softmax())
      fails("EINVAL", "", bad:llama2c(core.llama2c_state(1), 1, 0.9))
      assert.is_nil(bad:reset():argmax())
      local sum = bad:logsumexp()
      assert.is_true(sum ~= sum)
      for _ in bad:candidates(10) do
        error("a NaN was a candidate")
      end
      bad:top_k(3)
      bad:reset():top_p(0.5):min_p(0.5):temperature(0.5)
      bad:penalize(s, {frequency = 1})
      bad:reset():allow({3})
      bad:set(3, 1)
      assert.are.equal(3, bad:sample(0.5))
      assert.are.equal(3, bad:argmax())
    end)
  end)
end)
