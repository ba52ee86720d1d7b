--- Files: are they there, and writing them so that they are whole or absent.
-- @module lull.files
local core = require "lull.core"

local files = {}

--- Can a file be read?
function files.exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

-- A name in the same folder that nobody has.
local function temporary(path)
  local moment = string.format("%.9f %s", core.clock and core.clock() or os.clock(), tostring {})
  return path .. "." .. core.hash(moment):sub(-8) .. ".part"
end

--- Write a file beside its name and rename it: what was there stays until all is written.
-- @return true; or nil, message, "EIO", and nothing is left
function files.write_whole(path, text)
  local part = temporary(path)
  local file, message = io.open(part, "wb")
  local ok = file
  -- Lua closes a file without an error where the last flush had one: flush says it.
  if ok then
    ok, message = file:write(text)
  end
  if ok then
    ok, message = file:flush()
  end
  if file then
    file:close()
  end
  if ok then
    ok, message = os.rename(part, path)
  end
  if not ok then
    os.remove(part)
    return nil, "cannot write " .. path .. ": " .. tostring(message):gsub("^.*%.part: ", ""), "EIO"
  end
  return true
end

return files
