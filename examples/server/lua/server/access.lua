--- Who may ask.
--
-- With a key, whoever has it. Without one only this machine: the server listens on loopback, and a
-- page from elsewhere that a browser of this machine shows is kept out by what the browser says
-- about it (Origin, and Host, which a rebound name gives away).
-- @module server.access
local errors = require "server.errors"

local access = {}

local LOCAL_HOSTS = {["localhost"] = true, ["127.0.0.1"] = true, ["[::1]"] = true}

local function host_of(authority)
  return authority and (authority:match "^(%[[%x:]+%])" or authority:match "^([^:/]+)")
end

local function is_loopback(address)
  return address:find "^127%." ~= nil or address == "::1" or address:find "^unix:" ~= nil
end

-- Equal strings, in a time that does not tell where they differ.
local function is_equal(a, b)
  local difference = #a == #b and 0 or 1
  for i = 1, #a do
    difference = difference + (a:byte(i) == b:byte((i - 1) % math.max(1, #b) + 1) and 0 or 1)
  end
  return difference == 0
end

local function check_key(key)
  local given = (ngx.var.http_authorization or ""):match "^[Bb]earer%s+(.+)$"
  if not given then
    errors.raise {status = 401, message = "an API key is needed: Authorization: Bearer KEY",
      code = "missing_api_key"}
  elseif not is_equal(given, key) then
    errors.raise {status = 401, message = "this API key is not right", code = "invalid_api_key"}
  end
end

local function check_local(headers)
  if not is_loopback(ngx.var.server_addr) then
    errors.raise {status = 403, code = "no_api_key",
      message = "a server that others can reach needs an API key: set LULL_API_KEY"}
  elseif not LOCAL_HOSTS[host_of(headers.host) or "localhost"] then
    errors.raise {status = 403, message = "this server is for this machine; the host is not",
      code = "foreign_host"}
  end
end

-- Other pages' scripts may ask where the configuration lists them.
local function check_origin(config, origin)
  if not origin then
    return
  end
  local host = origin:match "^https?://(.+)$"
  if host and host == ngx.var.http_host then
    return
  end
  for _, allowed in ipairs(config.origins) do
    if allowed == origin or allowed == "*" then
      ngx.header.access_control_allow_origin = origin
      ngx.header.vary = "Origin"
      return
    end
  end
  errors.raise {status = 403, message = "pages of " .. origin:sub(1, 100) .. " may not ask here",
    code = "foreign_origin"}
end

--- Raise unless this request may be answered.
-- @param config {api_key, origins}
-- @param is_open true for what needs no key
function access.check(config, is_open)
  local headers = {host = ngx.var.http_host, origin = ngx.var.http_origin}
  check_origin(config, headers.origin)
  if not config.api_key then
    check_local(headers)
  elseif not is_open then
    check_key(config.api_key)
  end
end

--- Answer a browser that asks whether it may ask.
function access.preflight()
  ngx.header.access_control_allow_methods = "GET, POST"
  ngx.header.access_control_allow_headers = "Authorization, Content-Type"
  ngx.header.access_control_max_age = 600
  ngx.status = 204
end

return access
