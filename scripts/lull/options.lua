--- Checking of option tables, shared by everything that takes one.
--
-- A set of rules maps each option's name to what it may be:
--
--     {type = "integer", min = 0, max = 256, default = 1}
--     {type = "number", min = 0, max = 1, text = "a number in 0..1 (1 = off)"}
--     {type = "string", required = true}, {type = "boolean"}, {type = "table"}
--     {one_of = {"f32", "bf16"}}
--     {test = function(value) return ok end, text = "a context"}
--
-- A mistake is the programmer's, so it raises, and the text says what was expected and found.
-- @module lull.options
local options = {}

local floor, min = math.floor, math.min
local INTEGER_LIMIT = 2 ^ 53 -- doubles hold every integer up to here

--- A number as people write it: no exponent for integers, no more digits than it takes, and a
-- point whatever the host's locale says.
function options.number_text(value)
  if value ~= value then
    return "nan" -- printf's may have a sign
  elseif value == floor(value) and value >= -INTEGER_LIMIT and value <= INTEGER_LIMIT then
    return (string.format("%.0f", value))
  end
  return (string.format("%.14g", value):gsub(",", "."))
end

--- A value as it appears in a message: short, on one line.
function options.show(value)
  local kind = type(value)
  if kind == "number" then
    return options.number_text(value)
  elseif kind == "string" then
    local shown = #value > 40 and value:sub(1, 37) .. "..." or value
    return "'" .. shown:gsub("%c", "?") .. "'"
  elseif kind == "nil" or kind == "boolean" then
    return tostring(value)
  end
  return "a " .. kind
end

local show, number_text = options.show, options.number_text

local function range_text(rule)
  local low = number_text(rule.min or -INTEGER_LIMIT)
  local high = number_text(rule.max or INTEGER_LIMIT)
  if rule.type == "integer" then
    return rule.min and not rule.max and "an integer of at least " .. low
      or "an integer in " .. low .. ".." .. high
  end
  return "a number in " .. low .. ".." .. high
end

--- The rule for a handle of lull.core: a "model", a "context", a "sequence" or a "token_set".
function options.handle(kind)
  return {
    test = function(value)
      return type(value) == "userdata" and tostring(value):find("^lull%." .. kind) ~= nil
    end,
    text = "a " .. kind,
  }
end

--- Is a value a list, without holes and without other keys?
-- @param test optional: a function that each item must satisfy
function options.is_list(value, test)
  if type(value) ~= "table" then
    return false
  end
  local n, count = #value, 0
  for key, item in pairs(value) do
    if type(key) ~= "number" or key < 1 or key > n or key ~= floor(key)
      or test and not test(item) then
      return false
    end
    count = count + 1
  end
  return count == n
end

--- Is a value a string that is not empty?
function options.is_text(value)
  return type(value) == "string" and value ~= ""
end

--- Rules of several sets in one; of the same name the last counts.
function options.merge(...)
  local merged = {}
  for i = 1, select("#", ...) do
    for name, rule in pairs((select(i, ...))) do
      merged[name] = rule
    end
  end
  return merged
end

--- What a rule allows, in words.
function options.expected(rule)
  if rule.text then
    return rule.text
  elseif rule.one_of then
    local names = {}
    for i, name in ipairs(rule.one_of) do
      names[i] = "'" .. name .. "'"
    end
    return table.concat(names, " or ")
  elseif rule.type == "integer" or rule.type == "number" then
    return range_text(rule)
  end
  return "a " .. rule.type
end

--- Does value obey rule?
function options.allows(rule, value)
  if rule.test then
    return rule.test(value) and true or false
  elseif rule.one_of then
    for _, name in ipairs(rule.one_of) do
      if name == value then
        return true
      end
    end
    return false
  elseif rule.type == "integer" or rule.type == "number" then
    return type(value) == "number"
      and value >= (rule.min or -INTEGER_LIMIT)
      and value <= (rule.max or INTEGER_LIMIT)
      and (rule.type == "number" or value == floor(value))
  end
  return type(value) == rule.type
end

-- Edit distance (insert, delete, replace, swap of neighbours), by rows.
local function distance(a, b)
  local before, previous = nil, {}
  for j = 0, #b do
    previous[j] = j
  end
  for i = 1, #a do
    local row = {[0] = i}
    for j = 1, #b do
      local same = a:byte(i) == b:byte(j)
      row[j] = min(previous[j] + 1, row[j - 1] + 1, previous[j - 1] + (same and 0 or 1))
      if i > 1 and j > 1 and a:byte(i) == b:byte(j - 1) and a:byte(i - 1) == b:byte(j) then
        row[j] = min(row[j], before[j - 2] + 1)
      end
    end
    before, previous = previous, row
  end
  return previous[#b]
end

--- The name in a set of rules that a misspelt one most likely meant, or nil.
function options.nearest(name, rules)
  local best, best_distance
  for candidate in pairs(rules) do
    local d = distance(name, candidate)
    if d <= 2 or d * 3 <= #name then
      if not best or d < best_distance or (d == best_distance and candidate < best) then
        best, best_distance = candidate, d
      end
    end
  end
  return best
end

local function unknown(key, where, rules)
  if type(key) ~= "string" then
    return "unknown option [" .. show(key) .. "] to '" .. where .. "'"
  end
  local near = options.nearest(key, rules)
  return "unknown option '" .. key:sub(1, 40) .. "' to '" .. where .. "'"
    .. (near and " (did you mean '" .. near .. "'?)" or "")
end

--- Check a table of options and return a copy with the defaults filled in.
-- @param where the function's name, for messages
-- @param given the caller's table, or nil
-- @param rules as above
-- @param level as for error(): 2 blames the caller of the function that calls check
-- @raise on an unknown name, a wrong type, a value out of range or the lack of a required one
function options.check(where, given, rules, level)
  level = (level or 2) + 1
  if given ~= nil and type(given) ~= "table" then
    error("bad options to '" .. where .. "' (a table expected, got " .. show(given) .. ")",
      level)
  end
  local checked, missing = {}, nil
  if given then
    for key in pairs(given) do
      if rules[key] == nil then
        error(unknown(key, where, rules), level)
      end
    end
  end
  for key, rule in pairs(rules) do
    local value = given and given[key]
    if value == nil then
      value = rule.default
      missing = rule.required and key or missing
    elseif not options.allows(rule, value) then
      error("bad option '" .. key .. "' to '" .. where .. "' (" .. options.expected(rule)
        .. " expected, got " .. show(value) .. ")", level)
    end
    checked[key] = value
  end
  if missing then
    error("bad options to '" .. where .. "' (" .. missing .. " is needed)", level)
  end
  return checked
end

--- The same for one positional argument.
-- @return value, or the rule's default for nil
function options.argument(where, position, value, rule, level)
  if value == nil and rule.default ~= nil then
    return rule.default
  elseif not options.allows(rule, value) then
    error("bad argument #" .. position .. " to '" .. where .. "' (" .. options.expected(rule)
      .. " expected, got " .. show(value) .. ")", (level or 2) + 1)
  end
  return value
end

return options
