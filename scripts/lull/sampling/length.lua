--- Stages for how long a text becomes. Tokens are counted from the first one the strategy chose.
--
-- What ends a text is BOS or EOS; both are meant by "the end".
-- @module lull.sampling.length
local core = require "lull.core"
local options = require "lull.options"
local history = require "lull.sampling.history"
local strategy = require "lull.sampling.strategy"
local tokens = require "lull.sampling.tokens"

local length = {}

local COUNT = {type = "integer", min = 1, max = 2 ^ 31}

local ends_of = tokens.memo(tokens.ends)

-- How many tokens have been told.
local function told(self, seq)
  return #seq - history.start(self, seq)
end

--- No end before n tokens are told.
function length.min_tokens(n)
  options.argument("min_tokens", 1, n, COUNT)
  return strategy.new {
    name = "min_tokens", value = n, shown = {"value"}, reset = history.reset,
    apply = function(self, logits, seq)
      if told(self, seq) < n then
        logits:ban(ends_of(seq:model()))
      end
    end,
  }
end

--- Nothing but the end after n tokens are told. Unlike the max_tokens of generate, which stops
-- there, this makes the model write the end, so a text that follows may know of it.
function length.max_tokens(n)
  options.argument("max_tokens", 1, n, COUNT)
  return strategy.new {
    name = "max_tokens", value = n, shown = {"value"}, reset = history.reset,
    apply = function(self, logits, seq)
      if told(self, seq) >= n then
        logits:allow(ends_of(seq:model()))
      end
    end,
  }
end

--- The options of eos_decay.
length.EOS_DECAY = {
  after = {type = "integer", min = 0, max = 2 ^ 31, required = true},
  factor = {type = "number", min = 1, max = 100, default = 1.01},
}

--- Make the end more and more probable: n tokens beyond the first `after`, its logit l becomes
-- l + |l| * (factor^n - 1) (transformers' ExponentialDecayLengthPenalty).
-- For texts that shall find an end by themselves, somewhere behind that.
-- @param given {after =, factor = 1.01}
function length.eos_decay(given)
  local checked = options.check("eos_decay", given, length.EOS_DECAY)
  local after, factor = checked.after, checked.factor
  return strategy.new {
    name = "eos_decay", labelled = true, shown = {"after", "factor"},
    after = after, factor = factor, reset = history.reset,
    apply = function(self, logits, seq)
      local n = told(self, seq) - after
      if n <= 0 then
        return nil
      end
      local growth = math.min(core.math.pow(factor, n) - 1, 1e6)
      for _, id in ipairs(ends_of(seq:model())) do
        local l = logits:get(id)
        if l > -math.huge and l < math.huge then
          logits:add(id, math.min(math.abs(l) * growth, 1e9))
        end
      end
    end,
  }
end

return length
