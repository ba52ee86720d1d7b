--- Constraints: texts that must have a certain form, whatever the model would rather say.
--
--     local constrain = require "lull.constrain"
--     local year = constrain.regex "(19|20)[0-9]{2}"
--     print(year:test "1997", year:test "97")          --> true  false
--     local matcher = year:matcher(model)              -- one for each text
--     if not matcher:allows(id) then matcher:mask(logits); id = logits:sample(draw()) end
--     matcher:accept(id)
--
-- A constraint knows no model. For each model it is used with it becomes a grammar of the core
-- (see core/lull_grammar.h), which remembers what it has found out: matchers are cheap, the first
-- text is slower than the next ones. Grammars and matchers belong to one Lua state.
--
-- The methods of a matcher:
--
--     allows(id)          may this token come next?
--     accept(id)          it did: true, or nil, message, code where it may not
--     accept_text(bytes)  the same for bytes in no particular tokens
--     mask(logits)        bans every token that may not come next; the logits
--     complete()          may the text end here? (EOS is allowed just then)
--     forced()            the bytes that must follow, or nil; the only allowed id, or nil
--     clone() reset() close()
--
-- A mistake in an expression, a grammar or a schema raises, with its place.
-- @module lull.constrain
local core = require "lull.core"
local options = require "lull.options"
local program = require "lull.constrain.program"
local regex = require "lull.constrain.regex"

local constrain = {}

-------------------------------------------------------------------------------- constraints

local Constraint = {}
Constraint.__index = Constraint

local WEAK = {__mode = "k"}

-- A constraint, or what is wrong: error's argument, in a table. What make() returns is the pattern
-- and, where there are any, what else program.compile takes, and a function that tells where a
-- rule is.
local function build(kind, shown, make)
  local pattern, definitions, names, place_of = make()
  local compiled = program.compile(pattern, definitions, names)
  local grammar, message = core.grammar(nil, compiled)
  if not grammar then
    local rule = message:match "rule '(.-)'"
    error {
      message = message:gsub("^grammar: ", ""), place = place_of and rule and place_of(rule),
    }
  end
  return setmetatable({
    kind = kind, shown = shown, program = compiled, grammar = grammar,
    grammars = setmetatable({}, WEAK),
  }, Constraint)
end

-- The constraint that make() returns the pattern of, or an error that blames the caller's caller.
local function new(kind, shown, make)
  local ok, made = pcall(build, kind, shown, make)
  if ok then
    return made
  elseif type(made) ~= "table" then
    error(made, 0)
  end
  local place = made.place or made.at and "byte " .. made.at
  error("bad " .. kind .. " (" .. (made.limit or made.message) .. (place and ", at " .. place or "")
    .. ")", 3)
end

--- The grammar of a constraint for a model, made when first asked for.
-- @return a lull.grammar
-- @return nil, message, code where the model has no tokenizer, or memory is short
function Constraint:on(model)
  local grammar, message, code = self.grammars[model]
  if not grammar then
    grammar, message, code = core.grammar(model, self.program)
    self.grammars[model] = grammar
  end
  return grammar, message, code
end

--- A matcher for one text of a model.
-- @param given at_start (false): the text comes right after BOS, where the leading space of the
--   first token is dropped
-- @return a lull.matcher; or nil, message, code
function Constraint:matcher(model, given)
  local grammar, message, code = self:on(model)
  if not grammar then
    return nil, message, code
  end
  return grammar:matcher(given)
end

--- Does a whole text match?
-- @return true or false; or nil, message, code where finding out needs too much
function Constraint:test(text)
  local matcher, taken, message, code
  matcher, message, code = self.grammar:matcher()
  if not matcher then
    return nil, message, code
  end
  taken, message, code = matcher:accept_text(text)
  local complete = matcher:complete()
  matcher:close()
  if not taken and code ~= "EINVAL" then
    return nil, message, code
  end
  return taken and complete or false
end

function Constraint:__tostring()
  return "constrain." .. self.kind .. "(" .. options.show(self.shown) .. ")"
end

local STRING = {type = "string"}

-------------------------------------------------------------------------------- kinds

--- The texts that a regular expression matches as a whole; lull.constrain.regex says which
-- expressions there are.
-- @param text the expression
-- @param given bytes (false): expression and text are bytes, not characters in UTF-8
function constrain.regex(text, given)
  options.argument("regex", 1, text, STRING)
  local checked = options.check("regex", given, {bytes = {type = "boolean", default = false}})
  local made = new("regex", text, function()
    return regex.pattern(text, checked)
  end)
  return made
end

--- The texts of a context-free grammar in llama.cpp's notation, GBNF; see
-- lull.constrain.grammar. Needs LPeg.
-- @param text the grammar
-- @param given root ("root"): the rule that the whole text must match
function constrain.grammar(text, given)
  options.argument("grammar", 1, text, STRING)
  local checked = options.check("grammar", given, {root = {type = "string", default = "root"}})
  local grammar = require "lull.constrain.grammar"
  local made = new("grammar", text, function()
    return grammar.read(text, checked.root)
  end)
  return made
end

--- JSON values that are valid under a JSON schema; lull.constrain.json_schema says which keywords
-- there are, and how values are written. Needs LPeg.
-- @param schema JSON text, or a Lua table as cjson.decode makes it (a property `order`, a list of
--   names beside `properties`, gives their order, which tables do not have); true allows all
-- @param given spaces ("optional"; "none", "one"): after : and ,; digits (15) of integers;
--   decimals (6): digits behind the point of other numbers; max_length (none): characters of
--   strings without maxLength
function constrain.json_schema(schema, given)
  options.argument("json_schema", 1, schema, {
    test = function(value)
      return type(value) == "string" or type(value) == "table" or value == true
    end,
    text = "JSON text or a table",
  })
  local json_schema = require "lull.constrain.json_schema"
  local checked = options.check("json_schema", given, json_schema.OPTIONS)
  local made = new("json_schema", schema, function()
    return json_schema.read(schema, checked)
  end)
  return made
end

--- One of several strings.
-- @param texts a list of strings
function constrain.choice(texts)
  options.argument("choice", 1, texts, {
    test = function(value) return options.is_list(value) and #value > 0 end,
    text = "a list of strings",
  })
  for i, text in ipairs(texts) do
    if type(text) ~= "string" then
      error("bad argument #1 to 'choice' (a list of strings expected, got " .. options.show(text)
        .. " at " .. i .. ")", 2)
    end
  end
  local made = new("choice", table.concat(texts, "|"), function()
    return program.words(texts)
  end)
  return made
end

--- A text that begins with these bytes, and goes on as it likes. For token healing: the last
-- token of a prompt is taken back, and its text constrains the first one generated.
-- @param text the beginning
function constrain.prefix(text)
  options.argument("prefix", 1, text, STRING)
  local made = new("prefix", text, function()
    return program.seq {program.text(text), program.ANYTHING}
  end)
  return made
end

return constrain
