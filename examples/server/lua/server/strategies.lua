--- Strategies by name, from a folder of the server's own.
--
-- Each file NAME.lua of it returns a function(model) that returns options of generate: {sampler =},
-- {ban_phrases =}, {constraint =}, ... It is loaded when the server starts and called for each
-- text, so that state is a text's own. A request names one and brings no code and no path.
-- @module server.strategies
local errors = require "server.errors"
local lfs = require "lfs"

local strategies = {}

local Strategies = {}
Strategies.__index = Strategies

--- Load all of a folder.
-- @param folder its path, or nil for none
-- @return the strategies, or nil and what is wrong
function strategies.load(folder)
  local self = setmetatable({by_name = {}, names = {}}, Strategies)
  if not folder then
    return self
  end
  for file in lfs.dir(folder) do
    local name = file:match "^([%w_-]+)%.lua$"
    if name then
      local chunk, message = loadfile(folder .. "/" .. file)
      if not chunk then
        return nil, message
      end
      local make = chunk()
      if type(make) ~= "function" then
        return nil, folder .. "/" .. file .. " returns no function"
      end
      self.by_name[name] = make
      self.names[#self.names + 1] = name
    end
  end
  table.sort(self.names)
  return self
end

--- The options that a strategy means for a model.
function Strategies:find(name, model)
  local make = self.by_name[name]
  if not make then
    errors.bad("no strategy is called '" .. name:sub(1, 60) .. "' (there are: "
      .. table.concat(self.names, ", ") .. ")", "strategy", "unknown_strategy")
  end
  return make(model)
end

return strategies
