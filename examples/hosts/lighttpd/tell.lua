-- /tell?prompt=TEXT&seed=N&tokens=N: a story, when it is complete.
local lull = require "lull"

local function argument(name)
  local value = ("&" .. (lighty.r.req_attr["uri.query"] or "")):match("&" .. name .. "=([^&]*)")
  return value and lighty.c.urldec((value:gsub("+", " ")))
end

local function answer(status, text)
  lighty.r.resp_header["Content-Type"] = "text/plain; charset=utf-8"
  lighty.r.resp_body.set(text)
  return status
end

if lighty.r.req_attr["uri.path"] == "/ping" then
  return answer(200, "pong\n")
end

-- The script's own variables are new for every request; what is required stays.
package.loaded.story_model = package.loaded.story_model or assert(lull.load(os.getenv "LULL_MODEL"
  or "/usr/local/share/lull/models/lullaby.bin"))
local model = package.loaded.story_model

local text, message = model:generate(argument "prompt" or "", {
  seed = tonumber(argument "seed"), max_tokens = math.min(tonumber(argument "tokens") or 60, 500),
})
return answer(text and 200 or 400, text or message)
