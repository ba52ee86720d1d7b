--- Patterns, and the programs that core.grammar runs.
--
-- A pattern is a table made by one of the functions here, which all front ends share:
--
--     bytes {{first, last}, ...}   one byte out of these ranges
--     text "..."                   these bytes
--     seq {a, b, ...}              a, then b, ...; seq {} is nothing
--     alt {a, b, ...}              one of them
--     many(a, min, max)            a that many times; without max, any number from min on
--     rule "name"                  what the rule of that name matches
--     unit(a)                      a as a rule of its own, compiled once wherever it stands
-- @module lull.constrain.program
local program = {}

--- The most that a repeat may count to, and the most elements of a program.
program.MOST_REPEATS = 10000
program.MOST_ELEMENTS = 200000

-------------------------------------------------------------------------------- patterns

function program.bytes(ranges)
  return {kind = "bytes", ranges = ranges}
end

function program.text(text)
  return {kind = "text", text = text}
end

function program.seq(items)
  return {kind = "seq", items = items}
end

function program.alt(items)
  return {kind = "alt", items = items}
end

function program.many(item, min, max)
  return {kind = "many", item = item, min = min, max = max}
end

function program.rule(name)
  return {kind = "rule", name = name}
end

function program.unit(item)
  return {kind = "unit", item = item}
end

--- Any number of any bytes.
program.ANYTHING = program.many(program.bytes {{0, 255}}, 0)

--- One of several texts, as a tree of what they have in common: so there is only one way to read
-- a text, however many there are.
function program.words(texts)
  local root = {}
  for _, text in ipairs(texts) do
    local node = root
    for i = 1, #text do
      local byte = text:byte(i)
      if not node[byte] then
        node[byte] = {}
      end
      node = node[byte]
    end
    node.ends = true
  end
  return {kind = "words", root = root}
end

-------------------------------------------------------------------------------- byte sets

-- The 32 bytes of a set of bytes given as a table {[byte] = true}.
local function set_text(members)
  local bytes = {}
  for i = 0, 31 do
    local value = 0
    for bit = 7, 0, -1 do
      value = value * 2 + (members[8 * i + bit] and 1 or 0)
    end
    bytes[i + 1] = string.char(value)
  end
  return table.concat(bytes)
end

local function add_members(members, ranges)
  for _, range in ipairs(ranges) do
    for byte = range[1], range[2] do
      members[byte] = true
    end
  end
end

-------------------------------------------------------------------------------- compiling

local Compiler = {}
Compiler.__index = Compiler

local function too_large()
  error {limit = "the grammar is too large (the limit is " .. program.MOST_ELEMENTS
    .. " elements)"}
end

-- Reserve a rule; its alternatives come later.
function Compiler:reserve(name)
  local index = self.n_rules + 1
  self.n_rules = index
  self.names[index] = name
  return index
end

-- The element that refers to a rule with these alternatives, each a list of elements.
function Compiler:define(index, alternatives)
  self.n_elements = self.n_elements + 1
  for _, list in ipairs(alternatives) do
    self.n_elements = self.n_elements + #list + 1
  end
  if self.n_elements > program.MOST_ELEMENTS then
    too_large()
  end
  self.rules[index] = alternatives
  return -index
end

-- The element of a set of bytes, which are the keys of members.
function Compiler:set(members)
  local text = set_text(members)
  if not self.set_index[text] then
    self.sets[#self.sets + 1] = text
    self.set_index[text] = #self.sets
  end
  return self.set_index[text]
end

function Compiler:byte(byte)
  if not self.byte_index[byte] then
    self.byte_index[byte] = self:set {[byte] = true}
  end
  return self.byte_index[byte]
end

-- The element of a rule that is referred to by name. Its body is a rule of its own, so that only
-- repeats ever end in themselves.
function Compiler:named(name)
  if not self.index_of[name] then
    self.index_of[name] = self:reserve(name)
    self.waiting[#self.waiting + 1] = name
  end
  return -self.index_of[name]
end

local append

-- All that one element matches.
function Compiler:unit(pattern)
  if not self.units[pattern] then
    local list = append(self, pattern, {})
    self.units[pattern] = #list == 1 and list[1] or self:define(self:reserve(), {list})
  end
  return self.units[pattern]
end

-- Alternatives as lists of elements; those that are one byte become one set.
local function add_alternative(self, alternatives, members, pattern)
  if pattern.kind == "alt" then
    for _, item in ipairs(pattern.items) do
      add_alternative(self, alternatives, members, item)
    end
  elseif pattern.kind == "bytes" then
    add_members(members, pattern.ranges)
  elseif pattern.kind == "text" and #pattern.text == 1 then
    members[pattern.text:byte()] = true
  elseif pattern.kind == "seq" and #pattern.items == 1 then
    add_alternative(self, alternatives, members, pattern.items[1])
  else
    alternatives[#alternatives + 1] = append(self, pattern, {})
  end
end

function Compiler:alternatives(pattern)
  local alternatives, members = {}, {}
  add_alternative(self, alternatives, members, pattern)
  if next(members) ~= nil then
    alternatives[#alternatives + 1] = {self:set(members)}
  end
  return alternatives
end

-- The element that matches unit 0 to n times; without n, any number of times.
function Compiler:up_to(unit, n)
  local chain = self.chains[unit]
  if not chain then
    chain = {}
    self.chains[unit] = chain
  end
  if not n then
    if not chain.any then
      local index = self:reserve()
      chain.any = self:define(index, {{unit, -index}, {}})
    end
    return chain.any
  end
  for i = #chain + 1, n do
    chain[i] = self:define(self:reserve(), {{unit, chain[i - 1]}, {}})
  end
  return chain[n]
end

local function append_repeat(self, pattern, list)
  local unit = self:unit(pattern.item)
  for _ = 1, pattern.min do
    list[#list + 1] = unit
  end
  if pattern.max ~= pattern.min then
    list[#list + 1] = self:up_to(unit, pattern.max and pattern.max - pattern.min)
  end
end

-- The element of a node in a tree of words.
local function word_rule(self, node)
  local alternatives, bytes = {}, {}
  for byte in pairs(node) do
    if byte ~= "ends" then
      bytes[#bytes + 1] = byte
    end
  end
  table.sort(bytes)
  for i, byte in ipairs(bytes) do
    local list, below = {self:byte(byte)}, node[byte]
    local only = next(below)
    while only ~= nil and only ~= "ends" and next(below, only) == nil do
      list[#list + 1] = self:byte(only)
      below = below[only]
      only = next(below)
    end
    if only ~= "ends" or next(below, only) ~= nil then
      list[#list + 1] = word_rule(self, below)
    end
    alternatives[i] = list
  end
  if node.ends then
    alternatives[#alternatives + 1] = {}
  end
  return self:define(self:reserve(), alternatives)
end

-- Add a pattern's elements to a list, which is returned.
function append(self, pattern, list)
  local kind = pattern.kind
  if kind == "seq" then
    for _, item in ipairs(pattern.items) do
      append(self, item, list)
    end
  elseif kind == "text" then
    for i = 1, #pattern.text do
      list[#list + 1] = self:byte(pattern.text:byte(i))
    end
  elseif kind == "rule" then
    list[#list + 1] = self:named(pattern.name)
  elseif kind == "many" then
    append_repeat(self, pattern, list)
  elseif kind == "unit" then
    list[#list + 1] = self:unit(pattern.item)
  elseif self.units[pattern] then
    list[#list + 1] = self.units[pattern]
  elseif kind == "words" then
    self.units[pattern] = word_rule(self, pattern.root)
    list[#list + 1] = self.units[pattern]
  elseif kind == "bytes" then
    local members = {}
    add_members(members, pattern.ranges)
    list[#list + 1] = self:set(members)
  else
    local alternatives = self:alternatives(pattern)
    if #alternatives ~= 1 then
      self.units[pattern] = self:define(self:reserve(), alternatives)
      list[#list + 1] = self.units[pattern]
    else
      for _, element in ipairs(alternatives[1]) do
        list[#list + 1] = element
      end
    end
  end
  if #list > program.MOST_ELEMENTS then
    too_large()
  end
  return list
end

--- Compile a pattern that refers to rules by name.
-- @param pattern what the whole text must match
-- @param definitions the pattern of each rule by its name; all that are referred to
-- @param names rules that are compiled in any case, so that mistakes in them are found
-- @return what core.grammar takes
-- @raise a table {limit = message} when it would be too large
function program.compile(pattern, definitions, names)
  local self = setmetatable({
    rules = {}, sets = {}, names = {}, n_rules = 0, n_elements = 0, set_index = {},
    byte_index = {}, units = {}, chains = {}, index_of = {}, waiting = {},
  }, Compiler)
  local root = self:reserve()
  self:define(root, {append(self, pattern, {})})
  for _, name in ipairs(names or {}) do
    self:named(name)
  end
  local i = 1
  while self.waiting[i] do
    local name = self.waiting[i]
    self:define(self.index_of[name], {append(self, definitions[name], {})})
    i = i + 1
  end
  return {rules = self.rules, sets = self.sets, names = self.names}
end

return program
