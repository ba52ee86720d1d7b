--- A record of lull.explore as a page to look at: one file that needs nothing else.
-- @module lull.command.explore.page
local json = require "lull.command.explore.json"
local utf8 = require "lull.utf8"
local template = require "lull.command.explore.template"

local page = {}

local ENTITIES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;"}

local function escaped(text)
  return (utf8.valid(text):gsub('[&<>"]', ENTITIES))
end

-- JSON that may stand in a script element: nothing in it ends one or begins a comment.
local function in_script(text)
  return (text:gsub("<", "\\u003c"))
end

--- The page.
-- @param name what the model is called
function page.of(record, name)
  return table.concat {
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n', template.HEAD,
    "<title>", escaped(name), ": a text by its tokens</title>\n<style>\n", template.STYLE,
    "</style>\n</head>\n<body>\n", template.BODY,
    '<script type="application/json" id="data">', in_script(json.record(record, name)),
    "</script>\n<script>\n", template.SCRIPT, "</script>\n</body>\n</html>\n",
  }
end

return page
