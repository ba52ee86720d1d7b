--- A connection to a Redis server that comes back.
--
-- lua-redis speaks the protocol. It is of 2014 and knows no command of streams, but makes functions
-- for commands that it does not know: redis.command("XADD"). Strings of any bytes pass, and a read
-- that blocks is a reply that comes late, so nothing of our own is needed. It raises what goes
-- wrong, which is returned here; and after an error in the middle of a reply (of EXEC) the rest of
-- that reply is still to be read, so that connection is given up for a new one.
--
-- Where the server is away, calls fail with EIO at once and a new connection is tried now and then:
-- whoever tells stories meanwhile can go on with that.
-- @module lull.fleet.link
local core = require "lull.core"
local address = require "lull.fleet.address"

local link = {}

local unpack = table.unpack or unpack -- luacheck: ignore 143

local TIMEOUT = 10              -- seconds for one reply; longer than any call blocks
local CONNECT_TIMEOUT = 3
local FIRST_PAUSE, LONGEST_PAUSE = 0.1, 10 -- seconds between two attempts to connect
local OLDEST = {6, 2}           -- XAUTOCLAIM, and XTRIM MINID

-- Errors of a server that will be able to answer later.
local LATER = {
  LOADING = true, BUSY = true, MASTERDOWN = true, TRYAGAIN = true, CLUSTERDOWN = true, OOM = true,
  MISCONF = true, READONLY = true,
}

-- What to say and which code, for errors that stay.
local LASTING = {
  WRONGPASS = {"the password, or the user, is wrong", "EINVAL"},
  NOAUTH = {"the server wants a password: redis://:PASSWORD@HOST", "EINVAL"},
  NOPERM = {"the user has no right to this", "EINVAL"},
  WRONGTYPE = {"a key of this name is there already and is none of lull's", "ESTATE"},
}

local Link = {}
Link.__index = Link

-- The library, or nil and what is missing.
local function library()
  for _, needed in ipairs {{"socket", "lua-socket", "luasocket"}, {"redis", "lua-redis",
      "redis-lua"}} do
    local ok, problem = pcall(require, needed[1])
    if not ok then
      if not tostring(problem):find("module '" .. needed[1], 1, true) then
        error(problem, 0)
      end
      return nil, "the Lua module '" .. needed[1] .. "' is missing, which a queue needs\n"
        .. "Install it: apt-get install " .. needed[2] .. ", or: luarocks install " .. needed[3],
        "EUNSUPPORTED"
    end
  end
  return require "redis"
end

-------------------------------------------------------------------------------- one connection

-- What an error of the server says: message and code.
local function explain(said)
  local word = said:match("^%u+") or ""
  if word == "NOGROUP" or said:find("^ERR no such key") then
    return "the server has forgotten the queue", "EIO"
  elseif LATER[word] then
    return said, "EIO"
  elseif LASTING[word] then
    return LASTING[word][1] .. " (" .. said .. ")", LASTING[word][2]
  elseif said:find("without any password", 1, true) then
    return "the server has no password, and one is given (" .. said .. ")", "EINVAL"
  end
  return said, "ESTATE"
end

function Link:sender(name)
  local sender = self.senders[name]
  if not sender then
    sender = self.redis.command(name)
    self.senders[name] = sender
  end
  return sender
end

-- Send a command, a list of strings, on the connection that there is.
function Link:send(command)
  local ok, reply = pcall(self:sender(command[1]), self.client, {unpack(command, 2)})
  if ok and reply == nil then
    return false
  elseif ok then
    return reply
  end
  local said = tostring(reply):match("redis error: (.*)$")
  local message, code
  if said then
    message, code = explain(said)
  else
    message, code = tostring(reply):gsub("^.-:%d+: ", ""), "EIO"
  end
  if code == "EIO" then
    self:drop()
  end
  return nil, message, code
end

-- Is the server one that can do all that is asked of it?
function Link:check_version()
  local info, message, code = self:send {"INFO", "server"}
  if info == nil then
    return nil, message, code
  end
  local version = info:match("redis_version:([%d.]+)")
  local major, minor = (version or ""):match("^(%d+)%.(%d+)")
  major, minor = tonumber(major), tonumber(minor)
  if major and (major < OLDEST[1] or (major == OLDEST[1] and minor < OLDEST[2])) then
    self:drop()
    return nil, "the server is Redis " .. version .. ", and 6.2 or later is needed",
      "EUNSUPPORTED"
  end
  return true
end

function Link:greet()
  local to = self.address
  local ok, message, code = true, nil, nil
  if to.password then
    ok, message, code = self:send {"AUTH", to.user or to.password, to.user and to.password}
  end
  if ok and to.database ~= "0" then
    ok, message, code = self:send {"SELECT", to.database}
  end
  if not ok then
    return nil, message, code
  end
  return self:check_version()
end

-- true, or nil, message, code.
function Link:connect()
  local to = self.address
  local ok, client = pcall(self.redis.connect,
    {host = to.host, port = to.port, timeout = CONNECT_TIMEOUT})
  if not ok then
    local reason = tostring(client):match("%[(.-)%]$") or tostring(client)
    return nil, "cannot reach the server: " .. reason, "EIO"
  end
  self.client = client
  client.network.socket:settimeout(TIMEOUT, "t")
  return self:greet()
end

-- Give the connection up; the next call makes another one.
function Link:drop()
  if self.client then
    self.client.network.socket:close()
    self.client = nil
  end
end

-------------------------------------------------------------------------------- coming back

-- Is there a connection? Tries for one where it is time to. true, or nil, message, code.
function Link:ready()
  if self.client then
    return true
  elseif core.clock() < self.next_try then
    return nil, self.lost, "EIO"
  end
  local ok, message, code = self:connect()
  if not ok then
    self:drop()
    self:note_loss(message, code)
    return nil, message, code
  end
  if self.lost then
    self.note("the server is there again")
  end
  self.lost, self.pause = nil, FIRST_PAUSE
  self.generation = self.generation + 1
  return true
end

-- A call failed because the server is away: say so once, and wait longer each time.
function Link:note_loss(message, code)
  if code ~= "EIO" then
    return
  elseif not self.lost then
    self.note(self.address.shown .. ": " .. message .. "; trying again")
  end
  self.lost = message
  self.next_try = core.clock() + self.pause
  self.pause = math.min(self.pause * 2, LONGEST_PAUSE)
end

--- Have a command done.
-- @param command a list of strings: its name and its arguments
-- @return the reply, false where it is nil; or nil, message, code: EIO where it may be tried again
function Link:call(command)
  local ok, message, code = self:ready()
  if not ok then
    return nil, message, code
  end
  local reply
  reply, message, code = self:send(command)
  if reply == nil then
    self:note_loss(message, code)
    if code ~= "EIO" then
      message = self.address.shown .. ": " .. message
    end
  end
  return reply, message, code
end

--- Call several commands as one: all of them happen or none.
-- @param list of commands
-- @return the list of replies; or nil, message, code. With EIO they may have happened or not
function Link:all(list)
  local reply, message, code = self:call {"MULTI"}
  for i = 1, #list do
    if reply ~= nil then
      reply, message, code = self:call(list[i])
    end
  end
  if reply ~= nil then
    reply, message, code = self:call {"EXEC"}
  end
  if reply == nil then
    self:drop()
  end
  return reply, message, code
end

--- Wait a while without a call.
function Link:sleep(seconds)
  self.socket.sleep(seconds)
end

--- End the connection. May be called again.
function Link:close()
  self:drop()
end

--- Connect to a server.
-- @param url as lull.fleet.address has it
-- @param note function(text), told when the server goes away and comes back; or nil
-- @return link; or nil, message, code: EIO unreachable, EINVAL a wrong address or password,
--   EUNSUPPORTED a server too old, or a library is missing
function link.open(url, note)
  local to, message, code = address.parse(url)
  if not to then
    return nil, message, code
  end
  local redis
  redis, message, code = library()
  if not redis then
    return nil, message, code
  end
  local self = setmetatable({
    address = to, redis = redis, socket = require "socket", senders = {},
    note = note or function() end,
    generation = 0,    -- which connection this is: with a new one the server may have forgotten all
    next_try = 0, pause = FIRST_PAUSE,
  }, Link)
  local ok
  ok, message, code = self:connect()
  if not ok then
    self:drop()
    return nil, to.shown .. ": " .. message, code
  end
  self.generation = 1
  return self
end

return link
