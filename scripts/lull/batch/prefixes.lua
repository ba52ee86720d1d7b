--- Prompts that begin alike are read once: a few sequences hold what several prompts have in
-- common, and stories are forked from them.
--
-- What is worth keeping shows in the queue: when a prompt comes up, the longest beginning that it
-- shares with one of the next prompts is evaluated on a sequence of its own. A fork shares its
-- memory, and a rewound fork's logits are those of a prompt that was read whole, so this changes
-- the speed of a batch and nothing else.
-- @module lull.batch.prefixes
local scheduler = require "lull.decode.scheduler"

local prefixes = {}

-- Tokens. Less is not worth a fork; it is also the size of a block of keys and values.
local WORTH = 16

local Prefixes = {}
Prefixes.__index = Prefixes

--- A store of prefixes in a context.
-- @param places how many sequences of it they may take
function prefixes.new(context, places)
  return setmetatable({
    context = context, places = places,
    entries = {},  -- {ids =, seq =, users = how many are about to fork it}, the last used first
    prompt_tokens = 0, shared_tokens = 0,
  }, Prefixes)
end

-- How many tokens two lists have in common at their start.
local function common(a, b)
  local n = math.min(#a, #b)
  for i = 1, n do
    if a[i] ~= b[i] then
      return i - 1
    end
  end
  return n
end

-- The entry that shares most with ids, and how much.
function Prefixes:best(ids)
  local best, most = nil, WORTH - 1
  for _, entry in ipairs(self.entries) do
    local n = common(entry.ids, ids)
    if n > most then
      best, most = entry, n
    end
  end
  return best, best and most or 0
end

function Prefixes:use(entry)
  for i, other in ipairs(self.entries) do
    if other == entry then
      table.remove(self.entries, i)
      break
    end
  end
  table.insert(self.entries, 1, entry)
end

-- Room for one more entry: true where there is.
function Prefixes:make_room()
  for i = #self.entries, 1, -1 do
    if #self.entries < self.places then
      break
    elseif self.entries[i].users == 0 then
      self.entries[i].seq:close()
      table.remove(self.entries, i)
    end
  end
  return #self.entries < self.places
end

-- A sequence that holds ids[1 .. n], forked from an entry (or nil), the rest queued.
function Prefixes:extend(entry, shared, ids, n)
  local seq, message, code
  if entry then
    seq, message, code = entry.seq:fork()
    if seq and shared < #entry.ids then
      assert(seq:rewind(shared))
    end
  else
    seq, message, code = self.context:sequence()
  end
  if not seq then
    return nil, message, code
  end
  if shared < n then
    local rest = {}
    for i = shared + 1, n do
      rest[i - shared] = ids[i]
    end
    local fed
    fed, message, code = seq:feed(rest)
    if not fed then
      seq:close()
      return nil, message, code
    end
  end
  return seq
end

-- What an entry holds, evaluated: then forks have it for nothing.
local function ready(entry)
  entry.users = entry.users + 1
  local ok, message, code = scheduler.wait(entry.seq)
  entry.users = entry.users - 1
  return ok, message, code
end

--- A sequence with a prompt in it or queued. Called from a task of decode.run, it may wait.
-- @param ids the prompt
-- @param upcoming a list of prompts that come next
-- @return sequence, or nil, message, code
function Prefixes:open(ids, upcoming)
  local entry, shared = self:best(ids)
  local wanted = 0
  for _, other in ipairs(upcoming) do
    wanted = math.max(wanted, common(ids, other))
  end
  local ok, message, code
  if wanted >= WORTH and wanted > shared and self:make_room() then
    if entry then
      self:use(entry)
    end
    local seq
    seq, message, code = self:extend(entry, shared, ids, wanted)
    if not seq then
      return nil, message, code
    end
    local prefix = {}
    for i = 1, wanted do
      prefix[i] = ids[i]
    end
    entry, shared = {ids = prefix, seq = seq, users = 0}, wanted
    self.shared_tokens = self.shared_tokens - wanted -- this one is read
    table.insert(self.entries, 1, entry)
  end
  if entry then
    self:use(entry)
    ok, message, code = ready(entry)
    if not ok then
      return nil, message, code
    end
  end
  self.prompt_tokens = self.prompt_tokens + #ids
  self.shared_tokens = self.shared_tokens + shared
  return self:extend(entry, shared, ids, #ids)
end

--- Close all sequences.
function Prefixes:close()
  for _, entry in ipairs(self.entries) do
    entry.seq:close()
  end
  self.entries = {}
end

return prefixes
