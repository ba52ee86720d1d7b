--- Strategies: how the next token is chosen.
--
-- A strategy is a function
--
--     function(logits, seq, draw) -> nil | id
--
-- or, when it has a name or state, a table with that function as a method:
--
--     {name   = "my_strategy",
--      apply  = function(self, logits, seq, draw) ... end,   -- the only field it must have
--      accept = function(self, id, seq) ... end,    -- a token was chosen, by whomever
--      clone  = function(self) ... end,             -- an independent copy, for a fork
--      reset  = function(self) ... end,             -- a new text begins
--      selector = true}                             -- it always chooses: nothing may follow it
--
-- `logits` is a work copy of the scores of the whole vocabulary and has the verbs for changing
-- them; `seq` is the text so far. Returning nil means "go on with what I left"; returning an id
-- chooses it; `nil, message, code` gives up (what logits:sample returns when it cannot).
-- `draw(purpose)` gives a uniform number in [0, 1) that depends on seed, stream, position,
-- purpose and attempt alone, so a strategy keeps no generator: `logits:sample(draw())`.
--
-- Strategies are plain Lua between two steps of the model. They may raise or yield.
-- @module lull.sampling
local core = require "lull.core"
local options = require "lull.options"

local sampling = {}

-------------------------------------------------------------------------------- strategies

--- A strategy as text: `top_k(40)`, or the name its author gave it.
function sampling.describe(strategy)
  local metatable = getmetatable(strategy)
  if type(metatable) == "table" and metatable.__tostring then
    return tostring(strategy)
  end
  return tostring(strategy.name or "strategy")
end

local function describe(strategy)
  local arguments = {}
  for i, key in ipairs(strategy.shown or {}) do
    arguments[i] = options.show(strategy[key])
  end
  return strategy.name .. (#arguments > 0 and "(" .. table.concat(arguments, ", ") .. ")" or "")
end

local Strategy = {__tostring = describe}

local function new(strategy)
  return setmetatable(strategy, Strategy)
end

local function apply_function(self, logits, seq, draw)
  return self.call(logits, seq, draw)
end

local METHODS = {"apply", "accept", "clone", "reset"}

local new_chain

-- `level` as for error(): who is to blame.
local function strategy_of(value, level)
  if type(value) == "function" then
    return new {name = "function", apply = apply_function, call = value}
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
      error("strategy " .. options.show(value.name) .. ": '" .. method
        .. "' must be a function, not " .. options.show(value[method]), level)
    end
  end
  return value
end

--- Anything a user may call a strategy, as a table with `name` and `apply`.
-- A function is wrapped, a list becomes a chain, a strategy table is returned as it is.
-- @param level whom to blame, as for error(); 2, the default, is who calls this
-- @raise when it is none of these
function sampling.strategy(value, level)
  local strategy = strategy_of(value, (level or 2) + 1)
  return strategy
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
function sampling.clone(strategy)
  if strategy.clone then
    return strategy:clone()
  end
  return copy(strategy, {})
end

-------------------------------------------------------------------------------- random draws

local Draw = {}
Draw.__index = Draw

local function new_draw(seed, stream, seq)
  return setmetatable({seed = seed, stream = stream, seq = seq, attempts = {}, last = -1}, Draw)
end

function Draw:__call(purpose)
  local position = #self.seq
  if position > self.last then
    self.last = position
  end
  return core.random(self.seed, self.stream, position, purpose or "select",
    self.attempts[position] or 0)
end

--- Tell that what was drawn at `position` and after it has been thrown away (a rewind, a ban):
-- the next draws there are independent of the discarded ones.
function Draw:discard(position)
  for i = position, self.last do
    self.attempts[i] = (self.attempts[i] or 0) + 1
  end
end

local function is_count(value)
  return options.allows({type = "integer", min = 0}, value)
end

--- What may be a seed, and the name of a stream.
sampling.SEED = {
  text = "an integer in 0..2^53, or '0x' and up to 16 hexadecimal digits,",
  test = function(value)
    return is_count(value) or type(value) == "string" and #value <= 18
      and value:find("^0[xX]%x+$") ~= nil
  end,
}
sampling.STREAM = {
  text = "a string or an integer in 0..2^53",
  test = function(value) return is_count(value) or type(value) == "string" end,
  default = 0,
}

--- The same numbers for a fork of the sequence; or, given a stream, numbers of its own.
function Draw:fork(seq, stream)
  local forked = new_draw(self.seed, stream or self.stream, seq)
  for position, attempt in pairs(self.attempts) do
    forked.attempts[position] = attempt
  end
  forked.last = self.last
  return forked
end

--- The random numbers of one text: `draw = draws(seq, {seed =, stream =})`, then `draw()` to
-- choose a token, or `draw("dice")` for something else at the same position.
-- @param given seed, and stream: which of the texts that share the seed
function sampling.draws(seq, given)
  local checked = options.check("draws", given, {
    seed = sampling.SEED, stream = sampling.STREAM,
  })
  if checked.seed == nil then
    error("bad options to 'draws' (seed is needed)", 2)
  end
  return new_draw(checked.seed, checked.stream, seq)
end

-------------------------------------------------------------------------------- single stages

local RULES = {
  temperature = {
    text = "0 (greedy) or a number in 0.000001..1000000",
    test = function(t)
      return type(t) == "number" and (t == 0 or (t >= 1e-6 and t <= 1e6))
    end,
  },
  top_k = {
    type = "integer", min = 0, max = 2 ^ 31, text = "an integer of at least 0 (0 = off)",
  },
  top_p = {type = "number", min = 0, max = 1, text = "a number in 0..1 (1 = off)"},
  min_p = {type = "number", min = 0, max = 1, text = "a number in 0..1 (0 = off)"},
}

--- What `from` (and so generate and stream) accepts; for those that take the same options.
sampling.RULES = RULES

--- Choose the most probable token; of equals the one with the lowest id.
function sampling.greedy()
  return new {
    name = "greedy", selector = true, redraws = true,
    apply = function(_, logits)
      local id = logits:argmax()
      if id then
        return id
      end
      return logits:sample(0) -- says what is wrong
    end,
  }
end

--- Choose by chance, with the probabilities softmax(logits).
function sampling.sample()
  return new {
    name = "sample", selector = true, redraws = true,
    apply = function(_, logits, _, draw)
      return logits:sample(draw("select"))
    end,
  }
end

--- Divide the logits by t: below 1 the probable becomes more so, above 1 the choice is wilder.
-- In a chain 0 is not a temperature; greedy() is the selector for that.
function sampling.temperature(t)
  options.argument("temperature", 1, t, {type = "number", min = 1e-6, max = 1e6})
  return new {
    name = "temperature", t = t, shown = {"t"},
    apply = function(_, logits) logits:temperature(t) end,
  }
end

--- Keep the k most probable tokens (Fan et al. 2018, arXiv:1805.04833).
function sampling.top_k(k)
  options.argument("top_k", 1, k, {type = "integer", min = 1, max = 2 ^ 31})
  return new {
    name = "top_k", k = k, shown = {"k"},
    apply = function(_, logits) logits:top_k(k) end,
  }
end

--- Keep the smallest set of tokens whose probabilities reach p (Holtzman et al. 2019,
-- arXiv:1904.09751).
function sampling.top_p(p)
  options.argument("top_p", 1, p, {type = "number", min = 0, max = 1})
  return new {
    name = "top_p", p = p, shown = {"p"},
    apply = function(_, logits) logits:top_p(p) end,
  }
end

--- Drop tokens less probable than p times the most probable one (Nguyen et al. 2024,
-- arXiv:2407.01082).
function sampling.min_p(p)
  options.argument("min_p", 1, p, {type = "number", min = 0, max = 1})
  return new {
    name = "min_p", p = p, shown = {"p"},
    apply = function(_, logits) logits:min_p(p) end,
  }
end

-------------------------------------------------------------------------------- chains

local Chain = {__tostring = function(chain)
  local names = {}
  for i, stage in ipairs(chain) do
    names[i] = sampling.describe(stage)
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

local function accept_chain(self, id, seq)
  for i = 1, #self do
    if self[i].accept then
      self[i]:accept(id, seq)
    end
  end
end

local function reset_chain(self)
  for i = 1, #self do
    if self[i].reset then
      self[i]:reset()
    end
  end
end

local function finish_chain(stages)
  stages.name, stages.selector = "chain", true
  stages.apply, stages.accept, stages.reset = apply_chain, accept_chain, reset_chain
  stages.ignore_eos, stages.redraws = stages[#stages].ignore_eos, stages[#stages].redraws
  stages.clone = function(self)
    local clones = {}
    for i = 1, #self do
      clones[i] = sampling.clone(self[i])
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
-- `tostring` shows the order: `top_k(40) -> temperature(0.8) -> sample`.
-- @param list a Lua list of strategies; a chain is itself one
-- @raise when the list is empty, ends in a stage that does not choose, or goes on after one
function sampling.chain(list)
  local chain = new_chain(list, 3)
  return chain
end

--- The default chain: top_k 40, top_p 0.95, min_p 0.05, temperature 0.8, then a draw: the order
-- and the defaults of llama.cpp. Stages that are off are left out; temperature 0 is greedy.
-- @param given {temperature =, top_k =, top_p =, min_p =}, each optional
function sampling.from(given)
  local checked = options.check("from", given, RULES)
  local k, p, m, t = checked.top_k, checked.top_p, checked.min_p, checked.temperature
  if t == 0 then
    return sampling.chain {sampling.greedy()}
  end
  local stages = {}
  local function add(stage)
    stages[#stages + 1] = stage
  end
  if k ~= 0 then add(sampling.top_k(k or 40)) end
  if p ~= 1 then add(sampling.top_p(p or 0.95)) end
  if m ~= 0 then add(sampling.min_p(m or 0.05)) end
  if t ~= 1 then add(sampling.temperature(t or 0.8)) end
  add(sampling.sample())
  return sampling.chain(stages)
end

-------------------------------------------------------------------------------- llama2.c

--- The sampler of llama2.c's run.c, draw for draw: its xorshift* generator, its sequential
-- float32 sums, its end at BOS only. With float32 weights and a float32 KV cache the text is
-- that of `run -t temperature -p top_p -s seed`.
-- @param given {temperature = 1, top_p = 0.9, seed =}; seed is an integer of at least 1
function sampling.llama2c(given)
  local checked = options.check("llama2c", given, {
    temperature = {type = "number", min = 0, max = 1e6, default = 1},
    top_p = {type = "number", min = 0, max = 1, default = 0.9},
    seed = {type = "integer", min = 1, max = 2 ^ 32 - 1, default = 1},
  })
  local function build(state)
    return new {
      name = "llama2c", selector = true, ignore_eos = true,
      temperature = checked.temperature, top_p = checked.top_p, seed = checked.seed,
      shown = {"temperature", "top_p", "seed"},
      apply = function(_, logits)
        return logits:llama2c(state, checked.temperature, checked.top_p)
      end,
      clone = function()
        return build(state:clone())
      end,
      reset = function()
        state = core.llama2c_state(checked.seed)
      end,
    }
  end
  return build(core.llama2c_state(checked.seed))
end

return sampling
