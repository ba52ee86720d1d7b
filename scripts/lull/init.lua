--- lull: language models you can script.
--
--     local lull = require "lull"
--     local model = assert(lull.load("lullaby.bin"))
--     print(model:generate("Once upon a time", {max_tokens = 200, seed = 7}))
--
-- The mechanism (models, contexts, sequences, logits) is the C module lull.core; what is
-- decided with it is Lua, here and in your own scripts.
--
-- What the world does wrong (a missing file, a full context) comes back as `nil, message, code`
-- with code one of EFORMAT EIO ENOMEM ELIMIT ECONTEXT ECANCELED EUNSUPPORTED ESTATE EINVAL; a
-- mistake in the program raises. Token ids count from 0, Lua lists from 1.
-- @module lull
local core = require "lull.core"
local generate = require "lull.generate"

local lull = {
  _NAME = "lull",
  _VERSION = "lull " .. core.version,
  _DESCRIPTION = "Llama-family language models on any machine, scriptable",

  --- The C module itself.
  core = core,
  --- The version, "0.1.0".
  version = core.version,
  --- Strategies for choosing tokens; see lull.sampling.
  sampling = require "lull.sampling",
  --- Loops: many texts at once, drafts, strategies that drive the loop; see lull.decode.
  decode = require "lull.decode",

  --- load(path, {tokenizer =, precision =, group =, byte_order =, limits...}) -> model
  load = core.load,
  --- inspect(path, options) -> what a file is and would need, without loading its weights
  inspect = core.inspect,
  --- quantize(input, output, {format =, to =, tokenizer =, group =, byte_order =, overwrite =})
  -- -> report
  quantize = core.quantize,
  --- cpus() -> {{name =, available =}, ...}: the kernels of this build, the best last
  cpus = core.cpus,
  --- read_bandwidth(bytes, {threads =, seconds =}) -> bytes per second this machine reads so
  -- much memory at: the roof over a decode step
  read_bandwidth = core.read_bandwidth,
  --- random(seed, stream, position, purpose, attempt) -> u in [0, 1), a function of these alone
  random = core.random,
  --- rng{seed =, stream =} -> an object that draws one such number after another
  rng = core.rng,
  --- hash(text) -> 64 bits in hexadecimal, the same on every machine
  hash = core.hash,
  --- token_set(model | n, id | ids | set) -> a set of tokens, which logits:ban, allow and add take
  token_set = core.token_set,
  --- exp, log, pow, sin, cos with equal bits on every machine, which math.* does not promise
  math = core.math,
  --- clock() -> seconds that pass on the wall
  clock = core.clock or os.clock,
}

-- Loaded when they are first asked for: a story needs none of them.
local LATER = {
  --- All pieces of a model, and sets of tokens by their pieces.
  vocabulary = "lull.vocabulary",
  --- Texts that obey: regular expressions, grammars, JSON schemas.
  constrain = "lull.constrain",
  --- Records of how each token of a text was chosen.
  explore = "lull.explore",
  --- Waiting for the model as a host does: coroutines, ticks, event loops.
  async = "lull.async",
  --- Thousands of stories from a file of prompts.
  batch = "lull.batch",
  --- Many machines on one batch.
  fleet = "lull.fleet",
  --- Tasks, KL divergence, metrics of stories.
  evaluate = "lull.evaluate",
  --- JSON, written and read.
  json = "lull.json",
  --- Templates in Jinja's language.
  template = "lull.template",
  --- The formats of conversations.
  chat = "lull.chat",
}

setmetatable(lull, {__index = function(self, name)
  local module = LATER[name] and require(LATER[name])
  self[name] = module
  return module
end})

local model, sequence = core.methods.model, core.methods.sequence

model.generate = generate.generate
model.stream = generate.stream
--- model:chat(messages, options): see lull.chat.conversation
function model.chat(self, messages, given)
  local answer, facts, code = require("lull.chat.conversation").chat(self, messages, given)
  return answer, facts, code
end
sequence.generate = generate.generate_sequence
sequence.stream = generate.stream_sequence

-- LULL_CPU chooses the kernels for a whole process, where no option does: the core and the
-- module read no environment.
local open_context = model.context
local forced = os.getenv("LULL_CPU")

if forced and forced ~= "" then
  function model.context(self, given)
    if given == nil or (type(given) == "table" and given.cpu == nil) then
      local with_cpu = {cpu = forced}
      for key, value in pairs(given or {}) do
        with_cpu[key] = value
      end
      given = with_cpu
    end
    return open_context(self, given)
  end
end

return lull
