-- A speculative pair: a cheap model guesses, the real one checks several guesses in one pass over
-- its weights. The text is the same, token for token; only the number of passes changes. Here the
-- draft is the same model in 4 bits. Prompt lookup guesses from the text itself and costs nothing.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local path = here .. "/../models/lullaby.bin"
local model = assert(lull.load(path))
local small = assert(lull.load(path, {precision = "q4"}))

local prompt = "One day, a girl named Mia went to the park."
local plain = assert(model:generate(prompt, {seed = 2, max_tokens = 120}))
for name, draft in pairs {
  ["a 4-bit draft"] = lull.decode.draft_model(small, {tokens = 4}),
} do
  local text, facts = assert(model:generate(prompt, {seed = 2, max_tokens = 120, draft = draft}))
  assert(text == plain)
  print(("%s: %d of %d guesses were right, so %d tokens took %d passes"):format(name,
    facts.accepted, facts.drafted, facts.tokens, facts.tokens - facts.accepted))
end

local song = "Row, row, row your boat. Row, row, row your boat. Row, row,"
local text, facts = assert(model:generate(song, {
  temperature = 0, max_tokens = 24, draft = lull.decode.draft_lookup {ngram = 2},
}))
print(song .. text)
print(("prompt lookup: %d tokens in %d passes"):format(facts.tokens, facts.tokens - facts.accepted))
