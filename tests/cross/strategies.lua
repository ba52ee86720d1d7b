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

local sheet = constrain.json_schema [[{"type": "object", "required": ["name", "age", "likes"],
  "properties": {"name": {"type": "string", "maxLength": 12}, "age": {"type": "integer",
  "minimum": 3, "maximum": 99}, "weight": {"type": "number", "minimum": 0.5},
  "likes": {"type": "array", "items": {"enum": ["cake", "ball"]}, "maxItems": 3}}}]]
local function selected(stage)
  return {stage, sampling.temperature(0.9), sampling.sample()}
end
for _, given in ipairs {
  on {constraint = sheet, max_tokens = 60},
  on {constraint = constrain.choice {" Tom", " Ben", " a dragon"}},
  on {heal = true},
  on {sampler = selected(decode.guidance {prompt = "A sad day.", scale = 1.7, sequences = 2}),
    draft = decode.draft_model(model), ban_phrases = {" was"}},
  on {sampler = selected(decode.contrastive_decoding {last = 2, beta = 0.5})},
  on {sampler = selected(decode.dola(model, {layers = "low"}))},
  on {sampler = sampling.llama2c {seed = 7}},
  on {phrase_bias = {["the old lighthouse"] = 6}, bad_words = {"little girl"}, min_tokens = 9},
} do
  texts[#texts + 1] = {"Once upon a time", given}
end

-- All numbers of a table to the last bit, by their keys.
local function numbers(value)
  if type(value) ~= "table" then
    return type(value) == "number" and ("%.17g"):format(value) or tostring(value)
  end
  local keys, parts = {}, {}
  for key in pairs(value) do
    keys[#keys + 1] = tostring(key)
  end
  table.sort(keys)
  for i, key in ipairs(keys) do
    parts[i] = key .. "=" .. numbers(value[key] ~= nil and value[key] or value[tonumber(key)])
  end
  return "{" .. table.concat(parts, " ") .. "}"
end

-- Strategies that drive the loop: what they are called with, and which facts must be equal.
local loops = {
  {"beam", {beams = 4, max_tokens = 12, phrases = {" dog"}}, {"texts"}},
  {"beam", {beams = 4, groups = 2, n = 4, max_tokens = 10,
    sampler_stages = sampling.no_repeat_ngram(2)}, {"texts"}},
  {"contrastive_search", {k = 5, alpha = 0.6, max_tokens = 16}, {"ids", "logprob"}},
  {"best_of", {n = 3, seed = 3, max_tokens = 12, temperature = 1.2}, {"tokens"}},
  {"self_consistency", {n = 4, seed = 3, max_tokens = 12, answer = "%u%a+"}, {"votes"}},
}
local choices = {" happy", " sad", " a big red ball", " to the park with his mom"}

-- All together, so that what each is told depends on nothing else.
local context = assert(model:context {sequences = 32, length = 128})
assert(kernel == "any" or context:info().kernel == kernel, context:info().kernel)
local tasks = {}
for i, text in ipairs(texts) do
  tasks[i] = function()
    text[2].context = context
    local told, facts = assert(model:generate(text[1], text[2]))
    local line = ("%s|%s (%s, %d tokens)"):format(text[1], told, facts.finish_reason, facts.tokens)
    for _, entry in ipairs(facts.logprobs or {}) do
      line = line .. ("\n%s %.17g"):format(lull.hash(entry.piece), entry.logprob)
    end
    return line
  end
end
for _, loop in ipairs(loops) do
  tasks[#tasks + 1] = function()
    local name, given, keys = loop[1], loop[2], loop[3]
    given.context = context
    local told, facts = assert(decode[name](model, "One day, Tom", given))
    return ("%s|%s %s"):format(name, told, numbers(facts[keys[1]]) .. numbers(facts[keys[2]]))
  end
end
for _, normalize in ipairs {"sum", "token", "byte", "prior"} do
  tasks[#tasks + 1] = function()
    local chosen, facts = assert(decode.choose(model, "Tom was", choices,
      {normalize = normalize, context = context}))
    return "choose|" .. chosen .. numbers(facts)
  end
end
local results = decode.run(tasks, {width = 6})
for i = 1, #tasks do
  print(results[i][1])
end
