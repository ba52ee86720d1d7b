--- The texts of one request: handed in together, waited for together, given up together.
-- @module server.telling
local errors = require "server.errors"
local lull = require "lull"
local metrics = require "server.metrics"
local reader = require "server.reader"
local text = require "server.text"

local telling = {}

local Telling = {}
Telling.__index = Telling

-- Seconds after which a request looks whether it still has reason to wait.
local LOOK = 5

-- Seconds between two writes of a stream: what a reader does not see, and so much that all streams
-- of this worker together are written about 1000 times a second, since a write costs as much as
-- several tokens. A model that is slower than this is read token by token; of a faster one several
-- tokens go together. A stream's beginning and the ends of its texts do not wait.
local PACE, WRITES_PER_SECOND = 0.02, 1000

local streams = 0 -- that have begun and whose texts have not all ended

-- What is counted of a text that has ended.
local function count(self, one)
  local facts = one.facts or {}
  metrics.add("lull_generated_tokens_total", facts.tokens or 0)
  metrics.add("lull_prompt_tokens_total", one.began and #one.ids or 0)
  metrics.add("lull_texts_total", 1, 'end="' .. (one.failure and "error" or one.closed and "closed"
    or facts.finish_reason or "error") .. '"')
  if one.first_piece_at then
    metrics.observe("lull_first_token_seconds", one.first_piece_at - self.began)
  end
end

--- Hand in texts.
-- @param service {engine, limits, wait_seconds}
-- @param client whose they are
-- @param given a list of what server.text.new takes
-- @raise when the client or the server has too many
function telling.begin(service, client, given)
  local self = setmetatable({
    service = service, texts = {}, reader = reader.new(), began = lull.clock(),
    left = #given,    -- texts that have not ended
    streamed = false, -- is it one of `streams`?
  }, Telling)
  service.limits:admit(client, #given, service.engine)
  local function on_done(ended)
    service.limits:release(client, self:age())
    count(self, ended)
    self.left = self.left - 1
    streams = streams - (self.streamed and self.left == 0 and 1 or 0)
  end
  for i, one in ipairs(given) do
    self.texts[i] = text.new(one, self.reader, on_done)
  end
  ngx.on_abort(function()
    self:close()
    ngx.exit(499)
  end)
  for _, one in ipairs(self.texts) do
    local ok, message = service.engine:submit(one)
    if not ok then
      self:close()
      errors.raise {status = 503, message = "no text can begin: " .. message, retry_after = 1}
    end
  end
  return self
end

-- Raise what failed, or that no place came.
local function check(self)
  local waiting = true
  for _, one in ipairs(self.texts) do
    if one.failure then
      error(one.failure, 0)
    end
    waiting = waiting and one.state == "waiting"
  end
  if waiting and self:age() > self.service.wait_seconds then
    errors.raise {
      status = 503, message = "no place became free in time", code = "overloaded",
      retry_after = math.ceil(self.service.wait_seconds),
    }
  end
end

--- Wait until something has come that nobody has taken.
function Telling:wait()
  repeat
    local news = self.reader:wait(LOOK)
    check(self)
  until news
end

--- Rest between two writes of a stream.
function Telling:rest()
  if not self.streamed and self.left > 0 then
    self.streamed, streams = true, streams + 1
  end
  self.reader:rest(math.max(PACE, streams / WRITES_PER_SECOND))
end

--- Seconds since the texts were handed in.
function Telling:age()
  return lull.clock() - self.began
end

function Telling:is_done()
  return self.left == 0
end

--- Wait for the ends of all.
function Telling:finish()
  while not self:is_done() do
    self.reader:rest(LOOK)
    check(self)
  end
  check(self)
  metrics.observe("lull_request_seconds", self:age())
end

--- Give up what has not ended.
function Telling:close()
  for _, one in ipairs(self.texts) do
    one:close()
  end
end

return telling
