--- Waiting for a step of a context that runs on a thread of its own, while nginx serves others.
--
-- A thread of nginx's pool sleeps on the descriptor that the step's end makes readable, and its own
-- end wakes the event loop at once. Where there is no such pool the step is looked after every
-- millisecond, the shortest sleep that lets nginx go round: a step of a small model takes less.
-- @module server.background
local scheduler = require "lull.decode.scheduler"

local background = {}

local POOL, MODULE = "lull", "server.descriptor"
local MOST_MS = 1000 -- then it is asked again

local use_pool = true

-- Sleep on a thread of the pool. Whether there is one.
local function sleep_there(fd, milliseconds)
  if not use_pool or not fd then
    return false
  end
  local ok, message = ngx.run_worker_thread(POOL, MODULE, "wait", fd, milliseconds)
  if not ok then
    use_pool = false
    ngx.log(ngx.WARN, "steps are polled for: ", message)
  end
  return ok
end

--- Start a step of a context.
-- @return true; or nil, message, code
background.begin = scheduler.begin_step

--- Wait until a context's step has ended; context:wait() then gives what it came to.
function background.wait(context)
  repeat
    if not sleep_there(context:fd(), MOST_MS) then
      ngx.sleep(0.001)
    end
  until context:poll()
end

--- Let nginx go round once.
function background.breathe()
  if not sleep_there(-1, 0) then
    ngx.sleep(0.001)
  end
end

return background
