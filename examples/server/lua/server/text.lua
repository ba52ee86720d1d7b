--- One text, from the request to its last token.
--
-- It waits for a place, is told as a task of the engine's loop, and is read by its request, piece
-- by piece or as a whole. Whoever gives it up closes it, at any moment.
-- @module server.text
local decode = require "lull.decode"
local errors = require "server.errors"
local loop = require "lull.decode.text"
local lull = require "lull"
local pieces = require "server.pieces"

local text = {}

local concat = table.concat

local Text = {}
Text.__index = Text

-- So many tokens of a prompt are evaluated at a time when the logits of each are wanted.
local CHUNK = 16

--- @param given {ids = the prompt, bos = the model's, options = those of seq:stream,
--   prompt_logprobs = nil or how many alternatives are wanted for each token of the prompt}
-- @param reader whom to wake
-- @param on_done function(text), called when it has ended, however it did
function text.new(given, reader, on_done)
  return setmetatable({
    ids = given.ids, options = given.options, prompt_logprobs = given.prompt_logprobs,
    reader = reader, on_done = on_done, bos = given.bos,
    state = "waiting",       -- "telling", "done"
    fresh = {}, n_fresh = 0, -- pieces not taken yet, and how many of the list they are
    size = 0,                -- bytes of all pieces
    prompt_entries = given.prompt_logprobs and {} or nil,
  }, Text)
end

-------------------------------------------------------------------------------- telling

-- Evaluate the prompt and note how probable each of its tokens was. true, or nil, message, code.
local function score_prompt(self, seq, breathe)
  local ids, n, model = self.ids, self.prompt_logprobs, seq:model()
  local tops = {}
  for first = 1, #ids, CHUNK do
    local last = math.min(first + CHUNK - 1, #ids)
    local chunk = {}
    for i = first, last do
      chunk[#chunk + 1] = ids[i]
    end
    local ok, message, code = seq:feed(chunk, {score = true, logits = n > 0 and "all" or nil})
    if ok then
      ok, message, code = decode.wait(seq)
    end
    if not ok then
      return nil, message, code
    end
    for i = first, n > 0 and last or 0 do
      local logits = assert(seq:logits(i))
      tops[i + 1] = loop.best(model, logits, n)
      logits:close()
    end
    breathe()
  end
  local scores = seq:scores()
  for i, id in ipairs(ids) do
    -- Scores are kept in single precision: the same token has the same number among the likeliest,
    -- so that who compares them sees whether it was the likeliest.
    for _, candidate in ipairs(tops[i] or {}) do
      candidate.logprob = candidate.id == id and scores[i] or candidate.logprob
    end
    self.prompt_entries[i] = {
      id = id, piece = model:piece(id), logprob = scores[i] or nil, top = i > 1 and tops[i] or nil,
    }
  end
  return true
end

-- Have the sequence, with the prompt in it. true; false where the text was closed meanwhile; or
-- nil, message, code.
local function open(self, place)
  local seq, message, code
  if self.prompt_logprobs then
    seq, message, code = place.context:sequence()
  else
    seq, message, code = place.open(self.ids)
  end
  if not seq then
    return nil, message, code
  elseif self:is_done() then
    seq:close()
    return false
  end
  self.seq = seq
  if self.prompt_logprobs then
    return score_prompt(self, seq, place.breathe)
  end
  return true
end

-- Tell the text; nil, message, code when something fails.
local function tell(self, place)
  local ok, message, code = open(self, place)
  if not ok then
    return ok == false, message, code
  end
  local seq = self.seq
  local next_piece, facts
  next_piece, facts, code = seq:stream(self.options)
  if not next_piece then
    return nil, facts, code
  end
  self.facts = facts
  local fresh, reader, breathe = self.fresh, self.reader, place.breathe
  local piece
  repeat
    piece, message, code = next_piece()
    if piece then
      self.first_piece_at = self.first_piece_at or lull.clock()
      self.size, self.n_fresh = self.size + #piece, self.n_fresh + 1
      fresh[self.n_fresh] = piece
      reader:wake()
      breathe()
    end
  until not piece or self.state == "done" -- it may have been closed meanwhile
  self.told_ids = not self:is_done() and message == nil and seq:tokens(#self.ids + 1) or nil
  return message == nil, message, code
end

--- The task that tells it. A strategy's error passes through to whoever runs the tasks.
-- @param place {context = in which, open = function(ids) -> a sequence of it with this prompt,
--   breathe = function called now and then, that may yield}
function Text:run(place)
  if self.state ~= "waiting" then
    return
  end
  self.state, self.began = "telling", lull.clock()
  place.breathe() -- many may begin at once
  local ok, message = tell(self, place)
  self:finish(not ok and (message or "the text could not be told") or nil)
end

--- It has come to its end, or to one that was not planned.
-- @param message what failed
function Text:finish(message)
  if self.state == "done" then
    return
  end
  if self.seq then
    self.seq:close()
    self.seq = nil
  end
  self.state = "done"
  self.failure = message and errors.of_text(message)
  self.on_done(self)
  self.reader:wake(true)
end

--- Nobody waits for it any more.
function Text:close()
  self.closed = self.state ~= "done"
  self:finish()
end

-------------------------------------------------------------------------------- reading

--- What has come since the last call, "" where nothing has.
function Text:take()
  local n = self.n_fresh
  self.n_fresh = 0
  return n > 0 and concat(self.fresh, "", 1, n) or ""
end

function Text:is_done()
  return self.state == "done"
end

--- The log-probabilities of the tokens that were taken, and not told here before. Tokens that a
-- stop string cut off are left out; the one that ended the text is the last.
function Text:take_logprobs()
  local taken, facts = {}, self.facts or {}
  local list = facts.logprobs or {}
  local i, at = self.next_entry or 1, self.entries_end or 0
  while list[i] do
    local begins = i == 1 and self.ids[#self.ids] == self.bos
    local size = #pieces.told(list[i].piece, begins)
    if at + size > self.size and not (self.state == "done" and at < self.size) then
      break
    end
    taken[#taken + 1] = list[i]
    i, at = i + 1, at + size
    self.next_entry, self.entries_end = i, at
  end
  if self.state == "done" then
    taken[#taken + 1] = facts.ending
  end
  return taken
end

return text
