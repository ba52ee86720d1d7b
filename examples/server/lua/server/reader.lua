--- What a request waits on: the texts told for it, as they grow and end.
--
-- Nobody is woken who does not sleep: a token that comes while its reader writes, or rests between
-- two writes, costs a mark, and however much has come is taken at once.
-- @module server.reader
local semaphore = require "ngx.semaphore"

local reader = {}

local Reader = {}
Reader.__index = Reader

-- What it can sleep for.
local NEWS, END = 1, 2

function reader.new()
  return setmetatable({
    semaphore = assert(semaphore.new(0)),
    news = false,     -- has anything come since `wait` last said so?
    ended = false,    -- has a text ended that neither `wait` nor `rest` knew of?
    sleeps_for = nil, -- NEWS or END, while it sleeps
  }, Reader)
end

--- Something has come, or, with `ended`, a text has ended.
function Reader:wake(ended)
  self.news = true
  self.ended = self.ended or ended or false
  local sleeps_for = self.sleeps_for
  if sleeps_for == NEWS or sleeps_for == END and ended then
    self.sleeps_for = nil
    self.semaphore:post(1)
  end
end

-- The semaphore may be left from a sleep whose time was up just when it was woken, so what came is
-- known from the marks alone.
local function sleep(self, seconds, what)
  self.sleeps_for = what
  self.semaphore:wait(seconds)
  self.sleeps_for = nil
end

--- Sleep until there is something new, so long at most.
-- @return whether there is
function Reader:wait(seconds)
  if not self.news then
    sleep(self, seconds, NEWS)
  end
  local news = self.news
  self.news, self.ended = false, false
  return news
end

--- Sleep for so long, or until a text ends.
function Reader:rest(seconds)
  if not self.ended then
    sleep(self, seconds, END)
  end
  self.ended = false
end

return reader
