--- The variable `loop` of a for statement, which is also what walks over the items.
-- @module lull.template.loops
local fault = require "lull.template.fault"
local values = require "lull.template.values"

local loops = {}

-- The next item that passes the test, or nil. Items are tested as late as possible: what the
-- test asks may change in the body.
local function fetch(self)
  while self.position < #self.items do
    self.position = self.position + 1
    local item = self.items[self.position]
    if not self.test or self.test(item) then
      return item
    end
  end
end

local function peek(self)
  if self.after == nil then
    self.after = fetch(self)
  end
  return self.after
end

-- Go on to the next item; false after the last.
local function advance(self)
  local item = peek(self)
  if item == nil then
    return false
  end
  self.rt:spend(1)
  self.before, self.current, self.after = self.current, item, nil
  self.index = self.index + 1
  return true
end

-- How many items there are. With a test all of them must be looked at.
local function length(self)
  if self.test then
    local kept = {peek(self)}
    self.after = nil
    while true do
      local item = fetch(self)
      if item == nil then
        break
      end
      kept[#kept + 1] = item
    end
    self.items, self.position, self.test = kept, 0, nil
    self.total = self.index + #kept
  end
  return self.total
end

local function cycle(self, args)
  if #args == 0 then
    fault.raise("loop.cycle: there is nothing to cycle through")
  end
  return args[(self.index - 1) % #args + 1]
end

local function changed(self, args)
  local now = values.tuple {}
  for i, value in ipairs(args) do
    now[i] = value
  end
  if self.last_values and values.equal(self.rt, self.last_values, now) then
    return false
  end
  self.last_values = now
  return true
end

local ATTRIBUTES = {
  index = function(self) return self.index end,
  index0 = function(self) return self.index - 1 end,
  first = function(self) return self.index == 1 end,
  last = function(self) return peek(self) == nil end,
  length = length,
  revindex = function(self) return length(self) - self.index + 1 end,
  revindex0 = function(self) return length(self) - self.index end,
  depth = function(self) return self.depth end,
  depth0 = function(self) return self.depth - 1 end,
  previtem = function(self)
    if self.index == 1 then
      return values.undefined("there is no previous item")
    end
    return self.before
  end,
  nextitem = function(self)
    local item = peek(self)
    if item == nil then
      return values.undefined("there is no next item")
    end
    return item
  end,
  cycle = function(self)
    return values.callable("cycle", function(_, args) return cycle(self, args) end)
  end,
  changed = function(self)
    return values.callable("changed", function(_, args) return changed(self, args) end)
  end,
}

local function attribute(self, _, name)
  local read = ATTRIBUTES[name]
  if read then
    return read(self)
  end
end

local function describe(self)
  return "<LoopContext " .. self.index .. "/" .. length(self) .. ">"
end

--- Begin a loop over anything one can iterate over.
-- @param depth 1, and one more for each loop that a recursive one is in
-- @param test nil, or a function that tells whether an item takes part
function loops.new(rt, iterable, depth, test)
  local items = values.demand_items(rt, iterable)
  return {
    kind = "loop", rt = rt, items = items, position = 0, total = #items, index = 0,
    depth = depth, test = test, advance = advance, length = length, attribute = attribute,
    text = describe,
  }
end

return loops
