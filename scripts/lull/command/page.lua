--- Pages to look at: one file that needs nothing else, light or dark as the reader's screen is.
--
-- A page has its data as JSON, and its script builds all that is shown from that, as text nodes: no
-- piece of a text is ever read as HTML. Here is what all pages share; what one is about comes from
-- its own module.
-- @module lull.command.page
local utf8 = require "lull.utf8"

local page = {}

local ENTITIES = {["&"] = "&amp;", ["<"] = "&lt;", [">"] = "&gt;", ['"'] = "&quot;"}

local function escaped(text)
  return (utf8.valid(text):gsub('[&<>"]', ENTITIES))
end

-- JSON that may stand in a script element: nothing in it ends one or begins a comment.
local function in_script(text)
  return (text:gsub("<", "\\u003c"))
end

-- Nothing is loaded from anywhere, and what is here may not send anything either.
local HEAD = [[
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
]]

local STYLE = [[
:root {
  --paper: #fffefb; --ink: #1d1c1a; --faint: #6a675f; --line: #dcd8cf; --panel: #f5f3ec;
  --hot: 226 84 44; --cool: 40 110 200; --hot-ink: #b83a12; --cool-ink: #1f5fb0;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #16171a; --ink: #ecebe8; --faint: #a3a19b; --line: #3a3b40; --panel: #202226;
    --hot: 216 84 44; --cool: 80 136 226; --hot-ink: #f08a64; --cool-ink: #7fb0f5;
  }
}
* { box-sizing: border-box; }
body {
  margin: 0; padding: 1rem clamp(.75rem, 3vw, 2.5rem); background: var(--paper);
  color: var(--ink); font: 16px/1.5 system-ui, sans-serif;
}
h1 { font-size: 1.15rem; margin: 0; }
#facts { color: var(--faint); font-size: .85rem; margin: .2rem 0 1rem; overflow-wrap: anywhere; }
svg { display: block; }
svg text { font: 12px system-ui, sans-serif; fill: var(--faint); }
svg text.name { fill: var(--ink); }
.grid { stroke: var(--line); }
.hint { color: var(--faint); font-size: .8rem; }
]]

local BODY = [[
<noscript>This page shows its contents with a script, which does not run here.</noscript>
]]

local SCRIPT = [[
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const byId = id => document.getElementById(id);

// An element of a name, with attributes and children; strings become text nodes.
function make(space, name, attributes, children) {
  const element = document.createElementNS(space, name);
  for (const key in attributes) element.setAttribute(key, attributes[key]);
  element.append(...children);
  return element;
}
const html = (name, attributes, ...children) =>
  make('http://www.w3.org/1999/xhtml', name, attributes, children);
const svg = (name, attributes, ...children) =>
  make('http://www.w3.org/2000/svg', name, attributes, children);

const count = n => String(n).replace(/\B(?=(\d{3})+$)/g, ',');

// Characters that are not seen or turn the direction of writing, as \u{..}.
const UNSEEN = /[\0-\x08\x0b-\x1f\x7f-\x9f\xad\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]/g;
const seen = text => text.replace(UNSEEN, c => `\\u{${c.charCodeAt(0).toString(16)}}`);

]]

--- A page.
-- @param given {title = of the window, data = JSON, style =, body =, script = of the page's own}.
--   The script finds the data as `data`, and has `byId(id)`, `html(name, attributes, ...children)`,
--   `svg(...)`, `count(n)`: thousands set apart, and `seen(text)`: nothing in it invisible
function page.of(given)
  return table.concat {
    '<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n', HEAD,
    "<title>", escaped(given.title), "</title>\n<style>\n", STYLE, given.style,
    "</style>\n</head>\n<body>\n", given.body, BODY,
    '<script type="application/json" id="data">', in_script(given.data),
    "</script>\n<script>\n", SCRIPT, given.script, "</script>\n</body>\n</html>\n",
  }
end

return page
