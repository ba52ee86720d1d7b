--- The user's own strategies by name: NAME.lua in a folder, which returns a strategy.
-- @module lull.command.strategies
local console = require "lull.command.console"

local strategies = {}

--- Add the option.
function strategies.define(parser)
  parser:option("--strategies", "Folder of strategies: NAME.lua for \"strategy\": NAME.")
    :argname "DIR"
end

--- Names to functions that make strategies; nil where no folder is given. What can be a name is for
-- lull.batch.params to say.
function strategies.of(args)
  local folder = args.strategies
  return folder and setmetatable({}, {__index = function(_, name)
    local chunk, problem = loadfile(folder .. "/" .. name .. ".lua")
    if not chunk and not problem:find("cannot open", 1, true) then
      console.fail(console.FAILED, problem)
    end
    return chunk
  end})
end

--- The same where others have the folder: every name is one.
strategies.anywhere = setmetatable({}, {__index = function()
  return function() return function() end end
end})

return strategies
