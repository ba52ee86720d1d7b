--- Grammars in GBNF, the notation of llama.cpp, as patterns for lull.constrain.program.
--
--     root   ::= "- " item ("\n- " item){0,4}   # a list
--     item   ::= [A-Z] [a-z ]+ | number         # sequences and alternatives
--     number ::= "-"? [0-9]{1,3}
--
-- Names are letters, digits, - and _. There are strings "...", classes [a-z] [^a-z], any
-- character ., groups (...), the repeats * + ? {m} {m,} {m,n}, comments # ... and the escapes
-- \n \r \t \\ \" \[ \] \- \^ \xHH \uHHHH \UHHHHHHHH, which stand for characters and not for bytes.
-- A rule ends with its line, except after ::= and | and within parentheses.
--
-- This is read by LPeg.
-- @module lull.constrain.grammar
local characters = require "lull.constrain.characters"
local lpeg = require "lpeg"
local program = require "lull.constrain.program"

local grammar = {}

local P, R, S, V = lpeg.P, lpeg.R, lpeg.S, lpeg.V
local C, Carg, Cc, Cmt, Cs, Ct = lpeg.C, lpeg.Carg, lpeg.Cc, lpeg.Cmt, lpeg.Cs, lpeg.Ct

local MOST_NESTED = 100 -- LPeg's stack has room for 400 of its own steps

-------------------------------------------------------------------------------- errors

-- `state` is what a parse shares: {text =, rule = the name of the current one, ...}.
local function fail(state, at, message)
  error {
    message = (state.rule and "rule '" .. state.rule .. "': " or "") .. message,
    place = characters.place(state.text, at),
  }
end

-- The pattern, or else an error.
local function must(pattern, message)
  return pattern + Cmt(Carg(1), function(_, at, state)
    fail(state, at, message)
  end)
end

-------------------------------------------------------------------------------- characters

local comment = P "#" * (1 - P "\n") ^ 0
local blank = (S " \t\r" + comment) ^ 0   -- within a line
local space = (S " \t\r\n" + comment) ^ 0

local hex = R("09", "af", "AF")

local function code_of(digits)
  return tonumber(digits, 16)
end

local function digits(n)
  local pattern = P(true)
  for _ = 1, n do
    pattern = pattern * hex
  end
  return pattern
end

-- No half of a surrogate pair, and nothing above the last character.
local function is_character(_, at, state, code)
  if code > 0x10FFFF or code >= 0xD800 and code <= 0xDFFF then
    fail(state, at, "there is no such character")
  end
  return at, code
end

local hexadecimal = P "x" * C(digits(2)) + P "u" * C(digits(4)) + P "U" * C(digits(8))
local escape = P "\\" * must(
  Cmt(Carg(1) * (hexadecimal / code_of), is_character)
    + P "n" * Cc(10) + P "r" * Cc(13) + P "t" * Cc(9) + S '\\"[]-^' / string.byte,
  "unknown escape")

local one = R "\0\127" + R "\192\255" * R "\128\191" ^ 0 -- the text is known to be UTF-8

local function code_at(text)
  return (characters.at(text, 1))
end

local literal = P '"'
  * Cs((escape / characters.utf8 + (1 - S '"\\\n')) ^ 0)
  * must(P '"', 'the string has no end')
  / program.text

local function range(state, at, first, last)
  if last and last < first then
    fail(state, at, "the range is empty")
  end
  return {first, last or first}
end

local member = escape + (one - S "]") / code_at
local ranges = Ct((Carg(1) * lpeg.Cp() * member * (P "-" * -P "]" * member) ^ -1 / range) ^ 0)

local function class(state, at, negated, list)
  local pattern = characters.pattern(negated == "^" and characters.without(list) or list)
  if not pattern then
    fail(state, at, "no character can be matched here")
  end
  return pattern
end

local class_of_characters = Carg(1) * lpeg.Cp() * P "[" * C(P "^" ^ -1) * ranges
  * must(P "]", "the class has no end") / class

-------------------------------------------------------------------------------- structure

local name = R("az", "AZ", "09", "__", "--") ^ 1

local function refer(_, at, state, start, text)
  state.references[#state.references + 1] = {name = text, at = start, rule = state.rule}
  return at, program.rule(text)
end

local reference = Cmt(Carg(1) * lpeg.Cp() * C(name), refer)

local function open_group(_, at, state)
  state.depth = state.depth + 1
  if state.depth > MOST_NESTED then
    fail(state, at - 1, "groups are nested deeper than " .. MOST_NESTED)
  end
  return at
end

-- Values are made as each group ends, since LPeg nests unfinished ones only so deep.
local function close_group(_, at, state, pattern)
  state.depth = state.depth - 1
  return at, pattern
end

local number = R "09" ^ 1 / tonumber

local function count(_, at, state, min, comma, max)
  if comma == "" then
    max = min
  end
  if math.max(min, max or 0) > program.MOST_REPEATS then
    fail(state, at, "repeats go up to " .. program.MOST_REPEATS)
  elseif max and max < min then
    fail(state, at, "the repeat ends before it begins")
  end
  return at, {min, max}
end

local counted = P "{" * blank * must(
  Cmt(Carg(1) * number * blank * (C "," * blank * number ^ -1 + C ""), count) * blank * P "}",
  "a repeat is {m}, {m,} or {m,n}")
local suffix = P "*" * Ct(Cc(0)) + P "+" * Ct(Cc(1)) + P "?" * Ct(Cc(0) * Cc(1)) + counted

local function repeated(item, suffixes)
  for _, bounds in ipairs(suffixes) do
    item = program.many(item, bounds[1], bounds[2])
  end
  return item
end

-- Items with gaps of a kind between them.
local function sequence(gap)
  return Ct((V "primary" * Ct((gap * suffix) ^ 0) / repeated * gap) ^ 0) / program.seq
end

local function alternatives(gap)
  return Ct(sequence(gap) * (P "|" * space * sequence(gap)) ^ 0) / program.alt
end

local function begin_rule(_, at, state, start, text)
  state.rule = text
  if state.places[text] then
    fail(state, start, "it is there already")
  end
  state.places[text] = start
  return at, text
end

local function end_rule(_, at, state, text, pattern)
  state.rule = nil
  state.definitions[text] = pattern
  state.names[#state.names + 1] = text
  return at
end

local file = P {
  "file",
  file = space * V "rule" ^ 0 * must(-P(1), "a rule expected, name ::= ..."),
  rule = Cmt(Carg(1) * V "head" * V "body" * must(S "\n" * space + -P(1),
    "an element, '|' or the end of the line expected"), end_rule),
  head = Cmt(Carg(1) * lpeg.Cp() * C(name), begin_rule) * blank
    * must(P "::=", "'::=' expected after the name") * space,
  body = alternatives(blank),
  inside = alternatives(space),
  group = Cmt(P "(" * Carg(1), open_group) * Cmt(
    Carg(1) * space * V "inside" * must(P ")", "the group has no end here"), close_group),
  primary = literal + class_of_characters + V "group" + P "." * Cc(characters.pattern(
    characters.without {})) + reference,
}

-------------------------------------------------------------------------------- reading

--- Read a grammar.
-- @param text in GBNF
-- @param root the name of the rule for the whole text
-- @return a pattern; the patterns of all rules by their names; the list of the names; a function
--   from a rule's name to where it is, in words
-- @raise a table {message =, place =}
function grammar.read(text, root)
  local state = {
    text = text, depth = 0, references = {}, places = {}, definitions = {}, names = {},
  }
  local wrong = characters.invalid(text)
  if wrong then
    fail(state, wrong, "the grammar is not valid UTF-8")
  end
  file:match(text, 1, state)
  for _, reference_made in ipairs(state.references) do
    if not state.definitions[reference_made.name] then
      state.rule = reference_made.rule
      fail(state, reference_made.at, "there is no rule '" .. reference_made.name .. "'")
    end
  end
  if not state.definitions[root] then
    error {message = "there is no rule '" .. root .. "', which is to match the whole text"}
  end
  return program.rule(root), state.definitions, state.names, function(rule)
    return state.places[rule] and characters.place(text, state.places[rule])
  end
end

return grammar
