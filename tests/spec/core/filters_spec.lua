-- Logits: verbs that ban by a rule, bend values, take in others; the few that are left.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises, fails = common.raises, common.fails
local inf = math.huge

local function near(expected, found, tolerance)
  assert.is_true(math.abs(expected - found) <= (tolerance or 1e-6),
    "expected " .. expected .. ", got " .. found)
end

describe("logits", function()
  local seq, view

  before_each(function()
    seq = common.fresh(common.tiny_model(), {1, 20, 30}, {sequences = 3})
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

  --- Ids that are not banned, as text.
  local function allowed(v)
    local out = {}
    for id = 0, 299 do
      if (v or view):get(id) > -inf then
        out[#out + 1] = id
      end
    end
    return table.concat(out, " ")
  end

  --- Only these probabilities, at ids 0, 1, ...; the rest is banned.
  local function only(list)
    local ids = {}
    for i = 1, #list do
      ids[i] = i - 1
      view:set(i - 1, math.log(list[i]))
    end
    return view:allow(ids)
  end

  describe("are banned by", function()
    it("top_a: a times the square of the largest probability", function()
      only {0.5, 0.3, 0.15, 0.05}
      assert.are.equal(view, view:top_a(0.5)) -- below 0.125
      assert.are.equal("0 1 2", allowed())
      view:top_a(0):top_a(1)
      assert.are.equal("0 1", allowed()) -- 0.277 of the rest
    end)

    it("top_n_sigma: so many standard deviations below the largest", function()
      view:set(0, 4):set(1, 2):set(2, 0):set(3, -2):allow({0, 1, 2, 3})
      local mean, deviation = view:moments()
      near(1, mean)
      near(math.sqrt(5), deviation)
      assert.are.equal("0 1", allowed(view:top_n_sigma(1)))
      assert.are.equal("0", allowed(view:top_n_sigma(0)))
    end)

    it("typical: far from the entropy", function()
      only {0.125, 0.5, 0.25, 0.125} -- 1.75 bits; surprises 3, 1, 2, 3
      assert.are.equal("1 2", allowed(view:clone():typical(0.7)))
      assert.are.equal("0 1 2", allowed(view:clone():typical(0.8)))
      assert.are.equal("0 1 2 3", allowed(view:typical(1)))
      assert.are.equal("2", allowed(view:typical(0)))
    end)

    it("tail_free: behind the bend of the sorted probabilities", function()
      only {0.4, 0.3, 0.2, 0.05, 0.03, 0.02} -- second differences 0, .05, .13, .01: .2 at id 1
      assert.are.equal("0", allowed(view:clone():tail_free(0.2)))
      assert.are.equal("0 1", allowed(view:clone():tail_free(0.9)))
      assert.are.equal("0 1 2", allowed(view:clone():tail_free(0.96)))
      assert.are.equal("0 1 2 3 4 5", allowed(view:tail_free(1)))
    end)

    it("epsilon and eta: a probability", function()
      only {0.6, 0.3, 0.09, 0.01}
      assert.are.equal("0 1 2", allowed(view:clone():epsilon(0.05)))
      assert.are.equal("0", allowed(view:clone():epsilon(1)))
      -- entropy 0.93; sqrt(e) exp(-H) is 0.08 for e = 0.04, so e itself decides
      assert.are.equal("0 1 2", allowed(view:clone():eta(0.04)))
      -- and for e = 0.64 it is 0.316
      assert.are.equal("0", allowed(view:clone():eta(0.64)))
      assert.are.equal("0 1", allowed(view:eta(0.5))) -- 0.279
    end)

    it("xtc: being too likely, but for the least of these and those to keep", function()
      only {0.4, 0.3, 0.2, 0.1}
      assert.are.equal("2 3", allowed(view:clone():xtc(0.15)))
      assert.are.equal("1 2 3", allowed(view:clone():xtc(0.15, 1)))
      assert.are.equal("0 1 2 3", allowed(view:clone():xtc(0.15, {0, 1, 299})))
      assert.are.equal("0 1 2 3", allowed(view:clone():xtc(0.35)))
      raises("a number in 0 < threshold <= 0.5 expected, got 0", view.xtc, view, 0)
      raises("a number in 0..0.5 expected, got 0.6", view.xtc, view, 0.6)
      raises("element 2 must be an integer in 0..299, got 300", view.xtc, view, 0.1, {1, 300})
    end)
  end)

  describe("are bent by", function()
    it("smooth", function()
      view:set(0, 3):set(1, 1):set(2, -1):allow({0, 1, 2}):smooth(0.5)
      near(3, view:get(0))
      near(1, view:get(1))
      near(-5, view:get(2))
      assert.are.equal(-inf, view:get(3))
      view:reset():set(0, 3):allow({0, 1}):set(1, 1):smooth(0.5, 2)
      near(3 - 0.5 * 0.5 * 4 - 0.5 * 0.5 * 8, view:get(1))
    end)

    it("dynamic_temperature, which tells the temperature", function()
      only {0.25, 0.25, 0.25, 0.25}
      local same, t = view:dynamic_temperature(0.5, 1.5)
      assert.are.equal(view, same)
      near(1.5, t)
      near(math.log(0.25) / 1.5, view:get(2))
      only {0.5, 0.5, 1e-9, 1e-9}
      same, t = view:dynamic_temperature(0, 2, 2)
      near(0.5, t, 1e-4)
      assert.are.equal(view, same)
      view:allow(7):set(7, 1)
      assert.are.equal(0, select(2, view:dynamic_temperature(0, 2)))
      view:ban(7)
      local nan = select(2, view:dynamic_temperature(0, 2))
      assert.is_true(nan ~= nan)
    end)

    it("toward", function()
      only {0.7, 0.25, 0.05}
      view:toward(0.25)
      near(5, view:get(1))
      near(5 - 10 * 1.5 ^ 2 / 2.5, view:get(0), 1e-5)
      assert.are.equal(-inf, view:get(3))
      assert.are.equal(1, view:argmax())
    end)

    it("green, which anyone can tell", function()
      local before, count = values(), 0
      view:ban(5)
      view:green("0xfedcba9876543210", 0.5, 2)
      for id = 0, 299 do
        local green = core.is_green("0xfedcba9876543210", id, 0.5)
        count = count + (green and 1 or 0)
        if id ~= 5 then
          near(before[id] + (green and 2 or 0), view:get(id))
        end
      end
      assert.are.equal(-inf, view:get(5))
      assert.is_true(count > 115 and count < 185)
      assert.are.equal(core.is_green(7, 3, 0.5), core.is_green("0x7", 3, 0.5))
      assert.is_true(core.is_green(7, 3, 1))
      assert.is_false(core.is_green(7, 3, 0))
      raises("a number in 0..1 expected, got 1.5", core.is_green, 7, 3, 1.5)
    end)
  end)

  describe("beside others", function()
    it("add_scaled", function()
      local other = view:clone():set(0, 2):ban({1, 2})
      view:set(0, 1):set(1, 1):ban(3)
      assert.are.equal(view, view:add_scaled(other, -0.5))
      assert.are.equal(0, view:get(0))
      assert.are.equal(1, view:get(1))
      assert.are.equal(-inf, view:get(3))
      assert.are.equal(-inf, view:add_scaled(other, 1):get(1))
      local found = values(view:reset():add_scaled(view, 1))
      assert.are.equal(2 * view:reset():get(9), found[9])
    end)

    it("copy takes probabilities too", function()
      local other = assert(view:clone():ban(3):softmax())
      assert.are.equal(view, view:copy(other))
      assert.are.equal("lull.logits (300 probabilities)", tostring(view))
      assert.are.same(values(other), values())
      assert.are_not.equal(0, view:reset():get(3))
    end)

    it("divergence", function()
      local other = view:clone()
      assert.are.equal(0, view:divergence(other))
      near(math.log(2), view:allow(3):divergence(other:allow(4)))
      local d = view:reset():divergence(other:reset():scale(0.5))
      assert.is_true(d > 0 and d < math.log(2))
      assert.are.equal(d, other:divergence(view))
    end)

    it("must be logits of the same vocabulary, open and fresh", function()
      local strange = common.fresh(common.tiny_model {vocab = 320}, {1}):logits()
      local closed = view:clone()
      closed:close()
      for _, name in ipairs {"add_scaled", "copy", "divergence"} do
        raises("its model has another vocabulary", view[name], view, strange, 1)
        raises("attempt to use closed logits", view[name], view, closed, 1)
        raises("lull.logits expected, got table", view[name], view, {}, 1)
      end
      local soft = assert(view:clone():softmax())
      raises("softmax() has made them probabilities", view.add_scaled, view, soft, 1)
      raises("softmax() has made them probabilities", view.divergence, view, soft)
      local copy = view:clone()
      seq:feed(4)
      seq:context():step()
      raises("logits are stale", copy.copy, copy, view)
    end)
  end)

  describe("are read by", function()
    it("max, prob, moments, log_softmax", function()
      only {0.7, 0.2, 0.1}
      local value, id = view:max()
      near(math.log(0.7), value)
      assert.are.equal(0, id)
      near(0.2, view:prob(1))
      assert.are.equal(0, view:prob(3))
      assert.are.equal(view, view:scale(2):log_softmax())
      near(0, view:logsumexp())
      near(math.log(0.49 / 0.54), view:get(0))
      near(0.49 / 0.54, assert(view:softmax()):prob(0))
      view:reset():allow({})
      assert.is_nil((view:max()))
      fails("EINVAL", "no token is allowed", view:log_softmax())
      local mean, deviation = view:moments()
      assert.is_true(mean ~= mean and deviation ~= deviation)
    end)
  end)

  -- What is known about the few that are left must never show: a vector from which all others are
  -- banned by hand gives the same.
  describe("of which few are left", function()
    local VERBS = {
      function(v) return v:top_p(0.7) end, function(v) return v:min_p(0.3) end,
      function(v) return v:top_k(3) end, function(v) return v:typical(0.6) end,
      function(v) return v:tail_free(0.8) end, function(v) return v:top_a(0.9) end,
      function(v) return v:top_n_sigma(0.8) end, function(v) return v:epsilon(0.08) end,
      function(v) return v:eta(0.2) end, function(v) return v:xtc(0.05, 7) end,
      function(v) return v:temperature(0.7) end, function(v) return v:scale(-1) end,
      function(v) return v:smooth(0.2, 1.5) end, function(v) return v:toward(0.2) end,
      function(v) return (v:dynamic_temperature(0.5, 2)) end,
      function(v) return v:green(3, 0.5, 1) end,
      function(v) return v:log_softmax() end, function(v) return v:softmax() end,
      function(v) return v:add({1, 2, 299}, 1.5) end, function(v) return v:ban({1, 2}) end,
      function(v) return v:penalize(seq, {repetition = 1.5}) end,
      function(v) return v:add_scaled(seq:logits(), -0.25) end,
      function(v) return v:set(17, 2):set(18, -inf):top_k(4) end,
      function(v) return v:reset():top_k(20) end,
    }

    local function told(v)
      local out = {v:argmax(), tostring(v:sample(0.3)), tostring(v:sample(0.9))}
      for id, p in v:candidates(5) do
        out[#out + 1] = ("%d:%.9f"):format(id, p)
      end
      for _, id in ipairs {0, 7, 20} do
        out[#out + 1] = ("%.9f %.9f"):format(v:prob(id), v:current_logprob(id))
      end
      if tostring(v):find("values") then
        out[#out + 1] = ("%.9f %.9f %.9f %.9f"):format(v:entropy(), v:logsumexp(), v:moments())
      end
      return table.concat(out, " ")
    end

    it("all verbs do the same", function()
      local banned = {}
      local kept = seq:logits():clone():top_k(12)
      for id = 0, 299 do
        if kept:get(id) == -inf then
          banned[#banned + 1] = id
        end
      end
      for i, verb in ipairs(VERBS) do
        local few, whole = view:clone():top_k(12), view:clone():ban(banned)
        assert.are.equal(told(whole), told(few))
        assert(verb(few))
        assert(verb(whole))
        local want, got = values(whole), values(few)
        for id = 0, 299 do
          assert.is_true(want[id] == got[id] or math.abs(want[id] - got[id]) < 1e-6,
            ("verb %d, token %d: %g, expected %g"):format(i, id, got[id], want[id]))
        end
        assert.are.equal(told(whole), told(few), "after verb " .. i)
        assert.are.same(got, values(few:clone()))
        assert.are.equal(told(few), told(few:clone()))
        assert.are.equal(told(few), told(view:clone():copy(few)))
      end
    end)

    it("a token that comes back is seen", function()
      view:top_k(3):temperature(0.5)
      local id = view:argmax() == 100 and 101 or 100
      view:ban(view:argmax()):set(id, 1000)
      assert.are.equal(id, view:argmax())
      assert.are.equal(id, view:sample(0.5))
      assert.are.equal(id, view:candidates(1)())
      view:reset():top_k(2):reset()
      local n = 0
      for _ in view:candidates(300) do
        n = n + 1
      end
      assert.are.equal(300, n)
    end)

    it("all may be banned", function()
      view:top_k(2)
      view:ban(view:argmax())
      view:ban(view:argmax())
      assert.is_nil(view:argmax())
      fails("EINVAL", "no token is allowed", view:sample(0.5))
      fails("EINVAL", "no token is allowed", view:softmax())
      view:top_p(0.5):top_k(1):typical(0.3):xtc(0.1):tail_free(0.5)
      assert.are.equal("", allowed())
    end)

    it("what is no finite number is still named", function()
      view:set(150, 3e38)
      view:top_k(5):scale(100)
      assert.are.equal(inf, view:get(150))
      local message = "logits are not finite (first at token 150)"
      fails("EINVAL", message, view:sample(0.5))
      fails("EINVAL", message, view:softmax())
      fails("EINVAL", message, view:log_softmax())
      fails("EINVAL", message, view:top_p(0.5):min_p(0.5):sample(0.5))
      assert.are.equal(150, view:argmax())
    end)

    it("a fork and a new step know nothing of it", function()
      view:top_k(1)
      local fork = seq:fork():logits()
      assert.are_not.equal(fork:get(0), view:top_k(1):get(0))
      seq:feed(9)
      seq:context():step()
      assert.are.equal(300, select(2, allowed(seq:logits()):gsub("%d+", "")))
    end)
  end)

  it("that are no numbers are left as they are", function()
    local bad = common.fresh(common.tiny_model({bad = 0 / 0}, {tokenizer = false}), {1}):logits()
    bad:top_a(0.5):top_n_sigma(1):typical(0.5):tail_free(0.5):epsilon(0.1):eta(0.1):xtc(0.1)
    bad:smooth(1):toward(0.5):green(1, 0.5, 1):add_scaled(bad, 1)
    assert.is_true(bad:get(3) ~= bad:get(3))
    fails("EINVAL", "first at token 0", bad:sample(0.5))
    assert.is_nil((bad:max()))
    local d, t = bad:divergence(bad), select(2, bad:dynamic_temperature(1, 2))
    assert.is_true(d ~= d and t ~= t)
  end)
end)
