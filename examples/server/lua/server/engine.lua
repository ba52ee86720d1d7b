--- The engine of a model: a step serves all texts of a group, and most often there is one group.
--
-- Requests hand in texts; a loop runs for as long as there are any, as a timer of nginx. Between
-- two steps it chooses the next token of each text; during a step, which runs on threads of its
-- own, nginx does everything else.
--
-- Where a core is free and there are many texts, they make several groups, each with a context and
-- a loop: while tokens are chosen for one, others are evaluated.
-- @module server.engine
local background = require "server.background"
local decode = require "lull.decode"
local lull = require "lull"
local metrics = require "server.metrics"
local parallel = require "lull.batch.parallel"
local prefixes = require "lull.batch.prefixes"
local scheduler = require "lull.decode.scheduler"

local engine = {}

local Engine = {}
Engine.__index = Engine

-- Rows of a pass beside one for each text, so that prompts are read while others are told.
local PROMPT_ROWS = 64
local MOST_ROWS = 1024 -- of a context's pass

-- So many beginnings that prompts share are kept, and looked for among so many prompts that wait:
-- the texts of one request have the same prompt, and an evaluation asks for many that begin alike.
local PREFIXES, LOOK_AHEAD = 4, 8

-- Three groups keep two cores busy: one is evaluated, for one tokens are chosen, and one is on its
-- way between threads. With fewer texts a group is not worth its pass over the weights.
local GROUPS, WORTH = 3, 8

-- Seconds that nginx waits for choices of tokens, and for steps that are taken at once: those that
-- should take less than SHORT, as to have another thread take a step costs HANDING_OVER.
local MOST_AT_ONCE, SHORT, HANDING_OVER = 0.002, 0.0003, 0.00015

-------------------------------------------------------------------------------- opening

-- A group: {context, prefixes = what prompts have in common, place = what its texts take from it,
-- telling = so many of its texts, told = these by their number in its loop, awake = since when
-- nginx waits, reading = may prompts be queued?, seconds = of its last step without any}.
local function open_group(model, width, given)
  local context, message, code = model:context {
    sequences = width + PREFIXES, length = given.length, threads = given.threads, kv = given.kv,
    batch = math.min(width + PROMPT_ROWS, MOST_ROWS),
  }
  if not context then
    return nil, message, code
  end
  return {
    context = context, width = width, prefixes = prefixes.new(context, PREFIXES),
    telling = 0, told = {}, looping = false, awake = 0, reading = true, seconds = math.huge,
  }
end

-- Called by a text after each token: nginx goes round before the texts have kept it for too long.
local function breathe(group)
  if lull.clock() - group.awake > MOST_AT_ONCE then
    background.breathe()
    group.awake = lull.clock()
  end
end

-- The prompts that come next.
local function upcoming(self)
  local list = {}
  for i = self.first, math.min(self.last, self.first + LOOK_AHEAD - 1) do
    list[#list + 1] = self.waiting[i].ids
  end
  return list
end

-- What a text that is told in a group takes from it: see Text:run.
local function place_of(self, group)
  return {
    context = group.context,
    breathe = function() breathe(group) end,
    open = function(ids) return group.prefixes:open(ids, upcoming(self)) end,
  }
end

--- @param model
-- @param given {streams = so many texts are told at a time, length, threads, kv}
-- @return the engine, or nil, message, code
function engine.new(model, given)
  local count = 1
  if given.threads ~= 0 and parallel.cores(model) > given.threads then
    count = math.max(1, math.min(GROUPS, math.floor(given.streams / WORTH)))
  end
  local self = setmetatable({
    model = model, streams = given.streams,
    groups = {},
    waiting = {}, first = 1, last = 0, -- texts, the oldest at `first`
  }, Engine)
  for i = 1, count do
    local width = math.floor((given.streams + i - 1) / count) -- of all groups together: streams
    local group, message, code = open_group(model, width, given)
    if not group then
      return nil, message, code
    end
    group.place = place_of(self, group)
    self.groups[i] = group
  end
  self.length = self.groups[1].context:info().length
  return self
end

-------------------------------------------------------------------------------- the queue

--- How many texts wait for a place.
function Engine:queue_length()
  return self.last - self.first + 1
end

--- How many texts are told.
function Engine:telling()
  local telling = 0
  for _, group in ipairs(self.groups) do
    telling = telling + group.telling
  end
  return telling
end

-- The group that takes the next text: the smallest of as many as are worth it, of equal ones the
-- first; nil where none has room.
local function next_group(self)
  local worth, smallest = 1 + math.floor(self:telling() / WORTH), nil
  for i = 1, math.min(worth, #self.groups) do
    local group = self.groups[i]
    if group.telling < group.width and not (smallest and smallest.telling <= group.telling) then
      smallest = group
    end
  end
  return smallest
end

-- Start the loop of the group that takes the next text. true, or nil and what keeps it.
local function wake(self)
  local group = next_group(self)
  if group and not group.looping then
    local ok, message = ngx.timer.at(0, function() self:loop(group) end)
    if not ok then
      return nil, message
    end
    group.looping = true
  end
  return true
end

--- Hand in a text.
-- @return true, or nil and what keeps it from being told
function Engine:submit(text)
  self.last = self.last + 1
  self.waiting[self.last] = text
  local ok, message = wake(self)
  if not ok then
    self.waiting[self.last], self.last = nil, self.last - 1
    return nil, message
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

-------------------------------------------------------------------------------- the loop

-- The next task of a group, or false where there is none for it now.
function Engine:next_task(group)
  local text = next_group(self) == group and self:next_text()
  if not text then
    return false
  end
  group.count = group.count + 1
  group.told[group.count] = text
  group.telling, group.reading = group.telling + 1, true
  wake(self)
  return function() text:run(group.place) end
end

-- A task has ended. What it raised is a strategy's mistake, and concerns this text alone.
local function task_done(group, i, result)
  local text = group.told[i]
  group.told[i] = nil
  group.telling = group.telling - 1
  if result.failed then
    ngx.log(ngx.ERR, "a text failed: ", tostring(result.error))
    text:finish("the text failed: see the server's log")
  end
end

-- A step of all texts of a group: on a thread of its own, unless it is sure to be short and there
-- is no other group that tokens could be chosen for meanwhile.
local function step(self, group)
  local start, at_once = lull.clock(), not group.reading and group.seconds < SHORT
    and group.telling == self:telling()
  local remaining, message, code = (at_once and scheduler.step or background.step)(group.context)
  local seconds = lull.clock() - start
  if not at_once then
    group.awake = start + seconds
  end
  if not group.reading then
    group.seconds = at_once and seconds or seconds - HANDING_OVER
  end
  group.reading = remaining ~= 0
  metrics.observe("lull_step_seconds", seconds)
  return remaining, message, code
end

-- Tell texts until there are none.
function Engine:loop(group)
  group.told, group.count, group.telling, group.awake = {}, 0, 0, lull.clock()
  local ok, message = pcall(decode.run, function() return self:next_task(group) end, {
    width = group.width, errors = "return",
    done = function(i, result) task_done(group, i, result) end,
    step = function() return step(self, group) end,
  })
  group.looping = false
  if not ok then
    self:give_up(group, message)
  end
end

-- The loop itself broke: nobody shall wait for ever.
function Engine:give_up(group, message)
  ngx.log(ngx.ERR, "the loop failed: ", tostring(message))
  for _, text in pairs(group.told) do
    text:finish("the server failed: see its log")
  end
  group.told, group.telling = {}, 0
  for text in function() return self:next_text() end do
    text:finish("the server failed: see its log")
  end
end

return engine
