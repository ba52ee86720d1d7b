--- What a request waits on: the texts told for it, as they grow.
--
-- The engine wakes it once however much has come since it last looked, so a request that is slow to
-- look takes several tokens at a time.
-- @module server.reader
local semaphore = require "ngx.semaphore"

local reader = {}

local Reader = {}
Reader.__index = Reader

function reader.new()
  return setmetatable({semaphore = assert(semaphore.new(0)), awake = false}, Reader)
end

function Reader:wake()
  if not self.awake then
    self.awake = true
    self.semaphore:post(1)
  end
end

--- Sleep until there is something new, so long at most.
-- @return whether there is
function Reader:wait(seconds)
  local woken = self.semaphore:wait(seconds)
  if woken then
    self.awake = false
  end
  return woken == true
end

return reader
