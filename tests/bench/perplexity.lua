-- perplexity.lua - what a precision costs: bits per byte of a text under a model, and how far each
-- precision is from float32, token by token.
-- usage: perplexity.lua MODEL TEXT
--
-- TEXT holds stories with lines `<|endoftext|>` between them.  Each is scored by itself, after BOS;
-- of one longer than the model's context the end is left out (and not counted).  Bits per byte =
-- -sum(log2 p) / bytes, which models with different tokenizers can be compared by.  Leaves a
-- Markdown table; MODEL should be float32, or nothing can be seen.

local lull = require "lull"
local evaluate = require "lull.evaluate"

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

local function load(setting)
  return assert(lull.load(path, {
    precision = setting.precision, group = setting.group, cache = false,
  }))
end

-- The stories as far as the context holds them.
local function stories_of(model, file)
  local stories, bytes = evaluate.texts(file:read("*a")), 0
  local most = model:info().seq_len
  for i, story in ipairs(stories) do
    local ids = assert(model:encode(story, {start = true}))
    for k = #ids, most + 1, -1 do
      ids[k] = nil
    end
    stories[i] = assert(model:decode(ids))
    bytes = bytes + #stories[i]
  end
  return stories, bytes
end

local base = load(SETTINGS[1])
local stories, bytes = stories_of(base, assert(io.open(text_path, "rb")))
local base_bits

for i, setting in ipairs(SETTINGS) do
  local model = load(setting)
  local info = model:info()
  local r = assert(evaluate.kl(base, model, stories, {a = {kv = "f32"}, b = {kv = setting.kv}}))
  local bits = lull.math.log(r.perplexity_b.value) / lull.math.log(2) * r.tokens / bytes
  if i == 1 then
    base_bits = bits
    print(("- %s, %d stories, %d tokens, %d bytes"):format(text_path:match("[^/]*$"), #stories,
      r.tokens, bytes))
    print()
    print("| weights | KV | MB | bits per byte | above f32 | perplexity | KL divergence | its 99 % "
      .. "| same likeliest token |")
    print("|---|---|--:|--:|--:|--:|--:|--:|--:|")
  end
  print(("| %s%s | %s | %.2f | %.4f | %+.2f %% | %.3f | %.5f | %.4f | %.2f %% |"):format(
    setting.precision, info.group > 0 and ", group " .. info.group or "", setting.kv,
    info.weight_bytes / 1e6, bits, 100 * (bits / base_bits - 1), r.perplexity_b.value, r.kl.value,
    r.quantiles[4][2], 100 * r.same_top.value))
  model:close()
end
