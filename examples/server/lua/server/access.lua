--- Who may ask.
--
-- With a key, whoever has it. Without one only this machine: the server listens on loopback, and a
-- page from elsewhere that a browser of this machine shows is kept out by what the browser says
-- about it (Origin, and Host, which a rebound name gives away).
-- @module server.access
local errors = require "server.errors"

local access = {}

-- Is what stands before the port a name of this machine?
local function is_local(authority)
  local host = authority:lower():gsub(":%d+$", "")
  return host == "localhost" or host == "[::1]" or host:find "^127%.%d+%.%d+%.%d+$" ~= nil
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
  elseif headers.host and not is_local(headers.host) then
    errors.raise {status = 403, message = "this server is for this machine; the host is not",
      code = "foreign_host"}
  end
end

-- Scripts of other pages may ask if these are this machine's, as those of programs that run here,
-- or where the configuration lists them.
local function check_origin(config, origin)
  if not origin then
    return
  end
  local host = origin:match "^https?://(.+)$"
  if host and host == ngx.var.http_host then
    return
  end
  local may = host and is_local(host)
  for _, allowed in ipairs(config.origins) do
    may = may or allowed == origin or allowed == "*"
  end
  if may then
    ngx.header.access_control_allow_origin = origin
    ngx.header.access_control_expose_headers = "Retry-After"
    ngx.header.vary = "Origin"
    return
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

--- Answer a browser that asks whether a page may ask. Clients have headers of their own, which
-- nothing here looks at.
function access.preflight()
  ngx.header.access_control_allow_methods = "GET, POST"
  ngx.header.access_control_allow_headers = ngx.var.http_access_control_request_headers
    or "Authorization, Content-Type"
  ngx.header.access_control_max_age = 600
  ngx.status = 204
end

return access
