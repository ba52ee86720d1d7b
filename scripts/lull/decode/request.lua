--- What is asked of one text: the options that generate, stream and the decode strategies share.
-- @module lull.decode.request
local core = require "lull.core"
local options = require "lull.options"
local origin = require "lull.decode.origin"
local sampling = require "lull.sampling"
local watch = require "lull.decode.watch"

local request = {}

local clock = core.clock or os.clock

local function is_id(value)
  return options.allows({type = "integer", min = 0}, value)
end

local function has_method(name)
  return function(value)
    return type(value) == "table" and type(value[name]) == "function"
  end
end

--- The options of a text, beside those of `sampling.from`:
--
--   max_tokens (256)   tokens at most
--   seed, stream       which text: the same ones tell the same
--   sampler            a function, a strategy or a list of them, in place of the options of from
--   stop               a string or a list: the text ends before the first of them
--   stop_ids           a list of token ids that end it like EOS
--   ban_phrases        a list of what must not come up: strings; {text =, ignore_case = true};
--                      {pattern = Lua pattern}; LPeg patterns; functions(text, from) -> first
--                      byte. When one does, the text is taken back to the token that began it,
--                      that token is banned there and another is drawn (antislop, as in KoboldCpp)
--   max_rewinds (1000) so often; then the text ends before the phrase ("ban")
--   constraint         an object of lull.constrain: only what it allows is told
--   logprobs           0..: facts.logprobs lists {id, piece, logprob, top = {the n best}} for
--                      each token, natural logarithms of the raw distribution
--   score              facts.logprob is the sum over the tokens that were told (not the one that
--                      ends the text) of the natural logarithms of their raw probabilities
--   draft              an object of lull.decode: faster, and the same text
--   loops              {size = 32, count = 4}: ends ("loop") where the same 1..size tokens came
--                      so often in a row
--   max_seconds        ends ("time") after about so long
request.RULES = {
  max_tokens = {type = "integer", min = 0, default = 256},
  seed = sampling.SEED,
  stream = sampling.STREAM,
  sampler = {
    test = function(value) return type(value) == "function" or type(value) == "table" end,
    text = "a function, a strategy or a list of strategies",
  },
  stop = {
    test = function(value) return type(value) == "string" or options.is_list(value) end,
    text = "a string or a list of strings",
  },
  stop_ids = {
    test = function(value) return options.is_list(value, is_id) end, text = "a list of token ids",
  },
  ban_phrases = {test = options.is_list, text = "a list of phrases"},
  max_rewinds = {type = "integer", min = 0, default = 1000},
  constraint = {test = has_method "matcher", text = "a constraint of lull.constrain"},
  logprobs = {type = "integer", min = 0, max = 1000},
  score = {type = "boolean"},
  draft = {test = has_method "open", text = "a draft of lull.decode"},
  loops = {type = "table"},
  max_seconds = {type = "number", min = 0},
}
request.RULES = options.merge(request.RULES, sampling.RULES)

local LOOP_RULES = {
  size = {type = "integer", min = 1, max = 1024, default = 32},
  count = {type = "integer", min = 2, max = 1024, default = 4},
}

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

local function chain_options(checked)
  local chosen = {}
  for name in pairs(sampling.RULES) do
    chosen[name] = checked[name]
  end
  return chosen
end

--- Check options and make of them what lull.decode.text takes.
-- @param given the caller's options
-- @param rules RULES, or these and more
-- @param where the function's name, for messages
-- @param level whom to blame, as for error()
function request.check(given, rules, where, level)
  local checked = options.check(where, given, rules, level + 1)
  if checked.sampler then
    for name in pairs(sampling.RULES) do
      origin.reject_with(checked, "sampler", {name}, where, level + 1)
    end
    checked.strategy = sampling.strategy(checked.sampler, level + 2)
  else
    checked.strategy = sampling.from(chain_options(checked), where, level + 1)
  end
  checked.seed = checked.seed or fresh_seed()
  checked.watch = watch.new(checked.stop, checked.ban_phrases, level + 1)
  if checked.loops then
    checked.loops = options.check("loops", checked.loops, LOOP_RULES, level + 1)
  end
  if checked.stop_ids then
    local set = {}
    for _, id in ipairs(checked.stop_ids) do
      set[id] = true
    end
    checked.stop_ids = set
  end
  return checked
end

--- The facts of a text that has not begun.
function request.facts(checked, n_prompt)
  local facts = {
    tokens = 0, prompt_tokens = n_prompt, seed = checked.seed, seconds = 0, prompt_seconds = 0,
    sampler = sampling.describe(checked.strategy),
  }
  if checked.logprobs then
    facts.logprobs = {}
  end
  if checked.score then
    facts.logprob = 0
  end
  if checked.ban_phrases then
    facts.rewinds = 0
  end
  if checked.draft then
    facts.drafted, facts.accepted = 0, 0
  end
  return facts
end

return request
