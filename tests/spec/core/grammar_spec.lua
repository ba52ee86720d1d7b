-- Grammars and matchers as the module has them; what they match is tested in C and in the specs of
-- lull.constrain.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises, fails = common.raises, common.fails

-- Tokens: 0 unknown, 1 BOS, 2 EOS, 3..258 bytes, 259.. printable ASCII from the space on.
local VOCAB = {vocab = 400}
local model = common.tiny_model(VOCAB)

local function byte_set(text)
  local bytes = {}
  for i = 0, 31 do
    local value = 0
    for bit = 0, 7 do
      if text:find(string.char(8 * i + bit), 1, true) then
        value = value + 2 ^ bit
      end
    end
    bytes[i + 1] = string.char(value)
  end
  return table.concat(bytes)
end

local function id_of(letter)
  return 259 + letter:byte() - 32
end

-- Bytes a and b in turns, then a full stop.
local PROGRAM = {
  rules = {{{-2, 3}}, {{1, 2, -2}, {}}},
  sets = {byte_set "a", byte_set "b", byte_set "!."},
  names = {"text", "pairs"},
}

local function logits()
  local seq = model:context():sequence():feed({1})
  assert(seq:context():step())
  return assert(seq:logits()):clone()
end

describe("core.grammar", function()
  teardown(common.clean)

  it("takes programs as lists", function()
    local grammar = assert(core.grammar(model, PROGRAM))
    assert.are.equal("lull.grammar (2 rules)", tostring(grammar))
    assert.are.equal("lull.grammar (1 rule)",
      tostring(core.grammar(nil, {rules = {{{1}}}, sets = {byte_set "a"}})))
    local info = grammar:info()
    assert.are.equal(2, info.rules)
    assert.are.equal(0, info.states)
    assert.are.equal(0, info.flushes)
    assert.is_true(info.memory_bytes > 0)
  end)

  it("refuses programs that are none", function()
    fails("EINVAL", "rule 'text' can never match a finite text", core.grammar(model, {
      rules = {{{-2}}, {{-2}}}, sets = {}, names = {"text", "pairs"},
    }))
    fails("EINVAL", "rule 0 refers to byte set 1, and there are 1", core.grammar(nil, {
      rules = {{{2}}}, sets = {byte_set "a"},
    }))
    raises("rules must be a table, got nil", core.grammar, nil, {sets = {}})
    raises("sets must be a table, got 1", core.grammar, nil, {rules = {}, sets = 1})
    raises("names must be a table, got string 'x'", core.grammar, nil,
      {rules = {}, sets = {}, names = "x"})
    raises("a rule must be a list, got 1", core.grammar, nil, {rules = {1}, sets = {}})
    raises("an alternative must be a list, got 1", core.grammar, nil, {rules = {{1}}, sets = {}})
    raises("an element must be the index of a set, or minus that of a rule, got 0", core.grammar,
      nil, {rules = {{{0}}}, sets = {}})
    raises("got 1.5", core.grammar, nil, {rules = {{{1.5}}}, sets = {}})
    raises("a byte set must be a string of 32 bytes, got string 'x'", core.grammar, nil,
      {rules = {{{1}}}, sets = {"x"}})
    fails("EINVAL", "0 rules", core.grammar(nil, {rules = {}, sets = {}}))
  end)

  it("has limits", function()
    fails("ELIMIT", "the limit of 100 bytes",
      core.grammar(nil, PROGRAM, {max_memory_bytes = 100}):matcher())
    raises("max_depth must be an integer in 1..60000, got 0", core.grammar, nil, PROGRAM,
      {max_depth = 0})
    raises("unknown option 'max_dept' (did you mean 'max_depth'?)", core.grammar, nil, PROGRAM,
      {max_dept = 1})
  end)

  it("needs a tokenizer where there is a model", function()
    local bare = common.tiny_model(nil, {tokenizer = false})
    fails("ESTATE", "the model has no tokenizer", core.grammar(bare, PROGRAM))
    bare:close()
    raises("closed model", core.grammar, bare, PROGRAM)
  end)

  it("outlives its model, and its matchers outlive it", function()
    local own = common.tiny_model(VOCAB)
    local grammar = assert(core.grammar(own, PROGRAM))
    own:close()
    local matcher = assert(grammar:matcher())
    grammar:close()
    assert.are.equal("lull.grammar (closed)", tostring(grammar))
    raises("closed grammar", grammar.matcher, grammar)
    collectgarbage()
    assert.is_true(matcher:accept(id_of "a"))
    matcher:close()
    matcher:close()
    assert.are.equal("lull.matcher (closed)", tostring(matcher))
    raises("closed matcher", matcher.allows, matcher, 1)
  end)
end)

describe("a matcher", function()
  local grammar = assert(core.grammar(model, PROGRAM))

  it("takes tokens and bytes", function()
    local matcher = assert(grammar:matcher())
    assert.is_true(matcher:allows(id_of "a"))
    assert.is_false(matcher:allows(id_of "b"))
    assert.is_false(matcher:allows(2))
    fails("EINVAL", "token 2 is not allowed after 0 bytes", matcher:accept(2))
    assert.is_true(matcher:accept(id_of "a"))
    assert.is_true(matcher:accept(3 + ("b"):byte()))
    assert.is_true(matcher:accept_text "abab")
    fails("EINVAL", "byte 0x62 is not allowed after 8 bytes", matcher:accept_text "abb")
    assert.is_false(matcher:complete())
    assert.are.equal("lull.matcher (not complete)", tostring(matcher))
    assert.is_true(matcher:accept_text "ab.")
    assert.is_true(matcher:complete())
    assert.are.equal("lull.matcher (may end here)", tostring(matcher))
    assert.is_true(matcher:allows(2))
    assert.is_true(matcher:accept(2))
    assert.is_false(matcher:allows(2))
  end)

  it("masks logits, which it returns", function()
    local matcher, view = assert(grammar:matcher()), logits()
    local before = view:get(id_of "a")
    assert.are.equal(view, matcher:mask(view))
    assert.are.equal(before, view:get(id_of "a"))
    assert.are.equal(-math.huge, view:get(id_of "b"))
    local allowed = {}
    for id in view:candidates(400) do
      allowed[#allowed + 1] = id
    end
    table.sort(allowed)
    assert.are.same({3 + ("!"):byte(), 3 + ("."):byte(), 3 + ("a"):byte(), id_of "!", id_of ".",
      id_of "a"}, allowed)
    local other = common.tiny_model({vocab = 290})
    local seq = other:context():sequence():feed({1})
    assert(seq:context():step())
    fails("EINVAL", "290 values, the vocabulary has 400 tokens", matcher:mask(seq:logits()))
    raises("logits are needed, but softmax() has made them probabilities", matcher.mask, matcher,
      logits():softmax())
    local closed = logits()
    closed:close()
    raises("closed logits", matcher.mask, matcher, closed)
  end)

  it("has copies of its own", function()
    local matcher = assert(grammar:matcher())
    assert(matcher:accept_text "a")
    local copy = matcher:clone()
    assert.is_true(copy:accept_text "b.")
    assert.is_true(copy:complete())
    assert.is_false(matcher:complete())
    assert.are.equal(copy, copy:reset())
    assert.is_true(copy:accept_text "a")
    assert.is_false(matcher:allows(id_of "a"))
  end)

  it("tells what is forced", function()
    local matcher = assert(grammar:matcher())
    assert.are.same({nil, nil}, {matcher:forced()})
    assert(matcher:accept_text "a")
    assert.are.equal("b", (matcher:forced()))
    assert(matcher:accept_text "b.")
    assert.are.same({n = 2, nil, 2}, {n = select("#", matcher:forced()), matcher:forced()})
    local long = assert(core.grammar(model, {
      rules = {{{-2, -2, -2, -2}}, {{-3, -3, -3, -3, -3, -3, -3, -3, -3, -3}},
        {{-4, -4, -4, -4, -4, -4, -4, -4, -4, -4}}, {{1, 1, 1, 1, 1, 1}}},
      sets = {byte_set "x"},
    }))
    assert.are.equal(("x"):rep(1024), (long:matcher():forced()))
  end)

  it("can leave out the space after BOS", function()
    local spaced = assert(core.grammar(model, {rules = {{{1}}}, sets = {byte_set "a"}}))
    assert.is_false(assert(spaced:matcher()):allows(id_of " "))
    local matcher = assert(spaced:matcher {at_start = true})
    assert.is_true(matcher:allows(id_of " "))
    assert.is_false(matcher:allows(3 + 32))
    assert.is_true(matcher:accept(id_of " "))
    assert.is_false(matcher:allows(id_of " "))
    assert.is_true(matcher:accept(id_of "a"))
    assert.is_true(matcher:complete())
  end)

  it("needs a model for tokens", function()
    local matcher = assert(core.grammar(nil, PROGRAM)):matcher {at_start = true}
    assert.is_true(matcher:accept_text "ab!")
    assert.is_true(matcher:complete())
    assert.are.same({nil, nil}, {matcher:forced()})
    fails("ESTATE", "without a vocabulary", matcher:allows(5))
    fails("ESTATE", "without a vocabulary", matcher:accept(5))
    fails("ESTATE", "without a vocabulary", matcher:mask(logits()))
  end)

  it("survives the collector at every instruction", function()
    local function tell()
      local own = assert(core.grammar(model, PROGRAM))
      local matcher = assert(own:matcher())
      own = nil -- luacheck: ignore
      matcher:accept(id_of "a")
      local copy = matcher:clone()
      matcher = copy:clone()
      return tostring(copy) .. tostring(matcher:accept_text "b.") .. tostring(matcher)
    end
    local expected = tell()
    collectgarbage("setpause", 0)
    debug.sethook(function() collectgarbage() end, "", 1)
    local ok, found = pcall(tell)
    debug.sethook()
    collectgarbage("setpause", 200)
    assert.is_true(ok, tostring(found))
    assert.are.equal(expected, found)
  end)
end)
