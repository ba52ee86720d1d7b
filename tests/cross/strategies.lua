-- Tells the same texts on every machine with all kinds of strategies.
-- usage: strategies.lua KERNEL      which kernel must have been chosen; "any" for any
local lull = require "lull"
local decode, sampling, constrain = lull.decode, lull.sampling, lull.constrain
local kernel = arg[1]
local model = assert(lull.load("examples/models/lullaby.bin"))

local function on(base, more)
  local given = {max_tokens = 24, seed = 5}
  for _, options in ipairs {base, more or {}} do
    for key, value in pairs(options) do
      given[key] = value
    end
  end
  return given
end

-- Every stage by its option, alone and all at once.
local single = {
  {typical_p = 0.7}, {tail_free = 0.8}, {top_a = 0.3}, {top_n_sigma = 1}, {epsilon_cutoff = 0.01},
  {eta_cutoff = 0.01}, {xtc_probability = 0.7, xtc_threshold = 0.05}, {smoothing_factor = 0.4},
  {dynatemp_range = 0.7}, {mirostat = 1, mirostat_tau = 3}, {mirostat = 2, mirostat_tau = 3},
  {adaptive_target = 0.4}, {repetition_penalty = 1.3, frequency_penalty = 0.2, penalty_decay = 9},
  {dry_multiplier = 0.8, dry_allowed_length = 1}, {no_repeat_ngram = 2},
  {logit_bias = {[" big"] = 4}}, {watermark = {secret = "x"}}, {temperature = 0},
}

local texts = {}
for i, options in ipairs(single) do
  texts[i] = {"One day", on({stream = i}, options)}
end
for _, given in ipairs {
  on {stop = {" was", "."}, logprobs = 2},
  on {ban_phrases = {" was", {pattern = "little %a+"}}},
  on {draft = decode.draft_model(model)},
  on {draft = decode.draft_lookup {ngram = 1}},
  on {constraint = constrain.regex("( [a-h][a-z]*)+\\.")},
  on {constraint = constrain.grammar('root ::= (" " [a-z]+ ","?)+ "."')},
  on {sampler = {sampling.top_k(20), sampling.temperature(1.2), sampling.sample()}},
} do
  texts[#texts + 1] = {"Once upon a time", given}
end

-- All together, so that what each is told depends on nothing else.
local context = assert(model:context {sequences = 6, length = 128})
assert(kernel == "any" or context:info().kernel == kernel, context:info().kernel)
local i = 0
decode.run(function()
  i = i + 1
  local text = texts[i]
  if text then
    text[2].context = context
    return function() return model:generate(text[1], text[2]) end
  end
end, {width = 6, done = function(k, result)
  texts[k].told = assert(not result.failed and result[1], result.error or result[2])
  texts[k].facts = result[2]
end})
for _, text in ipairs(texts) do
  print(("%s|%s (%s, %d tokens)"):format(text[1], text.told, text.facts.finish_reason,
    text.facts.tokens))
  for _, entry in ipairs(text.facts.logprobs or {}) do
    io.write(("%s %.17g; "):format(lull.hash(entry.piece), entry.logprob))
  end
end
