-- JSON schemas: what is generated is read by cjson and checked by a validator of its own kind; what
-- a schema allows and forbids; mistakes in schemas.
require "tests.spec.helper"
local cjson = require "cjson"
local constrain = require "lull.constrain"
local constrained = require "tests.spec.scripts.constrained"
local pick = constrained.pick

local function refuses(expected, schema, given)
  local ok, message = pcall(constrain.json_schema, schema, given)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find("bad json_schema (" .. expected, 1, true),
    "expected " .. expected .. "\nthe error is: " .. tostring(message))
end

local function check(schema, right, wrong, given)
  local constraint = constrain.json_schema(schema, given)
  for _, text in ipairs(right) do
    assert.is_true(constraint:test(text), tostring(schema) .. "\ndoes not allow " .. text)
  end
  for _, text in ipairs(wrong) do
    assert.is_false(constraint:test(text), tostring(schema) .. "\nallows " .. text)
  end
end

-------------------------------------------------------------------------------- a validator
-- value and schema are what cjson.decode gives. Empty tables are taken for both kinds.

local function characters(text)
  local _, n = text:gsub("[^\128-\191]", "")
  return n
end

local function is_array(value)
  return type(value) == "table" and (next(value) == nil or #value > 0)
end

local function is_object(value)
  return type(value) == "table" and #value == 0
end

local function is_whole(value)
  return type(value) == "number" and value == math.floor(value)
end

local TYPES = {
  null = function(value) return value == cjson.null end,
  boolean = function(value) return type(value) == "boolean" end,
  string = function(value) return type(value) == "string" end,
  number = function(value) return type(value) == "number" end,
  integer = is_whole, array = is_array, object = is_object,
}

local LUA_FORMATS = {
  date = "^%d%d%d%d%-[01]%d%-[0-3]%d$",
  time = "^[012]%d:[0-5]%d:[0-5]%d%.?%d*[Z+-][%d:]*$",
  ["date-time"] = "^%d%d%d%d%-[01]%d%-[0-3]%dT[012]%d:[0-5]%d:[0-5]%d%.?%d*[Z+-][%d:]*$",
  email = "^[%w_+.-]+@[%w.-]+%.%a%a+$", ipv4 = "^%d+%.%d+%.%d+%.%d+$",
  uri = "^https?://[%w.-]+%.%a%a+[%w./~?=&_-]*$",
  uuid = "^" .. ("%x"):rep(8) .. "%-%x%x%x%x%-%x%x%x%x%-%x%x%x%x%-" .. ("%x"):rep(12) .. "$",
}

local function same(a, b)
  return cjson.encode(a) == cjson.encode(b)
end

local valid

local function valid_object(value, schema, root)
  for _, name in ipairs(schema.required or {}) do
    if value[name] == nil then
      return false
    end
  end
  for name, item in pairs(value) do
    local property = (schema.properties or {})[name]
    if property == nil then
      property = schema.additionalProperties
      if property == nil then
        property = true
      end
    end
    if not valid(item, property, root) then
      return false
    end
  end
  return true
end

local function valid_array(value, schema, root)
  if #value < (schema.minItems or 0) or #value > (schema.maxItems or math.huge) then
    return false
  end
  for i, item in ipairs(value) do
    local rule = (schema.prefixItems or {})[i]
    if rule == nil then
      rule = schema.items
    end
    if rule ~= nil and not valid(item, rule, root) then
      return false
    end
  end
  return true
end

local function valid_number(value, schema)
  return value >= (schema.minimum or -math.huge) and value <= (schema.maximum or math.huge)
    and value > (schema.exclusiveMinimum or -math.huge)
    and value < (schema.exclusiveMaximum or math.huge)
end

local function valid_string(value, schema)
  local n = characters(value)
  return n >= (schema.minLength or 0) and n <= (schema.maxLength or math.huge)
    and (not schema.format or value:find(LUA_FORMATS[schema.format]) ~= nil)
end

local function any_valid(value, list, root)
  for _, schema in ipairs(list) do
    if valid(value, schema, root) then
      return true
    end
  end
  return false
end

local function of_type(value, names)
  for _, name in ipairs(type(names) == "table" and names or {names}) do
    if TYPES[name](value) then
      return true
    end
  end
  return false
end

function valid(value, schema, root)
  if type(schema) == "boolean" then
    return schema
  elseif schema.nullable and value == cjson.null then
    return true
  elseif schema["$ref"] then
    local node = root
    for part in schema["$ref"]:gmatch "/([^/]+)" do
      node = node[part]
    end
    if not valid(value, node, root) then
      return false
    end
  end
  if schema.type and not of_type(value, schema.type) then
    return false
  elseif schema.const ~= nil and not same(value, schema.const) then
    return false
  end
  local choices = schema.anyOf or schema.oneOf
  if choices and not any_valid(value, choices, root) then
    return false
  end
  for _, part in ipairs(schema.allOf or {}) do
    if not valid(value, part, root) then
      return false
    end
  end
  if schema.enum then
    local found = false
    for _, one in ipairs(schema.enum) do
      found = found or same(value, one)
    end
    if not found then
      return false
    end
  end
  return (type(value) ~= "string" or valid_string(value, schema))
    and (type(value) ~= "number" or valid_number(value, schema))
    and (not is_array(value) or valid_array(value, schema, root))
    and (not is_object(value) or valid_object(value, schema, root))
end

-------------------------------------------------------------------------------- random texts

local SHEET = [[{
  "title": "Story sheet", "type": "object",
  "properties": {
    "title": {"type": "string", "minLength": 1, "maxLength": 24},
    "hero": {"$ref": "#/$defs/person"},
    "friends": {"type": "array", "items": {"$ref": "#/$defs/person"}, "maxItems": 2},
    "places": {"type": "array", "items": {"enum": ["forest", "town", "the sea"]},
      "minItems": 1, "maxItems": 3},
    "happy": {"type": "boolean"},
    "moral": {"type": ["string", "null"], "maxLength": 30}
  },
  "required": ["title", "hero", "places", "happy"],
  "$defs": {
    "person": {
      "type": "object",
      "properties": {
        "name": {"type": "string", "pattern": "^[A-Z][a-z]{1,7}$"},
        "kind": {"enum": ["girl", "boy", "dog"]},
        "age": {"type": "integer", "minimum": 3, "maximum": 112}
      },
      "required": ["name", "age"]
    }
  }
}]]

local SCHEMAS = {
  SHEET,
  [[{"type": "object", "properties": {"v": {"type": "number", "minimum": -1.5, "maximum": 2.25},
    "w": {"type": "number", "exclusiveMinimum": 0, "exclusiveMaximum": 1},
    "i": {"type": "integer", "exclusiveMinimum": -12, "exclusiveMaximum": 7}}}]],
  [[{"$ref": "#/$defs/tree", "$defs": {"tree": {"type": "object", "properties": {
    "value": {"type": "integer"}, "left": {"$ref": "#/$defs/tree"},
      "right": {"$ref": "#/$defs/tree"}},
    "required": ["value"], "additionalProperties": false}}}]],
  [[{"type": "array", "prefixItems": [{"const": "é\"\\"}, {"type": "null"}, {"format": "date"}],
    "items": {"format": "date-time"}, "maxItems": 5}]],
  [[{"type": "array", "items": {"oneOf": [{"type": "string", "minLength": 2, "maxLength": 5},
    {"type": "array", "items": {"type": "boolean"}, "minItems": 2, "maxItems": 3},
    {"type": "object", "properties": {"id": {"format": "uuid"}}, "required": ["id"]}]},
    "minItems": 1, "maxItems": 3}]],
  [[{"allOf": [{"type": "object", "properties": {"a": {"type": "integer", "minimum": 5}},
    "required": ["a"]},
    {"properties": {"a": {"maximum": 8}, "b": {"enum": [1, 2.5, null, {"c": []}]}},
      "required": ["b"]}]}]],
  [[{"type": "object", "properties": {"name": {"type": "string", "maxLength": 4}},
    "additionalProperties": {"type": "integer", "minimum": 0, "maximum": 9}}]],
  [[{"anyOf": [{"type": "integer"}, {"type": "number", "minimum": 100}, {"type": "boolean"}],
    "nullable": true}]],
  [[{"type": "array", "items": {"format": "time"}, "maxItems": 2}]],
  [[{"type": "object", "example": {"at": "1.2.3.4"}, "x-order": [1], "required": ["at", "mail"],
    "properties": {"at": {"type": "string", "format": "ipv4", "example": "1.2.3.4"},
      "mail": {"format": "email"}, "page": {"format": "uri", "x-hidden": true}}}]],
}

describe("a schema", function()
  it("makes texts that are valid under it", function()
    for i, text in ipairs(SCHEMAS) do
      local schema, constraint = cjson.decode(text), constrain.json_schema(text)
      local finished, seen = 0, {}
      for seed = 1, 40 do
        local made, ended = constrained.text(constraint, 1000 * i + seed,
          {tokens = pick(120, seed, i), at_start = seed % 2 == 0})
        if ended then
          finished = finished + 1
          seen[made] = true
          assert.is_true(constraint:test(made))
          assert.is_true(valid(cjson.decode(made), schema, schema), text .. "\n" .. made)
        end
      end
      local distinct = 0
      for _ in pairs(seen) do
        distinct = distinct + 1
      end
      assert.is_true(finished > 25, text .. finished)
      assert.is_true(distinct > 10, text .. distinct)
    end
  end)

  it("makes bytes that are valid under it", function()
    for i, text in ipairs(SCHEMAS) do
      local schema, constraint = cjson.decode(text), constrain.json_schema(text)
      local finished = 0
      for seed = 1, 12 do
        local made = constrained.bytes(constraint, 100 * i + seed,
          '{}[]",: \\u0123456789abcdefghilnorstTZ+-.eA\195\169')
        if made then
          finished = finished + 1
          assert.is_true(valid(cjson.decode(made), schema, schema), text .. "\n" .. made)
        end
      end
      assert.is_true(finished > 3, text .. finished)
    end
  end)

  it("is masked by the definition", function()
    for _, i in ipairs {1, 2, 4, 7} do
      local constraint = constrain.json_schema(SCHEMAS[i])
      constrained.text(constraint, i, {tokens = 12, check = constrained.check_mask(constraint)})
    end
  end)
end)

-------------------------------------------------------------------------------- keywords

describe("schemas of", function()
  it("any value", function()
    check(true, {"1", '"x"', "null", "[]", '{"a": [true, {}]}', "-0.5"}, {"", "{", "[1,]", "01",
      "nul"})
    check("{}", {"1", "{}"}, {"x"})
    check({title = "x", description = "y", default = 3, examples = {1}}, {"null"}, {})
  end)

  it("strings", function()
    check([[{"type": "string"}]], {'""', '"é\\n\\u00e9\\"/"', '"\\ud83d\\ude00"'},
      {'"', '"\n"', '"\\x"', '"\\ud83d"', '"\\ude00x"', '"\255"',
        '"\237\160\128"', '"a"b"', '"\127\1"'})
    check([[{"minLength": 2, "maxLength": 3}]], {'"éa"', '"\\n😀\\ud83d\\ude00"'}, {'"a"', '"abcd"'})
    check([[{"type": "string"}]], {'"abc"'}, {'"abcd"'}, {max_length = 3})
    check([[{"type": "string", "minLength": 5}]], {'"abcde"'}, {'"abcdef"', '"abcd"'},
      {max_length = 3})
    check([[{"pattern": "^a+$"}]], {'"a"', '"aaa"'}, {'""', '"ab"', '"ba"'})
    check([[{"pattern": "b"}]], {'"b"', '"abc"', '"\\nb"'}, {'""', '"a"'})
    check([[{"pattern": "^a|c$"}]], {'"ab"', '"bc"'}, {'"bb"'})
    check([[{"pattern": "^\"\\\\[\\n\\x01-\\x02]$"}]], {'"\\"\\\\\\n"', '"\\"\\\\\\u0001"'},
      {'"\\"\\\\n"', '"\\"\\\\\\u0003"'})
    check([[{"format": "date"}]], {'"2024-02-29"', '"2000-02-29"', '"1999-12-31"', '"2023-04-30"'},
      {'"2023-02-29"', '"1900-02-29"', '"2023-04-31"', '"2023-13-01"', '"2023-00-10"',
        '"2023-1-1"'})
    check([[{"format": "time"}]], {'"23:59:59Z"', '"00:00:00.123+01:30"'},
      {'"24:00:00Z"', '"12:00:00"'})
    check([[{"format": "date-time"}]], {'"2024-02-29T12:00:00Z"'}, {'"2024-02-29 12:00:00Z"'})
    check([[{"format": "uuid"}]], {'"01234567-89ab-cdef-0123-456789abcdef"'}, {'"0123"'})
    check([[{"format": "email"}]], {'"a.b+c@x-y.example.org"', '"T_1@b.de"'},
      {'"a@b"', '"a.@b.de"', '".a@b.de"', '"a..b@c.de"', '"a@-b.de"', '"a@b-.de"', '"a b@c.de"',
        '"' .. ("a"):rep(65) .. '@b.de"', '"a@' .. ("b"):rep(64) .. '.de"'})
    check([[{"format": "ipv4"}]], {'"0.10.199.255"', '"249.1.2.3"'},
      {'"256.1.1.1"', '"01.1.1.1"', '"1.1.1"', '"1.1.1.1.1"'})
    check([[{"format": "uri"}]], {'"http://lull.example"', '"https://a.b.de/c/d.html?e=1&f"'},
      {'"lull.example"', '"http://"', '"http://a.de/b c"', '"http://a.de/\\n"'})
  end)

  it("integers, exact to the digit", function()
    check([[{"type": "integer"}]], {"0", "-7", "123456789012345"}, {"-0", "01", "1.0",
      "1234567890123456", "1e3"})
    check([[{"type": "integer"}]], {"0", "-99"}, {"100"}, {digits = 2})
    for seed = 1, 60 do
      local low = pick(2400, seed, 1) - 1200
      local high = low + pick(10 ^ pick(4, seed, 2), seed, 3) - 1
      local constraint = constrain.json_schema {type = "integer", minimum = low, maximum = high}
      for value = -1300, 1300, seed % 7 + 7 do
        assert.are.equal(value >= low and value <= high, constraint:test(("%d"):format(value)))
      end
      for _, value in ipairs {low - 1, low, high, high + 1} do
        assert.are.equal(value >= low and value <= high, constraint:test(("%d"):format(value)))
      end
    end
    check([[{"type": "integer", "minimum": 0.5, "exclusiveMaximum": 3}]], {"1", "2"}, {"0", "3"})
    check([[{"type": "integer", "minimum": 3, "exclusiveMinimum": true}]], {"4"}, {"3"})
    check([[{"type": "integer", "minimum": 995}]], {"995", "1000", "999999999999999"}, {"994",
      "-1000"})
    check([[{"type": "integer", "maximum": -5}]], {"-5", "-10"}, {"-4", "0", "5"})
    check([[{"type": "integer", "minimum": 1000}]], {"1000", "9999"}, {"999", "10000"},
      {digits = 2})
    check([[{"type": "integer", "multipleOf": 1, "minimum": 7, "maximum": 7}]], {"7"}, {"6", "8",
      "77"})
  end)

  it("numbers, exact to the digit", function()
    check([[{"type": "number"}]], {"0", "-1.5", "123456789.123456", "0.0"},
      {".5", "1.", "1e5", "01.5", "1.1234567", "-0", "-0.0", "1234567890"})
    for seed = 1, 80 do
      local low = (pick(4000, seed, 1) - 2000) / 10 ^ (pick(4, seed, 2) - 1)
      local high = low + pick(10 ^ pick(4, seed, 3), seed, 4) / 1000
      local open_low, open_high = seed % 2 == 0, seed % 3 == 0
      local function allowed(value)
        return (open_low and value > low or not open_low and value >= low)
          and (open_high and value < high or not open_high and value <= high)
      end
      local some = false
      for i = math.floor(low * 1000) - 1, math.ceil(low * 1000) + 1 do
        some = some or allowed(i / 1000) -- more than one thousandth apart, there always is one
      end
      local ok, constraint = pcall(constrain.json_schema, {
        [open_low and "exclusiveMinimum" or "minimum"] = low,
        [open_high and "exclusiveMaximum" or "maximum"] = high,
      }, {decimals = 3})
      assert.are.equal(some, ok)
      for sample = 1, ok and 60 or 0 do
        local near = sample % 2 == 0 and low or high
        local text = ("%." .. sample % 4 .. "f"):format(near + (pick(9, seed, 10 + sample) - 5)
          / 10 ^ (sample % 5))
        if not text:find "^%-[0.]*$" then
          assert.are.equal(allowed(tonumber(text)), constraint:test(text),
            ("%s in %s..%s %s %s"):format(text, low, high, tostring(open_low), tostring(open_high)))
        end
      end
    end
    refuses("there is no such number", [[{"type": "number", "minimum": 0.0001, "maximum": 0.0003}]],
      {decimals = 3})
  end)

  it("objects", function()
    local text = [[{"type": "object", "properties": {"b": {"const": 1}, "a": {"const": 2},
      "c": {"const": 3}},
      "required": ["a"]}]]
    check(text, {'{"a":2}', '{"b":1,"a": 2}', '{"b": 1, "a": 2, "c": 3}', '{"a":2,"c":3}'},
      {"{}", '{"a":2,"b":1}', '{"b":1}', '{"a":2,}', '{"a":2,"d":1}', '{ "a":2}',
        '{"a":  2}', '{"a":2 }'})
    check(text, {'{"b": 1, "a": 2}'}, {'{"b":1,"a":2}', '{"b": 1,"a": 2}'}, {spaces = "one"})
    check(text, {'{"b":1,"a":2}'}, {'{"b": 1,"a":2}'}, {spaces = "none"})
    check([[{"type": "object"}]], {"{}", '{"x": [1]}'}, {"[]"})
    check([[{"type": "object", "properties": {}}]], {"{}", '{"x":1}'}, {})
    check([[{"type": "object", "required": ["x"]}]], {'{"x":1}'}, {"{}", '{"y":1}'})
    check([[{"properties": {"a": {"const": 1}}, "additionalProperties": true}]],
      {"{}", '{"a":1}', '{"a":1,"b":[]}', '{"ab":2}', '{"é":2,"x":3}'},
        {'{"a":2}', '{"b":1,"a":1}', '{"":1}'})
    check([[{"properties": {"a": {"const": 1}, "ab": {"const": 1}, "é\"": {}},
      "additionalProperties": {"type": "null"}}]],
      {'{"a":1,"x":null}', '{"abc":null}', '{"b":null}', '{"é":null}'},
        {'{"a":null}', '{"ab":null}', '{"x":1}'})
    check([[{"properties": {"a": false, "b": {}}}]], {"{}", '{"b":0}'}, {'{"a":0}'})
  end)

  it("objects as Lua tables, with an order of their own", function()
    check({type = "object", properties = {b = {const = 1}, a = {const = 2}, c = {const = 3}},
      required = {"c"}, order = {"b"}}, {'{"b":1,"c":3,"a":2}', '{"c":3}'}, {'{"a":2,"c":3}'})
    check({type = "object", properties = {b = {const = 1}, a = {const = 2}}, required = {}},
      {'{"a":2,"b":1}', "{}"}, {'{"b":1,"a":2}'})
    check({enum = {"x", cjson.null, 2.5, {1, 2}}}, {'"x"', "null", "2.5", "[1,2]"}, {"2"})
  end)

  it("arrays", function()
    check([[{"type": "array"}]], {"[]", '[1,"x", null]'}, {"[,]", "{}"})
    check([[{"items": {"type": "boolean"}, "minItems": 1, "maxItems": 2}]], {"[true]",
      "[true, false]"},
      {"[]", "[true,true,true]", "[1]"})
    check([[{"items": {"const": 1}, "minItems": 3}]], {"[1,1,1]", "[1,1,1,1]"}, {"[1,1]"})
    check([[{"items": {"const": 1}, "maxItems": 0}]], {"[]"}, {"[1]"})
    check([[{"prefixItems": [{"const": 1}, {"const": 2}]}]], {"[1,2]"}, {"[1]", "[1,2,3]"})
    check([[{"prefixItems": [{"const": 1}, {"const": 2}], "items": {"const": 3},
      "minItems": 3, "maxItems": 4}]],
      {"[1,2,3]", "[1,2,3,3]"}, {"[1,2]", "[1,2,3,3,3]"})
    check([[{"items": [{"const": 1}], "additionalItems": {"const": 2}}]], {"[1]", "[1,2,2]"},
      {"[]", "[2]"})
    check([[{"prefixItems": [{"const": 1}, {"const": 2}], "maxItems": 1}]], {"[1]"}, {"[1,2]",
      "[]"})
  end)

  it("listed values", function()
    check([=[{"enum": ["a\"b", 1.50, true, null, [1, {"x": "é"}]]}]=],
      {'"a\\"b"', "1.50", "true", "null", '[1,{"x":"é"}]'}, {"1.5", '"a"'})
    check([[{"type": "string", "enum": ["a", 1, null]}]], {'"a"'}, {"1", "null"})
    check([[{"type": ["integer", "null"], "enum": ["a", 1, 1.5, null]}]], {"1", "null"},
      {'"a"', "1.5"})
    check([[{"const": {"b": 1, "a": 2}}]], {'{"b":1,"a":2}'}, {'{"a":2,"b":1}'})
    check([[{"enum": [1, 2], "const": 2}]], {"2"}, {"1"})
  end)

  it("several types and choices", function()
    check([[{"type": ["string", "integer", "null"], "maxLength": 2, "maximum": 5}]],
      {'"ab"', "5", "null"}, {'"abc"', "6", "true"})
    check([[{"type": "string", "nullable": true, "maxLength": 1}]], {"null", '"a"'}, {"1"})
    check([[{"type": "string", "nullable": false}]], {'"a"'}, {"null"})
    check([[{"anyOf": [{"const": 1}, {"type": "boolean"}, false]}]], {"1", "true"}, {"2"})
    check([[{"type": "object", "properties": {"a": {"const": 1}}, "required": ["a"], "oneOf": [
      {"properties": {"b": {"const": 2}}, "required": ["b"]},
        {"properties": {"c": {"const": 3}}}]}]],
      {'{"a":1,"b":2}', '{"a":1,"c":3}', '{"a":1}'}, {'{"b":2}', '{"a":1,"b":2,"c":3}'})
    check([[{"allOf": [{"type": "integer", "minimum": 3}, {"maximum": 5}, {"type": "number"}]}]],
      {"3", "5"},
      {"2", "6", "3.5"})
    check([[{"allOf": [{"enum": [1, 2, 3]}, {"enum": [2, 3, 4]}]}]], {"2", "3"}, {"1", "4"})
  end)

  it("references, circles included", function()
    check([[{"type": "array", "items": {"$ref": "#"}}]], {"[]", "[[],[[]]]"}, {"[1]"})
    check([[{"$ref": "#/definitions/a~1b%25", "definitions": {"a/b%": {"const": 5}}}]], {"5"},
      {"6"})
    check([[{"properties": {"a": {"type": "integer"}, "b": {"$ref": "#/properties/a"}}}]],
      {'{"b":7}'}, {'{"b":true}'})
    check([[{"$ref": "#/$defs/n", "minimum": 5, "$defs": {"n": {"type": "integer",
      "maximum": 9}}}]], {"5", "9"},
      {"4", "10"})
    check([[{"prefixItems": [{"const": 1}, {"$ref": "#/prefixItems/0"}]}]], {"[1,1]"}, {"[1,2]"})
    check([[{"$defs": {"expr": {"anyOf": [{"type": "integer"}, {"type": "object", "properties":
      {"left": {"$ref": "#/$defs/expr"}, "op": {"enum": ["+", "-"]},
        "right": {"$ref": "#/$defs/expr"}},
      "required": ["left", "op", "right"]}]}}, "$ref": "#/$defs/expr"}]],
      {"5", '{"left":1,"op":"+","right":{"left":2,"op":"-","right":3}}'}, {'{"left":1}'})
  end)
end)

-------------------------------------------------------------------------------- mistakes

describe("a wrong schema", function()
  it("is told with its place", function()
    refuses("this keyword is not supported, at #/properties/a/uniqueItem",
      [[{"properties": {"a": {"uniqueItem": true}}}]])
    for _, keyword in ipairs {"not", "if", "patternProperties", "propertyNames", "minProperties",
      "contains",
      "dependentRequired", "unevaluatedProperties", "contentSchema"} do
      refuses("this keyword is not supported, at #/" .. keyword, {[keyword] = {}})
    end
    refuses("this is not supported, at #/uniqueItems", [[{"type": "array", "uniqueItems": true}]])
    refuses("this is not supported, at #/multipleOf", [[{"type": "integer", "multipleOf": 5}]])
    refuses("there is no such type, at #/items/type", {items = {type = "strin"}})
    refuses("there is no such type, at #/type", {type = {"string", 5}})
    refuses("no type is allowed, at #/type", [[{"type": []}]])
    refuses("a schema is an object or a boolean, at #/items", {items = 5})
    refuses("this must be a number, at #/minLength", {minLength = "5"})
    refuses("this must be a whole number, at #/maxItems", {maxItems = 1.5})
    refuses("the limit is 10000, at #/maxLength", {maxLength = 100000})
    refuses("maxLength is less than minLength, at #", {maxLength = 3, minLength = 4})
    refuses("there is no such array, at #", {maxItems = 1, minItems = 2})
    refuses("this must be an array, at #/required", {required = "a"})
    refuses("this must be a list of strings, at #/required", {required = {1}})
    refuses("'b' is required and not allowed, at #/required",
      {properties = {a = true}, required = {"b"}, additionalProperties = false})
    refuses("no value is allowed, at #/properties/a", {properties = {a = false}, required = {"a"}})
    refuses("this format is not supported, at #/format", {format = "idn-email"})
    refuses("pattern, format and lengths do not go together here, at #",
      {pattern = "a", minLength = 1})
    refuses("the pattern is wrong: lookaround is not supported, at #/pattern", {pattern = "(?=a)"})
    refuses("there is no such number, at #", {type = "integer", minimum = 5, maximum = 4})
    refuses("there is no such number, at #", {type = "integer", minimum = 4.1, maximum = 4.9})
    refuses("there is no such number, at #", {type = "number", exclusiveMinimum = 4, maximum = 4})
    refuses("bounds of numbers go up to 10^15, at #", {type = "integer", minimum = 1e15})
    refuses("no value is allowed, at #", [[{"enum": [1], "type": "string"}]])
    refuses("const is not in enum, at #", [[{"enum": [1], "const": 2}]])
    refuses("this does not go together with enum or const here, at #/minimum", [[{"enum": [1],
      "minimum": 0}]])
    refuses("no value is allowed, at #/anyOf", [[{"anyOf": [false]}]])
    refuses("there is no schema at #/$defs/b, at #/$ref", [[{"$ref": "#/$defs/b"}]])
    refuses("only references within the schema are supported", [[{"$ref": "http://x/y"}]])
    refuses("only references within the schema are supported", [[{"$ref": 5}]])
    refuses("no type is allowed, at #/type", [[{"allOf": [{"type": "string"}, {"type": "null"}]}]])
    refuses("'b' is allowed by one schema and forbidden by another, at #", [[{"allOf": [
      {"properties": {"a": {}}, "additionalProperties": false}, {"properties": {"b": {}}}]}]])
    refuses("two values of 'pattern' are not supported, at #", [[{"allOf": [{"pattern": "a"},
      {"pattern": "b"}]}]])
  end)

  it("is told where it can never be satisfied", function()
    refuses("rule '#' can never match a finite text, at #", [[{"$ref": "#"}]])
    refuses("rule '#/$defs/a' can never match a finite text, at #/$defs/a",
      [[{"$ref": "#/$defs/a", "$defs": {"a": {"properties": {"a": {"$ref": "#/$defs/a"}},
        "required": ["a"]}}}]])
    refuses("rule '#/$defs/a' is left-recursive", [[{"$ref": "#/$defs/a", "$defs": {"a": {"anyOf": [
      {"$ref": "#/$defs/a"}, {"const": 1}]}}}]])
    refuses("rule '#' can never match a finite text", [[{"allOf": [{"$ref": "#"}]}]])
    refuses("too much to merge, or allOf contains itself",
      [[{"allOf": [{"$ref": "#"}, {"type": "integer"}]}]])
  end)

  it("is told where it is no JSON", function()
    refuses("the JSON text is wrong: a value expected, at line 1, column 1", "")
    refuses("the JSON text is wrong: ':' expected, at line 2, column 5", '{\n"é" 1}')
    refuses("the JSON text is wrong: a key that is there already, at line 1, column 8",
      '{"a":1,"a":2}')
    refuses("the JSON text is wrong: half of a surrogate pair", '{"a":"\\ud800"}')
    refuses("the JSON text is wrong: it is not valid UTF-8, at line 1, column 2", '"\255"')
    refuses("the JSON text is wrong: nested deeper than 60", ("["):rep(100))
    refuses("a schema is an object or a boolean, at #", "5")
    local circle = {}
    circle.items = circle
    refuses("nested deeper than 60", circle)
    refuses("JSON has no value for", {const = print})
    refuses("JSON has no value for inf", {minimum = math.huge})
    refuses("a key of an object is a string, not", {[true] = 1})
  end)

  -- A part of a schema in the place of another.
  local function exchanged(seed)
    local parts, pieces = {}, {}
    for _, text in ipairs(SCHEMAS) do
      for part in text:gmatch '"[^"]*"' do
        parts[#parts + 1] = part
      end
    end
    for _, part in ipairs {"5", "-1", "1.5", "null", "true", "{}", "[]", '"#"', "1e300", "{"} do
      parts[#parts + 1] = part
    end
    local text = SCHEMAS[pick(#SCHEMAS, seed, 1)]
    for before, part in (text .. '""'):gmatch '([^"]*)("[^"]*")' do
      pieces[#pieces + 1] = before
      pieces[#pieces + 1] = part
    end
    pieces[#pieces] = nil
    for change = 1, pick(3, seed, 2) do
      pieces[2 * pick(math.floor(#pieces / 2), seed, 10 * change)] =
        parts[pick(#parts, seed, 10 * change + 1)]
    end
    return table.concat(pieces)
  end

  it("never crashes or hangs", function()
    local understood = 0
    for seed = 1, 900 do
      local text = seed % 3 > 0 and exchanged(seed)
        or constrained.garbage(SCHEMAS, seed, '{}[]",:\\\n0-a\0\128\255')
      local ok, result = pcall(constrain.json_schema, text)
      if ok then
        understood = understood + 1
        result:test "{}"
      else
        assert.is_truthy(tostring(result):find("bad json_schema (", 1, true),
          text .. "\n" .. tostring(result))
      end
    end
    assert.is_true(understood > 50 and understood < 800, understood)
  end)
end)
