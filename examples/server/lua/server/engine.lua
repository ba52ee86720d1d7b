--- The engine of a model: a step serves all texts of a group, and most often there is one group.
--
-- Requests hand in texts; a loop runs for as long as there are any, as a timer of nginx. Between
-- two steps it chooses the next token of each text; during a step, which runs on a thread of its
-- own, nginx does everything else.
--
-- Where a core is free and there are many texts, they make several groups, each with a context:
-- while tokens are chosen for one, others are evaluated.
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

-- So many groups keep two cores busy: for one tokens are chosen, one is evaluated, others are on
-- their way between threads. With fewer texts a group is not worth its pass over the weights.
local GROUPS, WORTH = 4, 8

-- Seconds that nginx waits for choices of tokens, and for steps that are taken at once: those that
-- should take less than SHORT, as to have another thread take a step costs HANDING_OVER.
local MOST_AT_ONCE, SHORT, HANDING_OVER = 0.002, 0.0003, 0.00015

-- So many more texts than in the smallest group may be in the one whose turn it is.
local SLACK = 4

-------------------------------------------------------------------------------- opening

-- A group: {context, prefixes = what prompts have in common, place = what its texts take from it,
-- telling = so many of its texts, began = since when it is evaluated, nil while it is not,
-- reading = may prompts be queued?, seconds = of its last step without any}.
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
    telling = 0, began = nil, reading = true, seconds = math.huge,
  }
end

-- Called by a text after each token: nginx goes round before the texts have kept it for too long.
local function breathe(self)
  if lull.clock() - self.awake > MOST_AT_ONCE then
    background.breathe()
    self.awake = lull.clock()
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
    breathe = function() breathe(self) end,
    open = function(ids) return group.prefixes:open(ids, upcoming(self)) end,
  }
end

--- @param model
-- @param given {streams = so many texts are told at a time, length, threads, kv}
-- @return the engine, or nil, message, code
function engine.new(model, given)
  local most = given.threads == 1 and GROUPS or 2 -- threads of a step get into each other's way
  local count = 1
  if given.threads ~= 0 and parallel.cores(model) > given.threads then
    count = math.max(1, math.min(most, math.floor(given.streams / WORTH)))
  end
  local self = setmetatable({
    model = model, streams = given.streams,
    groups = {}, group_of = {}, -- by context
    waiting = {}, first = 1, last = 0, -- texts, the oldest at `first`
    told = {}, count = 0, -- {text, group} by the number of the task that tells it
    looping = false,
    awake = 0, -- since when nginx waits
  }, Engine)
  for i = 1, count do
    local width = math.floor((given.streams + i - 1) / count) -- of all groups together: streams
    local group, message, code = open_group(model, width, given)
    if not group then
      return nil, message, code
    end
    group.place = place_of(self, group)
    self.groups[i], self.group_of[group.context] = group, group
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

-- The smallest of as many groups as are worth it and have room, of equal ones the first, or nil.
local function smallest_group(self)
  local worth, smallest = 1 + math.floor(self:telling() / WORTH), nil
  for i = 1, math.min(worth, #self.groups) do
    local group = self.groups[i]
    if group.telling < group.width and not (smallest and smallest.telling <= group.telling) then
      smallest = group
    end
  end
  return smallest
end

-- The group that may take the next text now, when it is the turn of one, or of none. One that is
-- evaluated waits for its turn, and of its texts few go to the one whose turn it is: many do not
-- begin at once.
local function next_group(self, current)
  local smallest = smallest_group(self)
  if not smallest or not smallest.began then
    return smallest
  elseif current and current.telling < math.min(current.width, smallest.telling + SLACK) then
    return current
  end
end

--- Hand in a text.
-- @return true, or nil and what keeps it from being told
function Engine:submit(text)
  self.last = self.last + 1
  self.waiting[self.last] = text
  if self.looping then
    return true
  end
  local ok, message = ngx.timer.at(0, function() self:loop() end)
  if not ok then
    self.waiting[self.last], self.last = nil, self.last - 1
    return nil, message
  end
  self.looping = true
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

-- The next task, or false where there is none now.
-- @param context whose turn it is, or nil
function Engine:next_task(context)
  local group = next_group(self, self.group_of[context])
  local text = group and self:next_text()
  if not text then
    return false
  end
  self.count = self.count + 1
  self.told[self.count] = {text = text, group = group}
  group.telling, group.reading = group.telling + 1, true
  return function() text:run(group.place) end
end

-- A task has ended. What it raised is a strategy's mistake, and concerns this text alone.
local function task_done(self, i, result)
  local told = self.told[i]
  self.told[i] = nil
  told.group.telling = told.group.telling - 1
  if result.failed then
    ngx.log(ngx.ERR, "a text failed: ", tostring(result.error))
    told.text:finish("the text failed: see the server's log")
  end
end

-- Is a group's next step sure to be short, and no other group there that tokens could be chosen for
-- meanwhile?
local function is_short(self, group)
  return not group.reading and group.seconds < SHORT and group.telling == self:telling()
end

-- Have all texts of a group evaluated by a thread of its own.
local function begin(group)
  if background.begin(group.context) then
    group.began = lull.clock()
  end
end

-- The end of the step that was begun, or all of one.
local function finish_step(self, group)
  if not group.began then
    return scheduler.step(group.context)
  elseif not group.context:poll() then
    background.wait(group.context)
    self.awake = lull.clock()
  end
  return group.context:wait()
end

-- A step of all texts of a group.
local function step(self, group)
  if not group.began and not is_short(self, group) then
    begin(group)
  end
  local start = group.began or lull.clock()
  local remaining, message, code = finish_step(self, group)
  local seconds = lull.clock() - start
  if not group.reading and group.telling == self:telling() then -- else it waited for others
    group.seconds = seconds - (group.began and HANDING_OVER or 0)
  end
  group.began, group.reading = nil, remaining ~= 0
  metrics.observe("lull_step_seconds", seconds)
  return remaining, message, code
end

-- Tell texts until there are none.
function Engine:loop()
  self.told, self.count, self.awake = {}, 0, lull.clock()
  for _, group in ipairs(self.groups) do
    group.telling = 0
  end
  local ok, message = pcall(decode.run, function(context) return self:next_task(context) end, {
    width = self.streams, errors = "return",
    done = function(i, result) task_done(self, i, result) end,
    step = function(context) return step(self, self.group_of[context]) end,
    start = function(context)
      local group = self.group_of[context]
      if not is_short(self, group) then
        begin(group)
      end
    end,
  })
  if not ok then
    self:give_up(message)
  end
  self.looping = false
end

-- The loop itself broke: nobody shall wait for ever.
function Engine:give_up(message)
  ngx.log(ngx.ERR, "the loop failed: ", tostring(message))
  for _, group in ipairs(self.groups) do
    if group.began then
      finish_step(self, group) -- others may hand in texts meanwhile
      group.began = nil
    end
  end
  for _, told in pairs(self.told) do
    told.text:finish("the server failed: see its log")
  end
  for text in function() return self:next_text() end do
    text:finish("the server failed: see its log")
  end
end

return engine
