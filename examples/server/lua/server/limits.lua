--- How much one client and all together may ask for, by worker.
-- @module server.limits
local errors = require "server.errors"

local limits = {}

local Limits = {}
Limits.__index = Limits

--- @param given {queue, per_client}
function limits.new(given)
  return setmetatable({given = given, clients = {}, seconds = 1}, Limits)
end

-- When it is worth to ask again: about when the texts before this one have been told.
local function retry_after(self, waiting, streams)
  return math.max(1, math.ceil(self.seconds * (1 + waiting / streams)))
end

--- Let a client have `n` texts more, or refuse.
function Limits:admit(client, n, engine)
  local has, waiting = self.clients[client] or 0, engine:queue_length()
  if has + n > self.given.per_client then
    errors.raise {
      status = 429, code = "rate_limit_exceeded", retry_after = retry_after(self, 0, 1),
      message = "too many texts at a time: " .. has .. " are under way, " .. n
        .. " more were asked for, and " .. self.given.per_client .. " are allowed",
    }
  end
  local free = engine.streams - engine:telling() - waiting
  if n - free > self.given.queue then
    errors.raise {
      status = 503, code = "overloaded", retry_after = retry_after(self, waiting, engine.streams),
      message = "the server is busy: " .. waiting .. " texts wait",
    }
  end
  self.clients[client] = has + n
end

--- One of a client's texts has ended.
-- @param seconds how long it took
function Limits:release(client, seconds)
  local left = self.clients[client] - 1
  self.clients[client] = left > 0 and left or nil
  self.seconds = 0.9 * self.seconds + 0.1 * seconds
end

return limits
