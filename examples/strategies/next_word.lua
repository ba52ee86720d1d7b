-- Choose the next word yourself: the model offers, you pick a number. Return lets it choose, a
-- word is taken as you typed it, "u" takes one back, "q" ends.
--     lua5.1 examples/strategies/next_word.lua "Once upon a time"
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local context = assert(model:context {length = 256})
local seq = assert(context:sequence())
assert(seq:feed(arg[1] or "Once upon a time"))
local marks, turn = {}, 0

local function offer()
  local offered = {}
  for id, p in seq:logits():reset():candidates(9) do
    offered[#offered + 1] = id
    local bar = ("#"):rep(math.floor(30 * p + 0.5))
    local piece = model:piece(id):gsub("\n", "\\n")
    print(("  %d %-10s %5.1f %% %s"):format(#offered, piece, 100 * p, bar))
  end
  return offered
end

while #seq + 8 < context:info().length do
  assert(lull.decode.wait(seq))
  print("\n" .. seq:text())
  local offered = offer()
  io.write("> ")
  local answer = io.read("*l")
  turn = turn + 1
  if not answer or answer == "q" then
    break
  elseif answer == "u" then
    assert(seq:rewind(table.remove(marks) or #seq))
  else
    marks[#marks + 1] = #seq
    local id = offered[tonumber(answer)]
    if answer == "" then
      id = seq:logits():reset():top_k(40):sample {seed = 1, position = turn}
    end
    assert(seq:feed(id or model:encode(" " .. answer, {start = false})))
  end
end
print("\n" .. seq:text())
