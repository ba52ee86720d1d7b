--- Waiting for the model in a host's own way: no event loop stands still while a text is told.
--
-- A step runs on a background thread of the context (`context:start`), and whoever needs it waits
-- as the host does: a coroutine sleeps, a game looks again at the next tick, an event loop watches
-- a descriptor. What is told is the same, and every loop of lull can be waited for so: it only has
-- to run in a coroutine that said how, with `use`; as a task of `decode.run` there; or as a job.
--
--     -- nginx, HAProxy, Tarantool, copas: anything whose coroutines can sleep
--     async.use(async.by_sleep(ngx.sleep, 0.001))
--     for piece in model:stream("Once upon a time") do ngx.print(piece) ngx.flush() end
--
--     -- a game: one step a tick at most
--     local job = async.job(function() return model:generate("Once upon a time") end)
--     function on_tick() if job:poll() then show(job.result[1]) end end
--
-- One context serves one of them at a time: whoever wants several texts from it, together, takes
-- `decode.run`. Lua code between two steps (sampling) still runs in the host's thread, a fraction
-- of a millisecond a token with the usual strategies.
-- @module lull.async
local core = require "lull.core"
local options = require "lull.options"
local scheduler = require "lull.decode.scheduler"

local async = {}

local clock = core.clock or os.clock
local unpack = table.unpack or unpack -- luacheck: ignore 143

local FUNCTION = {type = "function"}
local AMOUNT = {type = "number", min = 0, default = 0.001}
local SECONDS = {type = "number", min = 0, default = 0}

-------------------------------------------------------------------------------- waiting

-- Has the step that was started ended? nil where somebody closed the context.
local function ended(context)
  local open, answer = pcall(context.poll, context)
  if open then
    return answer
  end
end

--- A step in the background: function(context), for the option `step` of `decode.run`, which does
-- what context:step does and has `wait` called at least once, until it has ended.
-- @param wait function(context): comes back after a while, or when the step has ended; where it
--   returns "cancel", nobody wants the text any more, and this step fails with ECANCELED (or the
--   context's next one, if it came too late)
function async.step(wait)
  options.argument("step", 1, wait, FUNCTION)
  return function(context)
    local ok, message, code = scheduler.begin_step(context)
    if not ok then
      return nil, message, code
    end
    local canceled = false
    local done = false
    while not done do
      if wait(context) == "cancel" and not canceled then
        canceled = true
        pcall(context.cancel, context)
      end
      done = ended(context)
      if done == nil then
        return nil, "the context was closed", "ESTATE"
      end
    end
    return context:wait()
  end
end

--- From now on the running coroutine waits for the model with `wait`, in everything that lull
-- does. In a coroutine that the host has made for one request it needs no undoing.
-- @param wait see `step`; nil: blocks again
function async.use(wait)
  scheduler.use(wait and async.step(wait))
end

-------------------------------------------------------------------------------- ways to wait

--- Whoever resumes the coroutine decides when to look again.
function async.by_yield()
  return function()
    coroutine.yield()
  end
end

--- Sleep a little and look again, where sleeping lets others go on: `ngx.sleep` (seconds; 0 does
-- not let them), HAProxy's `core.msleep` (milliseconds), Tarantool's `fiber.sleep`, `copas.sleep`.
-- @param sleep the host's function
-- @param amount (0.001) how long, in its unit
function async.by_sleep(sleep, amount)
  options.argument("by_sleep", 1, sleep, FUNCTION)
  amount = options.argument("by_sleep", 2, amount, AMOUNT)
  return function()
    sleep(amount)
  end
end

--- libuv: suspended until the context's descriptor is readable. For coroutines.
-- @param uv the module: `require "luv"`, in Neovim `vim.loop`
-- @param schedule function(f) that has f called a little later, where libuv's callbacks may not do
--   what the coroutine does: in Neovim `vim.schedule`
function async.by_uv(uv, schedule)
  return function(context)
    local this = coroutine.running()
    local watch = assert(uv.new_poll(context:fd()))
    local function go_on()
      local ok, message = coroutine.resume(this)
      if not ok then
        error(debug.traceback(this, message), 0)
      end
    end
    watch:start("r", function()
      watch:close()
      if schedule then schedule(go_on) else go_on() end
    end)
    coroutine.yield()
  end
end

--- copas, with its select on the context's descriptor.
-- @param copas the module
function async.by_copas(copas)
  return function(context)
    local fd, looked = context:fd(), false
    copas.receive { -- what looks like a socket
      getfd = function() return fd end,
      dirty = function() return false end,
      close = function() end,
      receive = function()
        if looked and ended(context) ~= false then
          return ""
        end
        looked = true
        return nil, "timeout"
      end,
    }
  end
end

-------------------------------------------------------------------------------- jobs

local Job = {}
Job.__index = Job

local WAIT = {} -- the mark of a job's own yields

local function wait_in_job(context)
  return coroutine.yield(WAIT, context)
end

--- Something that takes a while, for hosts that call in now and then: it runs in a coroutine of
-- its own, begins at once, and goes on whenever it is polled and its step has ended.
--
-- When it has ended its field `result` is {n =, first returned value, second, ...}. A bare
-- `coroutine.yield()` in it goes on at the next poll. (Lua 5.1, not LuaJIT: loop over a stream with
-- `while`, since a generic `for` cannot be yielded across.)
-- @param call the function
-- @param ... its arguments
-- @return a job
-- @raise what the function raises before it first waits
function async.job(call, ...)
  options.argument("job", 1, call, FUNCTION)
  local job = setmetatable({ended = false}, Job)
  job.thread = coroutine.create(function(...)
    async.use(wait_in_job)
    return call(...)
  end)
  job:go_on(...)
  return job
end

function Job:go_on(...)
  local function take(ok, ...)
    self.context = nil
    if not ok then
      self.ended, self.result = true, {n = 0}
      error((...), 0)
    elseif coroutine.status(self.thread) == "dead" then
      self.ended, self.result = true, {n = select("#", ...), ...}
    elseif ... == WAIT then
      self.context = select(2, ...)
    end
  end
  take(coroutine.resume(self.thread, ...))
end

--- Let it go on if its step has ended.
-- @param seconds (0) go on with further steps for about so long, waiting for each: 0.004 in a
--   frame of 16 ms tells faster than one token a frame
-- @return true when it has ended
-- @raise what the function raises
function Job:poll(seconds)
  seconds = options.argument("poll", 1, seconds, SECONDS)
  local deadline = clock() + seconds
  repeat
    local waits = self.context and ended(self.context) == false
    if not self.ended and (self.canceled or not waits) then
      self:go_on(self.canceled and "cancel" or nil)
    end
  until self.ended or clock() >= deadline
  return self.ended
end

--- Nobody wants it any more: from the next poll on its steps fail with ECANCELED, and yields of its
-- own return "cancel". (A job that is let go of is collected, with all that it opened.)
function Job:cancel()
  self.canceled = true
  return self
end

--- The descriptor that is readable when its step has ended, or nil where it waits for none. With
-- this a job can stand in the list that LuaSocket's select watches for reading.
function Job:getfd()
  return self.context and ended(self.context) ~= nil and self.context:fd() or nil
end

--- For LuaSocket's select: can it go on without a descriptor saying so?
function Job:dirty()
  return not self.ended and self:getfd() == nil
end

--- Poll it until it has ended, blocking: for a host that must come to an end.
-- @return what the function returned
function Job:finish()
  while not self:poll(1) do -- luacheck: ignore 542
  end
  return unpack(self.result, 1, self.result.n)
end

return async
