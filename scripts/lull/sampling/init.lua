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
--      rewind = function(self, kept) ... end,       -- all but the first `kept` were taken back
--      clone  = function(self) ... end,             -- an independent copy, for a fork
--      reset  = function(self) ... end,             -- a new text begins
--      close  = function(self) ... end,             -- it is not used any more
--      feed   = {layers = {2, 4}, hidden = true},   -- what feeds of the text must keep for it
--      selector = true,                             -- it always chooses: nothing may follow it
--      redraws = true}                              -- a selector that may simply be asked again
--                                                   -- when some of what it chose from is banned
--
-- `logits` is a work copy of the scores of the whole vocabulary and has the verbs for changing
-- them; `seq` is the text so far. Returning nil means "go on with what I left"; returning an id
-- chooses it; `nil, message, code` gives up (what logits:sample returns when it cannot).
-- `draw(purpose)` gives a uniform number in [0, 1) that depends on seed, stream, position,
-- purpose and attempt alone, so a strategy keeps no generator: `logits:sample(draw())`.
--
-- `apply` may be called again at the same position, with new logits and another attempt of
-- `draw`, when what it chose was rejected; so state advances only in `accept`. What is counted
-- there can be taken back: `rewind(kept)` says that only the first `kept` of the accepted tokens
-- since `reset` remain. Keep the state after each accepted token in a list, and it is one loop;
-- what reads the history of `seq` needs neither. (Without `rewind` a strategy just goes on.)
-- Who clones a strategy closes the clone. One that has state serves one text at a time: where
-- several are told together, each has its own (or its own `sampling.clone`).
--
-- Strategies are plain Lua between two steps of the model. They may raise or yield.
--
-- What is here: lull.sampling.selectors, .truncation, .temperature, .penalties, .structure,
-- .length, .adaptive, .watermark (the stages), .strategy (chains), .from (chains by options),
-- .draws (random numbers); this module has all their functions.
-- @module lull.sampling
local sampling = {}

local PUBLIC = {
  strategy = {"strategy", "describe", "clone", "chain"},
  draws = {"draws", "SEED", "STREAM"},
  selectors = {"greedy", "sample", "llama2c"},
  truncation = {
    "top_k", "top_p", "min_p", "top_a", "top_n_sigma", "typical", "tail_free", "epsilon", "eta",
    "xtc",
  },
  temperature = {"temperature", "dynamic_temperature", "smoothing"},
  penalties = {"penalties", "dry", "no_repeat_ngram"},
  structure = {"bias", "ban", "allow_only", "bad_words", "phrase_bias"},
  length = {"min_tokens", "max_tokens", "eos_decay"},
  adaptive = {"mirostat", "mirostat2", "adaptive_p"},
  watermark = {"watermark", "watermark_detector"},
  from = {"from", "RULES", "CHAIN_OPTIONS"},
}

for part, names in pairs(PUBLIC) do
  local module = require("lull.sampling." .. part)
  for _, name in ipairs(names) do
    sampling[name] = module[name]
  end
end

return sampling
