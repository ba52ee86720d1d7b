--- Where a queue is: redis://[USER][:PASSWORD@]HOST[:PORT][/DATABASE].
-- @module lull.fleet.address
local address = {}

local PORT = 6379

local function unescape(text)
  return text and (text:gsub("%%(%x%x)", function(digits)
    return string.char(tonumber(digits, 16))
  end))
end

-- Host and port of "host", "host:port" or "[IPv6 address]:port".
local function host_and_port(text)
  local host, rest = text:match("^%[([%x:.]+)%](.*)$")
  if not host then
    host, rest = text:match("^([^:%[%]]*)(.*)$")
  end
  if not host or host == "" then
    return nil, "a host expected"
  elseif rest == "" then
    return host, PORT
  end
  local port = tonumber(rest:match("^:(%d+)$"))
  if not port or port < 1 or port > 65535 then
    return nil, "a port of 1..65535 expected after the host"
  end
  return host, port
end

--- Take an address apart.
-- @return {host, port, database, user or nil, password or nil, shown = without the password}; or
--   nil, message, "EINVAL"
function address.parse(text)
  local scheme, rest = text:match("^([%a][%w+.-]*)://(.*)$")
  if scheme == "rediss" then
    return nil, "rediss:// needs TLS, which is not spoken here; use a tunnel (ssh, stunnel)",
      "EINVAL"
  elseif scheme ~= "redis" then
    return nil, "redis://HOST[:PORT][/DATABASE] expected", "EINVAL"
  end
  local authority, path = rest:match("^([^/]*)(.*)$")
  local secret, place = authority:match("^(.*)@([^@]*)$")
  local host, port = host_and_port(place or authority)
  local database = path:match("^/?(%d*)$")
  if not host then
    return nil, port, "EINVAL"
  elseif not database then
    return nil, "the number of a database expected after the host, got '" .. path .. "'", "EINVAL"
  end
  local user, password
  if secret then
    user, password = secret:match("^([^:]*):(.*)$")
    if not user then
      return nil, "a password is written redis://:PASSWORD@HOST", "EINVAL"
    end
  end
  database = database == "" and "0" or database
  local shown = host:find(":", 1, true) and "[" .. host .. "]" or host
  return {
    host = host, port = port, database = database,
    user = user ~= "" and unescape(user) or nil, password = unescape(password),
    shown = string.format("redis://%s:%d/%s", shown, port, database),
  }
end

return address
