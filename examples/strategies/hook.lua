-- A hook at every token, as KoboldAI's userscripts have it: it sees the text so far, changes what
-- is likely, and may end the story. Here: the mood turns happy, and three sentences are enough.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local happy = {}
for _, word in ipairs {" happy", " smiled", " laughed", " fun", " excited"} do
  happy[#happy + 1] = model:encode(word, {start = false})[1]
end

-- genmod(told, logits) is called before each token; true ends the story.
local function genmod(told, logits)
  local _, sentences = told:gsub("[.!?]", "")
  if sentences >= 3 then
    return true
  end
  logits:add(happy, 6 - sentences) -- the bias fades
end

local function hooked(hook)
  local n_prompt
  return {
    name = "hook",
    selector = true,
    reset = function() n_prompt = nil end,
    apply = function(_, logits, seq, draw)
      n_prompt = n_prompt or #seq
      if hook(seq:text(n_prompt + 1, -1), logits) then
        return model:bos() -- BOS and EOS end a text
      end
      return logits:top_k(40):temperature(0.8):sample(draw())
    end,
  }
end

local prompt = "Tom was sad. He had lost his red ball."
print(prompt .. assert(model:generate(prompt, {sampler = hooked(genmod), seed = 5})))
