--- A second sequence that is kept in step with a text: the same model after another prompt, or
-- another model.
--
-- Nothing is told to it: before it is read, the two are compared token by token, and what differs
-- is taken back and fed. So it follows rewinds, forks and whatever else happens to a text.
-- @module lull.decode.shadow
local history = require "lull.sampling.history"
local options = require "lull.options"
local origin = require "lull.decode.origin"
local scheduler = require "lull.decode.scheduler"
local strategy = require "lull.sampling.strategy"

local shadow = {}

--- Make the tokens of one sequence from the i-th on equal those of another from the j-th on, and
-- leave the logits after the last to be had by a step.
-- @return true, or nil, message, code
function shadow.follow(own, i, seq, j)
  local common = own:common(seq, i, j)
  local ok, message, code = true, nil, nil
  if i - 1 + common < #own then
    ok, message, code = own:rewind(i - 1 + common)
  end
  if ok and j - 1 + common < #seq then
    ok, message, code = own:feed(seq:tokens(j + common, -1))
  end
  if not ok then
    return nil, message, code
  end
  return true
end

--- Raise where two models do not have the same tokens.
-- @param name of the first
function shadow.check_vocabulary(name, model, other)
  if model:vocab_size() ~= other:vocab_size() then
    error("the " .. name .. " has " .. model:vocab_size() .. " tokens and the model "
      .. other:vocab_size() .. "; both must have the same vocabulary", 0)
  end
end

-------------------------------------------------------------------------------- the second one

local Shadow = {}
Shadow.__index = Shadow

--- The options that say what the second sequence is:
--
--   model            another model with the same vocabulary; by default the text's own
--   prompt           what it begins with: a string ("" begins a new text) or a list of ids
--   last             instead, it begins with the last so many tokens of the text's prompt
--   seq              instead of all that, a sequence of yours that holds the prompt; it is forked
--                    and stays as it is
--   context          one of yours to open it in. In the text's own context a step serves both. It
--                    needs a place for each text that is told with the strategy at once (n for
--                    best_of, beams for beam)
--   sequences (1)    instead, so many places in the context that is opened for it
shadow.RULES = {
  model = options.handle "model",
  prompt = {
    test = function(value) return type(value) == "string" or type(value) == "table" end,
    text = "a string or a list of token ids",
  },
  last = {type = "integer", min = 1, max = 2 ^ 31},
  seq = options.handle "sequence",
  context = options.handle "context",
  sequences = {type = "integer", min = 1, max = 65536},
}

-- Options that one of them makes meaningless.
local INSTEAD = {
  seq = {"model", "prompt", "last", "context", "sequences"},
  prompt = {"last"},
  context = {"sequences"},
}

--- A second sequence; opened when it is read first.
-- @param given the options, checked
-- @param where the function's name, for messages
-- @param level whom to blame, as for error()
function shadow.new(given, where, level)
  for key, others in pairs(INSTEAD) do
    origin.reject_with(given, key, others, where, level + 1)
  end
  if given.context and given.model and given.context:model() ~= given.model then
    error("bad option 'context' to '" .. where .. "' (it belongs to another model)", level + 1)
  end
  local model = given.model or given.context and given.context:model()
  return setmetatable({
    given = given, where = where, model = model or given.seq and given.seq:model(),
    opened = {}, -- shared with clones: the context that was opened for all of them
  }, Shadow)
end

-- The place of the first token of both that must agree: in the second sequence and in the text.
function Shadow:places()
  local start = self.start
  if self.given.last then
    return 1, math.max(1, start - self.given.last + 1)
  elseif not self.n_prompt then
    return 1, 1
  end
  return self.n_prompt + 1, start + 1
end

-- How long it can become: its prompt, and what the text has room for after its own.
function Shadow:longest(seq)
  local model = self.model or seq:model()
  local n_prompt = self.n_prompt or math.min(self.given.last or 2 ^ 31, self.start)
  return math.min(model:info().seq_len, n_prompt + seq:context():info().length - self.start)
end

-- The context to open it in; or nil, message, code.
function Shadow:find_context(model, seq)
  local opened, length = self.opened, self:longest(seq)
  if self.given.context then
    return self.given.context
  elseif not opened.context or opened.length < length then
    local context, message, code = model:context {
      sequences = self.given.sequences or 1, length = length,
    }
    if not context then
      return nil, message, code
    end
    opened.context, opened.length = context, length
  end
  return opened.context
end

-- A sequence with the prompt queued that is its own; or nil, message, code.
function Shadow:open(seq)
  local given = self.given
  local own, message, code
  if given.seq then
    self.n_prompt = #given.seq
    own, message, code = given.seq:fork()
    return own, message, code
  end
  local model, ids = self.model or seq:model(), {}
  if given.prompt then
    ids, message, code = origin.encode(model, given.prompt, "bad option 'prompt' to '"
      .. self.where .. "'", 1)
    if not ids then
      return nil, message, code
    end
    self.n_prompt = #ids
  end
  local context
  context, message, code = self:find_context(model, seq)
  if context then
    own, message, code = context:sequence()
  end
  if own and #ids > 0 then
    local fed
    fed, message, code = own:feed(ids)
    if not fed then
      own:close()
      return nil, message, code
    end
  end
  return own, message, code
end

-- Have a sequence: its own, or, for a clone, a fork of what the cloned one has.
function Shadow:begin(seq)
  local own, parent = self.own, self.parent
  local message, code
  self.parent = nil
  if not own and parent and parent.own then
    self.n_prompt = parent.n_prompt
    own, message, code = parent.own:fork()
  elseif not own then
    shadow.check_vocabulary("second model", self.model or seq:model(), seq:model())
    own, message, code = self:open(seq)
  end
  self.own = own
  return own, message, code
end

-- What was opened for a text before may be too short for a new one.
function Shadow:leave_short_context(seq)
  local own = self.own
  if own and own:context() == self.opened.context and self.opened.length < self:longest(seq) then
    own:close()
    self.own = nil
  end
end

--- The logits after the same tokens; a view of its sequence. nil, message, code on failure.
-- May wait for the model.
-- @param seq the text
function Shadow:logits(seq)
  if not self.start then
    history.start(self, seq)
    self:leave_short_context(seq)
  end
  local own, ok, message, code
  own, message, code = self:begin(seq)
  if not own then
    return nil, message, code
  end
  local i, j = self:places()
  ok, message, code = shadow.follow(own, i, seq, j)
  if ok then
    ok, message, code = scheduler.wait(own)
  end
  if not ok then
    return nil, message, code
  end
  local logits
  logits, message, code = own:logits()
  return logits and logits:reset(), message, code
end

--- A token was chosen: queue it here as well, so that in a shared context one step serves both.
-- What does not fit is noticed when it is read.
function Shadow:accept(id, seq)
  if self.own and self.start then
    local i, j = self:places()
    if #self.own - i == #seq - j then
      self.own:feed(id)
    end
  end
end

function Shadow:clone()
  return setmetatable({
    given = self.given, where = self.where, model = self.model, opened = self.opened,
    start = self.start, parent = self, is_clone = true,
  }, Shadow)
end

--- A new text begins. The sequence stays, for what it has in common with it.
function Shadow:reset()
  self.start = nil
end

--- Close what was opened: of the first one also the context, which its clones share.
function Shadow:close()
  if self.own then
    self.own:close()
    self.own = nil
  end
  if not self.is_clone and self.opened.context then
    self.opened.context:close()
    self.opened.context = nil
  end
end

-------------------------------------------------------------------------------- strategies

--- A strategy that reads a second sequence.
-- @param stage {name =, shown =, apply = function(self, logits, seq)}, which finds it in
--   self.second
function shadow.strategy(stage, second)
  stage.second = second
  function stage.accept(self, id, seq)
    self.second:accept(id, seq)
  end
  function stage.reset(self)
    self.second:reset()
  end
  function stage.close(self)
    self.second:close()
  end
  function stage.clone(self)
    local copy = {}
    for key, value in pairs(self) do
      copy[key] = value
    end
    copy.second = self.second:clone()
    return strategy.new(copy)
  end
  return strategy.new(stage)
end

return shadow
