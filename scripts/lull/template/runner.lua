--- Running the statements of a template.
-- @module lull.template.runner
local fault = require "lull.template.fault"
local interpreter = require "lull.template.interpreter"
local loops = require "lull.template.loops"
local values = require "lull.template.values"

local runner = {}

local RUN = {} -- node types to functions (rt, node) -> nil, "break" or "continue"
local evaluate = interpreter.evaluate
local truth, str = values.truth, values.str

--- Run statements; "break" or "continue" stop them and are returned.
local function run(rt, body)
  rt:enter()
  for i = 1, #body do
    local node = body[i]
    rt.left, rt.at = rt.left - 1, node.at
    local signal = RUN[node.type](rt, node)
    if signal then
      rt:leave()
      return signal
    end
  end
  rt:leave()
end

-------------------------------------------------------------------------------- printing

local function print_text(rt, s)
  local out = rt.out
  out.size = out.size + #s
  if out.size > rt.bytes then
    rt:text(out.size)
  end
  rt:spend(#s / 32)
  out[#out + 1] = s
end

-- action(rt, what) in another scope.
local function within(rt, scope, action, what)
  local outer = rt.scope
  rt.scope = scope
  local result = action(rt, what)
  rt.scope = outer
  return result
end

-- The same, and what it prints comes back before its result.
local function capture(rt, scope, action, what)
  local out = rt.out
  rt.out = {size = 0}
  local result = within(rt, scope, action, what)
  local printed = table.concat(rt.out)
  rt.out = out
  return printed, result
end

function RUN.data(rt, node)
  print_text(rt, node.text)
end

function RUN.print(rt, node)
  print_text(rt, str(rt, evaluate(rt, node.value)))
end

function RUN.prints(rt, node)
  for i = 1, #node do
    print_text(rt, str(rt, evaluate(rt, node[i])))
  end
end

-------------------------------------------------------------------------------- scopes

local function new_scope(parent)
  return {vars = {}, parent = parent}
end

local function assign_attribute(rt, target, value)
  local namespace = interpreter.look_up(rt, target.name)
  if values.kind(namespace) ~= "namespace" then
    rt.at = target.at
    fault.raise("cannot assign an attribute of '" .. target.name .. "', which is no namespace")
  end
  values.put(namespace.dict, target.attribute, value)
end

-- Give a value to a target, a tuple of targets item by item.
local function assign(rt, scope, target, value)
  if target.type == "name" then
    scope.vars[target.name] = value
  elseif target.type == "namespace" then
    assign_attribute(rt, target, value)
  else
    rt.at = target.at
    local items = values.demand_items(rt, value)
    if #items ~= #target then
      fault.raise("expected " .. #target .. " values to unpack, got " .. #items)
    end
    for i = 1, #target do
      assign(rt, scope, target[i], items[i])
    end
  end
end

function RUN.set(rt, node)
  assign(rt, rt.scope, node.target, evaluate(rt, node.value))
end

-- A block whose text goes through filters, and then to a target or to the output.
function RUN.set_block(rt, node)
  local printed, signal = capture(rt, new_scope(rt.scope), run, node.body)
  if signal then
    return signal
  end
  rt.block_text = printed
  local value = evaluate(rt, node.filters)
  if node.target then
    assign(rt, rt.scope, node.target, value)
  else
    print_text(rt, str(rt, value))
  end
end

RUN["with"] = function(rt, node)
  local scope = new_scope(rt.scope)
  for i, target in ipairs(node.targets) do
    assign(rt, scope, target, evaluate(rt, node.values[i]))
  end
  return within(rt, scope, run, node.body)
end

function RUN.scope(rt, node)
  return within(rt, new_scope(rt.scope), run, node.body)
end

-------------------------------------------------------------------------------- branches, loops

RUN["if"] = function(rt, node)
  for i = 1, #node.tests do
    if truth(evaluate(rt, node.tests[i])) then
      return run(rt, node.bodies[i])
    end
  end
  if node.otherwise then
    return run(rt, node.otherwise)
  end
end

RUN["break"] = function() return "break" end
RUN["continue"] = function() return "continue" end

-- Does the test of `for x in y if test` hold for an item?
local function passes(rt, node, outer, item)
  local scope = new_scope(outer)
  assign(rt, scope, node.target, item)
  return truth(within(rt, scope, evaluate, node.test))
end

-- One round after the other over a value; `depth` counts the loops of a recursive one.
local function run_loop(rt, node, iterable, depth)
  local outer, unfinished = rt.scope, true
  rt.at = node.at
  local loop = loops.new(rt, iterable, depth, node.test and function(item)
    return passes(rt, node, outer, item)
  end)
  if node.recursive then
    loop.call = function(_, args)
      local inner = args[1] or fault.raise("loop() needs what to loop over")
      return (capture(rt, outer, function() run_loop(rt, node, inner, depth + 1) end))
    end
  end
  while loop:advance() do
    local scope = new_scope(outer)
    scope.vars.loop = loop
    assign(rt, scope, node.target, loop.current)
    local signal = within(rt, scope, run, node.body)
    if signal == "break" then
      break
    elseif not signal then
      unfinished = false
    end
  end
  -- As in jinja2, `else` is for a loop no round of which came to its end.
  if unfinished and node.otherwise then
    within(rt, new_scope(outer), run, node.otherwise)
  end
end

RUN["for"] = function(rt, node)
  run_loop(rt, node, evaluate(rt, node.iterable), 1)
end

-------------------------------------------------------------------------------- macros

-- The scope of one call of a macro with its parameters; and a dict of the arguments by name that
-- are left over.
local function bind_parameters(rt, node, parent, args, named)
  local scope, rest, taken = new_scope(parent), values.dict(), {}
  for i, name in ipairs(node.parameters) do
    local value = args[i]
    if value == nil and named then
      value = values.get(named, name)
      taken[name] = true
    end
    if value == nil and node.defaults[i] then
      value = within(rt, scope, evaluate, node.defaults[i])
    elseif value == nil then
      value = values.undefined("the parameter '" .. name .. "' was not provided")
    end
    scope.vars[name] = value
  end
  for i = 1, named and named.n or 0 do
    local name = named.keys[i]
    if name == "caller" and node.used.caller and scope.vars.caller == nil then
      scope.vars.caller = named.values[i]
    elseif not taken[name] then
      values.put(rest, name, named.values[i])
    end
  end
  return scope, rest
end

-- The names that a macro has without having parameters for them.
local function bind_specials(node, vars, args, rest)
  local used, n = node.used, #node.parameters
  local title = node.name or "caller"
  if used.caller and vars.caller == nil then
    vars.caller = values.undefined("no caller is defined")
  end
  if used.varargs and vars.varargs == nil then
    vars.varargs = values.tuple {}
    for i = n + 1, #args do
      vars.varargs[i - n] = args[i]
    end
  elseif #args > n then
    fault.raise(title .. "() takes at most " .. n .. " arguments, got " .. #args)
  end
  if used.kwargs and vars.kwargs == nil then
    vars.kwargs = rest
  elseif rest.n > 0 then
    fault.raise(title .. "() has no argument '" .. rest.keys[1] .. "'")
  end
end

-- What a macro or a call block is as a value. It sees the names around it as they are when it is
-- called.
local function new_macro(rt, node)
  local parent = rt.scope
  local macro = values.callable(node.name or "caller", function(_, args, named)
    local scope, rest = bind_parameters(rt, node, parent, args, named)
    bind_specials(node, scope.vars, args, rest)
    return (capture(rt, scope, run, node.body))
  end)
  function macro.attribute(_, _, name)
    return name == "name" and node.name or nil
  end
  return macro
end

function RUN.macro(rt, node)
  rt.scope.vars[node.name] = new_macro(rt, node)
end

function RUN.call_block(rt, node)
  rt.at = node.call.at
  print_text(rt, str(rt, interpreter.evaluate_call(rt, node.call, new_macro(rt, node))))
end

-------------------------------------------------------------------------------- rendering

--- The text of a template.
-- @param rt a budget with `globals` and `clock`
-- @param tree what lull.template.statements parsed
-- @param vars names to values
function runner.render(rt, tree, vars)
  rt.scope, rt.out, rt.at = {vars = vars}, {size = 0}, 1
  rt.filter, rt.test = interpreter.filter, interpreter.test
  run(rt, tree)
  return table.concat(rt.out)
end

return runner
