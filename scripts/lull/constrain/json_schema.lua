--- JSON schemas, as patterns for lull.constrain.program.
--
-- What is generated is valid under the schema, and written in one way only, so that a small model
-- has no room to get lost:
--
-- * no white space but, after `:` and `,`, one space that may be left out (option `spaces`)
-- * properties in their order: that of the JSON text; or, for schemas that are Lua tables, which
--   have none, the names in `order`, a list beside `properties`, then those in `required`, then
--   the alphabet
-- * properties in `required` are there, others may be; others than those in `properties` only
--   where additionalProperties is true or a schema (their names are written without escapes), or
--   where there are no `properties` at all
-- * numbers without exponents, integers up to 15 digits (`digits`), others up to 15 in all, 6 of
--   them behind the point (`decimals`); bounds are exact
-- * behind prefixItems nothing more, unless `items` says what
--
-- There are: type (one or several), properties, required, additionalProperties, items,
-- prefixItems, minItems, maxItems, minLength, maxLength, pattern (as lull.constrain.regex, but
-- anywhere in the string unless it has ^ and $), format (date, time, date-time, uuid, email, ipv4,
-- uri: http), minimum, maximum, exclusiveMinimum, exclusiveMaximum, enum, const, anyOf, oneOf (as
-- anyOf), allOf, nullable, and $ref to anywhere in the schema, circles included. Annotations are
-- ignored, those of OpenAPI (example, x-...) too; any other keyword raises, with its place as a
-- JSON pointer, since to ignore it would break it.
-- @module lull.constrain.json_schema
local characters = require "lull.constrain.characters"
local json = require "lull.constrain.json"
local json_strings = require "lull.constrain.json_strings"
local merging = require "lull.constrain.merging"
local numbers = require "lull.constrain.numbers"
local program = require "lull.constrain.program"

local json_schema = {}

local alt, many, seq, text = program.alt, program.many, program.seq, program.text
local CHARACTER, FORMATS, PLAIN = json_strings.CHARACTER, json_strings.FORMATS, json_strings.PLAIN
local NOTHING = seq {}
local ANY = "any JSON value" -- a rule; no JSON pointer looks like this

--- The options of constrain.json_schema.
json_schema.OPTIONS = {
  spaces = {one_of = {"optional", "none", "one"}, default = "optional"},
  digits = {type = "integer", min = 1, max = 15, default = 15},
  decimals = {type = "integer", min = 0, max = 9, default = 6},
  max_length = {type = "integer", min = 0, max = program.MOST_REPEATS},
}

local function set(names)
  local members = {}
  for name in names:gmatch "%S+" do
    members[name] = true
  end
  return members
end

local ANNOTATIONS = setmetatable(set [[title description default examples deprecated readOnly
  writeOnly $schema $id $comment $anchor $defs definitions discriminator example externalDocs xml
  contentEncoding contentMediaType]], {__index = function(_, keyword)
  return keyword:find "^x%-" ~= nil
end})
local APPLIES = {
  object = set "properties required additionalProperties order",
  array = set "items prefixItems additionalItems minItems maxItems uniqueItems",
  string = set "minLength maxLength pattern format",
  number = set "minimum maximum exclusiveMinimum exclusiveMaximum multipleOf",
}
local GENERAL = set "type enum const anyOf oneOf allOf $ref nullable"

local function fail(place, message)
  error {message = message, place = place}
end

-------------------------------------------------------------------------------- reading

local Schema = {}
Schema.__index = Schema

-- The keyword's value, if it is there, of the kind it must be.
local function field(schema, name, kind)
  local value = schema.map[name]
  if value ~= nil and json.kind(value) ~= kind then
    fail(schema.place .. "/" .. name, "this must be " .. (kind:find "^[aeo]" and "an " or "a ")
      .. kind)
  end
  return value
end

local function list_field(schema, name)
  local value = schema.map[name]
  if json.kind(value) == "object" and not value.keys[1] and value.sorted then
    return {kind = "array"} -- an empty table
  end
  return field(schema, name, "array")
end

-- A count: the keyword's value, or the default.
local function count_field(schema, name, default)
  local number = field(schema, name, "number")
  if not number then
    return default
  end
  local value = number.value
  if value < 0 or value ~= math.floor(value) then
    fail(schema.place .. "/" .. name, "this must be a whole number")
  elseif value > program.MOST_REPEATS then
    fail(schema.place .. "/" .. name, "the limit is " .. program.MOST_REPEATS)
  end
  return value
end

local function counted(item, schema, least, most, low_name, high_name, fallback)
  local min = count_field(schema, low_name, least)
  local max = count_field(schema, high_name, most)
  if not max and fallback then
    max = math.max(min, fallback)
  end
  if max and max < min then
    fail(schema.place, high_name .. " is less than " .. low_name)
  end
  return many(item, min, max)
end

-------------------------------------------------------------------------------- each type

local types = {}

function types.null()
  return text "null"
end

function types.boolean()
  return alt {text "true", text "false"}
end

-- What a pattern matches anywhere in a string, unless it says that there is nothing around.
local function searched(source, place)
  local ok, alternatives = pcall(json_strings.expression, source)
  if not ok then
    fail(place, "the pattern is wrong: " .. (alternatives.message or tostring(alternatives)))
  end
  local list, anything = {}, many(CHARACTER, 0)
  for i, alternative in ipairs(alternatives) do
    list[i] = seq {
      alternative.from_start and NOTHING or anything, alternative.pattern,
      alternative.to_end and NOTHING or anything,
    }
  end
  return alt(list)
end

function types.string(self, schema)
  local pattern, format = field(schema, "pattern", "string"), field(schema, "format", "string")
  local inside
  if pattern or format then
    if pattern and format or schema.map.minLength or schema.map.maxLength then
      fail(schema.place, "pattern, format and lengths do not go together here")
    end
    inside = pattern and searched(pattern, schema.place .. "/pattern") or FORMATS[format]
    if not inside then
      fail(schema.place .. "/format", "this format is not supported")
    end
  else
    inside = counted(CHARACTER, schema, 0, nil, "minLength", "maxLength",
      self.options.max_length)
  end
  return seq {text '"', inside, text '"'}
end

-- The bounds of a number, each with whether it is excluded; nil where there is none.
local function bound(schema, name, exclusive_name, stronger)
  local inclusive = field(schema, name, "number")
  local exclusive = schema.map[exclusive_name]
  if type(exclusive) == "boolean" then -- as in draft 4
    return inclusive and inclusive.value, exclusive
  end
  exclusive = field(schema, exclusive_name, "number")
  if inclusive and (not exclusive or stronger(inclusive.value, exclusive.value)) then
    return inclusive.value, false
  end
  return exclusive and exclusive.value, exclusive ~= nil
end

local function bounds(schema, digits)
  local low, low_open = bound(schema, "minimum", "exclusiveMinimum", function(a, b)
    return a > b
  end)
  local high, high_open = bound(schema, "maximum", "exclusiveMaximum", function(a, b)
    return a < b
  end)
  local limit, largest = 1, math.max(math.abs(low or 0), math.abs(high or 0))
  for _ = 1, digits do
    limit = limit * 10
  end
  while limit <= largest do
    limit = limit * 10
  end
  if limit > 1e15 then
    fail(schema.place, "bounds of numbers go up to 10^15")
  end
  return low or -limit, not low or low_open, high or limit, not high or high_open
end

local function some(pattern, schema)
  return pattern or fail(schema.place, "there is no such number")
end

function types.number(self, schema)
  if schema.map.multipleOf ~= nil then
    fail(schema.place .. "/multipleOf", "this is not supported")
  end
  local decimals = self.options.decimals
  local low, low_open, high, high_open = bounds(schema, 15 - decimals)
  return some(numbers.decimals(low, low_open, high, high_open, decimals), schema)
end

function types.integer(self, schema)
  local multiple = field(schema, "multipleOf", "number")
  if multiple and multiple.value ~= 1 then
    fail(schema.place .. "/multipleOf", "this is not supported")
  end
  local low, low_open, high, high_open = bounds(schema, self.options.digits)
  local first, last = math.ceil(low), math.floor(high)
  if low_open and first == low then
    first = first + 1
  end
  if high_open and last == high then
    last = last - 1
  end
  return some(numbers.integers(first, last), schema)
end

function types.array(self, schema)
  local place, items = schema.place, schema.map.items
  local prefix = list_field(schema, "prefixItems")
  if json.kind(items) == "array" then -- as before 2020-12
    prefix, items = items, schema.map.additionalItems
  end
  if schema.map.uniqueItems == true then
    fail(place .. "/uniqueItems", "this is not supported")
  end
  local fixed = prefix and #prefix or 0
  local min = count_field(schema, "minItems", 0)
  local max = count_field(schema, "maxItems")
  if prefix and (items == nil or items == false) then
    max = math.min(max or fixed, fixed)
    items = true
  end
  fixed = math.min(fixed, max or fixed)
  if max and max < min then
    fail(place, "there is no such array")
  end
  local next_item = {seq {text ",", self.space}}
  local list = {}
  for i = 1, fixed do
    list[#list + 1] = i > 1 and next_item[1] or nil
    list[#list + 1] = self:unit(prefix[i], place .. "/prefixItems/" .. i - 1)
  end
  local at_least, at_most = math.max(min - fixed, 0), max and max - fixed
  if at_most ~= 0 then
    local item = self:unit(items == nil and true or items, place .. "/items")
    local more = seq {next_item[1], item}
    if fixed > 0 then
      list[#list + 1] = many(more, at_least, at_most)
    else
      local some_items = seq {
        item, many(more, math.max(at_least - 1, 0), at_most and at_most - 1),
      }
      list[1] = at_least > 0 and some_items or alt {some_items, NOTHING}
    end
  end
  return seq {text "[", seq(list), text "]"}
end

-------------------------------------------------------------------------------- objects

-- A key that is none of the names, without escapes.
local function other_key(names)
  local root = {}
  for _, name in ipairs(names) do
    local node, at = root, 1
    while node and at <= #name do
      local code, behind = characters.at(name, at)
      node[code] = node[code] or {}
      node, at = node[code], behind
    end
    node.ends = true
  end
  local anything = many(characters.pattern(PLAIN), 0)
  local function pattern(node, may_end)
    local list, known = {may_end and NOTHING or nil}, {}
    for code in pairs(node) do
      if code ~= "ends" then
        known[#known + 1] = code
      end
    end
    table.sort(known)
    for i, code in ipairs(known) do
      if characters.both({{code, code}}, PLAIN)[1] then
        list[#list + 1] = seq {
          text(characters.utf8(code)), pattern(node[code], not node[code].ends),
        }
      end
      known[i] = {code, code}
    end
    list[#list + 1] = seq {
      characters.pattern(characters.both(PLAIN, characters.without(known))), anything,
    }
    return alt(list)
  end
  return pattern(root, false)
end

-- The names of the properties in the order they are written in.
local function ordered_names(schema, required)
  local properties = field(schema, "properties", "object") or {keys = {}, map = {}}
  local names, seen = {}, {}
  local function add(name, only_known)
    if not seen[name] and (properties.map[name] ~= nil or not only_known) then
      seen[name] = true
      names[#names + 1] = name
    end
  end
  for _, name in ipairs(list_field(schema, "order") or {}) do
    add(name, true)
  end
  if properties.sorted then
    for _, name in ipairs(required) do
      add(name, true)
    end
  end
  for _, name in ipairs(properties.keys) do
    add(name)
  end
  for _, name in ipairs(required) do
    add(name)
  end
  return names, properties
end

-- What comes between the braces. Each place in the list of properties has two patterns: with a
-- comma to come first, or not.
local function members(self, list, additional)
  local comma = seq {text ",", self.space}
  local more = additional and many(seq {comma, additional}, 0) or NOTHING
  local after_some = more
  local after_none = additional and alt {seq {additional, more}, NOTHING} or NOTHING
  for i = #list, 1, -1 do
    local member = list[i]
    local told = seq {comma, member.pattern, after_some}
    local told_first = seq {member.pattern, after_some}
    if member.required then
      after_some, after_none = told, told_first
    else
      after_some, after_none = alt {told, after_some}, alt {told_first, after_none}
    end
    after_some = program.unit(after_some)
  end
  return after_none
end

function types.object(self, schema)
  local required_list, required = list_field(schema, "required") or {}, {}
  for _, name in ipairs(required_list) do
    if type(name) ~= "string" then
      fail(schema.place .. "/required", "this must be a list of strings")
    end
    required[name] = true
  end
  local names, properties = ordered_names(schema, required_list)
  local additional = schema.map.additionalProperties
  if additional == nil then
    additional = #names == 0
  end
  local list = {}
  for i, name in ipairs(names) do
    local property, place = properties.map[name], schema.place .. "/properties/" .. name
    if property == nil then
      property, place = additional or true, schema.place .. "/required"
      if schema.map.additionalProperties == false then
        fail(place, "'" .. name .. "' is required and not allowed")
      end
    end
    if property == false and not required[name] then
      list[i] = false
    else
      list[i] = {
        pattern = seq {text(json.encode(name) .. ":"), self.space, self:unit(property, place)},
        required = required[name],
      }
    end
  end
  for i = #list, 1, -1 do
    if not list[i] then
      table.remove(list, i)
    end
  end
  local other = additional ~= false and seq {
    text '"', other_key(names), text '":', self.space,
    self:unit(additional, schema.place .. "/additionalProperties"),
  }
  return seq {text "{", members(self, list, other), text "}"}
end

-------------------------------------------------------------------------------- any schema

-- The types a schema allows: as it says, or those its keywords are about; nil = all.
local function types_of(schema)
  local given = schema.map.type
  if json.kind(given) == "array" then
    for _, name in ipairs(given) do
      if type(name) ~= "string" or not types[name] then
        fail(schema.place .. "/type", "there is no such type")
      end
    end
    return given[1] and given or fail(schema.place .. "/type", "no type is allowed")
  elseif given ~= nil then
    if type(given) ~= "string" or not types[given] then
      fail(schema.place .. "/type", "there is no such type")
    end
    return {given}
  end
  local found = {}
  for _, name in ipairs {"object", "array", "string", "number"} do
    for keyword in pairs(APPLIES[name]) do
      if schema.map[keyword] ~= nil then
        found[#found + 1] = name
        break
      end
    end
  end
  return found[1] and found
end

local function is_of_type(value, names)
  for _, name in ipairs(names or {json.kind(value)}) do
    if name == json.kind(value)
      or name == "integer" and json.kind(value) == "number" and value.value % 1 == 0 then
      return true
    end
  end
  return false
end

-- enum and const: the values that the type allows, as they are.
local function listed(schema)
  local values = list_field(schema, "enum")
  if schema.map.const ~= nil then
    local const = json.encode(schema.map.const)
    for _, value in ipairs(values or {}) do
      if json.encode(value) == const then
        values = nil
        break
      end
    end
    if values then
      fail(schema.place, "const is not in enum")
    end
    values = {schema.map.const}
  end
  for keyword in pairs(schema.map) do
    if not ANNOTATIONS[keyword] and not GENERAL[keyword] then
      fail(schema.place .. "/" .. keyword, "this does not go together with enum or const here")
    end
  end
  local names, texts = schema.map.type and types_of(schema), {}
  for _, value in ipairs(values) do
    if is_of_type(value, names) then
      texts[#texts + 1] = json.encode(value)
    end
  end
  if not texts[1] then
    fail(schema.place, "no value is allowed")
  end
  return program.words(texts)
end

local function check_keywords(schema)
  for _, keyword in ipairs(schema.keys) do
    local known = ANNOTATIONS[keyword] or GENERAL[keyword]
    for _, keywords in pairs(APPLIES) do
      known = known or keywords[keyword]
    end
    if not known then
      fail(schema.place .. "/" .. keyword, "this keyword is not supported")
    end
  end
end

-- What a $ref is to.
function Schema:target(reference, place)
  local node, path = self.root, type(reference) == "string" and reference:match "^#(.*)$"
  if not path or path ~= "" and path:sub(1, 1) ~= "/" then
    fail(place, "only references within the schema are supported, like #/$defs/name")
  end
  for part in path:gmatch "/([^/]*)" do
    part = part:gsub("%%(%x%x)", function(digits)
      return string.char(tonumber(digits, 16))
    end):gsub("~1", "/"):gsub("~0", "~")
    if json.kind(node) == "object" then
      node = node.map[part]
    elseif json.kind(node) == "array" then
      node = part:find "^%d+$" and node[tonumber(part) + 1] or nil
    else
      node = nil
    end
  end
  if type(node) ~= "boolean" and json.kind(node) ~= "object" then
    fail(place, "there is no schema at " .. reference)
  end
  return node
end

function Schema:reference(schema)
  local reference = schema.map["$ref"]
  local node = self:target(reference, schema.place .. "/$ref")
  if self.definitions[reference] == nil then
    self.definitions[reference] = NOTHING -- there will be something
    self.definitions[reference] = self:pattern(node, reference)
  end
  return program.rule(reference)
end

function Schema:any()
  if not self.definitions[ANY] then
    self.definitions[ANY] = NOTHING
    local list, anything = {}, {kind = "object", keys = {}, map = {}, place = "#"}
    for i, name in ipairs {"object", "array", "string", "number", "boolean", "null"} do
      list[i] = types[name](self, anything)
    end
    self.definitions[ANY] = alt(list)
  end
  return program.rule(ANY)
end

-- The same schema without some of its keywords; nil when nothing but annotations is left.
local function without(schema, ...)
  local left = {kind = "object", keys = {}, map = {}, place = schema.place}
  local dropped, restricts = {}, false
  for _, keyword in ipairs {...} do
    dropped[keyword] = true
  end
  for _, keyword in ipairs(schema.keys) do
    if not dropped[keyword] and not ANNOTATIONS[keyword] then
      left.keys[#left.keys + 1] = keyword
      left.map[keyword] = schema.map[keyword]
      restricts = true
    end
  end
  return restricts and left or nil
end

-- allOf, and $ref beside other keywords: one schema that says all of it.
function Schema:merged(schema)
  local all = {}
  if schema.map["$ref"] ~= nil then
    all[1] = self:target(schema.map["$ref"], schema.place .. "/$ref")
  end
  for _, part in ipairs(list_field(schema, "allOf") or {}) do
    all[#all + 1] = part
  end
  local whole = without(schema, "allOf", "$ref") or true
  self.merges = self.merges + 1
  if self.merges > 1000 then
    fail(schema.place, "too much to merge, or allOf contains itself")
  end
  for i, part in ipairs(all) do
    whole = merging.merge(whole, part, schema.place, i)
  end
  return whole
end

function Schema:choices(schema, keyword)
  local rest, list = without(schema, keyword), {}
  for i, part in ipairs(list_field(schema, keyword)) do
    local place = schema.place .. "/" .. keyword .. "/" .. i - 1
    if rest then
      part = merging.merge(rest, part, place)
    end
    if part ~= false then
      list[#list + 1] = self:unit(part, place)
    end
  end
  if not list[1] then
    fail(schema.place .. "/" .. keyword, "no value is allowed")
  end
  return alt(list)
end

local function by_type(self, schema)
  local names, list = types_of(schema), {}
  if not names then
    return self:any()
  end
  for i, name in ipairs(names) do
    list[i] = types[name](self, schema)
  end
  return alt(list)
end

--- The pattern of the values that a schema allows.
function Schema:pattern(schema, place)
  if schema == true then
    return self:any()
  elseif json.kind(schema) ~= "object" then
    fail(place, schema == false and "no value is allowed" or "a schema is an object or a boolean")
  end
  schema.place = schema.place or place
  check_keywords(schema)
  local map = schema.map
  if map.nullable == true then
    local rest = without(schema, "nullable")
    return alt {rest and self:pattern(rest, place) or self:any(), text "null"}
  elseif map.nullable ~= nil then
    return self:pattern(without(schema, "nullable") or true, place)
  elseif map["$ref"] ~= nil and not without(schema, "$ref") then
    return self:reference(schema)
  elseif map.allOf ~= nil or map["$ref"] ~= nil then
    return self:pattern(self:merged(schema), place)
  elseif map.anyOf ~= nil then
    return self:choices(schema, "anyOf")
  elseif map.oneOf ~= nil then
    return self:choices(schema, "oneOf")
  elseif map.enum ~= nil or map.const ~= nil then
    return listed(schema)
  end
  return by_type(self, schema)
end

-- The same as something that is compiled once, wherever it stands.
function Schema:unit(schema, place)
  return program.unit(self:pattern(schema, place))
end

-- Remember where every schema is.
local function mark(value, place)
  local kind = json.kind(value)
  if kind == "array" then
    for i, item in ipairs(value) do
      mark(item, place .. "/" .. i - 1)
    end
  elseif kind == "object" then
    value.place = place
    for _, key in ipairs(value.keys) do
      mark(value.map[key], place .. "/" .. key:gsub("~", "~0"):gsub("/", "~1"))
    end
  end
end

--- Read a schema.
-- @param given JSON text, or a Lua table, or true
-- @param options of json_schema.OPTIONS, checked
-- @return a pattern; the patterns of rules by their names; nil; a function from a rule's name to
--   where it is
-- @raise a table {message =, place =}
function json_schema.read(given, options)
  local root = type(given) == "string" and json.decode(given) or json.from_lua(given)
  mark(root, "#")
  local spaces = {
    optional = many(text " ", 0, 1), none = NOTHING, one = text " ",
  }
  local self = setmetatable({
    root = root, options = options, definitions = {}, merges = 0, space = spaces[options.spaces],
  }, Schema)
  return self:pattern(root, "#"), self.definitions, nil, function(name)
    return name
  end
end

return json_schema
