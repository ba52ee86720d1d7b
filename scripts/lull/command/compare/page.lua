--- A result of lull.evaluate.compare as a page to look at.
-- @module lull.command.compare.page
local page = require "lull.command.page"
local records = require "lull.command.compare.json"
local template = require "lull.command.compare.template"

local compare_page = {}

--- The page.
function compare_page.of(result)
  local names = {}
  for i, model in ipairs(result.models) do
    names[i] = model.name
  end
  return page.of {
    title = table.concat(names, ", ") .. ": what is better", data = records.encode(result),
    style = template.STYLE, body = template.BODY, script = template.SCRIPT,
  }
end

return compare_page
