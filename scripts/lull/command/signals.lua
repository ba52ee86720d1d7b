--- What Ctrl-C and the like mean to a command that tells many stories: the first Ctrl-C lets those
-- that run end, anything more drops them.
-- @module lull.command.signals
local console = require "lull.command.console"
local lull = require "lull"

local signals = {}

local STATUS = {INT = console.INTERRUPTED, TERM = 143, HUP = 129}

--- Watch from now on.
-- @return {poll = function() -> nil, "finish" or "drop", status = function() -> the exit code that
--   a signal asks for, or nil, close = function()}
function signals.watch()
  local watch, first, wish = lull.core.signals(), nil, nil
  local function poll()
    local name = watch:poll()
    if name then
      first = first or name
      if name == "INT" and not wish then
        wish = "finish"
        console.note("the running stories end; once more to drop them")
      else
        wish = "drop"
      end
    end
    return wish
  end
  return {
    poll = poll, status = function() return STATUS[first] end,
    close = function() watch:close() end,
  }
end

return signals
