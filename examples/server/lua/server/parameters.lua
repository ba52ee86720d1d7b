--- From the fields of a request to the options of seq:stream.
-- @module server.parameters
local decode = require "lull.decode"
local errors = require "server.errors"
local fields = require "server.fields"
local sampling = require "lull.sampling"
local schemas = require "server.schemas"

local parameters = {}

parameters.MOST_LOGPROBS = 20
parameters.MOST_TEXTS = 128

-- Options of lull.sampling.from that are more than one number or word.
local COMPOUND = {
  logit_bias = true, ban = true, allow_only = true, bad_words = true, phrase_bias = true,
  eos_decay = true, dry_breakers = true, watermark = true,
}

--- Every option of lull.sampling.from that is one number or word, under its own name.
parameters.SAMPLING = {}
for name, rule in pairs(sampling.RULES) do
  if not COMPOUND[name] then
    parameters.SAMPLING[name] = rule
  end
end
parameters.SAMPLING.top_k = {type = "integer", min = -1, max = 2 ^ 31} -- -1: off, as vLLM's

--- A rule for how many tokens at most; -1: as many as there is room for, as other servers on one's
-- own machine have it.
function parameters.max_tokens(default)
  return {type = "integer", min = -1, max = 2 ^ 31, default = default}
end

local STRINGS = "a string that is not empty, or a list of up to 16 of them"
local string_list = fields.list(fields.is_text, STRINGS, 16)

--- An empty list, as some clients send it, is none.
parameters.STRINGS = {text = STRINGS, test = function(value)
  return fields.is_text(value) or fields.is_empty(value) or string_list.test(value)
end}

parameters.COUNT = {type = "integer", min = 0, max = 2 ^ 31}
-- An integer, also one below zero, as some clients have it; or "0x" and hexadecimal digits.
parameters.SEED = {text = "an integer in -2^53..2^53, or '0x' and up to 16 hexadecimal digits",
  test = function(value)
    return sampling.SEED.test(value) or type(value) == "number" and sampling.SEED.test(-value)
  end}

--- {["123"] = -100, ...}: ids, as names of fields must be, and what is added to their logits.
parameters.LOGIT_BIAS = {text = "an object {\"token id\": number in -100..100, ...}",
  test = function(value)
    if type(value) ~= "table" then
      return false
    end
    local count = 0
    for id, bias in pairs(value) do
      count = count + 1
      if type(id) ~= "string" or not id:find("^%d+$")
        or type(bias) ~= "number" or bias < -100 or bias > 100 then
        return false
      end
    end
    return count <= 1024
  end}

--- Names of strategies that the server has, to be looked up with `find`.
parameters.STRATEGY = {type = "string", text = "the name of a strategy"}

local function biases(model, given)
  local by_id, vocab_size = {}, model:vocab_size()
  for id, bias in pairs(given or {}) do
    if tonumber(id) >= vocab_size then
      errors.bad("'logit_bias' has no token " .. id .. ": ids are in 0.." .. vocab_size - 1,
        "logit_bias", "invalid_value")
    end
    -- OpenAI: -100 is a ban.
    by_id[tonumber(id)] = bias == -100 and -math.huge or bias
  end
  return next(by_id) and by_id or nil
end

-- What was given for a field of the rule STRINGS, as a list; nil for none.
local function strings(given)
  if fields.is_empty(given) then
    return nil
  end
  return type(given) == "string" and {given} or given
end

--- The options of a text.
-- @param service {model, defaults, strategies}
-- @param read the fields, by lull's names: those of SAMPLING, max_tokens, seed, stop, logit_bias,
--   ban_phrases, logprobs, strategy; schema, as server.schemas takes it
-- @param n_prompt tokens of its prompt
function parameters.options(service, read, n_prompt)
  local options = {}
  local strategy = read.strategy and service.strategies:find(read.strategy, service.model)
  if not (strategy and strategy.sampler) then
    for name in pairs(parameters.SAMPLING) do
      options[name] = read[name]
      if options[name] == nil then
        options[name] = service.defaults[name]
      end
    end
    if options.top_k == -1 then
      options.top_k = 0
    end
    options.logit_bias = biases(service.model, read.logit_bias)
  end
  local most, wanted = service.engine.length - n_prompt + 1, read.max_tokens
  options.max_tokens = wanted and wanted >= 0 and math.min(wanted, most) or most
  options.max_seconds = service.seconds
  options.seed = type(read.seed) == "number" and math.abs(read.seed) or read.seed
  options.stop, options.ban_phrases = strings(read.stop), strings(read.ban_phrases)
  options.logprobs = read.logprobs
  options.constraint = read.schema and schemas.constraint(read.schema)
  for name, value in pairs(strategy or {}) do
    options[name] = value
  end
  return options
end

--- The options of the k-th of several texts from one prompt: the first is the one that is told
-- alone, the others have random numbers of their own.
function parameters.choice(options, k)
  if k == 1 then
    return options
  end
  local own = {stream = decode.child_stream("choice", k)}
  for name, value in pairs(options) do
    own[name] = value
  end
  return own
end

--- Refuse a prompt that the context does not hold.
function parameters.check_prompt(service, ids, param)
  if #ids == 0 then
    errors.bad("the prompt is empty, and this model has no token that begins a text", param,
      "invalid_value")
  end
  if #ids > service.engine.length then
    errors.bad("the prompt has " .. #ids .. " tokens, and this model's context holds "
      .. service.engine.length, param, "context_length_exceeded")
  end
end

return parameters
