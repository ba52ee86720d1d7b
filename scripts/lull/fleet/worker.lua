--- A worker: takes jobs out of a queue, tells them, and stores what it told.
--
-- Several jobs are told at once in its contexts, as in a batch. Jobs that it holds it vouches for,
-- four times in a lease; where the server is away, it goes on telling those, keeps the results, and
-- takes no new ones. At its end it gives back what it has not told.
--
-- A worker that dies leaves its jobs to others, and one of them may be the cause. Those that were
-- taken more than twice are told alone, so that others do not suffer with them, and what comes back
-- even then is given up.
-- @module lull.fleet.worker
local core = require "lull.core"
local jobs = require "lull.fleet.jobs"
local options = require "lull.options"
local parallel = require "lull.batch.parallel"
local queue = require "lull.fleet.queue"
local teller = require "lull.batch.teller"

local worker = {}

local WAIT = 0.5        -- seconds that an idle worker waits for a job; so soon a signal is noticed
local PAUSE = 0.05      -- seconds between two looks while stories run
local REFRESH = 3       -- seconds between two looks for new kinds of jobs
local VOUCHES = 4       -- in a lease
local LOOKAHEAD = 1     -- jobs that are taken before their turn
local TRUSTED = 2       -- times that a job is told in company
local MOST = 4          -- times that it is told at all
local LAST_TRY = 5      -- seconds that a worker that ends tries to reach the server

local Worker = {}
Worker.__index = Worker

local RULES = {
  name = {type = "string"},
  lease = {type = "number", min = 1, max = 1e6, default = 300},
  strategies = {type = "table"},
  parallel = {type = "integer", min = 1, max = 1024},
  length = {type = "integer", min = 1},
  threads = {type = "integer", min = 0, max = 256},
  kv = {one_of = {"f32", "bf16"}},
  cpu = {type = "string"},
  poll = {type = "function", default = function() end},
  note = {type = "function", default = function() end},
  report = {type = "function", default = function() end},
}

-- A name that no other worker has.
local function fresh_name()
  local host = io.popen("uname -n 2> /dev/null")
  local name = host and host:read("*l")
  if host then
    host:close()
  end
  return (name or "worker") .. "-" .. core.hash(os.time() .. tostring {} .. core.clock()):sub(-8)
end

--- A worker.
-- @param model the model
-- @param link of lull.fleet.connect
-- @param given a table, all of it optional:
--   name       among all workers (default: the machine's, and something random)
--   lease      seconds that a worker may be silent until others get its jobs (300). One step of the
--              slowest machine must be well within it; the same for all workers
--   strategies name -> function that returns a strategy, for params.strategy
--   parallel, length, threads, kv, cpu   as of job:run of lull.batch
--   poll       function(), called before each step: "finish" ends when the running stories have
--              ended, "drop" ends at once
--   note       function(text), told what a person should know
--   report     function(worker), called after each story: see worker:summary
-- @return worker; or nil, message, code
function worker.new(model, link, given)
  given = options.check("worker", given, RULES)
  local contexts, message, code = parallel.open(model, given, teller.PREFIXES)
  if not contexts then
    return nil, message, code
  end
  return setmetatable({
    model = model, link = link, queue = queue.new(link), given = given, contexts = contexts,
    info = contexts[1]:info(), name = given.name or fresh_name(),
    own = jobs.demand(model, given.length, given.kv),
    keys = {}, cursors = {}, -- streams it can tell, and where looking for lost jobs is in them
    said = {},               -- what jobs need that it has not; said once
    held = {}, n_held = 0,   -- entry -> job: taken, and neither stored nor given back
    taken = {},              -- jobs that were taken and not begun
    alone = nil,             -- true: takes nothing until it holds nothing, for a job told alone
    results = {},            -- {job, text} that are still to be stored
    looked = -math.huge, refreshed = -math.huge, reclaimed = -math.huge, vouched = core.clock(),
    stories = 0, failures = 0, tokens = 0, seconds = 0,
  }, Worker)
end

-- What a failed call means: nothing, where the server may be there later.
function Worker:bear(message, code)
  if code ~= "EIO" then
    self.failed = {message, code}
  end
  return nil
end

-------------------------------------------------------------------------------- taking

-- Find out which streams there are and which of them it can tell.
function Worker:refresh()
  if core.clock() - self.refreshed < REFRESH then
    return
  end
  self.refreshed = core.clock()
  local demands, message, code = self.queue:demands()
  if not demands then
    return self:bear(message, code)
  end
  self.keys = {}
  for _, demand in ipairs(demands) do
    local misfit = jobs.misfit(demand.text, self.own, self.given.strategies)
    if not misfit then
      self.keys[#self.keys + 1] = demand.key
    elseif not self.said[misfit] and (self.queue:length(demand.key) or 0) > 0 then
      self.said[misfit] = true
      self.given.note("jobs are left to others: they need " .. misfit)
    end
  end
end

-- Hold what was taken. What it holds already was only told too slowly. true; or nil, message, code.
function Worker:hold(list)
  for _, job in ipairs(list) do
    local suspect = job.deliveries > TRUSTED and job.deliveries <= MOST
    if not self.held[job.entry] and (self.alone or suspect) and self.n_held > 0 then
      self.alone = true
      local ok, message, code = self.queue:release {job}
      if not ok then
        return nil, message, code
      end
    elseif not self.held[job.entry] then
      self.held[job.entry], self.n_held = job, self.n_held + 1
      self.alone = suspect
      table.insert(self.taken, job)
    end
  end
  return true
end

-- Jobs of workers that are gone, once a second from each stream.
function Worker:reclaim()
  if core.clock() - self.reclaimed < math.min(1, self.given.lease / 4) then
    return
  end
  self.reclaimed = core.clock()
  for _, key in ipairs(self.keys) do
    local list, cursor, code = self.queue:reclaim(key, self.name, self.given.lease,
      self.cursors[key] or "0-0")
    if not list then
      return self:bear(cursor, code)
    end
    self.cursors[key] = cursor
    local ok, message, why = self:hold(list)
    if not ok then
      return self:bear(message, why)
    end
  end
end

-- Take jobs, and wait so long for one, or not at all.
function Worker:take(seconds)
  if self.alone and self.n_held > 0 then
    return
  elseif self.alone then
    self.alone, self.reclaimed = nil, -math.huge
  end
  self:refresh()
  if self.failed or not self.keys[1] then
    return
  end
  self:reclaim()
  if self.failed or self.taken[1] then
    return
  end
  local list, message, code = self.queue:take(self.keys, self.name, seconds)
  if not list then
    return self:bear(message, code)
  end
  local ok
  ok, message, code = self:hold(list)
  if not ok then
    return self:bear(message, code)
  end
end

-- The record of a job, or nil where it is none; then it is done with.
function Worker:record_of(job)
  if not (job.batch and job.id and job.text) then
    self.given.note("refused something that is no job: " .. job.entry)
    table.insert(self.results, {job})
    return nil
  end
  local record = jobs.decode(job.text, self.given.strategies)
  if job.deliveries > MOST then
    record.failure = {code = "ECANCELED", message = "given up: " .. MOST
      .. " workers took it and none came to its end"}
  elseif not record.failure and (job.model ~= self.own.model or record.key ~= job.id) then
    record.failure = {code = "EINVAL", message = "the job says one thing and its record another"}
  end
  record.job, record.chat_format = job, job.chat_format
  if record.failure then
    self:done(record)
    return nil
  end
  return record
end

-- For the teller: the next record; false where there is none now.
function Worker:next_record()
  if not self.taken[1] and core.clock() - self.looked >= PAUSE and not self.link.lost then
    self:take()
    if not self.taken[1] then
      self.looked = core.clock()
    end
  end
  while self.taken[1] do
    local record = self:record_of(table.remove(self.taken, 1))
    if record then
      return record
    end
  end
  return false
end

-------------------------------------------------------------------------------- giving

-- A story has ended: its result waits to be stored.
function Worker:done(record, text, facts)
  if text then
    self.stories, self.tokens = self.stories + 1, self.tokens + facts.tokens
  else
    self.failures = self.failures + 1
  end
  table.insert(self.results, {record.job, jobs.encode_result(record, text, facts)})
  self:store()
  self.given.report(self)
  return true
end

-- Store what was told, as far as that works now.
function Worker:store()
  while self.results[1] and not self.failed do
    local job, text = self.results[1][1], self.results[1][2]
    local ok, message, code
    if text then
      ok, message, code = self.queue:store(job, text)
    else
      ok, message, code = self.queue:refuse(job, "no job")
    end
    if not ok then
      return self:bear(message, code)
    end
    table.remove(self.results, 1)
    self.held[job.entry], self.n_held = nil, self.n_held - 1
  end
end

function Worker:held_jobs()
  local list = {}
  for _, job in pairs(self.held) do
    list[#list + 1] = job
  end
  return list
end

-- Say that it is alive, where it is time to.
function Worker:vouch()
  if core.clock() - self.vouched >= self.given.lease / VOUCHES and self.n_held > 0 then
    local ok, message, code = self.queue:vouch(self:held_jobs(), self.name)
    if not ok then
      return self:bear(message, code)
    end
    self.vouched = core.clock()
  end
end

-- Before each step: what is to be done beside telling, and what somebody wishes.
function Worker:poll()
  if self.results[1] then
    self:store()
  end
  self:vouch()
  self.wish = self.given.poll() or self.wish
  return self.failed and "drop" or self.wish
end

-------------------------------------------------------------------------------- all of it

-- Tell until there is nothing to tell. true; or nil, message, code.
function Worker:tell()
  local tell = teller.new(self.model, self.contexts, {
    width = self.contexts.width, lookahead = LOOKAHEAD, keep_going = true,
    next = function() return self:next_record() end,
    done = function(record, text, facts) return self:done(record, text, facts) end,
    poll = function() return self:poll() end,
  })
  local began = core.clock()
  local ok, message, code = tell:run()
  self.seconds = self.seconds + math.max(0, core.clock() - began)
  if not ok and code ~= "ECANCELED" then
    self.failed = {message, code}
  end
end

-- Give back what is not told, and go.
function Worker:leave()
  local last = core.clock() + LAST_TRY
  local failed
  repeat
    failed, self.failed = self.failed or failed, nil
    self:store()
    local released = not self.results[1] and self.queue:release(self:held_jobs())
    if released then
      self.queue:leave(self.keys, self.name)
    elseif not self.failed then
      self.link:sleep(PAUSE)
    end
  until released or self.failed or core.clock() > last
  self.released, self.failed = self.n_held, failed or self.failed
  for _, context in ipairs(self.contexts) do
    context:close()
  end
end

--- Work until somebody wishes an end.
-- @return a summary; or nil, message, code and the summary
function Worker:run()
  while not self.failed and not self.wish do
    if not self.taken[1] then
      self:take(WAIT)
    end
    if self.taken[1] then
      self:tell()
    elseif self.link.lost or not self.keys[1] then
      self.link:sleep(WAIT / 2)
    end
    self:poll()
  end
  self:leave()
  if self.failed then
    return nil, self.failed[1], self.failed[2], self:summary()
  end
  return self:summary()
end

--- Facts to watch a worker by.
-- @return {name, stories, failures, tokens, seconds of telling, width, kernel, threads, released =
--   jobs that were given back}
function Worker:summary()
  return {
    name = self.name, stories = self.stories, failures = self.failures, tokens = self.tokens,
    seconds = self.seconds, width = self.contexts.width, kernel = self.info.kernel,
    threads = self.info.threads, released = self.released or 0,
  }
end

return worker
