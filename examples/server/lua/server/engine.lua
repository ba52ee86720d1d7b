--- The engine of a model: all texts of a worker share one context, and each step serves all.
--
-- Requests hand in texts; a loop runs for as long as there are any, as a timer of nginx. Between
-- two steps it chooses the next token of each text; during a step, which runs on threads of its
-- own, nginx does everything else.
-- @module server.engine
local background = require "server.background"
local decode = require "lull.decode"
local lull = require "lull"
local metrics = require "server.metrics"

local engine = {}

local Engine = {}
Engine.__index = Engine

-- Rows of a pass beside one for each text, so that prompts are read while others are told.
local PROMPT_ROWS = 64
local MOST_ROWS = 1024 -- of a context's pass

local MOST_AT_ONCE = 0.002 -- seconds that nginx waits for the choice of tokens

--- @param model
-- @param given {streams = so many texts are told at a time, length, threads, kv, cpu}
-- @return the engine, or nil, message, code
function engine.new(model, given)
  local rows = math.min(given.streams + PROMPT_ROWS, MOST_ROWS)
  local context, message, code = model:context {
    sequences = given.streams, length = given.length, threads = given.threads, kv = given.kv,
    cpu = given.cpu, batch = rows,
  }
  if not context then
    return nil, message, code
  end
  return setmetatable({
    model = model, context = context, length = context:info().length, streams = given.streams,
    waiting = {},     -- texts, the oldest at `first`
    first = 1, last = 0,
    told = {},        -- texts that are told, by their number in the loop that runs
    count = 0,        -- how many it has begun
    awake = 0,        -- since when nginx waits
    telling = 0,      -- how many are
    looping = false,
  }, Engine)
end

--- How many texts wait for a place.
function Engine:queue_length()
  return self.last - self.first + 1
end

--- Hand in a text.
function Engine:submit(text)
  self.last = self.last + 1
  self.waiting[self.last] = text
  if not self.looping then
    self.looping = true
    local ok, message = ngx.timer.at(0, function()
      self:loop()
    end)
    if not ok then
      self.looping = false
      self.waiting[self.last], self.last = nil, self.last - 1
      return nil, message
    end
  end
  return true
end

-- The next text that somebody still waits for, or nil.
function Engine:next_text()
  while self.first <= self.last do
    local text = self.waiting[self.first]
    self.waiting[self.first], self.first = nil, self.first + 1
    if not text:is_done() then
      return text
    end
  end
end

-- The next task of the loop, or false where there is none now.
function Engine:next_task()
  local text = self:next_text()
  if not text then
    return false
  end
  self.count = self.count + 1
  self.told[self.count] = text
  self.telling = self.telling + 1
  return function()
    text:run(self)
  end
end

-- A task has ended. What it raised is a strategy's mistake, and concerns this text alone.
function Engine:task_done(i, result)
  local text = self.told[i]
  self.told[i] = nil
  self.telling = self.telling - 1
  if result.failed then
    ngx.log(ngx.ERR, "a text failed: ", tostring(result.error))
    text:finish("the text failed: see the server's log")
  end
end

function Engine:step(context)
  local start = lull.clock()
  local remaining, message, code = background.step(context)
  self.awake = lull.clock()
  metrics.observe("lull_step_seconds", self.awake - start)
  return remaining, message, code
end

-- Called by a text after each token: nginx goes round before the texts have kept it for too long.
function Engine:breathe()
  if lull.clock() - self.awake > MOST_AT_ONCE then
    background.breathe()
    self.awake = lull.clock()
  end
end

-- Tell texts until there are none.
function Engine:loop()
  self.told, self.count, self.telling, self.awake = {}, 0, 0, lull.clock()
  local ok, message = pcall(decode.run, function() return self:next_task() end, {
    width = self.streams, errors = "return",
    done = function(i, result) self:task_done(i, result) end,
    step = function(context) return self:step(context) end,
  })
  self.looping = false
  if not ok then
    self:give_up(message)
  end
end

-- The loop itself broke: nobody shall wait for ever.
function Engine:give_up(message)
  ngx.log(ngx.ERR, "the loop failed: ", tostring(message))
  for _, text in pairs(self.told) do
    text:finish("the server failed: see its log")
  end
  for text in function() return self:next_text() end do
    text:finish("the server failed: see its log")
  end
  self.telling = 0
end

return engine
