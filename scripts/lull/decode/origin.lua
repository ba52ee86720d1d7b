--- Where a text begins: a prompt on a model, or a sequence that holds one.
--
-- generate, stream and the strategies of lull.decode take either; here is what they share: the
-- options of the context, the prompt as tokens, the sequence with the prompt queued.
-- @module lull.decode.origin
local options = require "lull.options"
local feeding = require "lull.decode.feeding"
local scheduler = require "lull.decode.scheduler"

local origin = {}

local MODEL, SEQUENCE = options.handle "model", options.handle "sequence"
local CONTEXT_OPTIONS = {"threads", "kv", "cpu", "length", "batch"}

--- The options of a prompt on a model: those of the context that is opened for it, or `context`,
-- one of the caller's.
origin.RULES = {
  context = options.handle "context",
  threads = {type = "integer", min = 0, max = 256},
  length = {type = "integer", min = 1, max = 2 ^ 31 - 1},
  batch = {type = "integer", min = 1, max = 1024},
  kv = {one_of = {"f32", "bf16"}},
  cpu = {type = "string"},
}

--- Raise where an option is given together with what it replaces.
function origin.reject_with(given, key, others, where, level)
  for _, other in ipairs(others) do
    if given[key] ~= nil and given[other] ~= nil then
      error("bad option '" .. other .. "' to '" .. where .. "' ('" .. key
        .. "' is given, which has its own)", level + 1)
    end
  end
end

-------------------------------------------------------------------------------- prompts

--- Raise where a list has what is no token id of a model.
-- @param argument how the message begins: "bad argument #1 to 'generate'"
-- @param level whom to blame, as for error()
function origin.check_ids(model, ids, argument, level)
  local rule = {type = "integer", min = 0, max = model:vocab_size() - 1}
  for i = 1, #ids do
    if not options.allows(rule, ids[i]) then
      error(argument .. " (token " .. i .. ": " .. options.expected(rule) .. " expected, got "
        .. options.show(ids[i]) .. ")", level + 1)
    end
  end
end

-- A list of ids, checked and copied.
local function prompt_ids(model, prompt, argument, level)
  local ids = {}
  for i = 1, #prompt do
    ids[i] = prompt[i]
  end
  origin.check_ids(model, ids, argument, level + 1)
  if #ids == 0 then
    error(argument .. " (the list of prompt tokens is empty; \"\" begins a new text)",
      level + 1)
  end
  return ids
end

--- A prompt as a list of ids: a string ("" begins a new text), or a list of ids, taken as it is.
-- @param argument how messages begin: "bad argument #1 to 'generate'"
-- @return ids; or nil, message, code when the world is to blame
function origin.encode(model, prompt, argument, level)
  if type(prompt) == "table" then
    local ids = prompt_ids(model, prompt, argument, level + 1)
    return ids
  elseif type(prompt) ~= "string" then
    error(argument .. " (a string or a list of token ids expected, got " .. options.show(prompt)
      .. ")", level + 1)
  end
  local ids, message, code = model:encode(prompt, {start = true})
  if ids and #ids == 0 then
    error(argument .. " (the prompt is empty and this model has no token that begins a text)",
      level + 1)
  end
  return ids, message, code
end

-------------------------------------------------------------------------------- arguments

--- The arguments (model, prompt, ...) or (sequence, ...) as target, prompt or nil, ...
function origin.arguments(first, ...)
  if SEQUENCE.test(first) then
    return first, nil, ...
  end
  return first, ...
end

local Origin = {}
Origin.__index = Origin

local function check_context(model, checked, where, level)
  origin.reject_with(checked, "context", CONTEXT_OPTIONS, where, level + 1)
  if checked.context and checked.context:model() ~= model then
    error("bad option 'context' to '" .. where .. "' (it belongs to another model)", level + 1)
  elseif checked.length and checked.length > model:info().seq_len then
    error("bad option 'length' to '" .. where .. "' (this model holds at most "
      .. model:info().seq_len .. " tokens, got " .. options.show(checked.length) .. ")",
      level + 1)
  end
end

--- Check all arguments of a function that begins a text.
-- @param spec {where = its name, rules =, check = function(given, rules, where, level) that
--   returns the options checked, position = of the prompt among the arguments, by default 2}
-- @param target a model, or a sequence that holds the prompt
-- @param prompt for a model
-- @param given the options; for a model those of its context, too
-- @param level whom to blame, as for error()
-- @return the origin and the options checked; or nil, message, code
function origin.begin(spec, target, prompt, given, level)
  local where = spec.where
  if SEQUENCE.test(target) then
    local n_prompt = #target -- raises first of all where it is closed
    local checked = spec.check(given, spec.rules, where, level + 1)
    if n_prompt == 0 then
      error("'" .. where .. "' goes on from what the sequence holds, and it is empty; feed it "
        .. "first", level + 1)
    end
    return setmetatable({
      seq = target, model = target:model(), n_prompt = n_prompt, checked = checked,
    }, Origin), checked
  end
  options.argument(where, 1, target, {test = MODEL.test, text = "a model or a sequence"},
    level + 1)
  local checked =
    spec.check(given, options.merge(spec.rules, origin.RULES), where, level + 1)
  check_context(target, checked, where, level + 1)
  local argument = "bad argument #" .. (spec.position or 2) .. " to '" .. where .. "'"
  local ids, message, code = origin.encode(target, prompt, argument, level + 1)
  local told = ids
  if ids then
    told, message, code = target:piece(ids[1]) -- no tokenizer, no text
  end
  if not told then
    return nil, message, code
  end
  return setmetatable({
    model = target, ids = ids, n_prompt = #ids, checked = checked,
  }, Origin), checked
end

-------------------------------------------------------------------------------- opening

-- A sequence with the prompt queued, in a context with so many places for tokens and sequences.
local function open_prompt(self, tokens, places)
  local checked = self.checked
  local seq, fed, message, code
  self.context = checked.context
  if not self.context then
    self.context, message, code = self.model:context {
      sequences = places, length = checked.length or math.min(self.model:info().seq_len, tokens),
      threads = checked.threads, kv = checked.kv, cpu = checked.cpu, batch = checked.batch,
    }
    if not self.context then
      return nil, message, code
    end
  end
  seq, message, code = self.context:sequence()
  if seq then
    self.seq = seq
    fed, message, code = seq:feed(self.ids)
    if fed then
      return self
    end
  end
  self:close()
  return nil, message, code
end

--- Have the sequence, with the prompt in it or queued: seq, in context.
-- @param tokens so many are to be told at most
-- @param places for this and further sequences
-- @return itself, or nil, message, code
function Origin:open(tokens, places)
  if self.ids then
    self.n_prompt = #self.ids
    -- The last token is told and never evaluated.
    local ok, message, code = open_prompt(self, self.n_prompt + tokens - 1, places)
    if not ok then
      return nil, message, code
    end
  else
    self.context = self.seq:context()
  end
  self.length = self.context:info().length
  self.at_start = self.seq:token(-1) == self.model:bos()
  return self
end

--- Have the prompt evaluated, for forks to share it.
-- @param feed optional: what the evaluation shall leave, as a strategy's field `feed` says
-- @return true; or nil, message, code, and then it is closed
function Origin:evaluate(feed)
  local ok, message, code = true, nil, nil
  local first = feed and feeding.first(self.seq, feed)
  if first then
    ok, message, code = feeding.again(self.seq, first, feed)
  end
  if ok then
    ok, message, code = scheduler.wait(self.seq)
  end
  if not ok then
    self:close()
    return nil, message, code
  end
  return true
end

--- How many tokens can be told, of so many, and why no more: "length" or "context".
function Origin:room(tokens)
  local most = self.length - self.n_prompt + 1
  if most < tokens then
    return most, "context"
  end
  return tokens, "length"
end

--- Close what was opened here, and nothing of the caller's.
function Origin:close()
  if not self.ids then
    return
  end
  if self.seq then
    self.seq:close()
  end
  if not self.checked.context then
    self.context:close()
  end
end

return origin
