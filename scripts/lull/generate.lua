--- The two loops most scripts need: model:generate and model:stream.
--
-- Both are ordinary Lua over the verbs of the module (context, feed, step, logits): a script
-- that wants another loop writes it with the same verbs.
-- @module lull.generate
local core = require "lull.core"
local options = require "lull.options"
local sampling = require "lull.sampling"

local generate = {}

local clock = core.clock or os.clock

local CONTEXT_OPTIONS = {"threads", "kv", "cpu", "length", "batch"}
local CHAIN_OPTIONS = {"temperature", "top_k", "top_p", "min_p"}

--- The options of generate and stream.
local RULES = {
  max_tokens = {type = "integer", min = 0, default = 256},
  seed = sampling.SEED,
  stream = sampling.STREAM,
  sampler = {
    test = function(value) return type(value) == "function" or type(value) == "table" end,
    text = "a function, a strategy or a list of strategies",
  },
  context = {
    test = function(value)
      return type(value) == "userdata" and tostring(value):find("^lull%.context") ~= nil
    end,
    text = "a context",
  },
  threads = {type = "integer", min = 0, max = 256},
  length = {type = "integer", min = 1, max = 2 ^ 31 - 1},
  batch = {type = "integer", min = 1, max = 1024},
  kv = {one_of = {"f32", "bf16"}},
  cpu = {type = "string"},
}
for name, rule in pairs(sampling.RULES) do
  RULES[name] = rule
end
generate.RULES = RULES

-- Four bytes of chance, as a number short enough to type again.
local function fresh_seed()
  local file = io.open("/dev/urandom", "rb")
  local bytes = file and file:read(4)
  if file then
    file:close()
  end
  if not bytes or #bytes < 4 then
    local moment = string.format("%.9f %s", clock(), tostring({}))
    return (os.time() * 1009 + tonumber(core.hash(moment):sub(-8), 16)) % 2 ^ 32
  end
  local a, b, c, d = bytes:byte(1, 4)
  return ((a * 256 + b) * 256 + c) * 256 + d
end

local function reject_with(given, key, others, where, level)
  for _, other in ipairs(others) do
    if given[key] ~= nil and given[other] ~= nil then
      error("bad option '" .. other .. "' to '" .. where .. "' ('" .. key
        .. "' is given, which has its own)", level + 1)
    end
  end
end

-- A list of ids, checked and copied.
local function prompt_ids(model, prompt, where, level)
  local rule = {type = "integer", min = 0, max = model:vocab_size() - 1}
  local ids = {}
  for i = 1, #prompt do
    ids[i] = prompt[i]
    if not options.allows(rule, ids[i]) then
      error("bad argument #1 to '" .. where .. "' (token " .. i .. ": "
        .. options.expected(rule) .. " expected, got " .. options.show(ids[i]) .. ")",
        level + 1)
    end
  end
  if #ids == 0 then
    error("bad argument #1 to '" .. where .. "' (the list of prompt tokens is empty; \"\" "
      .. "begins a new text)", level + 1)
  end
  return ids
end

-- The prompt as a list of ids. nil, message, code when the world is to blame.
local function encode_prompt(model, prompt, where, level)
  if type(prompt) == "table" then
    local ids = prompt_ids(model, prompt, where, level + 1)
    return ids
  elseif type(prompt) ~= "string" then
    error("bad argument #1 to '" .. where .. "' (a string or a list of token ids expected, got "
      .. options.show(prompt) .. ")", level + 1)
  end
  local ids, message, code = model:encode(prompt, {start = true})
  if ids and #ids == 0 then
    error("bad argument #1 to '" .. where .. "' (the prompt is empty and this model has no "
      .. "token that begins a text)", level + 1)
  end
  return ids, message, code
end

-- A context that holds just the text, unless the caller says how much.
local function open_context(model, ids, given)
  local needed = #ids + given.max_tokens - 1 -- the last token is told and never evaluated
  return model:context {
    sequences = 1, length = given.length or math.min(model:info().seq_len, needed),
    threads = given.threads, kv = given.kv, cpu = given.cpu, batch = given.batch,
  }
end

-- The context and the sequence of one text, with the prompt queued; or nil, message, code.
local function open(model, ids, given)
  local context, seq, fed, message, code = given.context
  if not context then
    context, message, code = open_context(model, ids, given)
    if not context then
      return nil, message, code
    end
  end
  seq, message, code = context:sequence()
  if seq then
    fed, message, code = seq:feed(ids)
    if fed then
      return context, seq
    end
    seq:close()
  end
  if not given.context then
    context:close()
  end
  return nil, message, code
end

-- One text on its way. `given` are checked options; `facts` is what the caller sees.
local Text = {}
Text.__index = Text

-- nil, message, code where there is no room for it.
local function open_text(model, ids, given, facts)
  local context, seq, code = open(model, ids, given)
  if not context then
    return nil, seq, code
  end
  local info = context:info()
  facts.kernel, facts.threads, facts.kv = info.kernel, info.threads, info.kv
  local strategy = given.strategy
  if strategy.reset then
    strategy:reset()
  end
  return setmetatable({
    context = context, seq = seq, given = given, facts = facts, strategy = strategy,
    draw = sampling.draws(seq, {seed = given.seed, stream = given.stream}),
    length = info.length,
    batch = info.batch, -- one pass at a time, so that an interrupt is soon noticed
    vocab_size = model:vocab_size(), bos = model:bos(),
    eos = not strategy.ignore_eos and model:eos() or nil,
    chosen = nil, -- the id that is told and not yet part of the sequence
  }, Text)
end

function Text:finish(reason)
  self.facts.finish_reason = reason
  self.seq:close()
  if not self.given.context then
    self.context:close()
  end
  return nil
end

function Text:fail(message, code)
  self.facts.error, self.facts.code = message, code
  self:finish("error")
  return nil, message, code
end

-- Have the logits of the next token computed. true, or what next_id returns at an end.
function Text:evaluate()
  local facts, seq = self.facts, self.seq
  local ok, message, code
  if self.chosen then
    if facts.tokens >= self.given.max_tokens then
      return self:finish("length")
    elseif #seq >= self.length then
      return self:finish("context")
    end
    ok, message, code = seq:feed(self.chosen)
    if not ok then
      return self:fail(message, code)
    end
    self.chosen = nil
  end
  local start = clock()
  while seq:pending() > 0 do
    ok, message, code = self.context:step {max_tokens = self.batch}
    if not ok then
      return self:fail(message, code)
    end
  end
  if facts.tokens == 0 then
    facts.prompt_seconds = facts.prompt_seconds + math.max(0, clock() - start)
  end
  return true
end

-- The next id that is told; nil at the end; nil, message, code on failure. Plain Lua with all
-- state in the object: a strategy may yield through it, and after one has raised, the next call
-- goes on where it was.
function Text:next_id()
  local ok, message, code = self:evaluate()
  if not ok then
    return nil, message, code
  end
  local logits, id
  logits, message, code = self.seq:logits()
  if not logits then
    return self:fail(message, code)
  end
  id, message, code = self.strategy:apply(logits:reset(), self.seq, self.draw)
  if id == nil then
    if message ~= nil then
      return self:fail(message, code)
    end
    error("the sampler chose no token: " .. sampling.describe(self.strategy) .. " returned nil",
      0)
  elseif type(id) ~= "number" or id % 1 ~= 0 or id < 0 or id >= self.vocab_size then
    error("the sampler chose " .. options.show(id) .. ", which is no token id in 0.."
      .. self.vocab_size - 1, 0)
  elseif id == self.bos or id == self.eos then
    return self:finish("stop")
  end
  if self.strategy.accept then
    self.strategy:accept(id, self.seq)
  end
  self.chosen = id
  self.facts.tokens = self.facts.tokens + 1
  return id
end

-- Whom prepare blames for a mistake: prepare <- stream <- generate.stream <- the user.
-- (Hence no tail calls on the way: Lua versions count them differently.)
local USER = 4

-- Options, prompt and facts of one text, checked.
local function prepare(model, prompt, given, where)
  local level = USER
  local checked = options.check(where, given, RULES, level)
  reject_with(checked, "sampler", CHAIN_OPTIONS, where, level)
  reject_with(checked, "context", CONTEXT_OPTIONS, where, level)
  if checked.sampler then
    checked.strategy = sampling.strategy(checked.sampler, level + 1)
  else
    checked.strategy = sampling.from {
      temperature = checked.temperature, top_k = checked.top_k, top_p = checked.top_p,
      min_p = checked.min_p,
    }
  end
  checked.seed = checked.seed or fresh_seed()
  if checked.context and checked.context:model() ~= model then
    error("bad option 'context' to '" .. where .. "' (it belongs to another model)", level)
  end
  if checked.length and checked.length > model:info().seq_len then
    error("bad option 'length' to '" .. where .. "' (this model holds at most "
      .. model:info().seq_len .. " tokens, got " .. options.show(checked.length) .. ")", level)
  end
  local ids, message, code = encode_prompt(model, prompt, where, level)
  local told = ids
  if ids then
    told, message, code = model:piece(ids[1]) -- no tokenizer, no text
  end
  if not told then
    return nil, message, code
  end
  local facts = {
    tokens = 0, prompt_tokens = #ids, seed = checked.seed, seconds = 0, prompt_seconds = 0,
    sampler = sampling.describe(checked.strategy),
  }
  return checked, ids, facts
end

-- The iterator and the facts, or nil, message, code.
local function stream(model, prompt, given, where)
  local checked, ids, facts = prepare(model, prompt, given, where)
  if not checked then
    return nil, ids, facts -- message and code
  end
  local text, message, code
  if checked.max_tokens == 0 then
    facts.finish_reason = "length"
  else
    text, message, code = open_text(model, ids, checked, facts)
    if not text then
      return nil, message, code
    end
  end
  local held = ""                           -- bytes of a character that is not yet whole
  local at_start = ids[#ids] == model:bos() -- the space that follows BOS is no part of the text

  local function next_piece()
    while not facts.finish_reason do
      local start = clock()
      local id, failure, failure_code = text:next_id()
      facts.seconds = facts.seconds + math.max(0, clock() - start)
      if id then
        local piece = model:piece(id)
        if at_start then
          piece, at_start = piece:gsub("^ ", "", 1), false
        end
        held = held .. piece
        local whole = core.utf8_complete(held)
        if whole > 0 then
          piece, held = held:sub(1, whole), held:sub(whole + 1)
          return piece
        end
      elseif failure then
        held = ""
        return nil, failure, failure_code
      end
    end
    local rest = held
    held = ""
    return rest ~= "" and rest or nil
  end

  return next_piece, facts
end

--- Tell on from a prompt, piece by piece.
--
--     for piece in model:stream("Once upon a time", {seed = 7}) do io.write(piece) end
--
-- The pieces never split a UTF-8 character and concatenate to what generate returns; bytes that
-- are no UTF-8 pass unchanged. A strategy that yields needs `local next = model:stream(...)`
-- and a while loop, since Lua 5.1 cannot yield across a generic for.
-- @param prompt a string ("" begins a new text) or a list of token ids, taken as they are
-- @param given see generate
-- @return the iterator, and a table of facts (see generate) that is filled in as it goes
-- @return nil, message, code when it cannot begin (the prompt is too long, no memory). A
--   failure on the way ends the iteration: the iterator returns nil, message, code, and
--   facts.error has the message
function generate.stream(model, prompt, given)
  local next_piece, facts, code = stream(model, prompt, given, "stream")
  return next_piece, facts, code
end

--- Tell on from a prompt and return the whole continuation, without the prompt.
--
-- Ends at BOS or EOS ("stop"), after max_tokens ("length") or when the context is full
-- ("context").
-- @param prompt a string ("" begins a new text) or a list of token ids, taken as they are
-- @param given a table, all of it optional:
--   max_tokens (256), seed (by chance, reported), stream (0; which text of this seed);
--   temperature (0.8; 0 = greedy), top_k (40), top_p (0.95), min_p (0.05), or else sampler (a
--   function, a strategy or a list of them; see lull.sampling);
--   threads, kv, cpu, length, batch of the context that is opened, or else context (one of
--   yours, in which a sequence is opened and closed)
-- @return text
-- @return facts {tokens, prompt_tokens, finish_reason, seed, seconds, prompt_seconds, sampler,
--   kernel, threads, kv}; seconds is the time spent in here, prompt_seconds the part of it that
--   went into reading the prompt
-- @return nil, message, code on failure
function generate.generate(model, prompt, given)
  local next_piece, facts, code = stream(model, prompt, given, "generate")
  if not next_piece then
    return nil, facts, code
  end
  local pieces = {}
  local piece = next_piece()
  while piece do -- and not `for`, across which Lua 5.1 could not yield
    pieces[#pieces + 1] = piece
    piece = next_piece()
  end
  if facts.error then
    return nil, facts.error, facts.code
  end
  return table.concat(pieces), facts
end

return generate
