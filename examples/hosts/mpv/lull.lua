-- A script for mpv (Lua 5.2): T has a story told over the film, Shift+T ends it.
--
--     LULL_MODEL=/path/to/lullaby.bin mpv --script=lull.lua film.mkv
--
-- Each script of mpv runs on a thread of its own: playing never waits for it, other keys of this
-- script would.  LUA_PATH and LUA_CPATH say where lull is, if it is not in Lua's own folders.
local lull = require "lull"

local SHOWN = 300 -- bytes on the screen at a time
local model = assert(lull.load(os.getenv "LULL_MODEL"
  or "/usr/local/share/lull/models/lullaby.bin"))
local job, timer

local function tell(opening, seed)
  local text = opening
  for piece in assert(model:stream(opening, {seed = seed, max_tokens = 200})) do
    text = text .. piece
    mp.osd_message(text:sub(-SHOWN):gsub("^[\128-\191]+", ""), 5)
  end
  return text
end

-- script-message-to lull tell "Once upon a time" 7
local function start(opening, seed)
  if job then
    return
  end
  job = lull.async.job(tell, opening or "Once upon a time", tonumber(seed))
  timer = mp.add_periodic_timer(0.02, function()
    if job:poll(0.005) then
      timer:kill()
      mp.commandv("script-message", "lull-told", job.result[1])
      job = nil
    end
  end)
end

local function stop()
  if job then
    job:cancel()
  end
end

mp.register_script_message("tell", start)
mp.add_key_binding("t", "tell-something", function() start() end)
mp.add_key_binding("T", "hush", stop)
