--- Which way of telling is better: a grid of models and strategies x prompts x seeds.
--
--     local r = assert(evaluate.compare {
--       models = {{name = "lullaby", model = model}},
--       strategies = {
--         {name = "cool", options = {temperature = 0.5}},
--         {name = "warm", options = {temperature = 1, min_p = 0.1}},
--       },
--       prompts = {"Once upon a time", "One day, Tom"}, seeds = {1, 2, 3, 4}, max_tokens = 100,
--     })
--     print(r.arms[1].name, r.arms[1].metrics.logprob.value, r.arms[1].metrics.distinct_2.value)
--
-- Each arm (a model and a strategy) tells every prompt with every seed. What is counted of these
-- texts, the prompt left out, is quality on one side and diversity on the other: what a temperature
-- trades for each other (Caccia et al. 2018, arXiv:1811.02549). The result is plain data and a
-- function of models, strategies, prompts and seeds: not of the number of texts at a time, threads
-- or time. Each text is the one that model:generate tells with these options and that seed.
-- @module lull.evaluate.compare
local bleu = require "lull.evaluate.bleu"
local core = require "lull.core"
local likelihood = require "lull.evaluate.likelihood"
local options = require "lull.options"
local parallel = require "lull.batch.parallel"
local request = require "lull.decode.request"
local sampling = require "lull.sampling"
local scheduler = require "lull.decode.scheduler"
local statistics = require "lull.evaluate.statistics"
local stories = require "lull.evaluate.stories"
local teller = require "lull.batch.teller"
local words = require "lull.evaluate.words"

local compare = {}

local LN2 = core.math.log(2)
local BINS = 16       -- of positions, at most
local MOST_JUDGED = 8 -- texts at a time: a pass over the weights takes some dozens of tokens
local BROKEN = "the model gives logits that are no numbers"

-------------------------------------------------------------------------------- metrics

--- What is counted of an arm, in the order it is shown:
--
--   logprob            mean log-probability (nats) of a token, for the model or the judge
--   ended_in_sentence  share of texts whose last sentence is whole
--   ended              share that ended by themselves (EOS, a stop string)
--   repetition_4       four-grams of words that were in the text before
--   distinct_2         different pairs of words / pairs of words, of all texts together
--   self_bleu          BLEU-4 of a text against the arm's others
--   tokens             of a text
--
-- kind is "quality", "diversity" or "length", better "higher" or "lower"; each is a ratio of sums
-- over texts, as lull.evaluate.statistics has them.
compare.METRICS = {
  {name = "logprob", kind = "quality", better = "higher", numerator = "logprob",
    denominator = "scored"},
  {name = "ended_in_sentence", kind = "quality", better = "higher",
    numerator = "ended_in_sentence"},
  {name = "ended", kind = "quality", better = "higher", numerator = "ended"},
  {name = "repetition_4", kind = "quality", better = "lower", numerator = "repetition_4"},
  {name = "distinct_2", kind = "diversity", better = "higher", numerator = "own_pairs",
    denominator = "pairs"},
  {name = "self_bleu", kind = "diversity", better = "lower", numerator = "self_bleu"},
  {name = "tokens", kind = "length", numerator = "tokens"},
}

-- Of each text its share of the different pairs of words of all texts (a pair that k texts have is
-- a k-th of each), which add up to how many there are; and how many pairs it has.
local function pairs_of(ids, count)
  local grams, texts_with = {}, {}
  for i, list in ipairs(ids) do
    local different, seen = {}, {}
    grams[i] = {different = different, total = 0}
    for _, gram in ipairs(words.grams(list, 2, count)) do
      grams[i].total = grams[i].total + 1
      if not seen[gram] then
        seen[gram], different[#different + 1] = true, gram
        texts_with[gram] = (texts_with[gram] or 0) + 1
      end
    end
  end
  local shares, totals = {}, {}
  for i, own in ipairs(grams) do
    shares[i], totals[i] = 0, own.total
    for _, gram in ipairs(own.different) do
      shares[i] = shares[i] + 1 / texts_with[gram]
    end
  end
  return shares, totals
end

-- An arm's texts as rows of numbers.
local function rows_of(texts)
  local lists, rows = {}, {}
  for i, text in ipairs(texts) do
    lists[i] = words.of(text.text)
  end
  local ids, count = words.numbered(lists)
  local shares, totals = pairs_of(ids, count)
  local alike = bleu.each(ids, count)
  for i, text in ipairs(texts) do
    rows[i] = {
      logprob = text.logprob, scored = text.scored, tokens = text.tokens,
      ended = text.finish_reason == "stop" and 1 or 0,
      ended_in_sentence = stories.ends_in_sentence(text.text) and 1 or 0,
      repetition_4 = stories.repetition(ids[i], 4, count),
      own_pairs = shares[i], pairs = totals[i], self_bleu = alike[i],
    }
  end
  return rows
end

-- The metrics of an arm by name. The errors are those of texts drawn anew; what a text has in
-- common with the others stays as it is.
local function measure(texts, bootstrap)
  local metrics = {}
  local found = statistics.summarize(rows_of(texts), compare.METRICS,
    {bootstrap = bootstrap, seed = 0})
  for _, metric in ipairs(found) do
    metrics[metric.name] = {value = metric.value, stderr = metric.stderr, n = metric.n}
  end
  return metrics
end

-- Mean surprise (bits) of tokens by position, in at most BINS ranges of equal size.
local function by_position(texts)
  local longest, bins = 0, {}
  for _, text in ipairs(texts) do
    longest = math.max(longest, #text.each)
  end
  local size = math.ceil(longest / BINS)
  for _, text in ipairs(texts) do
    for k, logprob in ipairs(text.each) do
      local i = math.ceil(k / size)
      bins[i] = bins[i] or {from = (i - 1) * size + 1, to = math.min(i * size, longest),
        tokens = 0, bits = 0}
      bins[i].tokens, bins[i].bits = bins[i].tokens + 1, bins[i].bits - logprob / LN2
    end
  end
  for _, bin in ipairs(bins) do
    bin.bits = bin.bits / bin.tokens
  end
  return bins
end

-------------------------------------------------------------------------------- what is asked

local function is_list(value)
  return type(value) == "table" and #value > 0
end

local function list_of(noun)
  return {test = is_list, text = "a list of " .. noun}
end

local RULES = {
  models = list_of "models: {{name =, model =}, ...}",
  strategies = list_of "strategies: {{name =, options =}, ...}",
  prompts = list_of "texts",
  seeds = list_of "seeds",
  max_tokens = {type = "integer", min = 1, default = 128},
  judge = {type = "table", text = "a table {name =, model =}"},
  parallel = {type = "integer", min = 1, max = 1024},
  bootstrap = {type = "integer", min = 0, max = 1e6, default = 1000},
  poll = {type = "function"},
  progress = {type = "function"},
}

local MODEL_RULES = {
  name = {type = "string"}, model = options.handle "model",
  threads = {type = "integer", min = 0, max = 256}, kv = {one_of = {"f32", "bf16"}},
  cpu = {type = "string"},
}

--- What a strategy's options may be: those of a text, but for what the grid decides and what makes
-- a text depend on the machine.
compare.STRATEGY_RULES = {}
for name, rule in pairs(request.RULES) do
  compare.STRATEGY_RULES[name] = rule
end
for _, name in ipairs {"max_tokens", "seed", "stream", "logprobs", "score", "draft",
  "max_seconds"} do
  compare.STRATEGY_RULES[name] = nil
end

local USER = 3 -- whom to blame: the caller of compare

-- A list of named things that were checked, no name twice.
local function named(list, noun, check)
  local checked, seen = {}, {}
  for i, given in ipairs(list) do
    checked[i] = check(given)
    local name = checked[i].name
    if name == nil then
      error("bad options to 'compare' (" .. noun .. " " .. i .. " has no name)", USER + 1)
    elseif seen[name] then
      error("bad options to 'compare' (two of its " .. noun .. "s are called "
        .. options.show(name) .. ")", USER + 1)
    end
    seen[name] = true
  end
  return checked
end

local function check_model(given)
  local checked = options.check("compare", given, MODEL_RULES, USER + 2)
  if checked.model == nil then
    error("bad options to 'compare' (model is needed)", USER + 2)
  end
  return checked
end

local function check_strategy(given)
  local checked = options.check("compare", given,
    {name = {type = "string"}, options = {type = "table", default = {}}}, USER + 2)
  options.check("strategy " .. options.show(checked.name), checked.options,
    compare.STRATEGY_RULES, USER + 2)
  checked.sampler = sampling.describe(
    request.check(checked.options, request.RULES, "compare", USER + 2).strategy)
  return checked
end

local function check(spec)
  local given = options.check("compare", spec, RULES, USER)
  for _, name in ipairs {"models", "strategies", "prompts", "seeds"} do
    if given[name] == nil then
      error("bad options to 'compare' (" .. name .. " are needed)", USER)
    end
  end
  given.models = named(given.models, "model", check_model)
  given.strategies = named(given.strategies, "strategy", check_strategy)
  for _, prompt in ipairs(given.prompts) do
    options.argument("compare", 1, prompt, {type = "string", text = "prompts that are strings"},
      USER)
  end
  for _, seed in ipairs(given.seeds) do
    options.argument("compare", 1, seed, sampling.SEED, USER)
  end
  given.judge = given.judge and check_model(given.judge)
  return given
end

-------------------------------------------------------------------------------- running

-- What a strategy gives one text: options of its own, as chains have state.
local function options_of(strategy, max_tokens)
  local own = {max_tokens = max_tokens, logprobs = 0}
  for name, value in pairs(strategy.options) do
    own[name] = value
  end
  if own.sampler then
    own.sampler = sampling.clone(sampling.strategy(own.sampler))
  end
  return own
end

local Run = {}
Run.__index = Run

-- One more text is told or judged.
function Run:count(tokens)
  self.done, self.tokens = self.done + 1, self.tokens + tokens
end

function Run:poll(tokens)
  if self.given.progress then
    self.given.progress(self.done, self.total, self.tokens + tokens)
  end
  return self.given.poll and self.given.poll()
end

-- Where `texts` texts of a model are evaluated: as many at a time as asked for, or as memory
-- allows. The context and how many; or nil, message, code.
function Run:open(entry, tokens, texts, most, extra)
  local info = entry.model:info()
  local length = math.min(info.seq_len, tokens)
  local width = math.min(texts, most, self.given.parallel
    or parallel.choose(info, length, entry.kv, parallel.available()))
  local context, message, code = entry.model:context {
    sequences = extra(width), length = length, threads = entry.threads, kv = entry.kv,
    cpu = entry.cpu, batch = math.max(64, width),
  }
  return context, message or width, code
end

-- The tokens of the longest prompt; or nil, message, code.
local function longest_prompt(model, prompts)
  local longest = 0
  for _, prompt in ipairs(prompts) do
    local ids, message, code = model:encode(prompt, {start = true})
    if not ids then
      return nil, message, code
    end
    longest = math.max(longest, #ids)
  end
  return longest
end

local function is_finite(value)
  return value == value and value > -math.huge and value < math.huge
end

-- The log-probabilities of a text's tokens become part of it. true, or nil, message, code.
local function take_scores(text, each)
  text.each, text.scored, text.logprob = each, #each, 0
  for _, logprob in ipairs(each) do
    text.logprob = text.logprob + logprob
  end
  if not is_finite(text.logprob) then
    return nil, BROKEN, "EINVAL"
  end
  return true
end

local function text_of(record, told, facts)
  local each = {}
  for i, entry in ipairs(facts.logprobs) do
    each[i] = entry.logprob
  end
  local text = {
    prompt = record.prompt_index, seed = record.seed, text = told, tokens = facts.tokens,
    finish_reason = facts.finish_reason,
  }
  local ok, message, code = take_scores(text, each)
  return ok and text, message, code
end

-- What a model is to tell: for each arm every prompt with every seed. Prompts come first, so that
-- each is read once; every text knows where it belongs.
local function records_of(arms, given)
  local records = {}
  for p, prompt in ipairs(given.prompts) do
    for _, arm in ipairs(arms) do
      for s, seed in ipairs(given.seeds) do
        records[#records + 1] = {
          prompt = prompt, prompt_index = p, seed = seed, stream = sampling.STREAM.default,
          given = options_of(arm.strategy, given.max_tokens),
          arm = arm, place = (p - 1) * #given.seeds + s,
        }
      end
    end
  end
  return records
end

-- All texts of one model's arms. true, or nil, message, code.
function Run:tell(entry, arms)
  local given = self.given
  local longest, message, code = longest_prompt(entry.model, given.prompts)
  if not longest then
    return nil, message, code
  end
  local records, at = records_of(arms, given), 0
  local context, width
  context, width, code = self:open(entry, longest + given.max_tokens, #records, 1024,
    function(texts) return texts + teller.PREFIXES end)
  if not context then
    return nil, width, code -- message and code
  end
  local before = self.tokens
  local tell
  tell = teller.new(entry.model, {context}, {
    width = width,
    next = function()
      at = at + 1
      return records[at]
    end,
    poll = function() return self:poll(tell:told() - (self.tokens - before)) end,
    done = function(record, told, facts)
      if not told then
        return nil, record.failure.message, record.failure.code
      end
      self:count(facts.tokens)
      local text, problem, why = text_of(record, told, facts)
      record.arm.texts[record.place] = text
      return text, problem, why
    end,
  })
  local ok
  ok, message, code = tell:run()
  context:close()
  return ok, message, code
end

-- One text scored by the judge, in its tokens. true, or nil, message, code.
function Run:judge_text(context, text)
  local judge, prompt = self.given.judge.model, self.given.prompts[text.prompt]
  if text.text == "" then
    return take_scores(text, {})
  end
  local before, after, code = likelihood.split(judge, prompt, text.text)
  if before then
    before, after, code = likelihood.fit(before, after, context:info().length)
  end
  if not before then
    return nil, after, code -- message and code
  end
  local results, message, problem = likelihood.score(context,
    {{context = before, continuation = after}}, {width = 1, each = true})
  if not results then
    return nil, message, problem
  end
  return take_scores(text, results[1].each)
end

-- All texts scored by the judge. true, or nil, message, code.
function Run:judge(arms)
  local entry, texts, failed = self.given.judge, {}, nil
  for _, arm in ipairs(arms) do
    for _, text in ipairs(arm.texts) do
      texts[#texts + 1] = text
    end
  end
  local context, width, code = self:open(entry, entry.model:info().seq_len, #texts, MOST_JUDGED,
    function(n) return 2 * n end)
  if not context then
    return nil, width, code -- message and code
  end
  local at = 0
  local function next_task()
    at = at + 1
    local text = texts[at]
    return text and not failed and function()
      return self:judge_text(context, text)
    end or nil
  end
  scheduler.run(next_task, {
    width = width,
    step = function(stepped)
      if self:poll(0) == "drop" then
        return nil, "interrupted", "ECANCELED"
      end
      return scheduler.step(stepped)
    end,
    done = function(i, result)
      if not result[1] then
        failed = failed or {result[2], result[3]}
      else
        self:count(texts[i].scored)
      end
    end,
  })
  context:close()
  if failed then
    return nil, failed[1], failed[2]
  end
  return true
end

-- All arms, without their texts: model by model.
local function arms_of(given)
  local arms, of_model = {}, {}
  for m, entry in ipairs(given.models) do
    of_model[m] = {}
    for s, strategy in ipairs(given.strategies) do
      local name = #given.models == 1 and strategy.name
        or #given.strategies == 1 and entry.name or entry.name .. ", " .. strategy.name
      local arm = {name = name, model = m, strategy_index = s, strategy = strategy, texts = {}}
      arms[#arms + 1], of_model[m][s] = arm, arm
    end
  end
  return arms, of_model
end

local function model_facts(entry)
  return {name = entry.name, fingerprint = entry.model:fingerprint(),
    precision = entry.model:info().precision}
end

local function result_of(given, arms)
  local result = {
    models = {}, strategies = {}, prompts = given.prompts, seeds = given.seeds,
    max_tokens = given.max_tokens, judge = given.judge and model_facts(given.judge), arms = {},
  }
  for i, entry in ipairs(given.models) do
    result.models[i] = model_facts(entry)
  end
  for i, strategy in ipairs(given.strategies) do
    result.strategies[i] = {name = strategy.name, sampler = strategy.sampler}
  end
  for i, arm in ipairs(arms) do
    result.arms[i] = {
      name = arm.name, model = arm.model, strategy = arm.strategy_index,
      metrics = measure(arm.texts, given.bootstrap), positions = by_position(arm.texts),
      texts = arm.texts,
    }
    for _, text in ipairs(arm.texts) do
      text.each = nil
    end
  end
  return result
end

--- Compare.
-- @param spec a table:
--   models      {{name =, model =, threads =, kv =, cpu = of its context}, ...}
--   strategies  {{name =, options = see STRATEGY_RULES}, ...}
--   prompts     a list of strings; "" begins a new text
--   seeds       a list
--   max_tokens  of a text, 128
--   judge       {name =, model =, ...}: the model whose log-probabilities count, for all texts; by
--               default the one that told them. Only a judge makes models comparable, and models
--               with other tokens anyway
--   parallel    texts at a time at most; by default as memory allows
--   bootstrap   samples for standard errors, 1000
--   poll        function() called between steps; "drop" ends all ("ECANCELED")
--   progress    function(done, total, tokens) called between steps: texts that are told or judged
-- @return {models = {{name, fingerprint, precision}}, judge =, strategies = {{name, sampler}},
--   prompts, seeds, max_tokens, arms}; an arm is {name, model = its number, strategy = its number,
--   metrics = {[name] = {value, stderr, n}} (see METRICS; value is nil where there is nothing to
--   count), positions = {{from, to, tokens, bits = mean surprise}, ...}, texts = {{prompt = its
--   number, seed, text, tokens, finish_reason, logprob = the sum, scored = of so many tokens},
--   ...}: by prompt, then by seed}
-- @return nil, message, code on failure
function compare.compare(spec)
  local given = check(spec)
  local arms, of_model = arms_of(given)
  local run = setmetatable({
    given = given, done = 0, tokens = 0,
    total = #arms * #given.prompts * #given.seeds * (given.judge and 2 or 1),
  }, Run)
  local ok, message, code = true, nil, nil
  for m, entry in ipairs(given.models) do
    if ok then
      ok, message, code = run:tell(entry, of_model[m])
    end
  end
  if ok and given.judge then
    ok, message, code = run:judge(arms)
  end
  if not ok then
    return nil, message, code
  end
  return result_of(given, arms)
end

return compare
