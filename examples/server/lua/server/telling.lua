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
  }, Telling)
  service.limits:admit(client, #given, service.engine)
  for i, one in ipairs(given) do
    self.texts[i] = text.new(one, self.reader)
    self.texts[i].on_done = function(ended)
      service.limits:release(client, self:age())
      count(self, ended)
    end
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
    local woken = self.reader:wait(LOOK)
    check(self)
  until woken
end

--- Seconds since the texts were handed in.
function Telling:age()
  return lull.clock() - self.began
end

function Telling:is_done()
  for _, one in ipairs(self.texts) do
    if not one:is_done() then
      return false
    end
  end
  return true
end

--- Wait for the ends of all.
function Telling:finish()
  while not self:is_done() do
    self:wait()
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
