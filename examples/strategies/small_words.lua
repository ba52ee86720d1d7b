-- Only words that a three-year-old knows: a vocabulary-level filter. The words become a regular
-- expression, so it holds however the tokenizer cuts them, and "cat" does not let "catalogue" in.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local words = [[a and ate away baby ball bed big bird book boy bye can car cat come cow dad day dog
  down duck eat fell find fish for fun gave girl go good had happy has hat he her hi him his home
  hot hug in is it jump jumped kiss liked look looked love loved mom moon mouse my no not oh on one
  out park play played put ran red run sad said sat saw see she sit sky sleep so soft sun the then
  they to toy tree truck two up wanted was wash water we went wet with yes you]]

local list = {}
for word in words:gmatch("%a+") do
  list[#list + 1] = "[" .. word:sub(1, 1):upper() .. word:sub(1, 1) .. "]" .. word:sub(2)
end
local word = "(" .. table.concat(list, "|") .. ")"
local sentence = " " .. word .. "(,? " .. word .. "){2,11}[.!]"
local simple = lull.constrain.regex("(" .. sentence .. "){4}")

for seed = 1, 3 do
  local prompt = "The cat had a red hat."
  print(prompt .. assert(model:generate(prompt, {constraint = simple, seed = seed})))
end
