-- Plays examples/hosts/love (here as story.lua): waits, presses Return, waits for the end, presses
-- Return and Escape. Writes to the folder $WORK: told, stopped, measured.
require "story"

local work = os.getenv "WORK"
local IDLE_FRAMES = 120
local OPENING = "Once upon a time"

-- What is on the screen, by what is drawn: the told part is the second of two colours.
local shown, busy = "", false
local printf = love.graphics.printf
function love.graphics.printf(text, ...)
  if type(text) == "table" then
    shown = text[4]
  else
    busy = text == "Esc: stop"
  end
  return printf(text, ...)
end

local function write(name, text)
  local file = assert(io.open(work .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

local delays = dofile "tests/support/delays.lua"
local add_idle, idle = delays()
local add_telling, telling = delays()

-- From the opening again.
local function start_over()
  for _ = 1, #OPENING + #shown do
    love.keypressed "backspace"
  end
  love.textinput(OPENING)
  love.keypressed "return"
end

local play = coroutine.wrap(function()
  coroutine.yield() -- the first frames set things up
  coroutine.yield()
  for _ = 1, IDLE_FRAMES do add_idle(coroutine.yield() * 1000) end
  for _ = 1, 8 do
    start_over()
    repeat add_telling(coroutine.yield() * 1000) until not busy
  end
  write("told", shown)
  write("measured", "a frame takes " .. telling() .. " while stories are told, " .. idle()
    .. " otherwise")
  start_over()
  repeat coroutine.yield() until #shown > 20
  love.keypressed "escape"
  repeat coroutine.yield() until not busy
  write("stopped", shown)
  love.event.quit(0)
end)

local update = love.update
function love.update(dt)
  update(dt)
  play(dt)
end
