--- What a strategy is: checking, copying, printing, and the chain of several.
--
-- The protocol is described in lull.sampling.
-- @module lull.sampling.strategy
local options = require "lull.options"

local strategy = {}

--- A strategy as text: `top_k(40)`, or the name its author gave it.
function strategy.describe(value)
  local metatable = getmetatable(value)
  if type(metatable) == "table" and metatable.__tostring then
    return tostring(value)
  end
  return tostring(value.name or "strategy")
end

local function describe(stage)
  local arguments = {}
  for _, key in ipairs(stage.shown or {}) do
    if stage[key] ~= nil then
      arguments[#arguments + 1] = (stage.labelled and key .. " " or "")
        .. options.show(stage[key])
    end
  end
  return stage.name .. (#arguments > 0 and "(" .. table.concat(arguments, ", ") .. ")" or "")
end

local Strategy = {__tostring = describe}

--- A strategy of this library, from its table: it prints as its name and, in brackets, the values
-- of the fields that `shown` lists, with their names if it is `labelled`.
function strategy.new(stage)
  return setmetatable(stage, Strategy)
end

--- A stage that is one verb of the logits with one number.
function strategy.verb(name, value)
  return strategy.new {
    name = name, value = value, shown = {"value"},
    apply = function(_, logits) logits[name](logits, value) end,
  }
end

local function apply_function(self, logits, seq, draw)
  return self.call(logits, seq, draw)
end

local METHODS = {"apply", "accept", "rewind", "clone", "reset", "close"}

local new_chain

-- `level` as for error(): who is to blame.
local function strategy_of(value, level)
  if type(value) == "function" then
    return strategy.new {name = "function", apply = apply_function, call = value}
  elseif type(value) ~= "table" then
    error("a strategy is a function, a strategy table or a list of them, not "
      .. options.show(value), level)
  elseif value.apply == nil and #value > 0 then
    local chain = new_chain(value, level + 1)
    return chain
  end
  for _, method in ipairs(METHODS) do
    local kind = type(value[method])
    if kind ~= "function" and not (kind == "nil" and method ~= "apply") then
      error("strategy " .. options.show(value.name or "without a name") .. ": '" .. method
        .. "' must be a function, not " .. options.show(value[method]), level)
    end
  end
  return value
end

--- Anything a user may call a strategy, as a table with `name` and `apply`.
-- A function is wrapped, a list becomes a chain, a strategy table is returned as it is.
-- @param level whom to blame, as for error(); 2, the default, is who calls this
-- @raise when it is none of these
function strategy.strategy(value, level)
  local stage = strategy_of(value, (level or 2) + 1)
  return stage
end

local function copy(value, seen)
  if type(value) ~= "table" then
    return value
  elseif not seen[value] then
    seen[value] = setmetatable({}, getmetatable(value))
    for key, item in pairs(value) do
      seen[value][copy(key, seen)] = copy(item, seen)
    end
  end
  return seen[value]
end

--- An independent copy of a strategy: its own `clone`, or else a copy of its tables.
-- Functions and handles are shared; a strategy that holds a handle as state needs a `clone`.
function strategy.clone(value)
  if value.clone then
    return value:clone()
  end
  return copy(value, {})
end

-------------------------------------------------------------------------------- chains

local Chain = {__tostring = function(chain)
  local names = {}
  for i, stage in ipairs(chain) do
    names[i] = strategy.describe(stage)
  end
  return table.concat(names, " -> ")
end}

-- The first stage that chooses ends the chain.
local function apply_chain(self, logits, seq, draw)
  for i = 1, #self do
    local id, message, code = self[i]:apply(logits, seq, draw)
    if id ~= nil or message ~= nil then
      return id, message, code
    end
  end
  return nil
end

-- chain:trace(logits, seq, draw, observer): apply that calls observer(stage, logits, id) after
-- each stage, with the id it chose if it did, to show what every stage leaves.
local function trace_chain(self, logits, seq, draw, observer)
  for i = 1, #self do
    local id, message, code = self[i]:apply(logits, seq, draw)
    if message ~= nil then
      return id, message, code
    end
    observer(self[i], logits, id)
    if id ~= nil then
      return id
    end
  end
  return nil
end

-- A method that calls that of every stage which has it.
local function call_each(stages, method)
  local having = {}
  for i = 1, #stages do
    having[#having + 1] = stages[i][method] and stages[i] or nil
  end
  return function(_, ...)
    for i = 1, #having do
      having[i][method](having[i], ...)
    end
  end
end

-- What the feeds of a text must keep for all stages together (options of seq:feed), or nil.
local function merge_feeds(stages)
  local merged, layers = nil, {}
  for i = 1, #stages do
    for key, value in pairs(stages[i].feed or {}) do
      merged = merged or {}
      merged[key] = value
      for _, layer in ipairs(key == "layers" and value or {}) do
        layers[layer] = true
      end
    end
  end
  if next(layers) then
    merged.layers = {}
    for layer in pairs(layers) do
      table.insert(merged.layers, layer)
    end
    table.sort(merged.layers)
  end
  return merged
end

local function finish_chain(stages)
  stages.name, stages.selector = "chain", true
  stages.apply, stages.trace = apply_chain, trace_chain
  for _, method in ipairs {"accept", "rewind", "reset", "close"} do
    stages[method] = call_each(stages, method)
  end
  stages.feed = merge_feeds(stages)
  stages.ignore_eos, stages.redraws = stages[#stages].ignore_eos, stages[#stages].redraws
  stages.clone = function(self)
    local clones = {}
    for i = 1, #self do
      clones[i] = strategy.clone(self[i])
    end
    return finish_chain(clones)
  end
  return setmetatable(stages, Chain)
end

function new_chain(list, level)
  if type(list) ~= "table" or #list == 0 then
    error("a chain is a list of strategies with at least one, not " .. options.show(list),
      level)
  end
  local stages = {}
  for i = 1, #list do
    local stage = strategy_of(list[i], level + 1)
    stages[i] = stage
    if stage.selector and i < #list then
      error("chain: '" .. tostring(stage.name) .. "' chooses the token, so the "
        .. #list - i .. " after it would never run; move it to the end", level)
    end
  end
  local last = stages[#stages]
  if not last.selector and last.call == nil then
    error("chain: the last stage, '" .. tostring(last.name) .. "', chooses no token; end with "
      .. "sampling.sample(), sampling.greedy() or a strategy with selector = true", level)
  end
  return finish_chain(stages)
end

--- Strategies one after the other; the last must be one that chooses (a selector or a
-- function).
--
-- `tostring` shows the order: `top_k(40) -> temperature(0.8) -> sample`.
-- `chain:trace(logits, seq, draw, observer)` applies it and calls observer(stage, logits, id)
-- after each stage, with the id it chose or nil.
-- @param list a Lua list of strategies; a chain is itself one
-- @raise when the list is empty, ends in a stage that does not choose, or goes on after one
function strategy.chain(list)
  local chain = new_chain(list, 3)
  return chain
end

return strategy
