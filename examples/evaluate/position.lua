-- Where in a text is a model surprised?  Bits per token by position: the first words of a story are
-- always about the same, then come names and things.  A plain loop over seq:score.
local lull = require "lull"

local model = assert(lull.load(arg[1] or "examples/models/lullaby.bin"))
local context = assert(model:context {})
local WIDTH = 16

-- Stories to score: the model's own here; evaluate.read("text", path) reads a file of them.
local bits, counts = {}, {}
for seed = 1, 24 do
  local story = model:generate("", {seed = seed, temperature = 1, top_k = 0, top_p = 1, min_p = 0,
    max_tokens = 100})
  local ids = assert(model:encode(story, {start = true}))
  local sequence = assert(context:sequence())
  assert(sequence:feed(table.remove(ids, 1)))
  assert(context:step())
  for i, logprob in ipairs(assert(sequence:score(ids))) do
    local bin = math.floor((i - 1) / WIDTH) + 1
    bits[bin] = (bits[bin] or 0) - logprob / lull.math.log(2)
    counts[bin] = (counts[bin] or 0) + 1
  end
  sequence:close()
end

for bin, sum in ipairs(bits) do
  local mean = sum / counts[bin]
  print(("%4d-%-4d %5.2f bits a token  %s"):format((bin - 1) * WIDTH + 1, bin * WIDTH, mean,
    ("#"):rep(math.floor(mean * 10 + 0.5))))
end
