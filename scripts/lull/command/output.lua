--- A file that a subcommand writes: whole or absent, and not over another unless asked.
-- @module lull.command.output
local console = require "lull.command.console"
local files = require "lull.files"

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

--- Write it beside its name and rename it, or fail and leave nothing.
function output.write(path, text, force)
  if path == "-" then
    console.out(text)
    return
  end
  output.check(path, force)
  console.check(files.write_whole(path, text))
end

return output
