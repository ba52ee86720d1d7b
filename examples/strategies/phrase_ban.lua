-- Phrases that a story must not contain. When one comes up, the text is taken back to the token
-- that began it, that token is banned there and another is drawn; the rest stays as it was.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local prompt = "Once upon a time"
local given = {seed = 11, max_tokens = 60}
print("As it comes: " .. prompt .. assert(model:generate(prompt, given)))

given.ban_phrases = {
  ", there was",                            -- plain text
  {text = "named lily", ignore_case = true},
  {pattern = "lo[vk]ed to %a+"},            -- a Lua pattern
  function(text, from)                      -- or any function: where does it begin?
    return (text:find("big", from, true))
  end,
}
local text, facts = assert(model:generate(prompt, given))
print("Without:     " .. prompt .. text)
print(("(%d times taken back, %d tokens)"):format(facts.rewinds, facts.tokens))
