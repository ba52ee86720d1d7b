-- Lines that rhyme. A line may only end after a word with the wanted sound; when it is long enough,
-- such words become likely. All of it is decided on the 200 likeliest tokens.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local SOUND, WORDS = "ay", 7 -- day, play, away; about so many words in a line

local function rhyming(seq)
  return {
    name = "rhyme", selector = true,
    line = #seq, -- the token after which the line begins
    apply = function(self, logits, _, draw)
      local line = seq:text(self.line + 1, -1)
      local words = select(2, line:gsub("%a+", ""))
      local rhymes = line:find(SOUND .. "$") ~= nil
      logits:top_k(200)
      for id in logits:candidates(200) do
        local piece = model:piece(id)
        if piece:find("[.!?\n]") then
          if rhymes then logits:add(id, 8) else logits:ban(id) end
        elseif piece:find("^ %a*" .. SOUND .. "$") and words >= WORDS - 2 then
          logits:add(id, 2 * (words - WORDS + 3))
        elseif piece:find("[\"',]") then
          logits:ban(id)
        end
      end
      return logits:temperature(0.7):sample(draw())
    end,
  }
end

local context = assert(model:context {length = 200})
local seq = assert(context:sequence())
assert(seq:feed("Lily and Ben went out to play."))
for line = 1, 4 do
  assert(seq:generate {sampler = rhyming(seq), seed = 5, stream = line, stop = {".", "!", "?"}})
end
print((seq:text():gsub("([.!?]) *", "%1\n")))
