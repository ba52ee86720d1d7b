--- The two loops most scripts need: generate and stream, of a model and of a sequence.
--
-- Both are ordinary Lua over the verbs of the module (context, feed, step, logits): a script
-- that wants another loop writes it with the same verbs.
-- @module lull.generate
local options = require "lull.options"
local request = require "lull.decode.request"
local text = require "lull.decode.text"

local generate = {}

local CONTEXT_OPTIONS = {"threads", "kv", "cpu", "length", "batch"}

--- The options of model:generate and model:stream: those of a text (lull.decode.request) and of
-- where it is told.
local RULES = {
  heal = {type = "boolean"},
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
for name, rule in pairs(request.RULES) do
  RULES[name] = rule
end
generate.RULES = RULES

-- Whom begin blames for a mistake: begin <- generate.stream <- the user.
-- (Hence no tail calls on the way: Lua versions count them differently.)
local USER = 3

-------------------------------------------------------------------------------- prompts

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

local MOST_HEALED = 16

-- Token healing (guidance-ai): take the prompt's last word back, as far as its tokens go, and
-- begin with any tokens that start with its text, so that a prompt may end within a word: what
-- was cut as "t" "i" goes on as " time". Returns that text, or nil where there is nothing to heal.
local function heal(model, ids)
  local taken = ""
  for _ = 1, math.min(MOST_HEALED, #ids - 1) do
    taken = model:piece(table.remove(ids)) .. taken
    if taken:find("^%s") then
      break
    end
  end
  if ids[#ids] == model:bos() then
    taken = taken:gsub("^ ", "", 1)
  end
  return taken ~= "" and taken or nil
end

-------------------------------------------------------------------------------- one text

-- The context and the sequence of one text, with the prompt queued; or nil, message, code.
local function open_sequence(model, ids, given)
  local context = given.context
  local seq, fed, message, code
  if not context then
    local needed = #ids + given.max_tokens - 1 -- the last token is told and never evaluated
    context, message, code = model:context {
      sequences = 1, length = given.length or math.min(model:info().seq_len, needed),
      threads = given.threads, kv = given.kv, cpu = given.cpu, batch = given.batch,
    }
    if not context then
      return nil, message, code
    end
  end
  seq, message, code = context:sequence()
  if seq then
    fed, message, code = seq:feed(ids)
    if fed then
      return seq
    end
    seq:close()
  end
  if not given.context then
    context:close()
  end
  return nil, message, code
end

-- A text on a sequence whose prompt is queued, or nil, message, code.
local function open_text(seq, given, facts)
  local message, code
  if given.constraint then
    local at_start = seq:token(-1) == seq:model():bos()
    given.matcher, message, code = given.constraint:matcher(seq:model(), {at_start = at_start})
    if not given.matcher then
      return nil, message, code
    end
  end
  if given.draft then
    given.drafter, message, code = given.draft:open(seq, given.strategy)
    if not given.drafter then
      return nil, message, code
    end
  end
  return text.open(seq, given, facts)
end

-- The text and its facts; text is nil where nothing is to be told. Or nil, message, code.
local function begin(model, prompt, given, where)
  local checked = request.check(given, RULES, where, USER)
  request.reject_with(checked, "context", CONTEXT_OPTIONS, where, USER)
  request.reject_with(checked, "heal", {"constraint"}, where, USER)
  if checked.context and checked.context:model() ~= model then
    error("bad option 'context' to '" .. where .. "' (it belongs to another model)", USER)
  elseif checked.length and checked.length > model:info().seq_len then
    error("bad option 'length' to '" .. where .. "' (this model holds at most "
      .. model:info().seq_len .. " tokens, got " .. options.show(checked.length) .. ")", USER)
  end
  local ids, message, code = encode_prompt(model, prompt, where, USER)
  local told = ids
  if ids then
    told, message, code = model:piece(ids[1]) -- no tokenizer, no text
  end
  if not told then
    return nil, message, code
  end
  local facts = request.facts(checked, #ids)
  if checked.max_tokens == 0 then
    facts.finish_reason = "length"
    return false, facts
  end
  checked.heal = checked.heal and heal(model, ids) or nil
  if checked.heal then
    checked.constraint = require("lull.constrain").prefix(checked.heal)
  end
  local seq, opened
  seq, message, code = open_sequence(model, ids, checked)
  if seq then
    opened, message, code = open_text(seq, checked, facts)
    if not opened then
      seq:close()
    end
  end
  if not opened then
    return nil, message, code
  end
  opened.owns_context = not checked.context
  return opened, facts
end

local function close(opened)
  opened.seq:close()
  if opened.owns_context then
    opened.context:close()
  end
end

--- Tell on from a prompt, piece by piece.
--
--     for piece in model:stream("Once upon a time", {seed = 7}) do io.write(piece) end
--
-- The pieces never split a UTF-8 character and concatenate to what generate returns; bytes that
-- are no UTF-8 pass unchanged. Text that a stop string or a banned phrase may still take back is
-- held until it is sure. A strategy that yields needs `local next = model:stream(...)` and a
-- while loop, since Lua 5.1 cannot yield across a generic for.
-- @param prompt a string ("" begins a new text) or a list of token ids, taken as they are
-- @param given see generate
-- @return the iterator, and a table of facts (see generate) that is filled in as it goes
-- @return nil, message, code when it cannot begin (the prompt is too long, no memory). A
--   failure on the way ends the iteration: the iterator returns nil, message, code, and
--   facts.error has the message
function generate.stream(model, prompt, given)
  local opened, facts, code = begin(model, prompt, given, "stream")
  if opened == nil then
    return nil, facts, code -- message and code
  end
  return function()
    if not opened then
      return nil
    end
    local piece, message, failure = opened:next_piece()
    if not piece then
      close(opened)
      opened = nil
    end
    return piece, message, failure
  end, facts
end

--- Tell on from a prompt and return the whole continuation, without the prompt.
--
-- Ends at BOS or EOS, a stop string or a stop id ("stop"), after max_tokens ("length") or when
-- the context is full ("context"); with the options for it also as "loop", "time" or "ban".
-- @param prompt a string ("" begins a new text) or a list of token ids, taken as they are
-- @param given a table, all of it optional: what lull.decode.request and lull.sampling.from list
--   (max_tokens, seed, stop, temperature, ...); and
--   heal      the prompt may end within a word: its last word is taken back and told anew with
--             whatever tokens begin with its text
--   threads, kv, cpu, length, batch of the context that is opened, or else context (one of
--   yours, in which a sequence is opened and closed; see lull.decode.run for many at once)
-- @return text
-- @return facts {tokens, prompt_tokens, finish_reason, stop: the string or id that ended it, seed,
--   seconds, prompt_seconds, sampler, kernel, threads, kv; logprobs, rewinds, drafted and
--   accepted where asked for}; seconds is the time spent in here, prompt_seconds the part of it
--   that went into reading the prompt
-- @return nil, message, code on failure
function generate.generate(model, prompt, given)
  local opened, facts, code = begin(model, prompt, given, "generate")
  if opened == nil then
    return nil, facts, code
  elseif not opened then
    return "", facts
  end
  local told, message, failure = opened:rest()
  close(opened)
  if not told then
    return nil, message, failure
  end
  return told, facts
end

-------------------------------------------------------------------------------- sequences

local function go_on(seq, given, where)
  local n_prompt = #seq -- raises first of all where it is closed
  local checked = request.check(given, request.RULES, where, USER)
  local facts = request.facts(checked, n_prompt)
  if n_prompt == 0 then
    error("'" .. where .. "' goes on from what the sequence holds, and it is empty; feed it "
      .. "first", USER)
  elseif checked.max_tokens == 0 then
    facts.finish_reason = "length"
    return false, facts
  end
  local opened, message, code = open_text(seq, checked, facts)
  if not opened then
    return nil, message, code
  end
  return opened, facts
end

--- The same as model:stream, from what a sequence holds. Afterwards it holds all that was told
-- (and the tokens of a stop string), the last token queued, and may be gone on from.
-- @param given the options of a text (lull.decode.request, lull.sampling.from)
function generate.stream_sequence(seq, given)
  local opened, facts, code = go_on(seq, given, "stream")
  if opened == nil then
    return nil, facts, code
  end
  return function()
    if not opened then
      return nil
    end
    local piece, message, failure = opened:next_piece()
    if not piece then
      opened:settle()
      opened = nil
    end
    return piece, message, failure
  end, facts
end

--- The same as model:generate, from what a sequence holds; see stream_sequence.
function generate.generate_sequence(seq, given)
  local opened, facts, code = go_on(seq, given, "generate")
  if opened == nil then
    return nil, facts, code
  elseif not opened then
    return "", facts
  end
  local told, message, failure = opened:rest()
  opened:settle()
  if not told then
    return nil, message, failure
  end
  return told, facts
end

return generate
