--- Choosing among given continuations: classification, multiple choice, routing.
-- @module lull.decode.choose
local core = require "lull.core"
local options = require "lull.options"
local origin = require "lull.decode.origin"
local scoring = require "lull.decode.scoring"

local choose = {}

local USER = 2 -- whom to blame for a mistake: the caller of choose.choose

-------------------------------------------------------------------------------- normalization

local NORMALIZED = {
  sum = function(sum) return sum end,
  token = function(sum, ids) return sum / #ids end,
  byte = function(sum, _, bytes) return sum / math.max(1, #bytes) end,
  prior = function(sum, _, _, prior) return sum - prior end,
}

-- softmax of scores.
local function probabilities(scores)
  local highest, total, list = -math.huge, 0, {}
  for _, score in ipairs(scores) do
    highest = math.max(highest, score)
  end
  for i, score in ipairs(scores) do
    list[i] = core.math.exp(score - highest)
    total = total + list[i]
  end
  for i in ipairs(list) do
    list[i] = list[i] / total
  end
  return list
end

-------------------------------------------------------------------------------- choices

-- The choices as lists of ids and as bytes; or nil, message, code.
-- @param position of the list among the arguments
local function encode(model, choices, position, level)
  options.argument("choose", position, choices, {
    test = function(value) return options.is_list(value) and #value > 0 end,
    text = "a list of strings or lists of token ids",
  }, level + 1)
  local lists, texts = {}, {}
  for i, choice in ipairs(choices) do
    local ids, bytes, message, code = choice, choice, nil, nil
    if type(choice) == "string" and choice ~= "" then
      ids, message, code = model:encode(choice, {start = false})
    elseif type(choice) == "table" and #choice > 0 then
      origin.check_ids(model, choice, "bad argument #" .. position .. " to 'choose', choice " .. i,
        level + 1)
      bytes, message, code = model:decode(choice)
    else
      error("bad argument #" .. position .. " to 'choose' (choice " .. i .. ": a string or a "
        .. "list of token ids that is not empty expected, got " .. options.show(choice) .. ")",
        level + 1)
    end
    if not ids or not bytes then
      return nil, message, code
    end
    lists[i], texts[i] = ids, bytes
  end
  return lists, texts
end

-- The log-probabilities of the choices after the prompt of an origin, which is opened and closed.
local function sums_after(start, lists)
  local longest = 1
  for _, ids in ipairs(lists) do
    longest = math.max(longest, #ids)
  end
  local ok, message, code = start:open(longest, math.min(#lists, scoring.WIDTH) + 1)
  if ok then
    ok, message, code = start:evaluate()
  end
  if not ok then
    return nil, message, code
  end
  local scored
  scored, message, code = scoring.score(start.seq, lists)
  start:close()
  if not scored then
    return nil, message, code
  end
  local sums = {}
  for i, result in ipairs(scored) do
    sums[i] = result.logprob
    if sums[i] ~= sums[i] then
      return nil, "the model computes no numbers for choice " .. i, "EINVAL"
    end
  end
  return sums
end

local function check(given, rules, where, level)
  local checked = options.check(where, given, rules, level + 1)
  if checked.prior and checked.normalize ~= "prior" then
    error("bad option 'prior' to '" .. where .. "' (it goes with normalize = 'prior')",
      level + 1)
  end
  return checked
end

local SPEC = {where = "choose", check = check, rules = {
  normalize = {one_of = {"sum", "token", "byte", "prior"}, default = "sum"},
  prior = {
    test = function(value) return type(value) == "string" or type(value) == "table" end,
    text = "a string or a list of token ids",
  },
}}

-- Where the prior prompt begins: in the same context, or in one like it.
local function begin_prior(start, checked, level)
  local given = {}
  for name in pairs(origin.RULES) do
    given[name] = checked[name]
  end
  if not start.ids then
    given.context = start.seq:context()
  end
  local spec = {where = "choose", rules = {}, check = function(own, rules, where, whom)
    local own_checked = options.check(where, own, rules, whom + 1)
    return own_checked
  end}
  local prior, message, code =
    origin.begin(spec, start.model, checked.prior or "", given, level + 1)
  return prior, message, code
end

--- Choose the best of given continuations.
--
--     local moods = {" happy", " sad"}
--     local mood, facts = decode.choose(model, "The dog wagged its tail. It was", moods)
--     print(mood, facts.probabilities[facts.index])
--
-- Nothing is told: each choice is read as what comes next and scored by its log-probability in the
-- raw distribution. The prompt is evaluated once and all choices share the next pass. A choice is
-- encoded as it goes on within a text, so the space that separates it is the choice's (" yes"), and
-- the prompt ends without one. Of equal scores the first.
--
-- normalize  "sum"    log p(choice | prompt): right where choices are of one length (labels, yes
--                     and no)
--            "token"  the mean over its tokens; "byte" over its bytes, which tokens of different
--                     size do not disturb (acc_norm of the Language Model Evaluation Harness): for
--                     whole sentences of different lengths
--            "prior"  log p(choice | prompt) - log p(choice | prior): how much more probable the
--                     prompt makes it (Holtzman et al. 2021, arXiv:2104.08315), for choices that
--                     are common or rare in themselves. `prior` is a prompt without what matters
--                     ("Answer:"), by default "", which begins a new text
-- @param ... (model, prompt, choices, given) or (seq, choices, given); a sequence stays as it is;
--   choices is a list of strings or lists of ids
-- @param given {normalize = "sum", prior =} and, for a model, the options of its context; one of
--   yours needs two places, with more of them fewer passes are needed (a place per choice)
-- @return the choice, as given
-- @return facts {index, scores, probabilities = softmax of the scores, logprobs = the sums,
--   prior_logprobs, tokens: lists by choice; prompt_tokens}
-- @return nil, message, code on failure
function choose.choose(...)
  local target, prompt, choices, given = origin.arguments(...)
  local start, checked, code = origin.begin(SPEC, target, prompt, given, USER)
  if not start then
    return nil, checked, code -- message and code
  end
  local lists, texts, sums, message
  lists, texts, code = encode(start.model, choices, prompt == nil and 2 or 3, USER)
  if not lists then
    return nil, texts, code -- message and code
  end
  sums, message, code = sums_after(start, lists)
  local priors
  if sums and checked.normalize == "prior" then
    local prior
    prior, message, code = begin_prior(start, checked, USER)
    if prior then
      priors, message, code = sums_after(prior, lists)
    end
    sums = priors and sums
  end
  if not sums then
    return nil, message, code
  end
  local facts = {
    index = 1, scores = {}, logprobs = sums, prior_logprobs = priors, tokens = {},
    prompt_tokens = start.n_prompt,
  }
  for i, ids in ipairs(lists) do
    facts.tokens[i] = #ids
    facts.scores[i] = NORMALIZED[checked.normalize](sums[i], ids, texts[i], priors and priors[i])
    if facts.scores[i] > facts.scores[facts.index] then
      facts.index = i
    end
  end
  facts.probabilities = probabilities(facts.scores)
  return choices[facts.index], facts
end

return choose
