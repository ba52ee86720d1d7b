--- Telling records: continuous batching.
--
-- As many stories as there is room for run together, each a task of lull.decode's scheduler; when
-- one ends, the next record takes its place at the next step. A story depends on its record and
-- the model alone: its random numbers come from its seed and its id.
--
-- With two contexts, each has half of the stories, and while the one is evaluated in the
-- background, tokens are chosen for the stories of the other.
-- @module lull.batch.teller
local core = require "lull.core"
local prefixes = require "lull.batch.prefixes"
local prompts = require "lull.batch.prompts"
local scheduler = require "lull.decode.scheduler"

local teller = {}

--- Sequences that a context needs beside those of the stories.
teller.PREFIXES = 4

-- What says something about a record. Anything else that can happen says something about the
-- machine, and another run may do better.
local ABOUT_THE_RECORD = {
  ECONTEXT = true, EINVAL = true, EFORMAT = true, EUNSUPPORTED = true, ELIMIT = true,
}

local Teller = {}
Teller.__index = Teller

--- A teller.
-- @param model the model
-- @param contexts a list of one or two of its contexts, alike, with room for PREFIXES sequences
--   more than their part of the width
-- @param given {width =, seed = for records that have none, next = function() -> record; nil at
--   the end; false for none now: then it is asked again for as long as others run; nil, message,
--   code, done = function(record, text, facts) called when one has ended;
--   without text record.failure says why; nil, message, code from it ends all, poll = function()
--   called before each step: "finish" begins no more, "drop" ends all at once, lookahead = 8: so
--   many records are taken before their turn, to see what their prompts share, keep_going = true:
--   what a strategy raises is a failure of its record and ends nothing else, chat_format = a
--   name of lull.chat for conversations (default: as the model's template has it)}
function teller.new(model, contexts, given)
  local stores = {}
  for i, context in ipairs(contexts) do
    stores[context] = prefixes.new(context, teller.PREFIXES)
    stores[i] = stores[context]
  end
  return setmetatable({
    model = model, contexts = contexts, given = given,
    length = contexts[1]:info().length,
    prefixes = stores, -- by number, and by context
    busy = {},    -- contexts that are evaluated in the background
    queue = {},   -- {record, ids} that come next
    running = {}, -- record -> facts
    tokens = 0,   -- of stories that have ended
    records = {}, -- task number -> record
    started = 0,
  }, Teller)
end

-- Give up: no more records, and none that run come to an end.
function Teller:stop(message, code)
  if self.ended ~= "drop" then
    self.ended, self.message, self.code = "drop", message, code
  end
end

-------------------------------------------------------------------------------- the queue

-- The prompt of a record as token ids; or nil and what is wrong.
function Teller:encode(record)
  local prompt, message, code = record.prompt, nil, nil
  if record.template then
    prompt, message, code = prompts.render(self, record.template, record.vars or {})
    record.prompt = prompt
  elseif record.messages then
    local format = record.chat_format or self.given.chat_format
    record.given = prompts.ending(self.model, format, record.given)
    return prompts.chat(self.model, record.messages, format)
  end
  if type(prompt) == "table" then
    for i, id in ipairs(prompt) do
      if id >= self.model:vocab_size() then
        return nil, "token " .. i .. " of the prompt is none of the model's", "EINVAL"
      end
    end
    return prompt
  elseif not prompt then
    return nil, message, code
  end
  local ids
  ids, message, code = self.model:encode(prompt, {start = true})
  if ids and #ids == 0 then
    return nil, "the prompt is empty and this model has no token that begins a text", "EINVAL"
  end
  return ids, message, code
end

-- Why these ids cannot be told on, or nil.
function Teller:too_long(ids)
  if #ids > self.length then
    return "the prompt has " .. #ids .. " tokens, and there is room for " .. self.length
  end
end

-- One more record into the queue. false where there is none.
function Teller:pull()
  local record, message, code
  if not self.exhausted then
    record, message, code = self.given.next()
  end
  if not record then
    self.exhausted = record == nil
    if message then
      self:stop(message, code)
    end
    return false
  end
  local ids
  if not record.failure then
    ids, message, code = self:encode(record)
    if ids and self:too_long(ids) then
      ids, message, code = nil, self:too_long(ids), "ECONTEXT"
    end
    if not ids and not ABOUT_THE_RECORD[code] then
      self:stop(message, code)
      return false
    elseif not ids then
      record.failure = {code = code, message = message}
    end
  end
  table.insert(self.queue, {record = record, ids = ids})
  return true
end

-------------------------------------------------------------------------------- one story

-- Tell on from a sequence. Pieces and not the whole, so that facts can be looked at meanwhile.
function Teller:tell_on(seq, record)
  local given = record.given
  given.seed = record.seed or self.given.seed
  given.stream = record.stream or core.hash(record.key)
  given.score = true
  local next_piece, facts, code = seq:stream(given)
  if not next_piece then
    return nil, facts, code
  end
  self.running[record] = facts
  local pieces = {}
  local piece, message, failure = next_piece()
  while piece do
    pieces[#pieces + 1] = piece
    piece, message, failure = next_piece()
  end
  self.running[record] = nil
  if message then
    return nil, message, failure
  end
  return table.concat(pieces), facts
end

-- A task: text and facts; or nil, message, code.
function Teller:tell(entry, context)
  local upcoming = {}
  for i, other in ipairs(self.queue) do
    upcoming[i] = other.ids
  end
  local seq, message, code = self.prefixes[context]:open(entry.ids, upcoming)
  if not seq then
    return nil, message, code
  end
  entry.record.seq = seq -- closed when the task has ended, however it did
  return self:tell_on(seq, entry.record)
end

-- The next task; false where there is none now, nil when no more is to begin. It is told in the
-- context whose turn it is; at first they take turns.
function Teller:next_task(context)
  while not self.ended and #self.queue <= (self.given.lookahead or 8) and self:pull() do
    -- the queue is filled
  end
  local entry = not self.ended and table.remove(self.queue, 1)
  if not entry then
    if self.ended or self.exhausted then
      return nil
    end
    return false
  end
  self.started = self.started + 1
  self.records[self.started] = entry.record
  context = context or self.contexts[self.started % #self.contexts + 1]
  return function()
    if entry.record.failure then
      return nil, entry.record.failure.message, entry.record.failure.code
    end
    return self:tell(entry, context)
  end
end

-- A task has ended.
function Teller:done(index, result)
  local record, text, facts, code = self.records[index], result[1], result[2], result[3]
  self.records[index] = nil
  if result.failed then
    if not self.given.keep_going then
      self.raised = self.raised or result
      self:stop("a strategy raised", "EINVAL")
      return
    end
    facts, code = "the strategy raised: " .. tostring(result.error), "EINVAL"
    self.running[record] = nil
  end
  if record.seq then
    record.seq:close()
    record.seq = nil
  end
  if text then
    self.tokens = self.tokens + facts.tokens
  elseif ABOUT_THE_RECORD[code] then
    record.failure = {code = code, message = facts}
  else
    self:stop(facts, code)
    return
  end
  if self.ended ~= "drop" then
    local ok, message, problem = self.given.done(record, text or nil, facts)
    if not ok then
      self:stop(message, problem)
    end
  end
end

-------------------------------------------------------------------------------- all of them

--- Tokens that were told so far, those of unfinished stories too.
function Teller:told()
  local tokens = self.tokens
  for _, facts in pairs(self.running) do
    tokens = tokens + facts.tokens
  end
  return tokens
end

--- How many prompt tokens there were, and how many of them had been read for another story.
function Teller:prompt_tokens()
  local all, shared = 0, 0
  for _, store in ipairs(self.prefixes) do
    all, shared = all + store.prompt_tokens, shared + store.shared_tokens
  end
  return all, shared
end

-- Have a context evaluated while others have their turn.
function Teller:start(context)
  if #self.contexts > 1 and scheduler.begin_step(context) then
    self.busy[context] = true
  end
end

-- One step of a context, unless all is to end.
function Teller:step(context)
  local started, remaining, message, code = self.busy[context], nil, nil, nil
  if started then
    self.busy[context] = nil
    remaining, message, code = context:wait()
  end
  local wish = self.given.poll and self.given.poll()
  if wish == "drop" then
    self:stop("interrupted", "ECANCELED")
  elseif wish == "finish" then
    self.ended = self.ended or "finish"
  end
  if self.ended == "drop" then
    return nil, "interrupted", "ECANCELED"
  elseif started then
    return remaining, message, code
  end
  return scheduler.step(context)
end

--- Tell all records.
-- @return true; "finish" where poll said so; nil, message, code
-- @raise what a strategy raised, when all others have ended
function Teller:run()
  scheduler.run(function(context) return self:next_task(context) end, {
    width = self.given.width, errors = "return",
    done = function(index, result) self:done(index, result) end,
    step = function(context) return self:step(context) end,
    start = function(context) self:start(context) end,
  })
  for _, store in ipairs(self.prefixes) do
    store:close()
  end
  if self.raised then
    error(self.raised.error, 0)
  elseif self.ended == "drop" then
    return nil, self.message, self.code
  end
  return self.ended or true
end

return teller
