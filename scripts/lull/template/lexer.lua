--- From the text of a template to tokens, with the white space that its tags strip taken out.
--
-- A token is {type =, value =, at =}: `at` is its first byte in the source. The types are
-- "data" (value: text to print), "variable_begin", "variable_end", "block_begin", "block_end",
-- "name", "string", "integer", "float", "eof", and for operators the operator itself.
-- The rules are those of jinja2's lexer.py.
-- @module lull.template.lexer
local fault = require "lull.template.fault"
local number = require "lull.template.number"
local text = require "lull.template.text"

local lexer = {}

local find, sub, byte = string.find, string.sub, string.byte

--- Line breaks as \n, and without the last one, which a template's file ends with.
function lexer.normalise(source, keep_trailing_newline)
  source = source:gsub("\r\n?", "\n")
  if not keep_trailing_newline then
    source = source:gsub("\n$", "")
  end
  return source
end

-------------------------------------------------------------------------------- strings

local ESCAPES = {
  n = "\n", t = "\t", r = "\r", a = "\a", b = "\b", f = "\f", v = "\v",
  ["\\"] = "\\", ["'"] = "'", ['"'] = '"', ["\n"] = "",
}
local HEX_DIGITS = {x = 2, u = 4, U = 8}

-- One escape sequence whose letter is at byte i: what it stands for, and the byte after it.
local function escape(s, i, at)
  local letter = sub(s, i, i)
  if ESCAPES[letter] then
    return ESCAPES[letter], i + 1
  elseif HEX_DIGITS[letter] then
    local n = HEX_DIGITS[letter]
    local digits = sub(s, i + 1, i + n)
    if not find(digits, "^%x+$") or #digits < n then
      fault.raise("an escape \\" .. letter .. " needs " .. n .. " hexadecimal digits", at)
    end
    local code = tonumber(digits, 16)
    -- Two halves of one character, as JSON writes those beyond U+FFFF.
    if code >= 0xD800 and code < 0xDC00 then
      local low = sub(s, i + n + 1, i + n + 6):match("^\\u([dD][c-fC-F]%x%x)$")
      if low then
        return text.encode(0x10000 + (code - 0xD800) * 1024 + tonumber(low, 16) - 0xDC00),
          i + n + 7
      end
    end
    return text.encode(code), i + n + 1
  end
  local octal = s:match("^[0-7][0-7]?[0-7]?", i)
  if octal then
    return text.encode(tonumber(octal, 8)), i + #octal
  elseif letter == "N" then
    fault.raise("escapes by name (\\N) are not supported", at)
  end
  return "\\" .. letter, i + 1
end

local function unescape(s, at)
  local parts, i = {}, 1
  while true do
    local slash = find(s, "\\", i, true)
    if not slash then
      break
    end
    parts[#parts + 1] = sub(s, i, slash - 1)
    parts[#parts + 1], i = escape(s, slash + 1, at)
  end
  parts[#parts + 1] = sub(s, i)
  return table.concat(parts)
end

-- Where the string ends whose quote is at byte i, or nil.
local function string_end(source, i)
  local quote = byte(source, i)
  local j = i + 1
  while j <= #source do
    local c = byte(source, j)
    if c == quote then
      return j
    end
    j = j + (c == 92 and 2 or 1)
  end
end

-------------------------------------------------------------------------------- inside tags

local OPERATORS = {}
for operator in ("// ** == != >= <= + - / * % ~ [ ] ( ) { } > < = . : | , ;"):gmatch("%S+") do
  OPERATORS[operator] = true
end

local CLOSING = {["("] = ")", ["["] = "]", ["{"] = "}"}
local CLOSES = {[")"] = true, ["]"] = true, ["}"] = true}

local INTEGERS = {
  {"^0[bB][_01]*", 2}, {"^0[oO][_0-7]*", 8}, {"^0[xX][_%x]*", 16}, {"^[1-9][_0-9]*", 10},
  {"^0[_0]*", 10},
}

-- Digits with single underscores between them; what follows the last digit is not consumed.
local function digits(source, i)
  local run = source:match("^[0-9][_0-9]*", i)
  run = run and run:gsub("__.*$", "")
  return run and (run:gsub("_$", ""))
end

-- A float at byte i, or nil: digits with a fraction, an exponent, or both.
local function float_at(source, i)
  local whole = sub(source, i - 1, i - 1) ~= "." and digits(source, i)
  if not whole then
    return nil
  end
  local j = i + #whole
  local fraction = sub(source, j, j) == "." and digits(source, j + 1)
  j = j + (fraction and #fraction + 1 or 0)
  local sign = source:match("^[eE]([+-]?)[0-9]", j)
  if sign then
    j = j + 1 + #sign
    j = j + #digits(source, j)
  elseif not fraction then
    return nil
  end
  return sub(source, i, j - 1)
end

local function integer_at(source, i)
  for _, form in ipairs(INTEGERS) do
    local found = source:match(form[1], i)
    if found then
      found = found:gsub("__.*$", ""):gsub("_$", "")
      if form[2] == 10 or #found > 2 then
        return found, form[2]
      end
    end
  end
end

local Lexer = {}
Lexer.__index = Lexer

function Lexer:add(kind, value, at)
  self.n = self.n + 1
  self.tokens[self.n] = {type = kind, value = value, at = at}
end

-- One token inside a tag, at byte i. Returns the byte after it.
function Lexer:token(i)
  local source = self.source
  local c = sub(source, i, i)
  if find(c, "[0-9]") then
    local float = float_at(source, i)
    if float then
      self:add("float", number.float(number.parse((float:gsub("_", "")))), i)
      return i + #float
    end
    local integer, base = integer_at(source, i)
    local plain = integer:gsub("_", "")
    local value = number.digits(base == 10 and plain or plain:sub(3), base)
    if value > number.LIMIT then
      fault.raise("an integer of more than 53 bits", i)
    end
    self:add("integer", value, i)
    return i + #integer
  end
  local name = source:match("^[A-Za-z_\128-\255][A-Za-z0-9_\128-\255]*", i)
  if name then
    for _, letter in ipairs(text.is_ascii(name) and {} or text.chars(name)) do
      if #letter == 1 and byte(letter) > 127 or #letter > 1 and not text.is_letter(letter) then
        fault.raise("unexpected character '" .. letter .. "'", i)
      end
    end
    self:add("name", name, i)
    return i + #name
  elseif c == "'" or c == '"' then
    local last = string_end(source, i)
    if not last then
      fault.raise("a string that does not end", i)
    end
    self:add("string", unescape(sub(source, i + 1, last - 1), i), i)
    return last + 1
  end
  local operator = sub(source, i, i + 1)
  operator = OPERATORS[operator] and operator or c
  if not OPERATORS[operator] then
    fault.raise("unexpected character " .. text.repr(sub(source, i, text.char_end(source, i))), i)
  end
  if CLOSING[operator] then
    self.open[#self.open + 1] = CLOSING[operator]
  elseif CLOSES[operator] then
    local expected = table.remove(self.open)
    if expected ~= operator then
      fault.raise("unexpected '" .. operator .. "'"
        .. (expected and ", expected '" .. expected .. "'" or ""), i)
    end
  end
  self:add(operator, operator, i)
  return i + #operator
end

-- If a tag closes at byte i with %}, -%} or +%}: the byte after it and what it strips.
function Lexer:closing(i, mark, plus)
  local source = self.source
  local sign = sub(source, i, i)
  if sub(source, i, i + 1) == mark then
    i = i + 2
    if plus and self.trim_blocks and sub(source, i, i) == "\n" then
      i = i + 1
    end
    return i
  elseif sub(source, i + 1, i + 2) == mark then
    if sign == "-" then
      return text.skip_space(source, i + 3)
    elseif sign == "+" and plus then
      return i + 3
    end
  end
end

-- The tokens of one tag up to its end. Returns the byte after it.
function Lexer:tag(i, kind, mark)
  local start = i
  self.open = {}
  while true do
    i = text.skip_space(self.source, i)
    local after = #self.open == 0 and self:closing(i, mark, kind == "block")
    if after then
      self:add(kind .. "_end", mark, i)
      return after
    elseif i > #self.source then
      fault.raise("this tag does not end with '" .. mark .. "'", start - 2)
    end
    i = self:token(i)
  end
end

-------------------------------------------------------------------------------- between tags

-- Text before a tag, less what the tag strips. `fresh`: does it start a line?
function Lexer:data(from, to, sign, is_variable, fresh)
  local data = sub(self.source, from, to)
  if sign == "-" then
    data = text.strip(data, nil, false, true)
  elseif sign ~= "+" and self.lstrip_blocks and not is_variable then
    local line = data:match("()[^\n]*$")
    if (line > 1 or fresh) and text.skip_space(data, line) > #data then
      data = sub(data, 1, line - 1)
    end
  end
  if data ~= "" then
    self:add("data", data, from)
  end
end

-- A comment whose text starts at byte i. Returns the byte after it.
function Lexer:comment(i)
  local last = find(self.source, "#}", i, true)
  if not last then
    fault.raise("this comment does not end with '#}'", i - 2)
  end
  -- A sign before the end belongs to it, but not the one that opened the comment.
  local sign = last > i and find(sub(self.source, last - 1, last - 1), "[-+]")
  return self:closing(sign and last - 1 or last, "#}", true)
end

-- If {% raw %} starts at byte i: the byte after it.
local function raw_begin(source, i)
  local after = source:match("^{%%[-+]?()", i)
  after = after and source:match("^raw()", text.skip_space(source, after))
  after = after and text.skip_space(source, after)
  if after and sub(source, after, after + 1) == "%}" then
    return after + 2
  elseif after and sub(source, after, after + 2) == "-%}" then
    return text.skip_space(source, after + 3)
  end
end

-- The text of a raw block from byte i to {% endraw %}. Returns the byte after it.
function Lexer:raw(i, start)
  local source = self.source
  local fresh = byte(source, i - 1) == 10
  local at = i - 1
  while true do
    at = find(source, "{%", at + 1, true)
    if not at then
      fault.raise("'raw' without 'endraw'", start)
    end
    local sign, name = source:match("^{%%([-+]?)()", at)
    local after = source:match("^endraw()", text.skip_space(source, name))
    after = after and self:closing(text.skip_space(source, after), "%}", true)
    if after then
      self:data(i, at - 1, sign, false, fresh)
      return after
    end
  end
end

local KINDS = {["{"] = "variable", ["%"] = "block"}
local ENDS = {["{"] = "}}", ["%"] = "%}"}

--- All tokens of a source that lexer.normalise has prepared.
-- @param options trim_blocks: a block tag takes the line break after it along; lstrip_blocks:
-- and the white space before it, if it is first on its line
function lexer.tokens(source, options)
  local self = setmetatable({
    source = source, tokens = {}, n = 0,
    trim_blocks = options.trim_blocks, lstrip_blocks = options.lstrip_blocks,
  }, Lexer)
  local i = 1
  while true do
    local at, _, mark, sign = find(source, "{([{%%#])([-+]?)", i)
    local fresh = i == 1 or byte(source, i - 1) == 10
    if not at then
      break
    end
    self:data(i, at - 1, sign, mark == "{", fresh)
    local content = at + 2 + #sign
    local raw = mark == "%" and raw_begin(source, at)
    if raw then
      i = self:raw(raw, at)
    elseif mark == "#" then
      i = self:comment(content)
    else
      self:add(KINDS[mark] .. "_begin", "{" .. mark, at)
      i = self:tag(content, KINDS[mark], ENDS[mark])
    end
  end
  if i <= #source then
    self:add("data", sub(source, i), i)
  end
  self:add("eof", nil, #source + 1)
  return self.tokens
end

return lexer
