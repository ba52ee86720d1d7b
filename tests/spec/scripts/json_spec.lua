-- JSON, written and read.
dofile "tests/spec/helper.lua"
local cjson = require "cjson"
local json = require "lull.json"
local utf8 = require "lull.utf8"

describe("JSON that is written", function()
  it("keeps the order of keys it is given", function()
    assert.are.equal('{"b":1,"a":[],"c":{}}',
      json.encode(json.object {{"b", 1}, {"a", {}}, {"c", json.object {}}}))
  end)

  it("sorts the keys of plain tables", function()
    assert.are.equal('{"a":true,"b":"x","c":[1,2]}', json.encode {c = {1, 2}, a = true, b = "x"})
  end)

  it("has null for what is nothing or no number", function()
    assert.are.equal('{"a":null,"b":null,"c":null,"d":null}', json.encode(json.object {
      {"a", nil}, {"b", json.null}, {"c", 0 / 0}, {"d", -math.huge},
    }))
  end)

  it("replaces each byte that is no UTF-8", function()
    for text, expected in pairs {
      ["a\255b"] = "a\239\191\189b", ["\195"] = "\239\191\189", ["\237\160\128"] =
        ("\239\191\189"):rep(3), ["\192\128"] = ("\239\191\189"):rep(2), ["é€😀"] = "é€😀",
      ["\244\144\128\128!"] = ("\239\191\189"):rep(4) .. "!",
    } do
      assert.are.equal('"' .. expected .. '"', json.encode(text))
      assert.are.equal(expected, utf8.valid(text))
    end
  end)

  it("escapes what must be, and zeros", function()
    assert.are.equal([["\"\\\n\r\t\b\f\u0000\u001f\u007f/"]],
      json.encode("\"\\\n\r\t\b\f\0\31\127/"))
  end)

  it("writes numbers in full", function()
    assert.are.equal("[9007199254740992,-1,0.1,1e+300,-2.5]",
      json.encode {2 ^ 53, -1, 0.1, 1e300, -2.5})
  end)

  it("writes numbers so that they are read as they were, where that is asked for", function()
    assert.are.equal('{"a":[0.1,1e+300,9007199254740992],"b":0.30000000000000004}',
      json.encode({b = 0.1 + 0.2, a = {0.1, 1e300, 2 ^ 53}}, true))
    for _, value in ipairs {1 / 3, -5e-324, 2 ^ 63, 1e-7, math.pi, 4503599627370497.5} do
      assert.are.equal(value, json.decode(json.encode({value}, true))[1])
    end
  end)
end)

describe("JSON that is read", function()
  it("is what another reader reads", function()
    for _, text in ipairs {
      "[]", "[1,2.5,-0.125,1e3,1E-2,0]", '{"a":{"b":[true,false]},"c":"d"}', ' [ 1 , "x" ] ',
      [["\u00e9\u20ac\ud83d\ude00\n\/\u0000"]], '"é€😀"', "[[[[1]]]]", "-0", "12345678901",
    } do
      assert.are.same(cjson.new().decode("[" .. text .. "]"), json.decode("[" .. text .. "]"), text)
    end
    assert.are.equal(json.null, json.decode("null"))
  end)

  it("comes back as it was written", function()
    for _, text in ipairs {'{"a":{},"b":[],"c":null,"d":[{"e":"\\u0001"}]}', "[null,1.5]", '"é"'} do
      assert.are.equal(text, json.encode(json.decode(text)))
    end
  end)

  it("says what is wrong, and where", function()
    for text, expected in pairs {
      [""] = "at byte 1: a value expected", ["{"] = "a key in quotes", ['{"a"}'] = "':' expected",
      ['{"a":1,}'] = "a key in quotes", ["[1,]"] = "at byte 4: a value expected",
      ["[1 2]"] = "',' or ']'", ["01"] = "a value", ["1e999"] = "too large", ["-"] = "a value",
      ["nul"] = "a value", ['"\1"'] = "a control character", ['"a'] = "does not end",
      ['"\\x"'] = "unknown escape", ['"\\ud800x"'] = "surrogate", ['"\\udc00"'] = "surrogate",
      ['"\\u12"'] = "four hexadecimal", ['"\255"'] = "at byte 2: a byte that is no UTF-8",
      ['{"a":1,"a":2}'] = "the key 'a' twice", ["1 1"] = "more after", ["NaN"] = "a value",
      ["+1"] = "a value", ["1."] = "more after", [".5"] = "a value", ["\0"] = "a value",
      ['"a\0b"'] = "a control character", ["0x10"] = "more after",
      [("["):rep(101) .. ("]"):rep(101)] = "nested more than 100",
    } do
      local value, message, code = json.decode(text)
      assert.is_nil(value, text)
      assert.are.equal("EFORMAT", code)
      assert.is_truthy(message:find(expected, 1, true), text .. ": " .. message)
    end
  end)

  it("does not run out of stack or time", function()
    assert.is_nil(json.decode(("["):rep(1e6)))
    assert.is_nil(json.decode('{"a":' .. ("1"):rep(1e6) .. "}"))
    assert.are.equal(2e6, #json.decode('"' .. ("é"):rep(1e6) .. '"'))
    assert.are.equal(3e5, #utf8.valid(("\255"):rep(1e5)))
  end)
end)
