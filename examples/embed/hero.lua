-- The script that host.c runs: what is told, and how, can change without compiling anything.
local lull = require "lull"

function tell(path, name) -- luacheck: globals tell
  local model = assert(lull.load(path))
  local opening = "Once upon a time, there was a little girl named " .. name .. "."
  local given = {max_tokens = 60, temperature = 0.7, seed = 4}
  return opening .. assert(model:generate(opening, given))
end
