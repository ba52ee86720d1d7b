-- What texts are told alone, by lull itself, and how probable tokens are.
-- usage: lua5.1 alone.lua FILE      prints a list of answers to lines of {"prompt":, "options":},
--                                   a text, or {"score": ids}, log-probabilities
local cjson = require "cjson"
local lull = require "lull"

local model = assert(lull.load(os.getenv "LULL_MODEL"))

local function score(ids)
  local context = assert(model:context {length = #ids})
  local seq = assert(context:sequence())
  assert(seq:feed(ids, {score = true}))
  assert(context:step())
  local scores = seq:scores()
  scores[1] = cjson.null -- nothing came before it
  return scores
end

local answers = {}
for line in io.lines(arg[1]) do
  local one = cjson.decode(line)
  answers[#answers + 1] = one.score and score(one.score)
    or assert(model:generate(one.prompt, one.options))
end
io.write(cjson.encode(answers))
