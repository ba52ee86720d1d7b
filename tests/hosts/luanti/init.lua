-- A mod that plays a player: asks for stories, reads the chat and ends the server.  Writes to the
-- world's folder: told, measured, stopped.
local function write(name, text)
  assert(minetest.safe_file_write(minetest.get_worldpath() .. "/" .. name, text))
end

local lines = {}
function minetest.chat_send_player(name, text)
  assert(name == "singleplayer")
  lines[#lines + 1] = text
end

local function command(name, words)
  local ok, message = minetest.registered_chatcommands[name].func("singleplayer", words)
  assert(ok, message)
end

local delays = dofile(minetest.get_modpath "play" .. "/delays.lua")
local add_idle, idle = delays()
local add_telling, telling = delays()

local function step_time()
  local from = minetest.get_us_time()
  coroutine.yield()
  return (minetest.get_us_time() - from) / 1000
end

-- Its own step comes before that of lull_tales or after it, so this is from step to step.
local play = coroutine.wrap(function()
  for _ = 1, 20 do add_idle(step_time()) end
  command("tell", "Once upon a time")
  local ok = minetest.registered_chatcommands.tell.func("singleplayer", "x")
  assert(not ok, "two at a time")
  local before, steps = -1, 0
  while before ~= #lines or #lines < 3 or steps < 40 do
    before, steps = #lines, steps + 1
    add_telling(step_time())
  end
  write("told", table.concat(lines, " "))
  write("measured", "a server step takes " .. telling() .. " while a story is told, " .. idle()
    .. " otherwise")
  lines = {}
  command("tell", "Once upon a time")
  command("hush")
  for _ = 1, 3 do coroutine.yield() end
  write("stopped", table.concat(lines, " "))
  minetest.request_shutdown()
  coroutine.yield()
end)

minetest.register_globalstep(function() play() end)
