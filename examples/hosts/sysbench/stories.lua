-- A script for sysbench: each thread, with a Lua state of its own, tells short stories; sysbench
-- counts them and says how long they take.
--
--     LULL_MODEL=/path/to/lullaby.bin sysbench stories.lua --threads=8 --time=10 run
--
-- One copy of the weights serves all threads.
local lull = require "lull"

sysbench.cmdline.options = {
  tokens = {"tokens of a story", 40},
  prompt = {"how it begins", "Once upon a time"},
}

local model, context

function thread_init()
  model = assert(lull.load(os.getenv "LULL_MODEL"
    or "/usr/local/share/lull/models/lullaby.bin"))
  context = assert(model:context {length = 128, threads = 1})
end

function tell(seed)
  return (assert(model:generate(sysbench.opt.prompt, {
    context = context, seed = seed, max_tokens = sysbench.opt.tokens,
  })))
end

local seed = 0

function event()
  seed = seed + 1
  tell(seed)
end
