-- A window that tells stories: type a beginning, press Return, read along; Escape stops.
--
--     LULL_MODEL=/path/to/lullaby.bin love examples/hosts/love
--
-- A job tells while frames go on: update() lets it go on for at most 4 ms of the frame's 16.
local lull = require "lull"

local MODEL = os.getenv "LULL_MODEL" or "/usr/local/share/lull/models/lullaby.bin"
local TELLING = 0.004 -- seconds of each frame

local model, job, failure
local opening, told = "Once upon a time", ""
local seed = tonumber(os.getenv "LULL_SEED")

local function tell()
  local next_piece, message = model:stream(opening, {seed = seed, max_tokens = 300})
  if not next_piece then
    return nil, message
  end
  local piece, problem, code = next_piece()
  while piece do
    told = told .. piece
    piece, problem, code = next_piece()
  end
  return code ~= "ECANCELED" and problem or nil
end

function love.load()
  model = assert(lull.load(MODEL))
  love.keyboard.setKeyRepeat(true)
end

function love.update()
  if job and job:poll(TELLING) then
    failure = job.result[1]
    job = nil
  end
end

function love.draw()
  local width, height = love.graphics.getDimensions()
  local status = failure or job and "Esc: stop" or "Return: tell on from here"
  love.graphics.clear(0.98, 0.96, 0.9)
  love.graphics.setColor(0.15, 0.12, 0.1)
  love.graphics.printf({{0.15, 0.12, 0.1}, opening, {0.45, 0.2, 0.1}, told}, 24, 24, width - 48)
  love.graphics.printf(status, 24, height - 36, width - 48, "right")
end

function love.textinput(text)
  if not job then
    opening, told = opening .. told .. text, ""
  end
end

function love.keypressed(key)
  if key == "escape" and job then
    job:cancel()
  elseif key == "return" and not job then
    opening, told, failure = opening .. told, "", nil
    job = lull.async.job(tell)
  elseif key == "backspace" and not job then
    opening, told = (opening .. told):gsub("[%z\1-\127\194-\244][\128-\191]*$", "", 1), ""
  end
end
