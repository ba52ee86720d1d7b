-- What texts are told alone, by lull itself.
-- usage: lua5.1 alone.lua FILE      lines of {"prompt":, "options":}; prints a list of texts
local cjson = require "cjson"
local lull = require "lull"

local model = assert(lull.load(os.getenv "LULL_MODEL"))
local texts = {}
for line in io.lines(arg[1]) do
  local one = cjson.decode(line)
  texts[#texts + 1] = assert(model:generate(one.prompt, one.options))
end
io.write(cjson.encode(texts))
