--- What is done with a queue, in commands of Redis.
--
-- Keys on the server:
--
--     lull:demands            hash: number of a demand -> its text (lull.fleet.jobs)
--     lull:jobs:DEMAND        stream of jobs {batch, id, model, job, chat_format}, with the group
--                             "workers" of consumers
--     lull:results:BATCH      stream of results {id, result} of one batch
--     lull:refused            stream of what was no job, the last thousand
--
-- A job stays in its stream until its result is stored, and both happen at once (MULTI): so it is
-- always in one of the two, and whoever misses one can tell. A worker that takes a job holds it for
-- as long as it says now and then that it is alive; what nobody vouched for during the lease is
-- given to another. A job may so be told twice, and the results are the same: the first one counts.
-- @module lull.fleet.queue
local core = require "lull.core"

local queue = {}

local GROUP, NOBODY = "workers", "nobody"
local DEMANDS, REFUSED = "lull:demands", "lull:refused"
local PAGE = "100"
local KEPT_REFUSED = "1000"
local A_YEAR, A_WEEK = "31536000000", "604800" -- milliseconds, seconds

local Queue = {}
Queue.__index = Queue

--- A queue over a link.
function queue.new(link)
  return setmetatable({link = link, ready = {}}, Queue)
end

local function text(number)
  return string.format("%.0f", number)
end

-- The fields of an entry as a table.
local function fields_of(list)
  local fields = {}
  for i = 1, #(list or {}), 2 do
    fields[list[i]] = list[i + 1]
  end
  return fields
end

-- What XREAD, XRANGE and XAUTOCLAIM list: {{entry, fields}, ...}; entries that were deleted have no
-- fields, or are missing from the list.
local function entries_of(list)
  local found, numbers = {}, {}
  for i in pairs(list) do
    numbers[#numbers + 1] = i
  end
  table.sort(numbers)
  for _, i in ipairs(numbers) do
    if type(list[i][2]) == "table" then
      found[#found + 1] = {entry = list[i][1], fields = fields_of(list[i][2])}
    end
  end
  return found
end

--- The stream of a demand.
function queue.jobs_key(demand_text)
  return "lull:jobs:" .. core.hash(demand_text):sub(3)
end

local function results_key(batch)
  return "lull:results:" .. batch
end

-- Have a stream with its group, once per connection. true, or nil, message, code.
function Queue:prepare(key)
  if self.generation ~= self.link.generation then
    self.generation, self.ready = self.link.generation, {}
  end
  if self.ready[key] then
    return true
  end
  local reply, message, code = self.link:call {"XGROUP", "CREATE", key, GROUP, "0", "MKSTREAM"}
  if reply == nil and not message:find("BUSYGROUP", 1, true) then
    return nil, message, code
  end
  self.ready[key] = true
  return true
end

-------------------------------------------------------------------------------- the batch's side

--- Put a job in.
-- @param demand_text see lull.fleet.jobs
-- @param job {batch, id, model, job, chat_format or nil}
-- @return the job's entry; or nil, message, code
function Queue:add(demand_text, job)
  local key = queue.jobs_key(demand_text)
  local ok, message, code = self:prepare(key)
  if ok and not self.ready[demand_text] then
    local number = core.hash(demand_text):sub(3)
    ok, message, code = self.link:call {"HSET", DEMANDS, number, demand_text}
    self.ready[demand_text] = ok ~= nil
  end
  if ok == nil then
    return nil, message, code
  end
  local list = {"XADD", key, "*", "batch", job.batch, "id", job.id, "model", job.model,
    "job", job.job}
  if job.chat_format then
    list[#list + 1], list[#list + 2] = "chat_format", job.chat_format
  end
  return self.link:call(list)
end

--- Results of a batch after the entry `last` ("0" for all there are); waits for one up to
-- `seconds`. A list of {entry, fields = {id, result}}; or nil, message, code.
function Queue:results(batch, last, seconds)
  local reply, message, code = self.link:call {"XREAD", "COUNT", PAGE, "BLOCK",
    text(math.max(1, seconds * 1000)), "STREAMS", results_key(batch), last}
  if reply == nil then
    return nil, message, code
  end
  return reply and entries_of(reply[1][2]) or {}
end

--- Forget results up to an entry, which are safe elsewhere.
function Queue:forget(batch, entry)
  local time, number = entry:match("^(%d+)%-(%d+)$")
  return self.link:call {"XTRIM", results_key(batch), "MINID", "=",
    time .. "-" .. text(tonumber(number) + 1)}
end

--- Forget all results.
function Queue:forget_all(batch)
  return self.link:call {"DEL", results_key(batch)}
end

--- The jobs of a batch that are in a stream, as a table id -> entry; or nil, message, code.
function Queue:waiting(key, batch)
  local found, from = {}, "-"
  while true do
    local reply, message, code = self.link:call {"XRANGE", key, from, "+", "COUNT", PAGE}
    if reply == nil then
      return nil, message, code
    end
    local entries = entries_of(reply)
    for _, one in ipairs(entries) do
      if one.fields.batch == batch and one.fields.id then
        found[one.fields.id] = one.entry
      end
    end
    if #entries == 0 then
      return found
    end
    from = "(" .. entries[#entries].entry
  end
end

local function is_later(entry, than)
  local time, number = entry:match("^(%d+)%-(%d+)$")
  local other, second = than:match("^(%d+)%-(%d+)$")
  time, other = tonumber(time), tonumber(other)
  return time > other or (time == other and tonumber(number) > tonumber(second))
end

--- Take out those jobs that nobody has been given yet.
-- @param key of the stream
-- @param entries a list
-- @return set of the entries that are gone; or nil, message, code
function Queue:withdraw(key, entries)
  local reply, message, code = self.link:call {"XINFO", "GROUPS", key}
  if reply == nil then
    return nil, message, code
  end
  local last
  for _, group in ipairs(reply) do
    local facts = fields_of(group)
    last = facts.name == GROUP and facts["last-delivered-id"] or last
  end
  local gone = {}
  for _, entry in ipairs(entries) do
    if last and is_later(entry, last) then
      reply, message, code = self.link:call {"XDEL", key, entry}
      if reply == nil then
        return nil, message, code
      end
      gone[entry] = true
    end
  end
  return gone
end

--- Has anybody ever asked this stream for jobs? nil, message, code.
function Queue:has_workers(key)
  local reply, message, code = self.link:call {"XINFO", "CONSUMERS", key, GROUP}
  if reply == nil then
    return nil, message, code
  end
  return #reply > 0
end

-------------------------------------------------------------------------------- the worker's side

--- All demands that there ever were: a list of {key, text}; or nil, message, code.
function Queue:demands()
  local reply, message, code = self.link:call {"HVALS", DEMANDS}
  if reply == nil then
    return nil, message, code
  end
  local list = {}
  for i, demand_text in ipairs(reply) do
    list[i] = {key = queue.jobs_key(demand_text), text = demand_text}
  end
  return list
end

--- How many jobs are in a stream.
function Queue:length(key)
  return self.link:call {"XLEN", key}
end

local function job_of(key, one, deliveries)
  local fields = one.fields
  return {
    key = key, entry = one.entry, deliveries = deliveries, batch = fields.batch, id = fields.id,
    model = fields.model, text = fields.job, chat_format = fields.chat_format,
  }
end

--- Take one job of each of the streams `keys`, new ones; waits for one up to `seconds`, or not at
-- all. A list, or nil, message, code.
function Queue:take(keys, worker, seconds)
  local list = {"XREADGROUP", "GROUP", GROUP, worker, "COUNT", "1"}
  if seconds then
    list[#list + 1], list[#list + 2] = "BLOCK", text(math.max(1, seconds * 1000))
  end
  list[#list + 1] = "STREAMS"
  for _, key in ipairs(keys) do
    local ok, message, code = self:prepare(key)
    if not ok then
      return nil, message, code
    end
    list[#list + 1] = key
  end
  for _ = 1, #keys do
    list[#list + 1] = ">"
  end
  local reply, message, code = self.link:call(list)
  if reply == nil then
    return nil, message, code
  end
  local taken = {}
  for _, stream in ipairs(reply or {}) do
    for _, one in ipairs(entries_of(stream[2])) do
      taken[#taken + 1] = job_of(stream[1], one, 1)
    end
  end
  return taken
end

-- How often a job was given to somebody.
function Queue:deliveries(key, entry)
  local reply, message, code = self.link:call {"XPENDING", key, GROUP, entry, entry, "1"}
  if reply == nil then
    return nil, message, code
  end
  return reply[1] and reply[1][4] or 0
end

--- Take jobs of one stream that nobody vouched for during the lease.
-- @param cursor where the last call left off, "0-0" at first
-- @return a list, the next cursor; or nil, message, code. job.deliveries: how often it was taken
function Queue:reclaim(key, worker, lease, cursor)
  local ok, message, code = self:prepare(key)
  if not ok then
    return nil, message, code
  end
  local reply
  reply, message, code = self.link:call {"XAUTOCLAIM", key, GROUP, worker, text(lease * 1000),
    cursor, "COUNT", "4"}
  if reply == nil then
    return nil, message, code
  end
  local taken = {}
  for i, one in ipairs(entries_of(reply[2])) do
    local times
    times, message, code = self:deliveries(key, one.entry)
    if not times then
      return nil, message, code
    end
    taken[i] = job_of(key, one, times)
  end
  return taken, reply[1]
end

-- Make these jobs a worker's. true, or nil, message, code.
-- @param how function(job), further words of the command, or nil
local function claim(self, list, worker, how)
  for _, job in ipairs(list) do
    local words = {"XCLAIM", job.key, GROUP, worker, "0", job.entry}
    for _, word in ipairs(how and how(job) or {}) do
      words[#words + 1] = word
    end
    words[#words + 1] = "JUSTID"
    local reply, message, code = self.link:call(words)
    if reply == nil then
      return nil, message, code
    end
  end
  return true
end

--- Say that a worker still has these jobs. true, or nil, message, code.
function Queue:vouch(list, worker)
  return claim(self, list, worker)
end

--- Give jobs back, for others to take at once, as if they had not been taken. true, or nil,
-- message, code.
function Queue:release(list)
  return claim(self, list, NOBODY, function(job)
    return {"IDLE", A_YEAR, "RETRYCOUNT", text(job.deliveries - 1)}
  end)
end

--- Store a result, and be done with its job.
-- @param result text (lull.fleet.jobs)
-- @return true; or nil, message, code
function Queue:store(job, result)
  local key = results_key(job.batch)
  return self.link:all {
    {"XADD", key, "*", "id", job.id, "result", result},
    {"EXPIRE", key, A_WEEK},
    {"XACK", job.key, GROUP, job.entry},
    {"XDEL", job.key, job.entry},
  }
end

--- Be done with something that is no job.
function Queue:refuse(job, reason)
  return self.link:all {
    {"XADD", REFUSED, "MAXLEN", KEPT_REFUSED, "*", "reason", reason, "batch", job.batch or "",
      "id", job.id or "", "job", job.text or ""},
    {"XACK", job.key, GROUP, job.entry},
    {"XDEL", job.key, job.entry},
  }
end

--- Take a worker off the list, when it holds nothing any more.
function Queue:leave(keys, worker)
  for _, key in ipairs(keys) do
    self.link:call {"XGROUP", "DELCONSUMER", key, GROUP, worker}
  end
end

return queue
