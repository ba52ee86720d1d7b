--- A record of lull.explore as a page to look at.
-- @module lull.command.explore.page
local json = require "lull.command.explore.json"
local page = require "lull.command.page"
local template = require "lull.command.explore.template"

local explore_page = {}

--- The page.
-- @param name what the model is called
function explore_page.of(record, name)
  return page.of {
    title = name .. ": a text by its tokens", data = json.record(record, name),
    style = template.STYLE, body = template.BODY, script = template.SCRIPT,
  }
end

return explore_page
