--- Reading the fields of a request.
--
-- Rules are those of lull.options: {type = "number", min =, max =}, {one_of =}, {test =, text =};
-- {ignored = true} is taken and not looked at. A field that is null counts as not given.
-- @module server.fields
local errors = require "server.errors"
local json = require "server.json"
local options = require "lull.options"

local fields = {}

fields.IGNORED = {ignored = true}

--- A rule for lists whose elements pass a test.
function fields.list(test, text, most)
  return {
    text = text,
    test = function(value)
      if type(value) ~= "table" or #value == 0 or (most and #value > most) then
        return false
      end
      for key in pairs(value) do
        if type(key) ~= "number" or not test(value[key]) then
          return false
        end
      end
      return true
    end,
  }
end

function fields.is_text(value)
  return type(value) == "string" and value ~= ""
end

--- Is this [] or {}? Both are an empty table when they have been read.
function fields.is_empty(value)
  return type(value) == "table" and next(value) == nil
end

local function read_one(name, value, rule)
  if not options.allows(rule, value) then
    errors.bad("'" .. name .. "' must be " .. options.expected(rule):gsub(",$", "") .. ", got "
      .. (value == json.decoded_null and "null" or options.show(value)), name, "invalid_value")
  end
  return value
end

--- The fields of an object, checked.
-- @param body the object, decoded
-- @param rules by name
-- @param given {prefix = what names of fields begin with in messages, lenient = true: what has no
--   rule is left out}
function fields.read(body, rules, given)
  local prefix, lenient = given and given.prefix or "", given and given.lenient
  local read = {}
  for name, value in pairs(body) do
    local rule = rules[name]
    if type(name) ~= "string" then
      errors.bad("an object is expected" .. (prefix ~= "" and " as '" .. prefix .. "'" or "")
        .. ", got a list", prefix ~= "" and prefix or nil, "invalid_type")
    elseif not rule and not lenient then
      local near = options.nearest(name, rules)
      errors.bad("unknown field '" .. prefix .. name:sub(1, 60) .. "'"
        .. (near and " (did you mean '" .. near .. "'?)" or ""), prefix .. name,
        "unknown_parameter")
    elseif rule and not rule.ignored and value ~= json.decoded_null then
      read[name] = read_one(prefix .. name, value, rule)
    end
  end
  for name, rule in pairs(rules) do
    if read[name] == nil then
      if rule.required then
        errors.bad("'" .. prefix .. name .. "' is missing", prefix .. name, "missing_parameter")
      end
      read[name] = rule.default
    end
  end
  return read
end

return fields
