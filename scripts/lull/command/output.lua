--- A file that a subcommand writes: whole or absent, and not over another unless asked.
-- @module lull.command.output
local core = require "lull.core"
local console = require "lull.command.console"

local output = {}

local function is(test, path)
  return console.succeeds("test " .. test .. " " .. console.shell_word(path))
end

--- Fail where a file cannot be written, before there is work to lose. "-" is standard output.
-- @param force whether to replace what is there
function output.check(path, force)
  if path == "-" then
    return
  elseif path == "" or path:find("%z") then
    console.fail(console.USAGE, "the output needs a name")
  elseif is("-e", path) and not is("-f", path) then
    console.fail(console.FAILED, path .. ": exists and is not a regular file")
  elseif is("-e", path) and not force then
    console.fail(console.FAILED, path .. ": exists already\n--force replaces it.")
  end
end

-- A name in the same folder that nobody has.
local function temporary(path)
  local moment = string.format("%.9f %s", core.clock and core.clock() or os.clock(), tostring {})
  return path .. "." .. core.hash(moment):sub(-8) .. ".part"
end

--- Write it beside its name and rename it, or fail and leave nothing.
function output.write(path, text, force)
  if path == "-" then
    console.out(text)
    return
  end
  output.check(path, force)
  local part = temporary(path)
  local function give_up(message)
    os.remove(part)
    console.fail(console.ENVIRONMENT, "cannot write " .. path .. ": "
      .. tostring(message):gsub("^.*%.part: ", ""))
  end
  local file, message = io.open(part, "wb")
  if not file then
    give_up(message)
  end
  -- Lua closes a file without an error where the last flush had one: flush says it.
  local ok
  ok, message = file:write(text)
  if ok then
    ok, message = file:flush()
  end
  file:close()
  if not ok then
    give_up(message)
  end
  ok, message = os.rename(part, path)
  if not ok then
    give_up(message)
  end
end

return output
