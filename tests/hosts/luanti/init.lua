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

local function wait(worst)
  local from = minetest.get_us_time()
  coroutine.yield()
  return math.max(worst, minetest.get_us_time() - from)
end

-- Its own step comes before that of lull_tales or after it, so this is from step to step.
local play = coroutine.wrap(function()
  local idle, telling, steps = 0, 0, 0
  for _ = 1, 20 do idle = wait(idle) end
  command("tell", "Once upon a time")
  local ok = minetest.registered_chatcommands.tell.func("singleplayer", "x")
  assert(not ok, "two at a time")
  local before = -1
  while before ~= #lines or #lines < 3 or steps < 40 do
    before = #lines
    telling, steps = wait(telling), steps + 1
  end
  write("told", table.concat(lines, " "))
  write("measured", ("a server step takes at most %.1f ms while a story is told, %.1f ms otherwise")
    :format(telling / 1000, idle / 1000))
  lines = {}
  command("tell", "Once upon a time")
  command("hush")
  for _ = 1, 3 do coroutine.yield() end
  write("stopped", table.concat(lines, " "))
  minetest.request_shutdown()
  coroutine.yield()
end)

minetest.register_globalstep(function() play() end)
