--- Selectors: the stages that choose.
-- @module lull.sampling.selectors
local core = require "lull.core"
local options = require "lull.options"
local strategy = require "lull.sampling.strategy"

local selectors = {}

--- Choose the most probable token; of equals the one with the lowest id. For answers that shall
-- be the model's best guess, and never vary; stories repeat themselves with it.
function selectors.greedy()
  return strategy.new {
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

--- Choose by chance, with the probabilities softmax(logits). What most chains end in.
function selectors.sample()
  return strategy.new {
    name = "sample", selector = true, redraws = true,
    apply = function(_, logits, _, draw)
      return logits:sample(draw("select"))
    end,
  }
end

--- The sampler of llama2.c's run.c, draw for draw: its xorshift* generator, its sequential
-- float32 sums, its end at BOS only. With float32 weights and a float32 KV cache the text is
-- that of `run -t temperature -p top_p -s seed`. For comparing with it; its state is a generator,
-- which a rewind does not turn back.
-- @param given {temperature = 1, top_p = 0.9, seed =}; seed is an integer of at least 1
function selectors.llama2c(given)
  local checked = options.check("llama2c", given, {
    temperature = {type = "number", min = 0, max = 1e6, default = 1},
    top_p = {type = "number", min = 0, max = 1, default = 0.9},
    seed = {type = "integer", min = 1, max = 2 ^ 32 - 1, default = 1},
  })
  local function build(state)
    return strategy.new {
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

return selectors
