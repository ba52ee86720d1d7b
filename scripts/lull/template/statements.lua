--- The statements of a template: what stands in {% %}.
-- @module lull.template.statements
local Parser = require "lull.template.parser"
local fault = require "lull.template.fault"

local statements = {}

-- Names of tags to methods that parse what follows the name.
local TAGS = {}

-- Parse up to a tag that is one of `ends` (a set), which becomes the current token; nil: the end
-- of the template.
function Parser:body(ends, opened)
  local body = {}
  while not self:at("eof") do
    local token = self:take()
    if token.type == "data" then
      body[#body + 1] = {type = "data", at = token.at, text = token.value}
    elseif token.type == "variable_begin" then
      local at = self:current().at
      body[#body + 1] = {type = "print", at = at, value = self:tuple()}
      self:expect("variable_end")
    else
      if ends and self:at("name") and ends[self:current().value] then
        return body
      end
      body[#body + 1] = self:statement()
      self:expect("block_end")
    end
  end
  if ends then
    fault.raise("'" .. opened.value .. "' is not closed", opened.at)
  end
  return body
end

--- A whole template.
function Parser:template()
  return self:body(nil, nil)
end

function Parser:statement()
  local token = self:expect("name")
  local parse = TAGS[token.value]
  if not parse then
    fault.raise("unknown tag '" .. token.value .. "'", token.at)
  end
  self:enter()
  local node = parse(self, token)
  self:leave()
  node.at = token.at
  return node
end

-- The body of a statement from the end of its tag; the tag that ends it is taken up to its name.
function Parser:block(opened, ...)
  local ends = {}
  for _, name in ipairs {...} do
    ends[name] = true
  end
  self:skip(":")
  self:expect("block_end")
  local body = self:body(ends, opened)
  return body, self:take().value
end

-- A body that loops outside do not reach into, and the names it reads.
function Parser:closed_block(opened, ends)
  local loops, used = self.loops, self.used
  self.loops, self.used = 0, {}
  local body = self:block(opened, ends)
  local inside = self.used
  self.loops, self.used = loops, used
  for name in pairs(inside) do
    used[name] = true
  end
  return body, inside
end

-------------------------------------------------------------------------------- targets

local function check_target(node)
  if node.type == "tuple" then
    for _, item in ipairs(node) do
      check_target(item)
    end
  elseif node.type ~= "name" and node.type ~= "namespace" then
    fault.raise("cannot assign to this (" .. node.type .. ")", node.at)
  end
  return node
end

function Parser:target(before, namespaced)
  return check_target(self:tuple {simple = true, before = before, namespaced = namespaced})
end

function Parser:target_name()
  local token = self:current()
  if not self:at("name") then
    self:expect("name") -- says what was expected
  end
  return check_target(self:primary()).name, token
end

-- (a, b=1) of a macro or a call block.
function Parser:parameters(node)
  node.parameters, node.defaults = {}, {}
  local names, defaults = node.parameters, node.defaults
  self:expect("(")
  while not self:at(")") do
    if #names > 0 then
      self:expect(",")
    end
    local name, token = self:target_name()
    names[#names + 1] = name
    if self:skip("=") then
      defaults[#names] = self:expression()
    elseif next(defaults) then
      fault.raise("a parameter without a default after one with it", token.at)
    end
  end
  self:expect(")")
end

-------------------------------------------------------------------------------- tags

TAGS["if"] = function(self, opened)
  local node = {type = "if", tests = {}, bodies = {}}
  local stop
  repeat
    node.tests[#node.tests + 1] = self:tuple {conditional = false}
    node.bodies[#node.bodies + 1], stop = self:block(opened, "elif", "else", "endif")
  until stop ~= "elif"
  if stop == "else" then
    node.otherwise = self:block(opened, "endif")
  end
  return node
end

TAGS["for"] = function(self, opened)
  local node = {type = "for", target = self:target("in")}
  self:expect("name", "in")
  node.iterable = self:tuple {conditional = false, before = "recursive"}
  if self:skip("name", "if") then
    node.test = self:expression()
  end
  node.recursive = self:skip("name", "recursive") and true or false
  self.loops = self.loops + 1
  local stop
  node.body, stop = self:block(opened, "endfor", "else")
  self.loops = self.loops - 1
  if stop == "else" then
    node.otherwise = self:block(opened, "endfor")
  end
  return node
end

local function loop_control(self, opened)
  if self.loops == 0 then
    fault.raise("'" .. opened.value .. "' outside of a loop", opened.at)
  end
  return {type = opened.value}
end

TAGS["break"], TAGS["continue"] = loop_control, loop_control

-- Filters whose operand is the text of a block.
function Parser:block_filters()
  local node = {type = "text", at = self:current().at}
  while self:at("|") do
    node = self:filter(node)
  end
  return node
end

TAGS["set"] = function(self, opened)
  local target = self:target(nil, true)
  if self:skip("=") then
    return {type = "set", target = target, value = self:tuple()}
  end
  return {type = "set_block", target = target, filters = self:block_filters(),
    body = (self:block(opened, "endset"))}
end

TAGS["filter"] = function(self, opened)
  local node = self:filter {type = "text", at = self:current().at}
  while self:at("|") do
    node = self:filter(node)
  end
  return {type = "set_block", filters = node, body = (self:block(opened, "endfilter"))}
end

TAGS["with"] = function(self, opened)
  local node = {type = "with", targets = {}, values = {}}
  while not self:at("block_end") do
    if #node.targets > 0 then
      self:expect(",")
    end
    node.targets[#node.targets + 1] = self:target()
    self:expect("=")
    node.values[#node.values + 1] = self:expression()
  end
  node.body = self:block(opened, "endwith")
  return node
end

TAGS["macro"] = function(self, opened)
  local node = {type = "macro", name = self:target_name()}
  self:parameters(node)
  node.body, node.used = self:closed_block(opened, "endmacro")
  return node
end

TAGS["call"] = function(self, opened)
  local node = {type = "call_block", parameters = {}, defaults = {}}
  if self:at("(") then
    self:parameters(node)
  end
  node.call = self:expression()
  if node.call.type ~= "call" then
    fault.raise("expected a call", node.call.at)
  end
  node.body, node.used = self:closed_block(opened, "endcall")
  return node
end

TAGS["print"] = function(self)
  local node = {type = "prints"}
  while not self:at("block_end") do
    if #node > 0 then
      self:expect(",")
    end
    node[#node + 1] = self:expression()
  end
  return node
end

-- What trainers mark as the assistant's; the text passes through.
TAGS["generation"] = function(self, opened)
  return {type = "scope", body = (self:closed_block(opened, "endgeneration"))}
end

for name in ("block extends include import from autoescape do trans"):gmatch("%S+") do
  TAGS[name] = function(_, opened)
    fault.raise("the tag '" .. name .. "' is not supported: a template stands alone", opened.at)
  end
end

--- Parse a source that lexer.normalise has prepared.
-- @param options of lexer.tokens
function statements.parse(source, options)
  return Parser.new(source, options):template()
end

return statements
