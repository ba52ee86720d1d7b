--- Waiting for a step of a context that runs on a thread of its own, while nginx serves others.
--
-- A thread of nginx's pool sleeps on the descriptor that the step's end makes readable, and its own
-- end wakes the event loop at once. Where there is no such pool the step is looked after every
-- millisecond, the shortest sleep that lets nginx go round: a step of a small model takes less.
-- @module server.background
local background = {}

local POOL, MODULE = "lull", "server.descriptor"
local MOST_MS = 1000 -- then it is asked again

local use_pool = true

local function sleep_until(context)
  while not context:poll() do
    ngx.sleep(0.001)
  end
end

local function wait(context)
  local fd = use_pool and context:fd()
  while use_pool and fd and not context:poll() do
    local ok, message = ngx.run_worker_thread(POOL, MODULE, "wait", fd, MOST_MS)
    if not ok then
      use_pool = false
      ngx.log(ngx.WARN, "steps are polled for: ", message)
    end
  end
  sleep_until(context)
end

--- Let nginx go round once.
function background.breathe()
  if not (use_pool and ngx.run_worker_thread(POOL, MODULE, "wait", -1, 0)) then
    ngx.sleep(0.001)
  end
end

--- One step of a context, as context:step.
-- @return tokens that remain queued; or nil, message, code
function background.step(context, given)
  local started, message, code = context:start(given)
  if not started then
    return nil, message, code
  end
  wait(context)
  return context:wait()
end

return background
