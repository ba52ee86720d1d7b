-- A script for wrk: asks a server that tells stories for stories, each with another beginning,
-- which a small model makes up in wrk's own threads.
--
--     LULL_MODEL=/path/to/lullaby.bin wrk -t 4 -c 4 -d 10 -s prompts.lua http://127.0.0.1:8080
--
-- One copy of the weights serves the states of all threads.
local lull = require "lull"

local TOKENS = 12
local model, context, seed
local threads = {}

local function prompt()
  seed = seed + 1
  return (assert(model:generate("One day, ", {
    context = context, seed = seed, stream = number, max_tokens = TOKENS,
  })))
end

-- In the state that runs this file first.
function setup(thread)
  threads[#threads + 1] = thread
  thread:set("number", #threads)
end

-- In the state of each thread.
function init()
  model = assert(lull.load(os.getenv "LULL_MODEL"
    or "/usr/local/share/lull/models/lullaby.bin"))
  context = assert(model:context {length = 32, threads = 1})
  seed = 0
  first = prompt()
end

function request()
  local query = prompt():gsub("[^%w]", function(c) return ("%%%02x"):format(c:byte()) end)
  return wrk.format("GET", "/tell?prompt=" .. query)
end

function done(_, _, _)
  for i, thread in ipairs(threads) do
    io.write(("thread %d began with: One day, %s\n"):format(i, thread:get "first"))
  end
end
