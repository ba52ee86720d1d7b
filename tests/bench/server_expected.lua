-- What the texts of the load test are told alone: {"prompt": "text", ...}
-- usage: lua5.1 server_expected.lua MODEL TOKENS COUNT
local json = require "lull.json"
local lull = require "lull"

local model = assert(lull.load(arg[1]))
local tasks, texts = {}, json.object {}
for i = 1, tonumber(arg[3]) do
  tasks[i] = function()
    local prompt = "There were " .. i .. " birds"
    return prompt, assert(model:generate(prompt, {seed = i, max_tokens = tonumber(arg[2]),
      ban = {model:bos(), model:eos()}}))
  end
end
for _, task in ipairs(tasks) do
  local prompt, text = task()
  texts[#texts + 1] = {prompt, text}
end
io.write(json.encode(texts))
