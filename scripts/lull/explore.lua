--- What a model sees, and what a sampling chain makes of it: every token of a text with its
-- alternatives.
--
--     local record = assert(explore.text(model, "Once upon a time", {seed = 7, max_tokens = 20}))
--     for _, token in ipairs(record.tokens) do
--       print(token.piece, token.p, token.rank, token.entropy_bits)
--     end
--
-- The text is the one that model:generate tells with the same options: what watches are stages
-- around the stages of the chain, which change nothing and draw nothing.
--
-- A record is {
--   text, prompt     what was told (or given), and what was before it
--   cut              so many bytes of the last tokens are no part of the text: a stop string
--   tokens           a list, see below
--   sampler, seed    as in the facts of generate; seed is nil for a given text
--   finish_reason, stop    as in the facts; nil for a given text that was read to its end
--   surprise_bits, entropy_bits    means over the tokens; 2^surprise_bits is the perplexity
--   vocab_size }
--
-- A token is {
--   position         how many tokens were before it
--   id, piece, text  text is the piece as it stands in the text
--   ending           true where it ends the text and is no part of it
--   p, rank          its probability in the raw distribution, and its place there
--   surprise_bits    -log2 p
--   entropy, entropy_bits              of the raw distribution, in nats and in bits
--   chain_p          its probability after the chain; 0 where removed
--   removed_by       the name of the stage that did (of a given text's token)
--   chain_entropy, chain_entropy_bits  of what the chain left
--   alternatives     the most probable of the raw distribution, the chosen one among them if it
--                    is: {id, piece, p, rank, chain_p, removed_by}
--   stages           what each did, in order: {name, remaining, removed: so many tokens, mass:
--                    their raw probability, reshaped: whether the odds among the others changed,
--                    entropy, entropy_bits} }
-- @module lull.explore
local core = require "lull.core"
local generate = require "lull.generate"
local options = require "lull.options"
local request = require "lull.decode.request"
local sampling = require "lull.sampling"

local explore = {}

local log = core.math.log
local LOG2 = log(2)

local CONTEXT_OPTIONS = {"context", "threads", "kv", "cpu", "length", "batch"}

-- What was masked before the chain began, or under a constraint within it.
local NOT_ALLOWED = "not allowed here"

-------------------------------------------------------------------------------- distributions

-- A distribution as tables: ids, the most probable first, p by id, the sum of these (which is 1
-- but for rounding, or where a strategy left weights), and the entropy in nats.
local function snapshot(logits)
  local ids, p, count, sum, weighted = {}, {}, 0, 0, 0
  for id, probability in logits:candidates(logits:size()) do
    count = count + 1
    ids[count], p[id] = id, probability
    if probability > 0 then
      sum = sum + probability
      weighted = weighted + probability * log(probability)
    end
  end
  local entropy = sum > 0 and math.max(0, log(sum) - weighted / sum) or 0
  return {ids = ids, p = p, sum = sum, entropy = entropy}
end

-- The distribution in which only one token is left.
local function only(id)
  return {ids = {id}, p = {[id] = 1}, sum = 1, entropy = 0}
end

local function probability(distribution, id)
  local p = distribution.p[id]
  return p and p / distribution.sum or 0
end

-- Did the odds among the tokens that are left change from one distribution to the next?
local function is_reshaped(before, after)
  local kept = 0
  for _, id in ipairs(after.ids) do
    kept = kept + (before.p[id] or 0)
  end
  for _, id in ipairs(after.ids) do
    local expected, p = (before.p[id] or 0) / kept, after.p[id] / after.sum
    if math.abs(p - expected) > 1e-5 * expected + 1e-30 then
      return true
    end
  end
  return false
end

-- The probability in `raw` of all that `distribution` has.
local function mass(raw, distribution)
  local sum = 0
  for _, id in ipairs(distribution.ids) do
    sum = sum + (raw.p[id] or 0)
  end
  return sum / raw.sum
end

local function describe_stage(name, raw, before, after)
  return {
    name = name, remaining = #after.ids, removed = #before.ids - #after.ids,
    mass = mass(raw, before) - mass(raw, after), reshaped = is_reshaped(before, after),
    entropy = after.entropy, entropy_bits = after.entropy / LOG2,
  }
end

-------------------------------------------------------------------------------- the recorder

local Recorder = {}
Recorder.__index = Recorder

local function new_recorder(model, n_alternatives, each)
  return setmetatable({
    model = model, n_alternatives = n_alternatives, each = each,
    tokens = {},   -- by their number in the text
    first = nil,   -- how many tokens there were before the text, and
    prompt = nil,  -- what they say
    pending = nil, -- the token that is being chosen
  }, Recorder)
end

-- Before the chain: logits has the raw scores, but for what is not allowed.
function Recorder:begin(logits, seq)
  local original = logits:clone():reset()
  local raw = snapshot(original)
  if not self.first then
    self.first, self.prompt = #seq, seq:text()
    self.at_start = seq:token(-1) == self.model:bos()
  end
  self.pending = {
    position = #seq, original = original, raw = raw, names = {}, distributions = {raw},
  }
  if original:logsumexp() ~= logits:logsumexp() then
    self:after(NOT_ALLOWED, snapshot(logits))
  end
end

-- After a stage.
function Recorder:after(name, distribution)
  local pending = self.pending
  pending.names[#pending.names + 1] = name
  pending.distributions[#pending.distributions + 1] = distribution
end

-- Which stage removed a token for good, or nil.
local function remover(pending, id)
  local name
  for i = 2, #pending.distributions do
    local had, has = pending.distributions[i - 1].p[id], pending.distributions[i].p[id]
    if has then
      name = nil
    elseif had then
      name = pending.names[i - 1]
    end
  end
  return name
end

function Recorder:alternative(pending, rank)
  local raw, distributions = pending.raw, pending.distributions
  local id = raw.ids[rank]
  return {
    id = id, piece = self.model:piece(id), rank = rank, p = probability(raw, id),
    chain_p = probability(distributions[#distributions], id), removed_by = remover(pending, id),
  }
end

local function rank_of(raw, id)
  for rank, other in ipairs(raw.ids) do
    if other == id then
      return rank
    end
  end
end

-- The chain has chosen; it may be made to choose again.
function Recorder:choose(id)
  local pending = self.pending
  local raw, distributions = pending.raw, pending.distributions
  local last = distributions[#distributions]
  local number = pending.position - self.first + 1
  local piece = self.model:piece(id)
  local token = {
    position = pending.position, id = id, piece = piece,
    text = number == 1 and self.at_start and piece:gsub("^ ", "", 1) or piece,
    p = probability(raw, id), rank = rank_of(raw, id),
    surprise_bits = math.max(0, -pending.original:logprob(id) / LOG2),
    entropy = raw.entropy, entropy_bits = raw.entropy / LOG2,
    chain_p = probability(last, id), removed_by = remover(pending, id),
    chain_entropy = last.entropy, chain_entropy_bits = last.entropy / LOG2,
    alternatives = {}, stages = {},
  }
  for rank = 1, math.min(self.n_alternatives, #raw.ids) do
    token.alternatives[rank] = self:alternative(pending, rank)
  end
  for i, name in ipairs(pending.names) do
    token.stages[i] = describe_stage(name, raw, distributions[i], distributions[i + 1])
  end
  pending.chosen = true
  self.tokens[number] = token
  if self.each then
    self.each(token, number)
  end
end

-------------------------------------------------------------------------------- the chain

local METHODS = {"accept", "rewind", "reset"}

-- A stage that does what another does and has the recorder look at it; `forced`, for a given
-- text, is a function from the sequence to the id that is taken in place of the one chosen.
local function watched(stage, recorder, forced)
  local proxy = {
    name = stage.name, selector = stage.selector, call = stage.call, redraws = stage.redraws,
    ignore_eos = stage.ignore_eos or forced ~= nil, feed = stage.feed,
  }
  function proxy.apply(_, logits, seq, draw)
    if recorder.pending.chosen then -- once more, from what is allowed
      recorder:after(NOT_ALLOWED, snapshot(logits))
    end
    local id, message, code = stage:apply(logits, seq, draw)
    if message ~= nil then
      return id, message, code
    end
    -- The greedy selector leaves the logits alone, and yet no choice.
    local leaves_one = id ~= nil and stage.name == "greedy"
    recorder:after(sampling.describe(stage), leaves_one and only(id) or snapshot(logits))
    if id ~= nil then
      id = forced and forced(seq) or id
      recorder:choose(id)
    end
    return id
  end
  for _, method in ipairs(METHODS) do
    if stage[method] then
      proxy[method] = function(_, ...)
        return stage[method](stage, ...)
      end
    end
  end
  -- A draft looks ahead with a clone, and nobody watches that.
  function proxy.clone()
    return sampling.clone(stage)
  end
  return proxy
end

-- What begins a chain that is watched.
local function first_stage(recorder)
  return {
    name = "raw",
    apply = function(_, logits, seq) recorder:begin(logits, seq) end,
    clone = function() return {name = "raw", apply = function() end} end,
  }
end

-- The chain that chooses as `strategy` does, watched.
local function watched_chain(strategy, recorder, forced)
  local stages = {first_stage(recorder)}
  local function add(stage)
    if stage.apply == strategy.apply and stage.name == "chain" then
      for i = 1, #stage do
        add(stage[i])
      end
    else
      stages[#stages + 1] = watched(stage, recorder, forced)
    end
  end
  add(strategy)
  return sampling.chain(stages)
end

-------------------------------------------------------------------------------- records

local function summarize(record)
  local surprise, entropy = 0, 0
  for _, token in ipairs(record.tokens) do
    surprise = surprise + token.surprise_bits
    entropy = entropy + token.entropy_bits
  end
  local n = math.max(1, #record.tokens)
  record.surprise_bits, record.entropy_bits = surprise / n, entropy / n
  return record
end

-- The tokens of the text, and the one that ended it.
local function finished_tokens(recorder, facts)
  local tokens = {}
  for i = 1, facts.tokens do
    tokens[i] = recorder.tokens[i]
  end
  local last = recorder.tokens[facts.tokens + 1]
  if facts.finish_reason == "stop" and type(facts.stop) ~= "string" and last then
    last.ending = true
    tokens[#tokens + 1] = last
  end
  return tokens
end

local function told_bytes(tokens)
  local sum = 0
  for _, token in ipairs(tokens) do
    sum = sum + (token.ending and 0 or #token.text)
  end
  return sum
end

local OWN_RULES = {
  alternatives = {type = "integer", min = 0, max = 1000, default = 8},
  each = {type = "function"},
}

--- The options of text: those of generate, and
--
--   alternatives (8)  so many for each token
--   each              called as each(token, number) when a token was chosen
explore.RULES = options.merge(OWN_RULES, generate.RULES)

-- What generate is given: the options, with a watched chain in place of what made the chain.
local function with_sampler(checked, chain)
  local given = {sampler = chain}
  for name in pairs(generate.RULES) do
    if name ~= "sampler" and not sampling.RULES[name] then
      given[name] = checked.given[name]
    end
  end
  given.seed = checked.seed
  return given
end

local function check(given, rules, where)
  local checked = request.check(given, rules, where, 3)
  checked.given = given or {}
  return checked
end

--- Tell on from a prompt as model:generate does, and record every token.
-- @param prompt a string or a list of token ids
-- @param given the options of generate, and explore.RULES' own
-- @return record
-- @return nil, message, code on failure
function explore.text(model, prompt, given)
  local checked = check(given, explore.RULES, "explore.text")
  local recorder = new_recorder(model, checked.alternatives, checked.each)
  local chain = watched_chain(checked.strategy, recorder)
  local text, facts, code = generate.generate(model, prompt, with_sampler(checked, chain))
  if not text then
    return nil, facts, code
  end
  local prompted = type(prompt) == "table" and assert(model:decode(prompt)) or prompt
  local tokens = finished_tokens(recorder, facts)
  return summarize {
    text = text, prompt = recorder.prompt or prompted,
    cut = #(recorder.prompt or prompted) + told_bytes(tokens) - #prompted - #text,
    tokens = tokens, vocab_size = model:vocab_size(),
    sampler = sampling.describe(checked.strategy), seed = facts.seed,
    finish_reason = facts.finish_reason, stop = facts.stop,
  }
end

local GIVEN_RULES = {
  seed = sampling.SEED, stream = sampling.STREAM, sampler = generate.RULES.sampler,
}
for _, name in ipairs(CONTEXT_OPTIONS) do
  GIVEN_RULES[name] = generate.RULES[name]
end

--- The options of given: of those of text the ones that concern the chain and the context.
explore.GIVEN_RULES = options.merge(OWN_RULES, sampling.RULES, GIVEN_RULES)

--- Read a text that is there, and record how the model sees every token of it (teacher forcing)
-- and what the chain would have made of that. Without a token that begins texts, the first one
-- is not predicted and not recorded.
-- @param text a string
-- @return record
-- @return nil, message, code on failure
function explore.given(model, text, given)
  local checked = check(given, explore.GIVEN_RULES, "explore.given")
  options.argument("explore.given", 2, text, {type = "string"})
  local ids, message, code = model:encode(text, {start = true})
  if not ids then
    return nil, message, code
  end
  local length = checked.length or model:info().seq_len
  if #ids - 1 > length then
    return nil, "the text has " .. #ids .. " tokens and the context holds " .. length, "ECONTEXT"
  end
  local recorder = new_recorder(model, checked.alternatives, checked.each)
  local chain = watched_chain(checked.strategy, recorder, function(seq)
    return ids[#seq + 1]
  end)
  local facts
  local sampled = with_sampler(checked, chain)
  sampled.max_tokens = math.max(0, #ids - 1)
  text, facts, code = generate.generate(model, {ids[1]}, sampled)
  if not text then
    return nil, facts, code
  end
  return summarize {
    text = text, prompt = recorder.prompt or "", cut = 0,
    tokens = finished_tokens(recorder, facts), vocab_size = model:vocab_size(),
    sampler = sampling.describe(checked.strategy),
    finish_reason = facts.finish_reason ~= "length" and facts.finish_reason or nil,
  }
end

return explore
