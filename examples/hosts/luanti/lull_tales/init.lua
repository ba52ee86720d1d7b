-- A mod for Luanti (Minetest): /tell WORDS has a story told that goes on from them, sentence by
-- sentence, in the chat of who asked; /hush ends it.
--
-- minetest.conf must trust it, since it loads a C module:   secure.trusted_mods = lull_tales
-- and may say where the model is:                           lull_model = /path/to/lullaby.bin
local environment = minetest.request_insecure_environment()
if not environment then
  error("lull_tales: add it to secure.trusted_mods in minetest.conf")
end
-- Mods live in a sandbox, and so would all Lua that they require: lull is loaded outside of it.
table.insert(environment.package.loaders, 2, function(name)
  if name:find "^lull%f[.%z]" then
    local path, problem = environment.package.searchpath(name, environment.package.path)
    return path and environment.setfenv(assert(environment.loadfile(path)), environment) or problem
  end
end)
local lull = environment.require "lull"

local TELLING = 0.005 -- seconds of each server step
local model = assert(lull.load(minetest.settings:get "lull_model"
  or "/usr/local/share/lull/models/lullaby.bin"))
local jobs = {} -- by player

-- Sends whole sentences, as they come.
local function tell(name, opening, options)
  local next_piece, message = model:stream(opening, options)
  if not next_piece then
    return message
  end
  local line = opening
  local piece, problem, code = next_piece()
  while piece do
    line = line .. piece
    local sentence, rest = line:match('^(.-[.!?]"?)%s(.*)$')
    if sentence then
      minetest.chat_send_player(name, sentence)
      line = rest
    end
    piece, problem, code = next_piece()
  end
  minetest.chat_send_player(name, line)
  return code ~= "ECANCELED" and problem or nil
end

minetest.register_chatcommand("tell", {
  params = "<words>",
  description = "A story that goes on from these words",
  privs = {shout = true},
  func = function(name, words)
    if jobs[name] then
      return false, "One story at a time (/hush ends it)."
    end
    local opening = words ~= "" and words or "Once upon a time"
    local seed = tonumber(minetest.settings:get "lull_seed")
    jobs[name] = lull.async.job(tell, name, opening, {seed = seed, max_tokens = 200})
    return true
  end,
})

minetest.register_chatcommand("hush", {
  description = "End the story",
  func = function(name)
    if jobs[name] then
      jobs[name]:cancel()
    end
    return true
  end,
})

minetest.register_on_leaveplayer(function(player)
  jobs[player:get_player_name()] = nil -- collected, with what it has opened
end)

minetest.register_globalstep(function()
  for name, job in pairs(jobs) do
    if job:poll(TELLING) then
      jobs[name] = nil
      if job.result[1] then
        minetest.chat_send_player(name, "-!- " .. job.result[1])
      end
    end
  end
end)
