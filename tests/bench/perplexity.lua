-- perplexity.lua - what a precision costs: bits per byte of a text under a model.
-- usage: perplexity.lua MODEL TEXT
--
-- TEXT holds stories with lines `<|endoftext|>` between them.  Each is scored by itself, after BOS;
-- of one longer than the model's context the end is left out (and not counted).  Bits per byte =
-- -sum(log p) / ln 2 / bytes, which models with different tokenizers can be compared by.  Leaves
-- a Markdown table; MODEL should be float32, or nothing can be seen.

local lull = require "lull"

local path, text_path = ...
if not text_path then
  io.stderr:write("usage: perplexity.lua MODEL TEXT\n")
  os.exit(2)
end

local SETTINGS = {
  {precision = "f32", kv = "f32"}, {precision = "f32", kv = "bf16"},
  {precision = "q8", kv = "f32"}, {precision = "q8", kv = "bf16"},
  {precision = "q4", kv = "f32"}, {precision = "q4", kv = "bf16"},
  {precision = "q4", kv = "bf16", group = 32},
}

local function stories_of(text)
  local stories = {}
  for story in (text .. "<|endoftext|>"):gmatch("(.-)<|endoftext|>") do
    story = story:gsub("^%s+", ""):gsub("%s+$", "")
    if story ~= "" then
      stories[#stories + 1] = story
    end
  end
  return stories
end

-- Sum of log-probabilities of a story, and the tokens and bytes they are of.
local function score(model, context, story)
  local length = context:info().length
  local ids = assert(model:encode(story, {start = true}))
  local seq = assert(context:sequence())
  local rest, bytes, sum = {}, #story, 0
  for i = 2, math.min(#ids, length) do
    rest[i - 1] = ids[i]
  end
  if #ids > length then
    bytes = #model:decode {ids[1], unpack(rest)}
  end
  assert(seq:feed(ids[1]))
  assert(context:step())
  for _, logprob in ipairs(assert(seq:score(rest))) do
    sum = sum + logprob
  end
  seq:close()
  return sum, #rest, bytes
end

local function measure(stories, setting)
  local model = assert(lull.load(path, {
    precision = setting.precision, group = setting.group, cache = false,
  }))
  local info = model:info()
  local context = assert(model:context {kv = setting.kv, batch = 64})
  local sum, tokens, bytes = 0, 0, 0
  for _, story in ipairs(stories) do
    local s, t, b = score(model, context, story)
    sum, tokens, bytes = sum + s, tokens + t, bytes + b
  end
  context:close()
  model:close()
  return {
    bits = -sum / math.log(2) / bytes, perplexity = math.exp(-sum / tokens),
    tokens = tokens, bytes = bytes, weights = info.weight_bytes, group = info.group,
  }
end

local file = assert(io.open(text_path, "rb"))
local stories = stories_of(file:read("*a"))
file:close()

local base
for i, setting in ipairs(SETTINGS) do
  local result = measure(stories, setting)
  if i == 1 then
    base = result
    print(("- %s, %d stories, %d tokens, %d bytes"):format(text_path:match("[^/]*$"), #stories,
      result.tokens, result.bytes))
    print()
    print("| weights | KV | MB | bits per byte | above f32 | perplexity |")
    print("|---|---|---|---|---|---|")
  end
  print(("| %s%s | %s | %.2f | %.4f | %+.2f %% | %.3f |"):format(setting.precision,
    result.group > 0 and ", group " .. result.group or "", setting.kv, result.weights / 1e6,
    result.bits, 100 * (result.bits / base.bits - 1), result.perplexity))
end
