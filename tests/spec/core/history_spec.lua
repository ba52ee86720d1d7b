-- Verbs of logits that look at the tokens of a sequence: penalties, DRY, n-gram bans.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises = common.raises

describe("of a sequence's tokens,", function()
  local model, context, view, seq

  setup(function()
    model = common.tiny_model()
    context = model:context {sequences = 8}
  end)
  teardown(common.clean)
  before_each(function()
    seq = context:sequence():feed({7})
    context:step()
    view = seq:logits()
    seq:rewind(0)
    view = common.fresh(model, {1}):logits():clone()
    for id = 0, 299 do
      view:set(id, 0)
    end
  end)
  after_each(function()
    seq:close()
  end)

  -- The tokens whose logits are not 0, with their logits.
  local function changed()
    local out = {}
    for id = 0, 299 do
      if view:get(id) ~= 0 then
        out[id] = view:get(id)
      end
    end
    return out
  end

  it("penalties fade over `decay` tokens before the last", function()
    seq:feed({0, 299, 5, 6, 7})
    assert.are.equal(view, view:penalize(seq, {presence = 1, last = 1, decay = 4}))
    assert.are.same({[7] = -1, [6] = -1, [5] = -0.75, [299] = -0.5, [0] = -0.25}, changed())
    for id = 0, 299 do
      view:set(id, 0)
    end
    view:penalize(seq, {frequency = 1, last = 0, decay = 2})
    assert.are.same({[7] = -1, [6] = -0.5}, changed())
  end)

  it("penalties count from the token they are told to", function()
    seq:feed({5, 6, 5, 7})
    view:penalize(seq, {frequency = 1, from = 3})
    assert.are.same({[5] = -1, [7] = -1}, changed())
    view:penalize(seq, {frequency = 1, from = 5})
    view:penalize(seq, {frequency = 1, from = 2 ^ 53})
    assert.are.same({[5] = -1, [7] = -1}, changed())
    view:penalize(seq, {frequency = 1, from = 2, last = 1})
    assert.are.same({[5] = -1, [7] = -2}, changed())
    view:penalize(seq, {frequency = 1, last = 2 ^ 53, decay = 2 ^ 53})
    assert.are.same({[5] = -3, [6] = -1, [7] = -3}, changed())
  end)

  it("what would go on repeating loses by DRY", function()
    seq:feed({5, 6, 7, 299, 8, 6, 7, 0, 5, 6, 7})
    assert.are.equal(view, view:dry(seq, {multiplier = 1, base = 2}))
    assert.are.same({[299] = -2, [0] = -1}, changed())
    view:dry(seq, {multiplier = 1, base = 2, allowed_length = 3})
    assert.are.same({[299] = -3, [0] = -1}, changed())
    view:dry(seq, {multiplier = 1, base = 2, last = 7}) -- the end of these: 6, 7
    assert.are.same({[299] = -3, [0] = -2}, changed())
    view:dry(seq, {multiplier = 1, base = 2, from = 7})
    view:dry(seq, {multiplier = 0})
    view:dry(seq, {last = 0})
    assert.are.same({[299] = -3, [0] = -2}, changed())
  end)

  it("DRY has defaults", function()
    seq:feed({5, 6, 7, 299, 5, 6, 7})
    local expected = -0.8 * 1.75
    view:dry(seq)
    assert.is_true(math.abs(view:get(299) - expected) < 1e-6)
  end)

  it("no repetition reaches over a breaker, in whatever form it is given", function()
    seq:feed({5, 6, 7, 299, 5, 6, 7})
    for _, breakers in ipairs {7, {5, 7}, core.token_set(model, {7})} do
      view:dry(seq, {breakers = breakers})
    end
    view:dry(seq, {breakers = {6}}) -- leaves 7 alone, shorter than 2
    view:dry(seq, {breakers = 299}) -- loses nothing itself
    assert.are.same({}, changed())
    view:dry(seq, {breakers = {5}, multiplier = 1})
    assert.are.same({[299] = -1}, changed())
    view:dry(seq, {breakers = {}, multiplier = 1, base = 2})
    assert.are.same({[299] = -3}, changed())
  end)

  it("n-grams do not come again", function()
    seq:feed({5, 6, 7, 5, 6})
    assert.are.equal(view, view:no_repeat(seq, 4))
    assert.are.same({}, changed())
    view:no_repeat(seq, 3)
    assert.are.same({[7] = -math.huge}, changed())
    view:set(7, 0):no_repeat(seq, 2):set(7, 0):no_repeat(seq, 2, {last = 3})
    assert.are.same({}, changed())
    view:no_repeat(seq, 1, {from = 4})
    assert.are.same({[5] = -math.huge, [6] = -math.huge}, changed())
    view:no_repeat(seq, 1, {last = 3}):no_repeat(seq, 2 ^ 53)
    assert.are.same({[5] = -math.huge, [6] = -math.huge, [7] = -math.huge}, changed())
  end)

  it("none or one change nothing", function()
    view:dry(seq):no_repeat(seq, 1):penalize(seq, {presence = 1, decay = 3})
    seq:feed({9})
    view:dry(seq, {allowed_length = 1}):no_repeat(seq, 2)
    assert.are.same({}, changed())
  end)

  it("what is banned or no number stays so", function()
    seq:feed({5, 6, 5, 6, 5})
    view:ban(6):dry(seq, {allowed_length = 1}):penalize(seq, {frequency = -3, decay = 2})
    assert.are.equal(-math.huge, view:get(6))
    local broken = common.tiny_model({bad = 0 / 0}, {tokenizer = false})
    local s = common.fresh(broken, {5, 6, 5, 6, 5})
    local bad = s:logits()
    bad:dry(s, {allowed_length = 1}):no_repeat(s, 1):penalize(s, {presence = 1})
    for _, id in ipairs {5, 6, 7} do
      assert.is_true(bad:get(id) ~= bad:get(id))
    end
  end)

  it("a penalty never bans", function()
    local many = {}
    for i = 1, 60 do
      many[i] = 5
    end
    seq:feed(many)
    view:dry(seq, {multiplier = 1e6, base = 1e6}):penalize(seq, {repetition = 1e6})
    assert.is_true(view:get(5) < -1e38 and view:get(5) > -math.huge)
  end)

  it("the options are checked", function()
    local function bad(text, verb, ...)
      raises(text, view[verb], view, seq, ...)
    end
    bad("decay must be an integer in 0..", "penalize", {decay = -1})
    bad("from must be an integer in 1..", "penalize", {from = 0})
    bad("multiplier must be a number in 0..1000000", "dry", {multiplier = -1})
    bad("multiplier must be a number in", "dry", {multiplier = 0 / 0})
    bad("base must be a number in 1..1000000", "dry", {base = 0.9})
    bad("allowed_length must be an integer in 1..", "dry", {allowed_length = 0})
    bad("last must be an integer in 0..", "dry", {last = 1.5})
    bad("from must be an integer in 1..", "dry", {from = "1"})
    bad("breakers must be a token id, a list", "dry", {breakers = true})
    bad("breakers must be an integer in 0..299, got 300", "dry", {breakers = 300})
    bad("breakers: element 2 must be an integer in 0..299, got -1", "dry", {breakers = {1, -1}})
    bad("of a vocabulary of 320 tokens, not 300", "dry", {breakers = core.token_set(320)})
    bad("unknown option 'breaker' (did you mean 'breakers'?)", "dry", {breaker = 1})
    bad("an integer in 1..", "no_repeat", 0)
    bad("an integer in 1..", "no_repeat")
    bad("from must be", "no_repeat", 2, {from = 0})
    bad("unknown option", "no_repeat", 2, {decay = 1})
  end)

  it("a foreign or closed sequence is refused", function()
    local other = common.tiny_model({vocab = 320}):context():sequence()
    local closed = context:sequence()
    closed:close()
    for _, verb in ipairs {"penalize", "dry", "no_repeat"} do
      local argument = verb == "no_repeat" and 2 or nil
      raises("its model has another vocabulary", view[verb], view, other, argument)
      raises("closed sequence", view[verb], view, closed, argument)
      raises("logits are needed", view[verb], view:clone():softmax(), seq, argument)
    end
  end)

  it("histories of any context can be asked about, in turn", function()
    -- Work memory belongs to the sequence whose history it is, not to the logits.
    local short = model:context {length = 8}:sequence():feed({5, 6, 5})
    local long = model:context {length = 64}:sequence()
    view:no_repeat(short, 2)
    for _ = 1, 20 do
      long:feed({5, 7, 8})
    end
    view:no_repeat(long, 3):dry(long, {multiplier = 1, base = 1}):dry(short, {allowed_length = 1})
    assert.are.equal(-math.huge, view:get(6))
    assert.are.equal(-math.huge, view:get(5))
    assert.are.equal(0, view:get(7))
  end)

  it("options may close what they are for", function()
    for _, verb in ipairs {"penalize", "dry"} do
      local s = context:sequence():feed({1, 2, 1})
      local given = setmetatable({}, {__index = function(_, key)
        if key == "from" then
          s:close()
        end
      end})
      raises("closed sequence", view[verb], view, s, given)
    end
  end)
end)
