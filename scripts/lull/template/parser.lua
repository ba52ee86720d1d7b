--- From tokens to a tree, by the grammar of jinja2's parser.py.
--
-- A node is a table with a `type` and `at`, its byte in the source. Expressions are here; the
-- statements of lull.template.statements are added to the same parser.
-- @module lull.template.parser
local fault = require "lull.template.fault"
local lexer = require "lull.template.lexer"
local values = require "lull.template.values"

local MAX_NESTING = 200 -- of expressions and statements

local Parser = {}
Parser.__index = Parser

--- A parser at the first of a source's tokens.
-- @param options of lexer.tokens
function Parser.new(source, options)
  return setmetatable({
    tokens = lexer.tokens(source, options), position = 1, depth = 0, loops = 0,
    used = {}, -- the names that the innermost macro reads
  }, Parser)
end

-------------------------------------------------------------------------------- tokens

function Parser:current()
  return self.tokens[self.position]
end

function Parser:ahead()
  return self.tokens[self.position + 1] or self:current()
end

--- Take the current token.
function Parser:take()
  local token = self.tokens[self.position]
  if token.type ~= "eof" then
    self.position = self.position + 1
  end
  return token
end

--- Is the current token of this type, and if a word is given, this name?
function Parser:at(kind, word)
  local token = self.tokens[self.position]
  return token.type == kind and (word == nil or token.value == word)
end

function Parser:at_word(word)
  return self:at("name", word)
end

--- Take the current token if it is this one.
function Parser:skip(kind, word)
  return self:at(kind, word) and self:take()
end

local DESCRIPTIONS = {
  data = "text", eof = "the end of the template", variable_begin = "'{{'",
  variable_end = "'}}'", block_begin = "'{%'", block_end = "'%}'", name = "a name",
  integer = "an integer", float = "a float", string = "a string",
}

--- A token in words; a type, if it is nameless.
function Parser.describe(token)
  if token.type == "name" and token.value then
    return "'" .. token.value .. "'"
  end
  return DESCRIPTIONS[token.type] or "'" .. token.type .. "'"
end

--- Take the current token, which must be this one.
function Parser:expect(kind, word)
  if not self:at(kind, word) then
    local token = self:current()
    fault.raise("expected " .. Parser.describe {type = kind, value = word} .. ", got "
      .. Parser.describe(token), token.at)
  end
  return self:take()
end

--- One level deeper; `leave` comes up again.
function Parser:enter()
  self.depth = self.depth + 1
  if self.depth > MAX_NESTING then
    fault.raise("nested too deeply", self:current().at, "ELIMIT")
  end
end

function Parser:leave()
  self.depth = self.depth - 1
end

-------------------------------------------------------------------------------- operators

local NOT, COMPARE, SUM, CONCAT = 3, 4, 5, 6
local LEVELS = {
  ["=="] = COMPARE, ["!="] = COMPARE, ["<"] = COMPARE, [">"] = COMPARE, ["<="] = COMPARE,
  [">="] = COMPARE, ["+"] = SUM, ["-"] = SUM, ["~"] = CONCAT,
  ["*"] = 7, ["/"] = 7, ["//"] = 7, ["%"] = 7, ["**"] = 8,
}
local WORD_LEVELS = {["or"] = 1, ["and"] = 2, ["in"] = COMPARE}

-- The binary operator at the current token and how tightly it binds.
function Parser:binary_operator()
  local token = self:current()
  if token.type ~= "name" then
    return token.type, LEVELS[token.type]
  elseif token.value == "not" and self:ahead().type == "name" and self:ahead().value == "in" then
    return "notin", COMPARE
  end
  return token.value, WORD_LEVELS[token.value]
end

-- a < b <= c: the operators and operands after the first.
function Parser:comparison(first, at)
  local node = {type = "compare", at = at, first = first, operators = {}, operands = {}}
  while true do
    local operator, level = self:binary_operator()
    if level ~= COMPARE then
      return node
    end
    self:take()
    if operator == "notin" then
      self:take()
    end
    node.operators[#node.operators + 1] = operator
    node.operands[#node.operands + 1] = self:operation(SUM)
  end
end

function Parser:concatenation(first, at)
  local node = {type = "concat", at = at, first}
  while self:skip("~") do
    node[#node + 1] = self:operation(CONCAT + 1)
  end
  return node
end

--- An expression of operators that bind at least as tightly as `loosest`; all associate to the
-- left.
function Parser:operation(loosest)
  self:enter()
  local at = self:current().at
  local left
  if loosest <= NOT and self:skip("name", "not") then
    left = {type = "not", at = at, operand = self:operation(NOT)}
  else
    left = self:unary(true)
  end
  while true do
    local operator, level = self:binary_operator()
    if not level or level < loosest then
      break
    end
    local place = self:current().at
    if level == COMPARE then
      left = self:comparison(left, place)
    elseif level == CONCAT then
      left = self:concatenation(left, place)
    else
      self:take()
      left = {
        type = (operator == "and" or operator == "or") and operator or "binary",
        at = place, operator = operator, left = left, right = self:operation(level + 1),
      }
    end
  end
  self:leave()
  return left
end

--- An expression; without `conditional` no `a if b else c`.
function Parser:expression(conditional)
  local node = self:operation(1)
  while conditional ~= false and self:at_word("if") do
    local at = self:take().at
    local test = self:operation(1)
    local otherwise
    if self:skip("name", "else") then
      self:enter()
      otherwise = self:expression()
      self:leave()
    end
    node = {type = "condition", at = at, test = test, yes = node, no = otherwise}
  end
  return node
end

function Parser:unary(with_filters)
  local token = self:current()
  local node
  if token.type == "-" or token.type == "+" then
    self:take()
    self:enter()
    node = {type = "unary", at = token.at, operator = token.type, operand = self:unary(false)}
    self:leave()
  else
    node = self:primary()
  end
  node = self:postfix(node)
  while with_filters do
    if self:at("|") then
      node = self:filter(node)
    elseif self:at_word("is") then
      node = self:test(node)
    elseif self:at("(") then
      node = self:call(node)
    else
      break
    end
  end
  return node
end

-------------------------------------------------------------------------------- operands

local CONSTANTS = {
  ["true"] = true, ["True"] = true, ["false"] = false, ["False"] = false,
  none = values.none, None = values.none,
}

--- A literal, a name, or something in brackets. For targets of `set`, a name may have a dot.
function Parser:primary(namespaced)
  local token = self:current()
  local at = token.at
  if token.type == "name" then
    self:take()
    if CONSTANTS[token.value] ~= nil then
      return {type = "const", at = at, value = CONSTANTS[token.value]}
    elseif namespaced and self:skip(".") then
      return {type = "namespace", at = at, name = token.value,
        attribute = self:expect("name").value}
    end
    self.used[token.value] = true
    return {type = "name", at = at, name = token.value}
  elseif token.type == "string" then
    local parts = {}
    while self:at("string") do
      parts[#parts + 1] = self:take().value
    end
    return {type = "const", at = at, value = table.concat(parts)}
  elseif token.type == "integer" or token.type == "float" then
    return {type = "const", at = at, value = self:take().value}
  elseif self:skip("(") then
    local node = self:tuple {parenthesised = true}
    self:expect(")")
    return node
  elseif self:skip("[") then
    return self:sequence("list", at)
  elseif self:skip("{") then
    return self:dict(at)
  end
  fault.raise("unexpected " .. Parser.describe(token), at)
end

-- After the opening bracket: items up to the closing one.
function Parser:sequence(kind, at)
  local node = {type = kind, at = at}
  while not self:at("]") do
    if #node > 0 then
      self:expect(",")
    end
    if self:at("]") then
      break
    end
    node[#node + 1] = self:expression()
  end
  self:expect("]")
  return node
end

function Parser:dict(at)
  local node = {type = "dict", at = at, keys = {}, values = {}}
  while not self:at("}") do
    if #node.keys > 0 then
      self:expect(",")
    end
    if self:at("}") then
      break
    end
    node.keys[#node.keys + 1] = self:expression()
    self:expect(":")
    node.values[#node.values + 1] = self:expression()
  end
  self:expect("}")
  return node
end

--- One expression, or several with commas between, which are a tuple.
-- @param how simple: only names and literals; namespaced: see primary; conditional: see
-- expression; before: a name that ends it; parenthesised: () is a tuple too
function Parser:tuple(how)
  how = how or {}
  local node, is_tuple = {type = "tuple", at = self:current().at}, false
  while true do
    if #node > 0 then
      self:expect(",")
    end
    if self:at("variable_end") or self:at("block_end") or self:at(")")
      or how.before and self:at_word(how.before) then
      break
    end
    if how.simple then
      node[#node + 1] = self:primary(how.namespaced)
    else
      node[#node + 1] = self:expression(how.conditional)
    end
    if not self:at(",") then
      break
    end
    is_tuple = true
  end
  if not is_tuple and node[1] then
    return node[1]
  elseif not is_tuple and not how.parenthesised then
    fault.raise("expected an expression, got " .. Parser.describe(self:current()),
      self:current().at)
  end
  return node
end

-------------------------------------------------------------------------------- what follows

function Parser:postfix(node)
  while true do
    if self:at(".") then
      node = self:attribute(node)
    elseif self:at("[") then
      node = self:subscript(node)
    elseif self:at("(") then
      node = self:call(node)
    else
      return node
    end
  end
end

function Parser:attribute(object)
  local at = self:take().at
  local token = self:take()
  if token.type == "name" then
    return {type = "attribute", at = at, object = object, name = token.value}
  elseif token.type == "integer" then
    return {type = "item", at = at, object = object,
      key = {type = "const", at = token.at, value = token.value}}
  end
  fault.raise("expected a name or a number, got " .. Parser.describe(token), token.at)
end

-- One bound of a slice, or None where it is left out.
function Parser:bound()
  if self:at("]") or self:at(",") or self:at(":") then
    return {type = "const", at = self:current().at, value = values.none}
  end
  return self:expression()
end

function Parser:subscript(object)
  local at = self:take().at
  if self:at("]") then
    return {type = "item", at = at, object = object, key = {type = "tuple", at = at}}
  end
  local first = self:bound()
  if self:skip(":") then
    local node = {type = "slice", at = at, object = object, start = first, stop = self:bound()}
    if self:skip(":") then
      node.step = self:bound()
    end
    self:expect("]")
    return node
  end
  local keys = {type = "tuple", at = at, first}
  while self:skip(",") do
    if self:at("]") then
      break
    end
    keys[#keys + 1] = self:expression()
  end
  self:expect("]")
  return {type = "item", at = at, object = object, key = #keys == 1 and first or keys}
end

-- (a, b, name=c, *list, **dict) into the fields args, names, named, spread, spread_named.
function Parser:arguments(node)
  local open = self:expect("(")
  node.args, node.names, node.named = {}, {}, {}
  local count = 0
  local function ensure(condition)
    if not condition then
      fault.raise("arguments in an order that Python does not allow", open.at)
    end
  end
  while not self:at(")") do
    if count > 0 then
      self:expect(",")
      if self:at(")") then
        break
      end
    end
    count = count + 1
    if self:skip("*") then
      ensure(not node.spread and not node.spread_named)
      node.spread = self:expression()
    elseif self:skip("**") then
      ensure(not node.spread_named)
      node.spread_named = self:expression()
    elseif self:at("name") and self:ahead().type == "=" then
      ensure(not node.spread_named)
      node.names[#node.names + 1] = self:take().value
      self:take()
      node.named[#node.named + 1] = self:expression()
    else
      ensure(not node.spread and not node.spread_named and #node.names == 0)
      node.args[#node.args + 1] = self:expression()
    end
  end
  self:expect(")")
  return node
end

function Parser:call(callee)
  return self:arguments {type = "call", at = self:current().at, callee = callee}
end

-- a.b.c after a bar or `is`.
function Parser:dotted_name()
  local name = self:expect("name").value
  while self:skip(".") do
    name = name .. "." .. self:expect("name").value
  end
  return name
end

--- A filter whose bar is the current token, or has been taken.
function Parser:filter(operand)
  self:skip("|")
  local node = {type = "filter", at = self:current().at, operand = operand,
    name = self:dotted_name()}
  if self:at("(") then
    return self:arguments(node)
  end
  return node
end

local STARTS_ARGUMENT = {name = true, string = true, integer = true, float = true, ["["] = true,
  ["{"] = true}
local ENDS_TEST = {["else"] = true, ["or"] = true, ["and"] = true}

function Parser:test(operand)
  local at = self:take().at
  local negated = self:skip("name", "not")
  local node = {type = "test", at = at, operand = operand, name = self:dotted_name()}
  local token = self:current()
  if token.type == "(" then
    self:arguments(node)
  elseif STARTS_ARGUMENT[token.type] and not (token.type == "name" and ENDS_TEST[token.value]) then
    if self:at_word("is") then
      fault.raise("tests cannot be chained", token.at)
    end
    node.args = {self:postfix(self:primary())}
  end
  if negated then
    return {type = "not", at = at, operand = node}
  end
  return node
end

return Parser
