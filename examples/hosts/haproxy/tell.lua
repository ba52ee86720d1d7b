-- The service of haproxy.cfg: /tell?prompt=TEXT&seed=N&tokens=N, a story as it comes.
local lull = require "lull"

local model = assert(lull.load(os.getenv "LULL_MODEL"
  or "/usr/local/share/lull/models/lullaby.bin"))

local function argument(query, name)
  local value = ("&" .. query):match("&" .. name .. "=([^&]*)")
  return value and value:gsub("+", " "):gsub("%%(%x%x)", function(hex)
    return string.char(tonumber(hex, 16))
  end)
end

core.register_service("tell", "http", function(applet)
  lull.async.use(lull.async.by_sleep(core.msleep, 1))
  local next_piece, message = model:stream(argument(applet.qs, "prompt") or "", {
    seed = tonumber((argument(applet.qs, "seed"))),
    max_tokens = math.min(tonumber((argument(applet.qs, "tokens"))) or 200, 500),
  })
  applet:set_status(next_piece and 200 or 400)
  applet:add_header("content-type", "text/plain; charset=utf-8")
  applet:start_response()
  if not next_piece then
    return applet:send(message .. "\n")
  end
  local piece = next_piece()
  while piece do
    applet:send(piece)
    piece = next_piece()
  end
end)
