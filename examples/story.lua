-- A story, streamed as it is told. The same seed tells the same story on every machine.
local here = arg[0]:match("^(.*)/") or "."
local lull = require "lull"

local model = assert(lull.load(arg[1] or here .. "/models/lullaby.bin"))
io.write("Once upon a time")
for piece in assert(model:stream("Once upon a time", {temperature = 0.7, seed = 7})) do
  io.write(piece)
  io.flush()
end
io.write("\n")
