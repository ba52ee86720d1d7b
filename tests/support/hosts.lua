-- What tests/support/hosts.sh does in Lua.
-- usage: lua5.1 hosts.lua port                        a port that nobody listens on
--        lua5.1 hosts.lua listening PORT              waits until somebody does
--        lua5.1 hosts.lua answer PORT                 answers every request, for ever
--        lua5.1 hosts.lua tell PROMPT SEED TOKENS [STREAM]    what is told here, without the prompt
--        lua5.1 hosts.lua pings PORT PATH FILE        GETs PATH until FILE is there; the times
local actions = {}

function actions.port()
  local server = assert(require("socket").bind("127.0.0.1", 0))
  print((select(2, server:getsockname())))
end

function actions.listening(port)
  local socket = require "socket"
  for _ = 1, 500 do
    if socket.connect("127.0.0.1", port) then
      return
    end
    socket.sleep(0.02)
  end
  error("nobody listens on port " .. port, 0)
end

function actions.answer(port)
  local copas, socket = require "copas", require "socket"
  copas.addserver(assert(socket.bind("127.0.0.1", port)), function(client)
    local line = copas.receive(client)
    while line do
      if line == "" then
        copas.send(client, "HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nyes")
      end
      line = copas.receive(client)
    end
    client:close()
  end)
  copas.loop()
end

function actions.tell(prompt, seed, tokens, stream)
  local model = assert(require("lull").load(os.getenv "LULL_MODEL"))
  local given = {seed = tonumber(seed), max_tokens = tonumber(tokens), stream = tonumber(stream)}
  io.write((assert(model:generate(prompt, given))))
end

-- GETs a path over a connection that is kept as long as the server does.
local function asker(socket, port, path)
  local connection
  local function status()
    connection = connection or assert(socket.connect("127.0.0.1", port))
    connection:setoption("tcp-nodelay", true)
    connection:send("GET " .. path .. " HTTP/1.1\r\nHost: localhost\r\n\r\n")
    return connection:receive("*l")
  end
  return function()
    local line = status()
    if not line then -- closed after the last one
      connection = nil
      line = assert(status())
    end
    assert(line:find(" 200 "), line)
    local length = 0
    repeat
      line = assert(connection:receive("*l"))
      length = tonumber(line:lower():match("^content%-length: (%d+)")) or length
    until line == ""
    assert(connection:receive(length))
  end
end

local function exists(name)
  local file = io.open(name)
  return file and file:close()
end

function actions.pings(port, path, file)
  local socket = require "socket"
  local ask = asker(socket, port, path)
  local add, text = dofile "tests/support/delays.lua" ()
  ask() -- the first one connects
  repeat
    local from = socket.gettime()
    ask()
    add((socket.gettime() - from) * 1000)
    socket.sleep(0.001)
  until exists(file)
  print(text())
end

actions[arg[1]](unpack(arg, 2))
