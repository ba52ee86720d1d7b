--- Many texts at once: tasks that wait for the model together.
--
-- A decode loop calls `wait(seq)` where it needs the logits of a sequence. On its own that steps
-- the sequence's context until they are there. As a task of `run` it pauses, and one step of the
-- context serves all tasks that wait: the weights are read once for all of them. The loop is the
-- same in both cases, and so is what it tells.
--
--     local results = decode.run {
--       function() return model:generate("One day", {context = context, seed = 1}) end,
--       function() return model:generate("Once upon a time", {context = context, seed = 2}) end,
--     }
--
-- Tasks are coroutines. What else they yield (a host's own scheduler, ngx.sleep) is passed on to
-- whoever resumed the caller of `run`, and what that answers is passed back.
-- @module lull.decode.scheduler
local options = require "lull.options"

local scheduler = {}

local unpack = table.unpack or unpack -- luacheck: ignore 143
local WAIT = {}                                      -- the mark of this module's own yields
local driven = setmetatable({}, {__mode = "k"})      -- coroutines that run() resumes
local passes = setmetatable({}, {__mode = "k"})      -- per context: the options of one pass
local steppers = setmetatable({}, {__mode = "k"})    -- per coroutine: what use() was given
local MAIN = {}                                      -- stands for no coroutine, in Lua 5.1

local function pack(...)
  return {n = select("#", ...), ...}
end

-- What context:step and context:start take for one pass over the weights, so that an interrupt is
-- soon noticed.
local function pass(context)
  local given = passes[context]
  if not given then
    given = {max_tokens = context:info().batch}
    passes[context] = given
  end
  return given
end

local function step(context)
  return context:step(pass(context))
end

--- One pass over the weights of a context.
scheduler.step = step

--- The same in the background; context:wait() then gives what step would have.
function scheduler.begin_step(context)
  return context:start(pass(context))
end

-- How the running coroutine has contexts stepped.
local function stepper()
  return steppers[coroutine.running() or MAIN] or step
end

--- Have contexts stepped in a host's own way, wherever the running coroutine waits for the model
-- from now on: in `wait` and, unless told otherwise, in `run`. See lull.async.
-- @param other function(context) that returns what context:step returns and may yield; nil: steps
-- @return what was in use before, or nil
function scheduler.use(other)
  local this = coroutine.running() or MAIN
  local before = steppers[this]
  steppers[this] = other
  return before
end

--- Have what a sequence has queued evaluated.
-- @return true, or nil, message, code when the step failed (ECANCELED, ...)
function scheduler.wait(seq)
  if seq:pending() == 0 then
    return true
  end
  local this = coroutine.running()
  if this and driven[this] then
    return coroutine.yield(WAIT, seq, seq:context())
  end
  local context, one_pass = seq:context(), stepper()
  repeat
    local ok, message, code = one_pass(context)
    if not ok then
      return nil, message, code
    end
  until seq:pending() == 0
  return true
end

-- Take what a task that was resumed gave back. Mostly it waits, once for each token.
local function take(task, ok, ...)
  if not ok then
    task.ended, task.result = true, {n = 0, error = (...), failed = true}
  elseif (...) == WAIT then
    task.seq, task.context = select(2, ...)
  elseif coroutine.status(task.thread) == "dead" then
    task.ended, task.result = true, pack(...)
  else
    return take(task, coroutine.resume(task.thread, coroutine.yield(...)))
  end
end

-- Let a task go on until it waits or ends.
local function resume(task, ...)
  return take(task, coroutine.resume(task.thread, ...))
end

local function start(call)
  local task = {thread = coroutine.create(call)}
  driven[task.thread] = true
  resume(task)
  return task
end

-- Let a task go on if what it waits for has come, or never will.
local function wake(task, outcome)
  local open, pending = pcall(task.seq.pending, task.seq)
  if not open then
    resume(task, nil, "the sequence was closed", "ESTATE")
  elseif pending == 0 then
    resume(task, true)
  elseif not outcome[1] then
    resume(task, unpack(outcome, 1, outcome.n))
  end
end

-- Somebody may have closed it.
local function step_one(context, given)
  if not pcall(context.info, context) then
    return nil, "the context was closed", "ESTATE"
  end
  return given.step(context)
end

-- The contexts that somebody waits for, in the order of those who wait.
local function contexts_of(tasks)
  local contexts, seen = {}, {}
  for _, task in ipairs(tasks) do
    if not seen[task.context] then
      seen[task.context] = true
      contexts[#contexts + 1] = task.context
    end
  end
  return contexts
end

-- Tasks from a list or from a function that gives one after the other.
local function source(tasks)
  if type(tasks) == "function" then
    return tasks
  end
  local i = 0
  return function()
    i = i + 1
    return tasks[i]
  end
end

local RULES = {
  width = {type = "integer", min = 1, text = "an integer of at least 1"},
  done = {type = "function"},
  errors = {one_of = {"raise", "return"}, default = "raise"},
  step = {type = "function"},
  start = {type = "function"},
}

--- Run tasks together until all have ended.
-- @param tasks a list of functions, or a function that returns the next one and nil at the end;
--   it is called with the context whose turn it is, nil at first
-- @param given optional table:
--   width   so many at a time at most (default: all); a finished one's place is filled at once
--   done    function(i, result) called when task i has ended; results are then not collected
--   errors  "raise" (default): when all have ended, the first error is raised again;
--           "return": result.failed is true and result.error has what was raised
--   step    function(context) in place of context:step, for hosts that evaluate in the background
--           (default: what `use` was given)
--   start   function(context), called when the tasks of a context wait again and before those of
--           another one go on: it may start in the background what `step` then waits for
-- @return a list of results, each {n =, first returned value, second, ...}
function scheduler.run(tasks, given)
  options.argument("run", 1, tasks, {
    test = function(value) return type(value) == "table" or type(value) == "function" end,
    text = "a list of functions, or a function that returns them",
  })
  given = options.check("run", given, RULES)
  given.step = given.step or stepper()
  local next_task, alive, results, count, first_failure = source(tasks), {}, {}, 0, nil

  local function take_result(task)
    if task.result.failed and not first_failure then
      first_failure = task.result
    end
    if given.done then
      given.done(task.index, task.result)
    else
      results[task.index] = task.result
    end
  end

  local more = true
  local function fill(context)
    while more and (not given.width or #alive < given.width) do
      local call = next_task(context)
      if call == nil then
        more = false
      else
        count = count + 1
        local task = start(call)
        task.index = count
        if task.ended then take_result(task) else alive[#alive + 1] = task end
      end
    end
  end

  -- A context's turn: a step of it, and those who waited for it go on.
  local function turn(context)
    local outcome = pack(step_one(context, given))
    local still, waiting = {}, false
    for _, task in ipairs(alive) do
      if task.context == context then
        wake(task, outcome)
      end
      if task.ended then take_result(task) else still[#still + 1] = task end
    end
    alive = still
    fill(context)
    for i = 1, #alive do
      waiting = waiting or alive[i].context == context
    end
    if given.start and waiting then
      given.start(context)
    end
  end

  fill()
  while #alive > 0 do
    for _, context in ipairs(contexts_of(alive)) do
      turn(context)
    end
  end
  if first_failure and given.errors == "raise" then
    error(first_failure.error, 0)
  end
  return results
end

return scheduler
