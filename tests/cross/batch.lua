-- A batch gives the same lines on every machine, and a model has one fingerprint.
-- usage: batch.lua KERNEL      which kernel must have been chosen; "any" for any
local lull = require "lull"
local batch = require "lull.batch"
local kernel = arg[1]

local model = assert(lull.load("examples/models/lullaby.bin"))
print(model:fingerprint())

local function run(given)
  given.output = function(line)
    io.write(line)
    return true
  end
  given.ordered, given.parallel = true, 4
  local summary = assert(batch.run(model, given))
  assert(kernel == "any" or summary.kernel == kernel,
    ("chose the kernel %s, not %s"):format(tostring(summary.kernel), kernel))
end

run {recipe = assert(batch.recipe "tinystories"), count = 6, params = {max_tokens = 12}}
run {text = [[
{"id":"a","prompt":"Once upon a time, there was a little girl named Lily. She"}
{"id":"b","prompt":"Once upon a time, there was a little girl named Lily. Tom","seed":"0xffff"}
{"id":3,"template":"{{ name }} was","vars":{"name":"Ben"},"params":{"temperature":1.2,"top_k":0}}
{"custom_id":"c","body":{"prompt":"Tom","stop":"."}}
{"id":"bad"}]], params = {max_tokens = 12}}
