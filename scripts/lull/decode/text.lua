--- One text on its way: the decode loop.
--
-- Takes a sequence whose prompt is queued and goes on from it, token by token: have the logits
-- computed, let the strategy choose, look at what that makes of the text. What a text may need
-- beside a strategy is here, since it concerns the loop: stop strings, banned phrases (with
-- rewind), a constraint, log-probabilities, guesses by a draft, an end to loops.
--
-- It is plain Lua with all state in the object: a strategy may yield through it, and after one
-- has raised, the next call goes on where it was.
-- @module lull.decode.text
local core = require "lull.core"
local options = require "lull.options"
local feeding = require "lull.decode.feeding"
local sampling = require "lull.sampling"
local scheduler = require "lull.decode.scheduler"

local text = {}

local clock = core.clock or os.clock
local concat = table.concat

-- How many tokens stay untold where a banned pattern may match anything.
local OPEN_ENDED_HOLD = 24

local Text = {}
Text.__index = Text

--- The bytes of a token. The space that follows BOS is no part of the text.
-- @param begins is it the first after BOS?
function text.piece(model, id, begins)
  local piece = model:piece(id)
  if begins then
    piece = piece:gsub("^ ", "", 1)
  end
  return piece
end

--- The tokens that end a text: {[id] = true}, or {[id] = id} for further ones.
-- @param stop_ids a list of these, or nil
function text.ends(model, stop_ids)
  local ends = {}
  for _, id in ipairs {model:bos() or -1, model:eos() or -1} do
    ends[id] = id >= 0 or nil
  end
  for _, id in ipairs(stop_ids or {}) do
    ends[id] = ends[id] or id
  end
  return ends
end

-- What follows the text by other means than its sequence: the state of its constraint, guesses.
local function followers(seq, given)
  local matcher, drafter, message, code
  if given.constraint then
    local at_start = seq:token(-1) == seq:model():bos()
    matcher, message, code = given.constraint:matcher(seq:model(), {at_start = at_start})
    if not matcher then
      return nil, message, code
    end
  end
  if given.draft then
    drafter, message, code = given.draft:open(seq, given.strategy)
    if not drafter then
      return nil, message, code
    end
  end
  return {matcher = matcher, drafter = drafter}
end

--- Go on from a sequence.
-- @param seq the sequence, with its prompt queued
-- @param given {strategy =, seed =, stream =, max_tokens =} and, each optional, {watch =,
--   stop_ids =, max_rewinds =, constraint =, heal =, logprobs =, score =, draft =, loops =,
--   max_seconds =}
-- @param facts the table that is filled in as it goes
-- @return the text, or nil, message, code
function text.open(seq, given, facts)
  local context, model = seq:context(), seq:model()
  local info = context:info()
  local follow, message, code = followers(seq, given)
  if not follow then
    return nil, message, code
  end
  facts.kernel, facts.threads, facts.kv = info.kernel, info.threads, info.kv
  local strategy = given.strategy
  if strategy.reset then
    strategy:reset()
  end
  local bos, feeds = model:bos(), strategy.feed
  return setmetatable({
    seq = seq, context = context, model = model, given = given, facts = facts, strategy = strategy,
    draw = sampling.draws(seq, {seed = given.seed, stream = given.stream}),
    watch = given.watch, matcher = follow.matcher, drafter = follow.drafter,
    length = info.length, vocab_size = model:vocab_size(),
    bos = bos, eos = not strategy.ignore_eos and model:eos() or nil,
    n_prompt = #seq,
    feeds = feeds,  -- what the evaluation of tokens must leave for the strategy
    again = feeds and feeding.first(seq, feeds), -- the first token that may have been fed without
    ids = {},       -- what was chosen
    ends = {},      -- how many bytes the text had after each of them
    sums = {},      -- with score: sums of log-probabilities up to each of them
    chosen = nil,   -- the last of them, while it is not yet part of the sequence
    banned = {},    -- banned[i]: ids that token i must not be, since they begin a banned phrase
    bytes = "",     -- the text; without a watch only what is not told yet
    told = given.heal and #given.heal or 0, -- so many bytes of it are told
    keeps_bytes = given.watch ~= nil or given.heal ~= nil,
    at_start = seq:token(-1) == bos, -- the space that follows BOS is no part of the text
    deadline = given.max_seconds and clock() + given.max_seconds,
  }, Text)
end

function Text:finish(reason)
  self.facts.finish_reason = reason
  return nil
end

function Text:fail(message, code)
  self.facts.error, self.facts.code = message, code
  self:finish("error")
  return nil, message, code
end

-------------------------------------------------------------------------------- the model

-- Make the chosen token part of the sequence. true, or what next_id returns at an end.
function Text:feed()
  local facts, seq = self.facts, self.seq
  if facts.tokens >= self.given.max_tokens then
    return self:finish("length")
  elseif self.n_prompt + #self.ids > self.length then
    return self:finish("context")
  elseif self.deadline and clock() >= self.deadline then
    return self:finish("time")
  end
  local ok, message, code = seq:feed(self.chosen, self.feeds)
  if not ok then
    return self:fail(message, code)
  end
  self.chosen = nil
  return true
end

-- Have a drafter say what may come next, so that it is evaluated in the same pass.
function Text:guess()
  local seq, facts = self.seq, self.facts
  if seq:pending() == 0 then
    facts.accepted = facts.accepted + 1
    return true
  end
  local ids, message, code = self.drafter:propose(seq, self.draw,
    self.given.max_tokens - facts.tokens)
  if not ids then
    return self:fail(message, code)
  elseif #ids > 0 then
    facts.drafted = facts.drafted + assert(seq:guess(ids))
  end
  return true
end

--- Queue what the next step of anybody shall evaluate. true, or what next_id returns at an end.
function Text:queue()
  if #self.seq ~= self.n_prompt + #self.ids - (self.chosen and 1 or 0) then
    error("the sequence was changed while a text is told on it; fork it first", 0)
  end
  local ok, message, code = true, nil, nil
  if self.again then
    ok, message, code = feeding.again(self.seq, self.again, self.feeds)
    self.again = nil
    if not ok then
      return self:fail(message, code)
    end
  end
  if self.chosen then
    ok, message, code = self:feed()
    if ok and self.drafter then
      ok, message, code = self:guess()
    end
  end
  return ok, message, code
end

-- Have the logits of the next token computed. true, or what next_id returns at an end.
function Text:evaluate()
  local facts = self.facts
  local ok, message, code = self:queue()
  if not ok then
    return nil, message, code
  end
  if facts.tokens > 0 then
    ok, message, code = scheduler.wait(self.seq)
  else
    local start = clock()
    ok, message, code = scheduler.wait(self.seq)
    facts.prompt_seconds = facts.prompt_seconds + math.max(0, clock() - start)
  end
  if not ok then
    return self:fail(message, code)
  end
  return true
end

-------------------------------------------------------------------------------- choosing

-- The raw logits without what is banned at this place.
function Text:fresh(logits)
  local banned = self.banned[#self.ids + 1]
  logits:reset()
  return banned and logits:ban(banned) or logits
end

function Text:is_end(id)
  return id == self.bos or id == self.eos
end

-- true or false; or nil, message, code.
function Text:allows(id)
  if self:is_end(id) then
    return self.matcher:complete()
  end
  return self.matcher:allows(id)
end

-- Ban what the constraint does not allow. Both BOS and EOS end a text. nil, message, code where
-- that cannot be found out (a limit) or nothing is left.
function Text:mask(logits)
  local kept = {}
  if self.matcher:complete() then
    for _, id in ipairs {self.bos or -1, self.eos or -1} do
      kept[id] = id >= 0 and logits:get(id) or nil
    end
  end
  local _, message, code = self.matcher:mask(logits)
  if message ~= nil then
    return nil, message, code
  end
  for id, value in pairs(kept) do
    logits:set(id, value)
  end
  if not logits:argmax() then
    return nil, "the constraint allows no token here", "EINVAL"
  end
  return true
end

-- Choose under a constraint, exactly from the masked distribution. Most tokens that a model wants
-- are allowed, so a chain that ends in a plain draw runs unmasked first, and only where its choice
-- is not allowed the mask is made and the draw repeated with an independent number: p(x) +
-- p(rejected) * p(x) / p(allowed) = p(x) / p(allowed).
function Text:choose_allowed(logits)
  local strategy, seq, draw = self.strategy, self.seq, self.draw
  local selector = strategy.redraws and strategy[#strategy]
  local ok, message, code
  if selector then
    local id
    id, message, code = strategy:apply(logits, seq, draw)
    if id == nil then
      return nil, message, code
    end
    ok, message, code = self:allows(id)
    if ok then
      return id
    elseif message ~= nil then
      return nil, message, code
    end
    draw:discard(#seq)
    if self:mask(logits) then
      return selector:apply(logits, seq, draw)
    end
    self:fresh(logits) -- the chain had left nothing that is allowed
  end
  ok, message, code = self:mask(logits)
  if not ok then
    return nil, message, code
  end
  return strategy:apply(logits, seq, draw)
end

function Text:check_choice(id, message, code)
  if id == nil then
    if message ~= nil then
      return self:fail(message, code)
    end
    error("the sampler chose no token: " .. sampling.describe(self.strategy) .. " returned nil",
      0)
  elseif type(id) ~= "number" or id % 1 ~= 0 or id < 0 or id >= self.vocab_size then
    error("the sampler chose " .. options.show(id) .. ", which is no token id in 0.."
      .. self.vocab_size - 1, 0)
  end
  return id
end

--- The n most probable tokens, {id, piece, logprob: of the raw distribution} each.
-- @param logits as they came from the model
function text.best(model, logits, n)
  local top = {}
  local next_candidate = n > 0 and logits:candidates(n)
  for i = 1, n do
    local id = next_candidate()
    if not id then
      break
    end
    top[i] = {id = id, piece = model:piece(id), logprob = logits:logprob(id)}
  end
  return top
end

-- The next id that is chosen; nil at the end; nil, message, code on failure.
function Text:next_id()
  local ok, logits, id, message, code
  ok, message, code = self:evaluate()
  if not ok then
    return nil, message, code
  end
  logits, message, code = self.seq:logits()
  if not logits then
    return self:fail(message, code)
  end
  local n_best = self.given.logprobs
  local top = n_best and text.best(self.model, logits:reset(), n_best)
  self:fresh(logits)
  if self.matcher then
    id, message, code = self:choose_allowed(logits)
  else
    id, message, code = self.strategy:apply(logits, self.seq, self.draw)
  end
  if id == nil and message ~= nil and self.banned[#self.ids + 1] and not logits:argmax() then
    return self:finish("ban") -- every way on begins with a banned phrase
  end
  id, message, code = self:check_choice(id, message, code)
  if not id then
    return nil, message, code
  end
  local entry = top
    and {id = id, piece = self.model:piece(id), logprob = logits:logprob(id), top = top}
  if self:is_end(id) then
    self.facts.ending = entry
    return self:finish("stop")
  elseif self.given.stop_ids and self.given.stop_ids[id] then
    self.facts.stop, self.facts.ending = id, entry
    return self:finish("stop")
  end
  if self.given.score then
    local n = #self.ids
    self.sums[n + 1] = (self.sums[n] or 0) + logits:logprob(id)
  end
  if entry then
    self.facts.logprobs[#self.ids + 1] = entry
  end
  return id
end

-------------------------------------------------------------------------------- the text

-- Take tokens back: keep n of them and never choose `id` after those again.
function Text:rewind(n, id)
  local seq, kept, facts = self.seq, self.n_prompt + n, self.facts
  self.draw:discard(kept)
  if #seq > kept then
    assert(seq:rewind(kept))
    self.again = self.feeds and self.feeds.layers and kept -- a rewind forgets what layers left
  end
  self.chosen = nil
  for i = #self.ids, n + 1, -1 do
    self.ids[i], self.ends[i], self.banned[i + 1] = nil, nil, nil
    if facts.logprobs then
      facts.logprobs[i] = nil
    end
  end
  self.banned[n + 1] = self.banned[n + 1] or {}
  table.insert(self.banned[n + 1], id)
  self.bytes = self.bytes:sub(1, self.ends[n] or 0)
  facts.tokens, facts.rewinds = n, facts.rewinds + 1
  if self.given.score then
    facts.logprob = self.sums[n] or 0
  end
  if self.strategy.rewind then
    self.strategy:rewind(n)
  end
  if self.matcher then
    self.matcher:reset()
    for _, kept_id in ipairs(self.ids) do
      assert(self.matcher:accept(kept_id))
    end
  end
end

-- A banned phrase begins at a byte: go back to the token that brought it.
function Text:ban_from(first)
  local i = #self.ids
  while i > 1 and self.ends[i - 1] >= first do
    i = i - 1
  end
  if self.facts.rewinds >= self.given.max_rewinds then
    self.bytes = self.bytes:sub(1, first - 1)
    return self:finish("ban")
  end
  self:rewind(i - 1, self.ids[i])
end

-- Look for what the text must not contain or go beyond.
function Text:look()
  local from = self.told + 1
  local phrase = self.watch:find_phrase(self.bytes, from)
  local stop, which = self.watch:find_stop(self.bytes, from)
  if phrase and not (stop and stop < phrase) then
    self:ban_from(phrase)
  elseif stop then
    self.bytes = self.bytes:sub(1, stop - 1)
    self.facts.stop = which
    self:finish("stop")
  end
end

-- Does the text end in `count` times the same 1..size tokens?
local function loops(ids, size, count)
  local n = #ids
  for period = 1, math.min(size, math.floor(n / count)) do
    local same = true
    for i = n, n - period * (count - 1) + 1, -1 do
      if ids[i] ~= ids[i - period] then
        same = false
        break
      end
    end
    if same then
      return true
    end
  end
  return false
end

-- Make the chosen token part of the text.
function Text:take(id)
  local n = #self.ids + 1
  local piece = text.piece(self.model, id, self.at_start and n == 1)
  self.ids[n], self.chosen = id, id
  self.facts.tokens = n
  if self.given.score then
    self.facts.logprob = self.sums[n]
  end
  self.bytes = self.bytes .. piece
  self.ends[n] = #self.bytes
  if self.strategy.accept then
    self.strategy:accept(id, self.seq)
  end
  if self.matcher then
    assert(self.matcher:accept(id))
  end
  if self.watch then
    self:look()
  end
  local loop = self.given.loops
  if loop and not self.facts.finish_reason and loops(self.ids, loop.size, loop.count) then
    self:finish("loop")
  end
end

-- How many bytes of the text are sure to stay.
function Text:settled()
  if self.facts.finish_reason or not self.watch then
    return #self.bytes
  end
  local sure = #self.bytes - self.watch:undecided(self.bytes, self.told + 1)
  if self.watch.open_ended then
    sure = math.min(sure, self.ends[#self.ids - OPEN_ENDED_HOLD] or 0)
  end
  return sure
end

-- Text that can be told now: whole characters, unless it is the end. nil when there is none.
function Text:release()
  local piece = self.bytes:sub(self.told + 1, self:settled())
  if piece ~= "" and not self.facts.finish_reason then
    piece = piece:sub(1, core.utf8_complete(piece))
  end
  if piece == "" then
    return nil
  elseif self.keeps_bytes then
    self.told = self.told + #piece
  else
    self.bytes = self.bytes:sub(#piece + 1)
  end
  return piece
end

--- One token on. true, or nil, message, code. At the end facts.finish_reason is set.
function Text:advance()
  local facts, start = self.facts, clock()
  local id, message, code = self:next_id()
  if id then
    self:take(id)
  end
  facts.seconds = facts.seconds + math.max(0, clock() - start)
  if message then
    self.bytes = ""
    return nil, message, code
  end
  return true
end

--- The next piece of text; nil at the end; nil, message, code on failure.
function Text:next_piece()
  while not self.facts.finish_reason do
    local ok, message, code = self:advance()
    if not ok then
      return nil, message, code
    end
    local piece = self:release()
    if piece then
      return piece
    end
  end
  return self:release()
end

--- All the rest of the text, or nil, message, code.
function Text:rest()
  local pieces = {}
  local piece, message, code = self:next_piece()
  while piece do -- and not `for`, across which Lua 5.1 could not yield
    pieces[#pieces + 1] = piece
    piece, message, code = self:next_piece()
  end
  if message then
    return nil, message, code
  end
  return concat(pieces)
end

--- Leave the sequence so that it can be gone on from: with all that was chosen in it.
function Text:settle()
  if self.chosen and #self.seq < self.length then
    assert(self.seq:feed(self.chosen, self.feeds))
    self.chosen = nil
  end
end

--- Close what it has opened beside its sequence.
function Text:close()
  if self.drafter and self.drafter.close then
    self.drafter:close()
  end
end

return text
