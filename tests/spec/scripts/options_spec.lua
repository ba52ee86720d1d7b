require "tests.spec.helper"
local options = require "lull.options"

-- Calls options.check from a function, as the library does.
local function check(given, rules)
  return options.check("f", given, rules, 2)
end

local RULES = {
  count = {type = "integer", min = 0, max = 10, default = 3},
  share = {type = "number", min = 0, max = 1},
  name = {type = "string"},
  kv = {one_of = {"f32", "bf16"}},
  even = {test = function(v) return v % 2 == 0 end, text = "an even number"},
}

describe("options.check", function()
  it("fills in defaults and leaves the caller's table alone", function()
    local given = {name = "x"}
    assert.are.same({count = 3, name = "x"}, check(given, RULES))
    assert.are.same({name = "x"}, given)
    assert.are.same({count = 3}, check(nil, RULES))
  end)

  it("takes values at the ends of a range", function()
    for _, value in ipairs {0, 10} do
      assert.are.equal(value, check({count = value}, RULES).count)
    end
    for _, value in ipairs {0, 0.5, 1} do
      assert.are.equal(value, check({share = value}, RULES).share)
    end
  end)

  local wrong = {
    {"count", -1, "an integer in 0..10 expected, got -1"},
    {"count", 11, "an integer in 0..10 expected, got 11"},
    {"count", 1.5, "an integer in 0..10 expected, got 1.5"},
    {"count", 0 / 0, "an integer in 0..10 expected, got "},
    {"count", 1 / 0, "an integer in 0..10 expected, got "},
    {"count", "3", "an integer in 0..10 expected, got '3'"},
    {"count", true, "an integer in 0..10 expected, got true"},
    {"share", 1.0001, "a number in 0..1 expected, got 1.0001"},
    {"share", 0 / 0, "a number in 0..1 expected"},
    {"share", {}, "a number in 0..1 expected, got a table"},
    {"name", 7, "a string expected, got 7"},
    {"kv", "f16", "'f32' or 'bf16' expected, got 'f16'"},
    {"even", 3, "an even number expected, got 3"},
  }
  for _, case in ipairs(wrong) do
    it("refuses " .. case[1] .. " = " .. tostring(case[2]), function()
      local ok, message = pcall(check, {[case[1]] = case[2]}, RULES)
      assert.is_false(ok)
      local start = "bad option '" .. case[1] .. "' to 'f' ("
      assert.is_truthy(message:find(start, 1, true), message)
      assert.is_truthy(message:find(case[3], 1, true), message)
    end)
  end

  it("names the option that a misspelt one meant", function()
    for typo, meant in pairs {cuont = "count", nam = "name", shared = "share", KV = nil} do
      local ok, message = pcall(check, {[typo] = 1}, RULES)
      assert.is_false(ok)
      assert.is_truthy(message:find("unknown option '" .. typo .. "' to 'f'", 1, true), message)
      if meant then
        assert.is_truthy(message:find("did you mean '" .. meant .. "'?", 1, true), message)
      end
    end
  end)

  it("does not guess wildly", function()
    local _, message = pcall(check, {banana = 1}, RULES)
    assert.is_nil(message:find("did you mean"))
  end)

  it("refuses keys that are no strings, and options that are no table", function()
    assert.has_error(function() check({5}, RULES) end)
    assert.has_error(function() check("x", RULES) end)
    assert.has_error(function() check(function() end, RULES) end)
  end)

  it("blames the line that called", function()
    local function library(given)
      local checked = options.check("library", given, RULES)
      return checked
    end
    local line = debug.getinfo(1, "l").currentline + 1
    local _, message = pcall(function() local x = library {count = -1} return x end)
    assert.is_truthy(message:find("options_spec.lua:" .. line .. ":", 1, true), message)
  end)

  it("passes on an error raised by a table's __index", function()
    local haunted = setmetatable({}, {__index = function() error({}) end})
    local ok, value = pcall(check, haunted, RULES)
    assert.is_false(ok)
    assert.are.equal("table", type(value))
  end)

  it("insists on what is required, once all that is given is right", function()
    local rules = {a = {type = "string", required = true}, b = {type = "boolean"}}
    assert.are.equal("x", check({a = "x"}, rules).a)
    for message, given in pairs {
      ["bad options to 'f' (a is needed)"] = {}, ["bad option 'b' to 'f'"] = {b = 1},
    } do
      local _, raised = pcall(check, given, rules)
      assert.is_truthy(raised:find(message, 1, true), raised)
    end
  end)

  it("merges rules", function()
    local merged = options.merge({a = RULES.name}, {a = RULES.even, b = RULES.kv})
    assert.are.same({a = RULES.even, b = RULES.kv}, merged)
  end)

  it("knows lists", function()
    local function is_string(value) return type(value) == "string" end
    for _, list in ipairs {{}, {"a"}, {"a", "b", "c"}} do
      assert.is_true(options.is_list(list, is_string))
    end
    for _, other in ipairs {
      5, "a", {x = 1}, {"a", x = "b"}, {[2] = "b"}, {"a", nil, "c"}, {"a", 5}, {[1.5] = "a"},
    } do
      assert.is_false(options.is_list(other, is_string))
    end
    assert.is_true(options.is_list {5, {}})
    assert.is_false(options.is_list(nil))
  end)

  it("shows long or odd values on one short line", function()
    assert.are.equal("'" .. ("x"):rep(37) .. "...'", options.show(("x"):rep(1000)))
    assert.are.equal("'a?b'", options.show("a\nb"))
    assert.are.equal("0.1", options.show(0.1))
    assert.are.equal("nan nan", options.show(0 / 0) .. " " .. options.show(-(0 / 0)))
    assert.are.equal("9007199254740992", options.number_text(2 ^ 53):sub(1, 16))
  end)
end)
