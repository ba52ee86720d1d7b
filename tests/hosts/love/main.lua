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

local frames, worst = {idle = 0, telling = 0}, {idle = 0, telling = 0}

local function wait(what)
  local dt = coroutine.yield()
  frames[what] = frames[what] + 1
  worst[what] = math.max(worst[what], dt)
end

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
  for _ = 1, IDLE_FRAMES do wait "idle" end
  for _ = 1, 8 do
    start_over()
    repeat wait "telling" until not busy
  end
  write("told", shown)
  local text = "a frame takes at most %.1f ms while stories are told, %.1f ms otherwise (%d, %d)"
  write("measured",
    text:format(worst.telling * 1000, worst.idle * 1000, frames.telling, frames.idle))
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
