-- Logits: a view holds what was changed of the raw values, or what few are left, or all of them; no
-- verb's result may depend on which.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local values = common.values
local inf = math.huge

describe("logits", function()
  local seq, other

  before_each(function()
    local model = common.tiny_model()
    seq = common.fresh(model, {1, 20, 30}, {sequences = 4})
    other = assert(seq:context():sequence())
    assert(other:feed {1, 40})
    assert(seq:context():step())
  end)
  after_each(common.clean)

  -- xorshift in doubles would overflow; this is Lehmer's generator.
  local state
  local function below(n)
    state = state * 48271 % 2147483647
    return state % n
  end

  -- Makes all values lie in one array and changes none.
  local function make_whole(view)
    return view:no_repeat(seq, 1000)
  end

  local function ids(count)
    local list = {}
    for i = 1, count do
      list[i] = below(300)
    end
    return list
  end

  local function set(count)
    return core.token_set(300, ids(count))
  end

  -- Each makes a call: a name and what it is called with.
  local CALLS = {
    function() return "top_k", 1 + below(60) end,
    function() return "top_k", 250 + below(60) end,
    function() return "top_p", 0.3 + below(60) / 100 end,
    function() return "min_p", below(20) / 100 end,
    function() return "typical", 0.9 end,
    function() return "temperature", 0.5 + below(10) / 10 end,
    function() return "temperature", 0 end,
    function() return "scale", below(5) - 1 end,
    function() return "set", below(300), below(2) == 0 and -inf or below(100) / 10 - 5 end,
    function() return "add", below(300), below(4) == 0 and -inf or below(100) / 50 end,
    function() return "add", ids(5), 1.5 end,
    function() return "add", set(5), 0.25 end,
    function() return "add", set(200), 0.25 end,
    function() return "ban", below(300) end,
    function() return "ban", ids(90) end,
    function() return "ban", set(3) end,
    function() return "ban", set(150) end,
    function() return "allow", set(200) end,
    function() return "xtc", 0.01, ids(2) end,
    function() return "green", 7, 0.5, 1 end,
    function() return "smooth", 0.3 end,
    function() return "penalize", seq, {repetition = 1.3} end,
    function() return "log_softmax" end,
    function() return "add_scaled", other:logits(), 0.5 end,
    function() return "copy", other:logits() end,
    function() return "reset" end,
  }

  -- What verbs that read say; a text, so that nil and NaN compare too.
  local function readings(view)
    local mean, deviation = view:moments()
    local out = {
      tostring(view:argmax()), tostring((view:max())), tostring((view:sample(0.37))),
      tostring(view:entropy()), tostring(view:logsumexp()), tostring(mean), tostring(deviation),
      tostring(view:current_logprob(20)), tostring(view:prob(21)), tostring(view:logprob(22)),
      tostring(view:divergence(other:logits())), tostring(view:kl(other:logits())),
    }
    for id, p in view:candidates(7) do
      out[#out + 1] = id .. " " .. string.format("%.9g", p)
    end
    return table.concat(out, "\n")
  end

  -- To within the rounding of sums: a vector of the few has a finer unit of mass.
  local function rounded(text)
    return (text:gsub("%-?%d+%.%d+[%de+-]*", function(number)
      return string.format("%.6f", tonumber(number))
    end))
  end

  it("are the same however a view holds them", function()
    for seed = 1, 150 do
      state = seed * 7919
      local view, whole = seq:logits():reset(), seq:logits():clone()
      other:logits():reset():ban(ids(below(3) * 40))
      for _ = 1, 1 + below(6) do
        local name, a, b, c = CALLS[1 + below(#CALLS)]()
        make_whole(whole)
        view[name](view, a, b, c)
        whole[name](whole, a, b, c)
        local message = "seed " .. seed .. ", after " .. name
        if name ~= "log_softmax" and name ~= "typical" then
          assert.are.same(values(whole), values(view), message)
        end
        whole:copy(view)
      end
      local found = readings(view)
      assert.are.equal(rounded(readings(make_whole(whole))), rounded(found), "seed " .. seed)
      assert.are.equal(readings(view:clone()), found)
    end
  end)

  it("keep up to 64 changes beside the raw values, and any number", function()
    for _, count in ipairs {1, 63, 64, 65, 299, 300} do
      local view = seq:logits():reset()
      local raw = values(view)
      for i = count - 1, 0, -1 do
        view:set(i, -i)
      end
      view:set(0, 5):add(count - 1, 1)
      raw[1] = 0
      for i = 0, count - 1 do
        raw[i + 1] = -i
      end
      raw[1] = 5
      raw[count] = raw[count] + 1
      assert.are.same(raw, values(view))
    end
  end)

  it("of two sequences are taken in from the raw values too", function()
    local view, added = seq:logits():reset(), other:logits():reset()
    local expected = {}
    for id = 0, 299 do
      expected[id] = view:get(id) + added:get(id)
    end
    view:add_scaled(added, 1)
    for id = 0, 299 do
      assert.is_true(math.abs(view:get(id) - expected[id]) < 1e-6)
    end
    view:copy(added)
    assert.are.same(values(added), values(view))
    view:reset()
    assert.are_not.same(values(added), values(view))
    added:top_k(5)
    view:copy(added)
    assert.are.same(values(added), values(view))
    view:reset():top_k(5):add_scaled(other:logits():reset(), 1)
    local count = 0
    for id = 0, 299 do
      if view:get(id) > -inf then
        count = count + 1
        assert.is_true(math.abs(view:get(id) - expected[id]) < 1e-6)
      end
    end
    assert.are.equal(5, count)
  end)

  it("become probabilities in a narrow view, and raw values again", function()
    local view = seq:logits():reset()
    local raw = values(view)
    view:top_k(4):softmax()
    local sum, above = 0, 0
    for _, p in ipairs(values(view)) do
      sum = sum + p
      above = above + (p > 0 and 1 or 0)
    end
    assert.is_true(math.abs(sum - 1) < 1e-6)
    assert.are.equal(4, above)
    assert.are.same(values(view), values(view:clone()))
    assert.are.same(raw, values(view:reset()))
  end)
end)
