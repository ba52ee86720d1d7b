--- The file that stories are kept in, and its account.
--
-- Lines are only ever added to the end, whole, by one process that holds a lock of the kernel; so
-- whatever ends that process, what is in the file are whole stories and at most one torn line at
-- its end, which the next run cuts off. Beside it, in OUTPUT.run.jsonl, is kept what is no part of
-- the stories: what they were told from (so that another run knows whether it goes on with the
-- same work), when and how fast; and checkpoints, which say that so many bytes with such a hash
-- are on the disk.
--
-- fsync is called every `sync` seconds (1 by default), and at the end: a power failure costs the
-- stories of a second, which are then told again. After a crash of the process alone nothing that
-- was written is lost.
-- @module lull.batch.output
local core = require "lull.core"
local json = require "lull.json"
local results = require "lull.batch.results"

local output = {}

local BLOCK = 65536
local ACCOUNT = ".run.jsonl"

local clock = core.clock

local Output = {}
Output.__index = Output

--- The name of a file's account.
function output.account_path(path)
  return path .. ACCOUNT
end

-------------------------------------------------------------------------------- reading back

-- All whole lines of a file from the start: calls each(line, bytes so far), which may return nil,
-- message, code. Returns the bytes of whole lines; or nil, message, code.
local function each_line(file, each)
  local left, offset, whole = "", 0, 0
  while true do
    local block, message, code = file:read(offset, BLOCK)
    if not block then
      return nil, message, code
    elseif block == "" then
      return whole
    end
    offset = offset + #block
    local searched = #left + 1
    left = left .. block
    local at, stop = 1, left:find("\n", searched, true)
    while stop do
      whole = whole + stop - at + 1
      local ok
      ok, message, code = each(left:sub(at, stop - 1), whole)
      if not ok then
        return nil, message, code
      end
      at = stop + 1
      stop = left:find("\n", at, true)
    end
    left = left:sub(at)
  end
end

-- Cut off what is after the last whole line. How many bytes that were.
local function mend(file, whole)
  local torn = file:size() - whole
  if torn > 0 then
    local ok, message, code = file:truncate(whole)
    if not ok then
      return nil, message, code
    end
  end
  return torn
end

-- The account: the identity of the work, and the last checkpoint.
function Output:read_account()
  local n = 0
  local whole, message, code = each_line(self.account, function(line)
    n = n + 1
    local entry = json.decode(line)
    if not json.is_object(entry) then
      return nil, self.account_name .. ": line " .. n .. " is damaged; without this file the "
        .. "lines of the output are all there is to go by", "EFORMAT"
    elseif entry.kind == "run" then
      self.identity = entry.identity
    elseif entry.kind == "checkpoint" then
      self.checkpoint = entry
    end
    return true
  end)
  if not whole then
    return nil, message, code
  end
  return mend(self.account, whole)
end

-- The stories that are there.
function Output:read_lines()
  local checkpoint = self.checkpoint
  local whole, message, code = each_line(self.file, function(line, bytes)
    self.lines = self.lines + 1
    local about = self.read(line)
    if not about then
      return nil, self.path .. ": line " .. self.lines .. " is damaged: not what is written here",
        "EFORMAT"
    elseif about.line then
      self.done_lines[about.line], self.failures = true, self.failures + 1
    elseif self.done[about.key] then
      return nil, self.path .. ": line " .. self.lines .. ": the id of another line", "EFORMAT"
    else
      self.done[about.key] = true
      self.model = self.model or about.model
      if about.model ~= self.model then
        return nil, self.path .. ": line " .. self.lines .. " is by another model", "EFORMAT"
      end
    end
    self.hash = core.hash(self.hash .. line)
    if checkpoint and bytes == checkpoint.bytes and self.hash ~= checkpoint.hash then
      return nil, self.path .. ": the lines are not those that were written", "EFORMAT"
    end
    return true
  end)
  if not whole then
    return nil, message, code
  elseif checkpoint and whole < checkpoint.bytes then
    return nil, self.path .. ": " .. json.encode(whole) .. " bytes of whole lines, and "
      .. json.encode(checkpoint.bytes) .. " were on the disk once", "EFORMAT"
  end
  self.torn, message, code = mend(self.file, whole)
  return self.torn, message, code
end

-------------------------------------------------------------------------------- opening

local function open_locked(path)
  return core.file(path, {create = true, lock = true})
end

-- Is path, or its account, another name of one of these files?
local function clash(path, others)
  for _, own in ipairs {path, path .. ACCOUNT} do
    local id = core.file_id(own)
    for _, other in ipairs(others) do
      if id and id == core.file_id(other) then
        return own .. " is " .. other .. ", which is read"
      end
    end
  end
end

-- What there is to begin or go on with. true, or nil, message, code.
function Output:prepare(given)
  local ok, message, code = true, nil, nil
  if given.resume then
    ok, message, code = self:read_account()
    if ok then
      ok, message, code = self:read_lines()
    end
  elseif self.file:size() > 0 and not given.overwrite then
    return nil, self.path .. ": the file exists", "ESTATE"
  else
    for _, file in ipairs {self.file, self.account} do
      if ok then
        ok, message, code = file:truncate(0)
      end
    end
  end
  return ok, message, code
end

local function new_output(path, file, regular, given)
  return setmetatable({
    path = path, account_name = output.account_path(path), file = file, regular = regular,
    sync_seconds = given.sync or 1, synced = clock(),
    done = {}, done_lines = {}, lines = 0, failures = 0, torn = 0, hash = "",
    safe = 0, -- lines that are on the disk
    read = given.read or results.read,
    notes = {}, -- lines of the account that wait for the next checkpoint
  }, Output)
end

--- Open an output.
-- @param path a file, or a device
-- @param given {resume = true: go on with what is there; overwrite = true: begin anew; inputs =
--   files that it must not be; sync = seconds between calls of fsync, 0: after each line; read =
--   function(line) in place of results.read}
-- @return output: done (id -> true), done_lines, lines, torn (bytes cut off), identity, model; or
--   nil, message, code: ESTATE where it exists or another process writes it, EFORMAT where it is
--   damaged
function output.open(path, given)
  local problem = clash(path, given.inputs or {})
  if problem then
    return nil, problem, "ESTATE"
  end
  local file, message, code = open_locked(path)
  if not file then
    return nil, message, code
  end
  local regular, created = file:regular()
  local self = new_output(path, file, regular, given)
  if not regular then
    if given.resume then
      file:close()
      return nil, path .. ": only a file can be gone on with", "ESTATE"
    end
    return self
  end
  self.account, message, code = open_locked(self.account_name)
  local ok = self.account ~= nil
  if ok then
    ok, message, code = self:prepare(given)
  end
  if not ok then
    self:close()
    if created then
      os.remove(path)
    end
    return nil, message, code
  end
  self.safe = self.lines
  return self
end

--- The same interface over a function that takes each line: nothing to go on with.
function output.sink(take)
  local file = {
    write = function(_, line) return take(line) end,
    sync = function() return true end,
    close = function() return true end,
  }
  return new_output("the output", file, false, {sync = 0})
end

--- What tells this file from others, or this sink from those of other runs.
function Output:id()
  return self.regular and core.file_id(self.path) or os.time() .. tostring(self)
end

-------------------------------------------------------------------------------- writing

--- Say in the account what follows: a table of {name, value} pairs.
function Output:note(pairs_list)
  self.notes[#self.notes + 1] = json.encode(json.object(pairs_list)) .. "\n"
end

-- Have the account say what it was told.
function Output:flush_notes()
  if not self.account or #self.notes == 0 then
    self.notes = {}
    return true
  end
  local text = table.concat(self.notes)
  self.notes = {}
  return self.account:write(text)
end

--- Everything so far onto the disk, and a checkpoint. true, or nil, message, code.
function Output:sync()
  local ok, message, code = self.file:sync()
  if not ok then
    return nil, message, code
  end
  self.synced, self.safe = clock(), self.lines
  if self.regular then
    self:note {
      {"kind", "checkpoint"}, {"lines", self.lines}, {"bytes", self.file:size()},
      {"hash", self.hash},
    }
  end
  return self:flush_notes()
end

--- Say what this run is, before its first story.
-- @param identity of the work: what must be the same when it is gone on with
-- @param facts pairs of anything else
function Output:begin(identity, facts)
  self:note {{"kind", "run"}, {"identity", identity}, {"facts", facts}}
  local ok, message, code = self:flush_notes()
  if ok and self.account then
    ok, message, code = self.account:sync()
  end
  return ok, message, code
end

--- Add a line. true, or nil, message, code; then nothing of it is there.
function Output:write(line)
  local ok, message, code = self.file:write(line)
  if not ok then
    return nil, message, code
  end
  self.lines = self.lines + 1
  self.hash = core.hash(self.hash .. line:sub(1, -2))
  if clock() - self.synced >= self.sync_seconds then
    return self:sync()
  end
  return true
end

--- Give the files back. true, or nil, message, code.
function Output:close()
  local ok, message, code = self.file:close()
  if self.account then
    self.account:close()
  end
  return ok, message, code
end

return output
