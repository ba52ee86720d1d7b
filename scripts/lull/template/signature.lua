--- The parameters of filters, tests, methods and functions, given by position or by name.
-- @module lull.template.signature
local fault = require "lull.template.fault"
local values = require "lull.template.values"

local signature = {}

local unpack = unpack or table.unpack -- luacheck: compat

--- A routine of a template: body(rt, subject, ...) with one value for each parameter, nil where an
-- optional one is not given.
-- @param parameters their names in order, "old new count?": a ? marks what may be left out; "*"
-- alone is any number of them, and then body gets (rt, subject, args, named)
function signature.routine(parameters, body)
  local routine = {body = body, raw = parameters == "*", names = {}, position = {}, needed = 0}
  for name in (routine.raw and "" or parameters):gmatch("%S+") do
    local bare = name:gsub("%?", "")
    routine.names[#routine.names + 1] = bare
    routine.position[bare] = #routine.names
    routine.needed = bare == name and #routine.names or routine.needed
  end
  return routine
end

--- Call a routine named `name` on a subject.
-- @param args a Lua list of values
-- @param named a dict, or nil
function signature.call(routine, name, rt, subject, args, named)
  if routine.raw then
    return routine.body(rt, subject, args, named)
  end
  local n = #routine.names
  if #args > n then
    fault.raise(name .. "() takes at most " .. n .. " arguments, got " .. #args)
  end
  local bound = {}
  for i = 1, #args do
    bound[i] = args[i]
  end
  for i = 1, named and named.n or 0 do
    local position = routine.position[named.keys[i]]
    if not position then
      fault.raise(name .. "() has no argument '" .. tostring(named.keys[i]) .. "'")
    elseif bound[position] ~= nil then
      fault.raise(name .. "() got two values for '" .. named.keys[i] .. "'")
    end
    bound[position] = named.values[i]
  end
  for i = 1, routine.needed do
    if bound[i] == nil then
      fault.raise(name .. "() misses its argument '" .. routine.names[i] .. "'")
    end
  end
  return routine.body(rt, subject, unpack(bound, 1, n))
end

--- A routine bound to its subject, as a value to call.
function signature.bind(routine, name, subject)
  return values.callable(name, function(rt, args, named)
    return signature.call(routine, name, rt, subject, args, named)
  end)
end

--- Is an optional argument neither left out nor None?
function signature.given(value)
  return value ~= nil and values.kind(value) ~= "none"
end

--- An optional int.
function signature.integer(value, default)
  if value == nil then
    return default
  end
  return values.demand_integer(value)
end

--- An optional str; None counts as left out.
function signature.string(value, default)
  if not signature.given(value) then
    return default
  end
  return values.demand_string(value)
end

return signature
