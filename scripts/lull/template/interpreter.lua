--- Running a tree of expressions; statements are in lull.template.runner.
--
-- `rt`, the runtime of one rendering, is its budget (see lull.template.fault) with
--     scope    {parent =, [name] = value in `vars`}: where names are looked up
--     globals  the names outside of all scopes
--     out      the pieces printed so far; out.size their bytes
--     at       the byte of the source it is at, for messages
--     clock    what tells the time
-- @module lull.template.interpreter
local access = require "lull.template.access"
local fault = require "lull.template.fault"
local filters = require "lull.template.filters"
local operators = require "lull.template.operators"
local signature = require "lull.template.signature"
local tests = require "lull.template.tests"
local text = require "lull.template.text"
local values = require "lull.template.values"

local interpreter = {}

local EVALUATE = {} -- node types to functions (rt, node)
local NO_ARGUMENTS = {}
local truth, str = values.truth, values.str

--- The value of an expression.
local function evaluate(rt, node)
  rt.left, rt.depth = rt.left - 1, rt.depth - 1
  if rt.left < 0 or rt.depth < 0 then
    rt.at = node.at
    rt:spend(0)
    fault.raise("nested too deeply", nil, "ELIMIT")
  end
  rt.at = node.at
  local value = EVALUATE[node.type](rt, node)
  rt.depth = rt.depth + 1
  return value
end

interpreter.evaluate = evaluate

-------------------------------------------------------------------------------- names, literals

--- The value of a name, or nil.
function interpreter.look_up(rt, name)
  local scope = rt.scope
  while scope do
    local value = scope.vars[name]
    if value ~= nil then
      return value
    end
    scope = scope.parent
  end
  return rt.globals[name]
end

local look_up = interpreter.look_up

function EVALUATE.const(_, node)
  return node.value
end

function EVALUATE.text(rt)
  return rt.block_text
end

function EVALUATE.name(rt, node)
  local value = look_up(rt, node.name)
  if value == nil then
    return values.undefined("'" .. node.name .. "' is undefined")
  end
  return value
end

local function evaluate_all(rt, nodes)
  local list = {}
  for i = 1, #nodes do
    list[i] = evaluate(rt, nodes[i])
  end
  return list
end

function EVALUATE.list(rt, node)
  return values.list(evaluate_all(rt, node))
end

function EVALUATE.tuple(rt, node)
  return values.tuple(evaluate_all(rt, node))
end

function EVALUATE.dict(rt, node)
  local dict = values.dict()
  for i = 1, #node.keys do
    local key = evaluate(rt, node.keys[i])
    local value = evaluate(rt, node.values[i])
    rt.at = node.keys[i].at
    values.put(dict, key, value)
  end
  return dict
end

-------------------------------------------------------------------------------- operators

EVALUATE["and"] = function(rt, node)
  local left = evaluate(rt, node.left)
  if not truth(left) then
    return left
  end
  return evaluate(rt, node.right)
end

EVALUATE["or"] = function(rt, node)
  local left = evaluate(rt, node.left)
  if truth(left) then
    return left
  end
  return evaluate(rt, node.right)
end

EVALUATE["not"] = function(rt, node)
  return not truth(evaluate(rt, node.operand))
end

function EVALUATE.condition(rt, node)
  if truth(evaluate(rt, node.test)) then
    return evaluate(rt, node.yes)
  elseif node.no then
    return evaluate(rt, node.no)
  end
  return values.undefined("this condition is false and has no 'else'")
end

function EVALUATE.unary(rt, node)
  local operand = evaluate(rt, node.operand)
  rt.at = node.at
  return operators.negate(operand, node.operator)
end

function EVALUATE.binary(rt, node)
  local left = evaluate(rt, node.left)
  local right = evaluate(rt, node.right)
  rt.at = node.at
  return operators.binary[node.operator](rt, left, right)
end

function EVALUATE.concat(rt, node)
  local parts, size = {}, 0
  for i = 1, #node do
    parts[i] = str(rt, evaluate(rt, node[i]))
    size = size + #parts[i]
  end
  rt.at = node.at
  rt:text(size)
  return table.concat(parts)
end

function EVALUATE.compare(rt, node)
  local left = evaluate(rt, node.first)
  for i = 1, #node.operands do
    local right = evaluate(rt, node.operands[i])
    rt.at = node.at
    if not operators.compare[node.operators[i]](rt, left, right) then
      return false
    end
    left = right
  end
  return true
end

-------------------------------------------------------------------------------- what follows

function EVALUATE.attribute(rt, node)
  local object = evaluate(rt, node.object)
  rt.at = node.at
  return access.attribute(rt, object, node.name)
end

function EVALUATE.item(rt, node)
  local object = evaluate(rt, node.object)
  local key = evaluate(rt, node.key)
  rt.at = node.at
  return access.item(rt, object, key)
end

function EVALUATE.slice(rt, node)
  local object = evaluate(rt, node.object)
  local start, stop = evaluate(rt, node.start), evaluate(rt, node.stop)
  local step = values.none
  if node.step then
    step = evaluate(rt, node.step)
  end
  rt.at = node.at
  return operators.slice(rt, object, start, stop, step)
end

-- The arguments of a call, filter or test: a list, and a dict or nil.
local function arguments(rt, node)
  if not node.args then
    return NO_ARGUMENTS
  end
  local args = evaluate_all(rt, node.args)
  for _, item in ipairs(node.spread and values.demand_items(rt, evaluate(rt, node.spread)) or {}) do
    args[#args + 1] = item
  end
  if not (node.names and node.names[1]) and not node.spread_named then
    return args
  end
  local named = values.dict()
  local function add(name, value)
    if values.get(named, values.demand_string(name)) ~= nil then
      fault.raise("two values for the argument '" .. name .. "'")
    end
    values.put(named, name, value)
  end
  for i, name in ipairs(node.names) do
    add(name, evaluate(rt, node.named[i]))
  end
  local spread = node.spread_named and evaluate(rt, node.spread_named)
  if spread and values.kind(spread) ~= "dict" then
    fault.raise("** needs a mapping, not '" .. values.type_name(spread) .. "'")
  end
  for i = 1, spread and spread.n or 0 do
    add(spread.keys[i], spread.values[i])
  end
  return args, named
end

--- Call a value.
function interpreter.call(rt, callee, args, named)
  if type(callee) ~= "table" or not callee.call then
    values.demand(callee)
    fault.raise("'" .. values.type_name(callee) .. "' object is not callable")
  end
  rt:spend(1)
  return callee.call(rt, args, named)
end

--- A call; with `caller`, what its block is for the macro it calls.
function interpreter.evaluate_call(rt, node, caller)
  local callee = evaluate(rt, node.callee)
  local args, named = arguments(rt, node)
  rt.at = node.at
  if caller then
    named = named or values.dict()
    values.put(named, "caller", caller)
  end
  return interpreter.call(rt, callee, args, named)
end

EVALUATE.call = interpreter.evaluate_call

-- What a filter or a test costs by the size of what it looks at.
local function weigh(rt, operand)
  rt:spend(1 + (type(operand) == "string" and #operand / 16 or 0))
end

--- Apply a filter by name; also a method of rt, for map.
function interpreter.filter(rt, name, operand, args, named)
  local filter = filters[name] or fault.raise("no filter named " .. text.repr(name))
  weigh(rt, operand)
  return signature.call(filter, name, rt, operand, args, named)
end

--- Apply a test by name; also a method of rt, for select.
function interpreter.test(rt, name, operand, args, named)
  local test = tests[name] or fault.raise("no test named " .. text.repr(name))
  weigh(rt, operand)
  return signature.call(test, name, rt, operand, args, named)
end

function EVALUATE.filter(rt, node)
  local operand = evaluate(rt, node.operand)
  local args, named = arguments(rt, node)
  rt.at = node.at
  return interpreter.filter(rt, node.name, operand, args, named)
end

function EVALUATE.test(rt, node)
  local operand = evaluate(rt, node.operand)
  local args, named = arguments(rt, node)
  rt.at = node.at
  return interpreter.test(rt, node.name, operand, args, named)
end

return interpreter
