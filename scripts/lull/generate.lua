--- The two loops most scripts need: generate and stream, of a model and of a sequence.
--
-- Both are ordinary Lua over the verbs of the module (context, feed, step, logits): a script
-- that wants another loop writes it with the same verbs.
-- @module lull.generate
local options = require "lull.options"
local origin = require "lull.decode.origin"
local request = require "lull.decode.request"
local text = require "lull.decode.text"

local generate = {}

--- The options of model:generate and model:stream: those of a text (lull.decode.request) and of
-- where it is told (lull.decode.origin).
local MODEL_RULES = options.merge(request.RULES, {heal = {type = "boolean"}})
generate.RULES = options.merge(MODEL_RULES, origin.RULES)

-- Whom begin blames for a mistake: begin <- generate.stream <- the user.
-- (Hence no tail calls on the way: Lua versions count them differently.)
local USER = 3

-------------------------------------------------------------------------------- one text

local function check(given, rules, where, level)
  local checked = request.check(given, rules, where, level + 1)
  origin.reject_with(checked, "heal", {"constraint"}, where, level + 1)
  return checked
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

-- The text, its facts and where it began; text is nil where nothing is to be told. Or nil,
-- message, code.
local function begin(target, prompt, given, where, rules)
  local spec = {where = where, rules = rules, check = check, position = 1}
  local start, checked, code = origin.begin(spec, target, prompt, given, USER)
  if not start then
    return nil, checked, code -- message and code
  end
  local facts = request.facts(checked, start.n_prompt)
  if checked.max_tokens == 0 then
    facts.finish_reason = "length"
    return false, facts
  end
  checked.heal = checked.heal and heal(start.model, start.ids) or nil
  if checked.heal then
    checked.constraint = require("lull.constrain").prefix(checked.heal)
  end
  local ok, message, opened
  ok, message, code = start:open(checked.max_tokens, 1)
  if not ok then
    return nil, message, code
  end
  opened, message, code = text.open(start.seq, checked, facts)
  if not opened then
    start:close()
    return nil, message, code
  end
  opened.start = start
  return opened, facts
end

-- The text is at its end.
local function close(opened)
  opened:close()
  opened.start:close()
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
  local opened, facts, code = begin(model, prompt, given, "stream", MODEL_RULES)
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
--   seconds, prompt_seconds, sampler, kernel, threads, kv; logprobs and ending (the same of the
--   token that ended it), rewinds, drafted and accepted where asked for}; seconds is the time
--   spent in here, prompt_seconds the part of it that went into reading the prompt
-- @return nil, message, code on failure
function generate.generate(model, prompt, given)
  local opened, facts, code = begin(model, prompt, given, "generate", MODEL_RULES)
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

--- The same as model:stream, from what a sequence holds. Afterwards it holds all that was told
-- (and the tokens of a stop string), the last token queued, and may be gone on from.
-- @param given the options of a text (lull.decode.request, lull.sampling.from)
function generate.stream_sequence(seq, given)
  local opened, facts, code = begin(seq, nil, given, "stream", request.RULES)
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
      opened:close()
      opened = nil
    end
    return piece, message, failure
  end, facts
end

--- The same as model:generate, from what a sequence holds; see stream_sequence.
function generate.generate_sequence(seq, given)
  local opened, facts, code = begin(seq, nil, given, "generate", request.RULES)
  if opened == nil then
    return nil, facts, code
  elseif not opened then
    return "", facts
  end
  local told, message, failure = opened:rest()
  opened:settle()
  opened:close()
  if not told then
    return nil, message, failure
  end
  return told, facts
end

return generate
