-- A second script in mpv: asks lull.lua for a story while mpv plays, keeps a timer, then has one
-- stopped.  Writes to the folder $WORK: told, stopped, measured.
local work = os.getenv "WORK"

local function write(name, text)
  local file = assert(io.open(work .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

local worst, ticks, before, timer = 0, 0, nil, nil

local function tick()
  local now = mp.get_time()
  worst = math.max(worst, before and now - before - 0.005 or 0)
  before, ticks = now, ticks + 1
end

local n = 0
mp.register_script_message("lull-told", function(text)
  n = n + 1
  if n == 1 then
    write("told", text)
    write("measured", ("a timer of 5 ms of another script came at most %.1f ms late (%d ticks)")
      :format(worst * 1000, ticks))
    timer:kill()
    mp.commandv("script-message-to", "lull", "tell", "Once upon a time", "7")
    mp.commandv("keypress", "T")
  else
    write("stopped", text)
    mp.commandv("quit")
  end
end)

mp.add_timeout(0.3, function()
  timer = mp.add_periodic_timer(0.005, tick)
  mp.commandv("script-message-to", "lull", "tell", "Once upon a time", "7")
end)
