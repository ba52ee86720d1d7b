--- The random numbers of one text.
-- @module lull.sampling.draws
local core = require "lull.core"
local options = require "lull.options"

local draws = {}

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

--- The same numbers for a fork of the sequence; or, given a stream, numbers of its own.
function Draw:fork(seq, stream)
  local forked = new_draw(self.seed, stream or self.stream, seq)
  for position, attempt in pairs(self.attempts) do
    forked.attempts[position] = attempt
  end
  forked.last = self.last
  return forked
end

local function is_count(value)
  return options.allows({type = "integer", min = 0}, value)
end

--- What may be a seed, and the name of a stream.
draws.SEED = {
  text = "an integer in 0..2^53, or '0x' and up to 16 hexadecimal digits,",
  test = function(value)
    return is_count(value) or type(value) == "string" and #value <= 18
      and value:find("^0[xX]%x+$") ~= nil
  end,
}
draws.STREAM = {
  text = "a string or an integer in 0..2^53",
  test = function(value) return is_count(value) or type(value) == "string" end,
  default = 0,
}

--- The random numbers of one text: `draw = draws(seq, {seed =, stream =})`, then `draw()` to
-- choose a token, or `draw("dice")` for something else at the same position.
-- @param given seed, and stream: which of the texts that share the seed
function draws.draws(seq, given)
  local checked = options.check("draws", given, {
    seed = {test = draws.SEED.test, text = draws.SEED.text, required = true},
    stream = draws.STREAM,
  })
  return new_draw(checked.seed, checked.stream, seq)
end

return draws
