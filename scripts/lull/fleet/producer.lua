--- The batch's end of a queue: a teller (lull.batch.teller) that has others tell.
--
-- A window of records is out at a time. Each is a job in the queue or a result, and it is out until
-- its line is written; so memory is bounded here and on the server. What is out is also all that
-- a batch that died leaves behind, and a later run of it finds that again: jobs that wait are not
-- put in twice, and results that came meanwhile are taken.
--
-- A server may forget, wholly or the last second, when it is started again. So after each new
-- connection, and after a long silence, it is asked for everything that is out, and what is neither
-- a job nor a result is put in once more.
-- @module lull.fleet.producer
local core = require "lull.core"
local jobs = require "lull.fleet.jobs"
local queue = require "lull.fleet.queue"

local producer = {}

local WINDOW = 1024
local WAIT = 0.5       -- seconds; so soon a signal is noticed
local LONELY = 10      -- seconds without a result after which is asked whether there are workers
local SILENCE = 60     -- seconds without a result after which everything is looked for
local TRIM = 20        -- seconds between two times that the server may forget results

local Producer = {}
Producer.__index = Producer

--- A producer.
-- @param link of lull.fleet.link
-- @param given next, done, poll, seed, chat_format as of lull.batch.teller; demand = of
--   lull.fleet.jobs; batch = a text that this work alone has; is_done = function(id): was its line
--   written, or its record given by `next`?, make_safe = function(): put all that `done` was told
--   on the disk; true, false where some of it cannot be yet, nil, message, code, note =
--   function(text), window = so many records are out at a time (1024)
function producer.new(link, given)
  return setmetatable({
    link = link, queue = queue.new(link), given = given, window = given.window or WINDOW,
    out = {}, n_out = 0, -- id -> {id, record, demand}
    unsent = {},         -- those of them that are still to be put in
    waiting = {},        -- demand -> id -> entry: jobs that were found in the queue
    early = {},          -- id -> result: what came before its record
    last = "0",          -- entry of the last result
    tokens = 0, heard = core.clock(), checked = core.clock(), trimmed_at = core.clock(),
    note = given.note or function() end,
  }, Producer)
end

function Producer:stop(message, code)
  self.ended, self.message, self.code = "drop", message, code
end

-- A call did not work: wait where it may later. nil
function Producer:bear(message, code)
  if code == "EIO" then
    self.link:sleep(WAIT / 2)
  else
    self:stop(message, code)
  end
  return nil
end

-------------------------------------------------------------------------------- results

-- A result has come for an id. The first one counts: all are the same.
function Producer:settle(id, result)
  local job = self.out[id]
  if not job then
    if not self.exhausted and not self.given.is_done(id) then
      self.early[id] = result
    end
    return
  end
  self.out[id], self.n_out = nil, self.n_out - 1
  local told, facts = jobs.decode_result(result, job.record)
  if told == nil then
    job.record.failure = {code = "EFORMAT", message = "what a worker sent is no result"}
  elseif told then
    self.tokens = self.tokens + facts.tokens
  end
  local ok, message, code = self.given.done(job.record, told or nil, facts)
  if not ok then
    self:stop(message, code)
  end
end

-- Take results, and wait for the first one so long. How many; nil where that did not work.
function Producer:collect(seconds)
  local list, message, code = self.queue:results(self.given.batch, self.last, seconds)
  if not list then
    return self:bear(message, code)
  end
  for _, one in ipairs(list) do
    self.last = one.entry
    if self.ended ~= "drop" and one.fields.id and one.fields.result then
      self:settle(one.fields.id, one.fields.result)
    end
  end
  if #list > 0 then
    self.heard = core.clock()
    self.asked = true
  end
  return #list
end

-- Have the server forget results that are on the disk here.
function Producer:trim()
  if self.ended == "drop" or core.clock() - self.trimmed_at < TRIM then
    return
  end
  self.trimmed_at = core.clock()
  if self.last ~= "0" and next(self.early) == nil then
    local safe, message, code = self.given.make_safe()
    if safe == nil then
      self:stop(message, code)
    elseif safe then
      self.queue:forget(self.given.batch, self.last)
    end
  end
end

-------------------------------------------------------------------------------- jobs

-- Look for this batch's jobs in a stream. Results are to be taken after that, so that a job that is
-- done in between is seen as one of the two. true, or nil.
function Producer:look(demand)
  local found, message, code =
    self.queue:waiting(queue.jobs_key(demand), self.given.batch)
  if not found then
    return self:bear(message, code)
  end
  self.waiting[demand] = found
  return true
end

-- All results that are there now. true, or nil.
function Producer:catch_up()
  local n
  repeat
    n = self:collect(0)
    if not n then
      return nil
    end
  until n == 0
  return true
end

-- Put a job in, unless it is there or done. true, or nil.
function Producer:send(job)
  if not self.waiting[job.demand] and not (self:look(job.demand) and self:catch_up()) then
    return nil
  elseif not self.out[job.id] then
    return true
  end
  if not self.waiting[job.demand][job.id] then
    local entry, message, code = self.queue:add(job.demand, {
      batch = self.given.batch, id = job.id, model = self.given.demand.model,
      job = jobs.encode(job.record, self.given.seed), chat_format = self.given.chat_format,
    })
    if not entry then
      return self:bear(message, code)
    end
  end
  return true
end

-- A record goes out.
function Producer:begin(record)
  local id = record.key
  self.out[id] = {
    id = id, record = record,
    demand = jobs.demand_text(self.given.demand, record.params.strategy),
  }
  self.n_out = self.n_out + 1
  local result = self.early[id]
  if result then
    self.early[id] = nil
    self:settle(id, result)
  else
    table.insert(self.unsent, self.out[id])
  end
end

-- Put in what is still to be, as far as that works now.
function Producer:send_all()
  while not self.ended and self.unsent[1] and self:send(self.unsent[1]) do
    table.remove(self.unsent, 1)
  end
end

-- Have as many records out as there is room for.
function Producer:fill()
  self:send_all()
  while not self.ended and not self.exhausted and not self.unsent[1]
      and self.n_out < self.window do
    local record, message, code = self.given.next()
    if not record then
      self.exhausted, self.early = true, {}
      if message then
        self:stop(message, code)
      end
    elseif record.failure then
      local ok, problem, why = self.given.done(record)
      if not ok then
        self:stop(problem, why)
      end
    else
      self:begin(record)
      self:send_all()
    end
  end
end

-------------------------------------------------------------------------------- losses

-- Look for everything that is out. true, or nil.
function Producer:audit()
  local generation = self.link.generation
  for demand in pairs(self.waiting) do
    if not self:look(demand) then
      return nil
    end
  end
  self.last = "0"
  if not self:catch_up() then
    return nil
  end
  self.unsent = {}
  for id, job in pairs(self.out) do
    if not (self.waiting[job.demand] and self.waiting[job.demand][id]) then
      table.insert(self.unsent, job)
    end
  end
  table.sort(self.unsent, function(a, b) return a.record.line < b.record.line end)
  self.generation, self.checked = generation, core.clock()
  return true
end

-- Nothing is heard: is there anybody?
function Producer:check_workers()
  local _, job = next(self.out)
  if self.queue:has_workers(queue.jobs_key(job.demand)) == false then
    self.note("no worker asks for these jobs yet; start some: lull worker "
      .. self.link.address.shown)
  end
  self.asked = true
end

-- Take back what nobody has begun, and wait only for the rest.
function Producer:withdraw()
  for demand in pairs(self.waiting) do
    local key = queue.jobs_key(demand)
    local found = self.queue:waiting(key, self.given.batch)
    local entries = {}
    for _, entry in pairs(found or {}) do
      entries[#entries + 1] = entry
    end
    local gone = self.queue:withdraw(key, entries)
    for id in pairs(self.out) do
      if gone and found[id] and gone[found[id]] then
        self.out[id], self.n_out = nil, self.n_out - 1
      end
    end
  end
  for _, job in ipairs(self.unsent) do
    if self.out[job.id] then
      self.out[job.id], self.n_out = nil, self.n_out - 1
    end
  end
  self.unsent = {}
end

-------------------------------------------------------------------------------- all of it

-- What somebody wishes.
function Producer:heed(wish)
  if wish == "drop" then
    self:stop("interrupted", "ECANCELED")
  elseif wish == "finish" and not self.ended then
    self.ended = "finish"
    self:withdraw()
  end
end

-- Is there more to do?
function Producer:goes_on()
  return self.ended ~= "drop"
    and (self.n_out > 0 or (not self.exhausted and self.ended ~= "finish"))
end

--- Have all records told.
-- @return as of lull.batch.teller
function Producer:run()
  while self:goes_on() do
    self:heed(self.given.poll and self.given.poll())
    local now = core.clock()
    if self.ended ~= "drop" and (self.generation ~= self.link.generation
        or now - math.max(self.heard, self.checked) > SILENCE) then
      self:audit()
    end
    self:fill()
    if self:goes_on() then
      self:collect(WAIT)
      self:trim()
    end
    if not self.asked and self.n_out > 0 and now - self.heard > LONELY then
      self:check_workers()
    end
  end
  if self.ended == "drop" then
    return nil, self.message, self.code
  end
  return self.ended or true
end

--- Leave nothing on the server, when all is on the disk.
function Producer:forget()
  self.queue:forget_all(self.given.batch)
end

--- Tokens that were told so far.
function Producer:told()
  return self.tokens
end

--- Prompt tokens are the workers' business.
function Producer.prompt_tokens()
  return 0, 0
end

return producer
