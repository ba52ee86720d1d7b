--- Regular expressions, as patterns for lull.constrain.program.
--
-- The whole text must match: anchors at both ends are understood. There are
--
--     a . [a-z] [^a-z]                 characters; . is any but a line feed
--     \d \w \s \D \W \S                ASCII digits, word characters, blanks; all others
--     \n \r \t \f \v \0 \xHH \uHHHH \u{H...}, and \ before punctuation
--     (...) (?:...) (?<name>...) a|b   groups and alternatives; nothing is captured
--     * + ? {m} {m,} {m,n}             repeats
--     ^ $                              only where they say what is so anyway
--
-- What there is not (backreferences, lookaround, lazy and possessive repeats, word boundaries,
-- flags, \p) is refused by name. `]` is a character of a class in its first place.
-- @module lull.constrain.regex
local characters = require "lull.constrain.characters"
local program = require "lull.constrain.program"

local regex = {}

local MOST_NESTED = 200

local DIGITS = {{0x30, 0x39}}
local WORDS = {{0x30, 0x39}, {0x41, 0x5A}, {0x5F, 0x5F}, {0x61, 0x7A}}
local BLANKS = {{0x09, 0x0D}, {0x20, 0x20}}
local CLASSES = {d = DIGITS, w = WORDS, s = BLANKS}
local CONTROLS = {n = 10, r = 13, t = 9, f = 12, v = 11, ["0"] = 0}
local UNSUPPORTED_GROUPS = {
  {"^%(%?<?[=!]", "lookaround"}, {"^%(%?>", "an atomic group"},
  {"^%(%?#", "a comment"}, {"^%(%?P=", "a backreference"}, {"^%(%?[%w%-]+[):]", "a flag"},
}
local UNSUPPORTED_ESCAPES = {
  {"^%d", "a backreference"}, {"^k[<{']", "a backreference"}, {"^[bB]", "a word boundary"},
  {"^[AzZG]", "an anchor other than ^ and $"}, {"^[pP]", "a Unicode property"},
}

-------------------------------------------------------------------------------- reading

-- One pattern on its way: text, at (the place of the next byte), last (the largest character).
local Reader = {}
Reader.__index = Reader

function Reader:fail(message, at)
  error {message = message, at = at or self.at}
end

function Reader:refuse(list, what)
  local rest = self.text:sub(self.at)
  for _, entry in ipairs(list) do
    if rest:find(entry[1]) then
      self:fail(entry[2] .. " is not supported", what)
    end
  end
end

-- The next character, taken.
function Reader:take()
  if self.bytes then
    self.at = self.at + 1
    return self.text:byte(self.at - 1)
  end
  local code, behind = characters.at(self.text, self.at)
  if not code then
    self:fail "the pattern is not valid UTF-8 here"
  end
  self.at = behind
  return code
end

-- Take text if it comes next.
function Reader:skip(text)
  if self.text:sub(self.at, self.at + #text - 1) == text then
    self.at = self.at + #text
    return true
  end
end

-- Take what a Lua pattern matches here; its capture.
function Reader:match(pattern)
  local _, last, found = self.text:find("^" .. pattern, self.at)
  if last then
    self.at = last + 1
    return found
  end
end

-- The code point of an escape in hexadecimal digits, or nil.
function Reader:hexadecimal(start)
  local digits = self:match "x(%x%x)" or self:match "u(%x%x%x%x)" or self:match "u{(%x+)}"
  if not digits then
    return nil
  end
  local code = #digits <= 8 and tonumber(digits, 16) or math.huge
  if code > self.last or not self.bytes and code >= 0xD800 and code <= 0xDFFF then
    self:fail("there is no such character", start)
  end
  return code
end

-- What follows a backslash: a code point; or a set of characters.
function Reader:escape()
  local start = self.at - 1
  local letter = self.text:sub(self.at, self.at)
  if letter == "" then
    self:fail("nothing follows the backslash", start)
  end
  local class = CLASSES[letter:lower()]
  if class then
    self.at = self.at + 1
    return nil, letter:lower() == letter and class or characters.without(class, self.last)
  elseif CONTROLS[letter] and not self.text:find("^0%d", self.at) then
    self.at = self.at + 1
    return CONTROLS[letter]
  end
  local code = self:hexadecimal(start)
  if code then
    return code
  end
  self:refuse(UNSUPPORTED_ESCAPES, start)
  if letter:find "%w" then
    self:fail("unknown escape '\\" .. letter .. "'", start)
  end
  return self:take()
end

-------------------------------------------------------------------------------- classes

-- One item of a class: a code point, or nil and a set.
function Reader:class_item()
  if self.text:find("^%[[:.=]", self.at) then
    self:fail "a POSIX class is not supported"
  elseif self:skip "\\" then
    if self.text:sub(self.at, self.at) == "b" then
      self:fail("a backspace is written \\x08", self.at - 1)
    end
    return self:escape()
  end
  return self:take()
end

function Reader:class()
  local start = self.at - 1
  local negated = self:skip "^"
  local ranges, first = {}, true
  while first or not self:skip "]" do
    if self.at > #self.text then
      self:fail("the class has no end", start)
    end
    local place = self.at
    local from, set = self:class_item()
    if self.text:find("^%-[^%]]", self.at) then
      self.at = self.at + 1
      local to = self:class_item()
      if not from or not to then
        self:fail("a range goes from one character to another", place)
      elseif to < from then
        self:fail("the range is empty", place)
      end
      ranges[#ranges + 1] = {from, to}
    elseif from then
      ranges[#ranges + 1] = {from, from}
    else
      for _, range in ipairs(set) do
        ranges[#ranges + 1] = range
      end
    end
    first = false
  end
  if negated then
    ranges = characters.without(ranges, self.last)
  end
  return self:set(ranges, start)
end

-- The pattern of one character of a set.
function Reader:set(ranges, start)
  local pattern = self.encode(ranges)
  if not pattern then
    self:fail("no character can be matched here", start)
  end
  return pattern
end

-------------------------------------------------------------------------------- structure

function Reader:repeats(item)
  local start = self.at
  local sign = self:match "([*+?])"
  local min, max
  if sign then
    min, max = sign == "+" and 1 or 0, sign == "?" and 1 or nil
  elseif self:skip "{" then
    local low, comma, high = self.text:match("^(%d+)(,?)(%d*)}", self.at)
    if not low or comma == "" and high ~= "" then
      self:fail("a repeat is {m}, {m,} or {m,n}; the character is written \\{", start)
    end
    self.at = self.text:find("}", self.at, true) + 1
    min = tonumber(low)
    max = comma == "" and min or tonumber(high)
    if math.max(min, max or 0) > program.MOST_REPEATS then
      self:fail("repeats go up to " .. program.MOST_REPEATS, start)
    elseif max and max < min then
      self:fail("the repeat ends before it begins", start)
    end
  else
    return item
  end
  if self.text:find("^[?+]", self.at) then
    self:fail((self.text:sub(self.at, self.at) == "?" and "a lazy" or "a possessive")
      .. " repeat is not supported: all texts that match are allowed")
  elseif self.text:find("^[*{]", self.at) then
    self:fail "a repeat cannot be repeated without a group"
  end
  return program.many(item, min, max)
end

function Reader:group()
  local start = self.at
  self:refuse(UNSUPPORTED_GROUPS, start)
  self.at = self.at + 1
  if self.text:find("^%?", self.at) and not self:skip "?:"
    and not self:match "%?P?<%a[%w_]*>()" then
    self:fail("unknown kind of group", start)
  end
  self.depth = self.depth + 1
  if self.depth > MOST_NESTED then
    self:fail("groups are nested deeper than " .. MOST_NESTED, start)
  end
  local inside = {}
  for i, alternative in ipairs(self:alternatives()) do
    inside[i] = alternative.pattern
  end
  if not self:skip ")" then
    self:fail("the group has no end", start)
  end
  self.depth = self.depth - 1
  return program.alt(inside)
end

-- One thing that may be repeated.
function Reader:atom()
  local start, byte = self.at, self.text:sub(self.at, self.at)
  if byte == "(" then
    return self:group()
  elseif byte == "*" or byte == "+" or byte == "?" or byte == "{" then
    self:fail("there is nothing to repeat before '" .. byte .. "'")
  elseif byte == "^" or byte == "$" then
    self:fail("'" .. byte .. "' is only supported at the " .. (byte == "^" and "start" or "end")
      .. " of the whole expression")
  elseif self:skip "[" then
    return self:class()
  elseif self:skip "." then
    return self:set(characters.without({{10, 10}}, self.last), start)
  elseif self:skip "\\" then
    local code, set = self:escape()
    return self:set(set or {{code, code}}, start)
  end
  local code = self:take()
  return self:set({{code, code}}, start)
end

-- {pattern, from_start, to_end}: whether it says ^ and $.
function Reader:sequence()
  local items = {}
  local outside = self.depth == 0
  local from_start = outside and self:skip "^"
  local to_end = false
  while self.at <= #self.text and not self.text:find("^[|)]", self.at) do
    if outside and self.text:find("^%$|", self.at) or self.text:sub(self.at) == "$" then
      self.at = self.at + 1
      to_end = true
      break
    end
    items[#items + 1] = self:repeats(self:atom())
  end
  return {pattern = program.seq(items), from_start = from_start, to_end = to_end}
end

function Reader:alternatives()
  local list = {self:sequence()}
  while self:skip "|" do
    list[#list + 1] = self:sequence()
  end
  return list
end

--- Read an expression.
-- @param text the expression, in UTF-8 unless options.bytes
-- @param options bytes = true: every byte is a character; encode = a function from ranges of
--   code points to the pattern of one such character (default: its UTF-8)
-- @return a list of alternatives {pattern =, from_start =, to_end =}
-- @raise a table {message =, at =}
function regex.read(text, options)
  local self = setmetatable({
    text = text, at = 1, depth = 0,
    bytes = options.bytes, last = options.bytes and 255 or 0x10FFFF,
    encode = options.encode or options.bytes and characters.byte_pattern or characters.pattern,
  }, Reader)
  local list = self:alternatives()
  if self.at <= #text then
    self:fail "there is no group that ends here"
  end
  return list
end

--- The pattern of all texts that match as a whole.
-- @raise as read
function regex.pattern(text, options)
  local items = {}
  for i, alternative in ipairs(regex.read(text, options)) do
    items[i] = alternative.pattern
  end
  return program.alt(items)
end

return regex
