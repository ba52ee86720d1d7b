-- uWSGI with lull inside (Lua 5.1): each worker is a process and tells one story at a time.
--
--   LULL_MODEL=/path/to/lullaby.bin uwsgi --plugin http,lua51 --http 127.0.0.1:8080 \
--     --http-modifier1 6 --master --processes 4 --lua app.lua
--   curl -N 'http://127.0.0.1:8080/tell?prompt=Once+upon+a+time&seed=7'
--
-- LUA_PATH and LUA_CPATH in its environment say where lull is, if it is not in Lua's own folders.
local lull = require "lull"

local model = assert(lull.load(os.getenv "LULL_MODEL"
  or "/usr/local/share/lull/models/lullaby.bin"))

local function argument(query, name)
  local value = ("&" .. query):match("&" .. name .. "=([^&]*)")
  return value and (value:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end))
end

local TEXT = {["Content-Type"] = "text/plain; charset=utf-8"}

-- An application returns a status, headers, and a coroutine that yields the body in pieces.
return function(environment)
  local query = environment.QUERY_STRING
  if environment.PATH_INFO ~= "/tell" then
    return "200 OK", {["Content-Type"] = "text/plain", ["Content-Length"] = 5},
      coroutine.wrap(function() coroutine.yield "pong\n" end)
  end
  local next_piece, message = model:stream(argument(query, "prompt") or "", {
    seed = tonumber(argument(query, "seed")),
    max_tokens = math.min(tonumber(argument(query, "tokens")) or 200, 500),
  })
  if not next_piece then
    return "400 Bad Request", TEXT, coroutine.wrap(function() coroutine.yield(message .. "\n") end)
  end
  return "200 OK", TEXT, coroutine.wrap(function()
    local piece = next_piece()
    while piece do
      coroutine.yield(piece)
      piece = next_piece()
    end
  end)
end
