-- A second script in mpv: asks lull.lua for a story while mpv plays, keeps a timer, then has one
-- stopped.  Writes to the folder $WORK: told, stopped, measured.
local work = os.getenv "WORK"

local function write(name, text)
  local file = assert(io.open(work .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

local add, text = dofile "tests/support/delays.lua" ()
local before, timer

local function tick()
  local now = mp.get_time()
  add(before and (now - before - 0.005) * 1000 or 0)
  before = now
end

local n = 0
mp.register_script_message("lull-told", function(story)
  n = n + 1
  if n == 1 then
    write("told", story)
    write("measured", "a timer of 5 ms of another script is late by " .. text())
    timer:kill()
    mp.commandv("script-message-to", "lull", "tell", "Once upon a time", "7")
    mp.commandv("keypress", "T")
  else
    write("stopped", story)
    mp.commandv("quit")
  end
end)

mp.add_timeout(0.3, function()
  timer = mp.add_periodic_timer(0.005, tick)
  mp.commandv("script-message-to", "lull", "tell", "Once upon a time", "7")
end)
