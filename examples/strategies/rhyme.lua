-- Lines that rhyme. A line may end only after a word with the wanted sound; the longer it gets, the
-- likelier such words become. All of it is decided on the 200 likeliest tokens.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local SOUND, WORDS = "ay", 6 -- day, play, away; so many words in a line at least

local full_stops = {}
for _, mark in ipairs {".", "!"} do
  full_stops[#full_stops + 1] = model:encode(mark, {start = false})[1]
end

local function rhyming(first)
  return {
    name = "rhyme", selector = true,
    apply = function(_, logits, seq, draw)
      local line = seq:text(first, -1)
      local words = select(2, line:gsub("%a+", ""))
      if words >= WORDS and line:find(SOUND .. "$") then
        logits:allow(full_stops)
      else
        logits:ban(full_stops):top_k(200)
        for id in logits:candidates(200) do
          local piece = model:piece(id)
          if piece:find("[?\"',\n]") then
            logits:ban(id)
          elseif piece:find("^ %a*" .. SOUND .. "$") then
            logits:add(id, 1.5 * (words - WORDS))
          end
        end
      end
      return logits:temperature(0.7):sample(draw())
    end,
  }
end

local context = assert(model:context {length = 200})
local seq = assert(context:sequence())
assert(seq:feed("Lily and Ben went out to play."))
for _ = 1, 4 do
  assert(seq:generate {sampler = rhyming(#seq + 1), seed = 3, stop = {".", "!"}})
end
print((seq:text():gsub("([.!]) *", "%1\n")))
