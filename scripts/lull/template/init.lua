--- Templates in Jinja's language: the ones that models ship for their chats, and your own.
--
--     local template = require "lull.template"
--     local greet = template.compile "{% for n in names %}Hello {{ n | title }}!\n{% endfor %}"
--     print(greet:render {names = {"lily", "tom"}})
--
-- The language is jinja2's as Hugging Face's apply_chat_template sets it up: trim_blocks and
-- lstrip_blocks are on, lists and dicts cannot be changed, there are `tojson`, `raise_exception`,
-- `strftime_now`, `break` and `continue`, and `{% generation %}` passes its text through. Values
-- behave as Python's do: `True` prints "True", 1.0 prints "1.0", an undefined name prints nothing
-- and is false, text is measured in code points. Other than there, ints end at 2^53 - 1, nothing is
-- escaped for HTML, and a template stands alone (no include, import, extends or block).
--
-- A template is data from a file: what is wrong with it comes back as `nil, message, code` with
-- "name:line:column: " before the message. It is never compiled to Lua, and what it may use up is
-- limited, so a hostile one cannot hang the host.
-- @module lull.template
local convert = require "lull.template.convert"
local fault = require "lull.template.fault"
local functions = require "lull.template.functions"
local json = require "lull.template.json"
local lexer = require "lull.template.lexer"
local options = require "lull.options"
local runner = require "lull.template.runner"
local statements = require "lull.template.statements"
local values = require "lull.template.values"

local template = {
  --- ordered{{"key", value}, ...}: a dict that keeps its order; keys of a plain table are sorted.
  ordered = convert.ordered,
  --- float(x): 1.0 where Lua's 1 is an int.
  float = convert.float,
  --- None. cjson.null is taken for it too.
  null = values.none,
}

local RULES = {
  name = {type = "string", default = "template"},
  globals = {type = "table"},
  trim_blocks = {type = "boolean", default = true},
  lstrip_blocks = {type = "boolean", default = true},
  keep_trailing_newline = {type = "boolean", default = false},
  clock = {test = function(value) return type(value) == "function" end, text = "a function",
    default = os.time},
  max_bytes = {type = "integer", min = 1, max = 2 ^ 40, default = 2 ^ 22},
  max_steps = {type = "integer", min = 1, default = 5e6},
  max_depth = {type = "integer", min = 1, max = 1000, default = 1000},
}

local Template = {__name = "lull.template"}
Template.__index = Template

function Template:__tostring()
  return "lull.template (" .. self.name .. ", " .. #self.source .. " bytes)"
end

-- name:line:column of a byte of the source; columns count characters.
local function place(self, at)
  local before = self.source:sub(1, math.min(at, #self.source + 1) - 1)
  local _, line_breaks = before:gsub("\n", "")
  local line = before:match("[^\n]*$")
  local _, column = line:gsub("[^\128-\191]", "")
  return self.name .. ":" .. line_breaks + 1 .. ":" .. column + 1 .. ": "
end

-- What protect caught: a fault becomes nil, message, code; an error of the program goes on.
local function give_up(self, problem, at)
  if not fault.is(problem) then
    error(problem, 0)
  end
  return nil, place(self, problem.at or at or 1) .. problem.message, problem.code
end

local function parse(self)
  if not self.tree then
    local ok, result = fault.protect(statements.parse, self.source, self.options)
    if not ok then
      return give_up(self, result)
    end
    self.tree = result
  end
  return true
end

--- A variable from JSON, such as the description of a tool: unlike a Lua table it keeps the order
-- of keys, and knows {} from [] and 1.0 from 1.
-- @param source the text
-- @return the value, or nil, message, "EFORMAT"
function template.json(source)
  options.argument("json", 1, source, {type = "string"})
  local ok, result = fault.protect(json.read, source)
  if ok then
    return convert.own(result)
  elseif not fault.is(result) then
    error(result, 0)
  end
  return nil, result.message, result.code
end

--- A template from its text. It is parsed when it is first rendered, or by `check`: a model
-- whose template has an odd tag loads all the same.
-- @param source the text
-- @param given name: for messages ("template"); globals: variables of all renderings, where Lua
-- functions can be called; trim_blocks, lstrip_blocks (true), keep_trailing_newline (false): as
-- in jinja2; clock: what os.time gives, for strftime_now; and the limits max_bytes of the
-- output or any text (4 MB), max_steps (5 million) and max_depth of nesting (1000)
-- @return a template
function template.compile(source, given)
  options.argument("compile", 1, source, {type = "string"})
  local checked = options.check("compile", given, RULES)
  local globals = {}
  for name, value in pairs(checked.globals or {}) do
    if type(name) ~= "string" then
      error("bad option 'globals' to 'compile' (names are strings, got " .. options.show(name)
        .. ")", 2)
    end
    globals[name] = convert.from_lua(value, name)
  end
  for name, value in pairs(functions) do
    if globals[name] == nil and type(value) == "table" then
      globals[name] = value
    end
  end
  return setmetatable({
    name = checked.name, options = checked, globals = globals,
    source = lexer.normalise(source, checked.keep_trailing_newline),
  }, Template)
end

--- Parse now.
-- @return true, or nil, message, code
function Template:check()
  return parse(self)
end

--- The text for these variables. Functions among them are called with Lua values and may yield.
-- @param vars a table of names to strings, numbers, booleans, lists, maps and functions; or what
-- template.json made of an object
-- @return the text, or nil, message, code: what raise_exception said, a mistake in the template
-- ("EFORMAT"), or a limit ("ELIMIT")
-- @raise when a variable is something that a template cannot hold
function Template:render(vars)
  options.argument("render", 1, vars or {}, {type = "table"})
  local converted = convert.variables(vars or {})
  local parsed, message, code = parse(self)
  if not parsed then
    return nil, message, code
  end
  local rt = fault.budget {
    steps = self.options.max_steps, bytes = self.options.max_bytes,
    depth = self.options.max_depth,
  }
  rt.globals, rt.clock = self.globals, self.options.clock
  local ok, result = fault.protect(runner.render, rt, self.tree, converted)
  if not ok then
    return give_up(self, result, rt.at)
  end
  return result
end

--- Compile and render at once.
-- @param given the options of compile
-- @return as of render
function template.render(source, vars, given)
  return template.compile(source, given):render(vars)
end

return template
