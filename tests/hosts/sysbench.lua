-- examples/hosts/sysbench with many states that come and go: what is told is compared, and every
-- few stories a thread lets go of the model and loads it anew.
dofile "examples/hosts/sysbench/stories.lua"

local expected = assert(io.open(os.getenv "EXPECTED")):read "*a"
local first_init, n = thread_init, 0

function event()
  n = n + 1
  if n % 3 == 0 then
    first_init()
    collectgarbage()
  end
  assert(tell(7) == expected, "another story")
end
