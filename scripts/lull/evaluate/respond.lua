--- The second stage: a model answers requests.
--
-- Requests are independent of each other, so they run together (lull.decode.run): each pass over
-- the weights serves several. What an answer is does not depend on how many those are.
-- @module lull.evaluate.respond
local core = require "lull.core"
local generate = require "lull.generate"
local json = require "lull.json"
local likelihood = require "lull.evaluate.likelihood"
local options = require "lull.options"
local parallel = require "lull.batch.parallel"
local scheduler = require "lull.decode.scheduler"
local utf8 = require "lull.utf8"

local respond = {}

local slice = likelihood.slice

local MOST_FORKS = 8     -- continuations of one request at a time
local MOST_SCORED = 8    -- requests at a time: a pass over the weights takes some dozens of tokens

-------------------------------------------------------------------------------- preparing
-- A request in tokens: how many places and how long a context it needs, and how it is answered.

-- The requests' pairs, those without context last; or nil, message, code.
local function split_all(model, request)
  local list = {}
  local function add(context, continuation)
    local before, after, code = likelihood.split(model, context, continuation)
    if not before then
      return nil, after, code -- message and code
    end
    list[#list + 1] = {context = before, continuation = after}
    return true
  end
  for i, continuation in ipairs(request.continuations) do
    local ok, message, code = add(request.contexts and request.contexts[i] or request.context,
      continuation)
    if not ok then
      return nil, message, code
    end
  end
  if request.mutual_information then
    for _, continuation in ipairs(request.continuations) do
      local ok, message, code = add("", continuation)
      if not ok then
        return nil, message, code
      end
    end
  end
  return list
end

local function is_finite(value)
  return value == value and value > -math.huge and value < math.huge
end

local BROKEN = "the model gives logits that are no numbers"

-- likelihood.score, and numbers that JSON has words for.
local function score(context, pairs_list, given)
  local results, message, code = likelihood.score(context, pairs_list, given)
  for _, result in ipairs(results or {}) do
    if not is_finite(result.logprob) then
      return nil, BROKEN, "EINVAL"
    end
  end
  return results, message, code
end

-- A list of results as columns.
local function columns(response, results, prefix)
  local logprobs, tokens, greedy = {}, {}, {}
  for i, result in ipairs(results) do
    logprobs[i], tokens[i], greedy[i] = result.logprob, result.tokens, result.greedy
  end
  response[#response + 1] = {prefix .. "logprobs", logprobs}
  if prefix == "" then
    response[#response + 1] = {"tokens", tokens}
    if #greedy > 0 then
      response[#response + 1] = {"greedy", greedy}
    end
  end
end

local ANSWERS = {}

-- Multiple choice and log-likelihood of a target.
local function prepare_likelihood(model, request, given)
  local list, message, code = split_all(model, request)
  if not list then
    return nil, message, code
  end
  local n, longest = #request.continuations, 0
  for _, pair in ipairs(list) do
    longest = math.max(longest, #pair.context + #pair.continuation - 1)
  end
  local forks = math.min(n, MOST_FORKS)
  return {request = request, pairs = list, tokens = longest, places = forks + 1, forks = forks,
    greedy = request.kind == "loglikelihood", given = given}
end

function ANSWERS.likelihood(job, context)
  local length, truncated, fitted = context:info().length, 0, {}
  for i, pair in ipairs(job.pairs) do
    local before, after, cut = likelihood.fit(pair.context, pair.continuation, length)
    if not before then
      return nil, after, cut -- message and code
    end
    truncated = truncated + (cut and 1 or 0)
    fitted[i] = {context = before, continuation = after}
  end
  local n, response = #job.request.continuations, {}
  local scoring = {width = job.forks, greedy = job.greedy}
  local results, message, code = score(context, slice(fitted, 1, n), scoring)
  if not results then
    return nil, message, code
  end
  columns(response, results, "")
  if #fitted > n then
    results, message, code = score(context, slice(fitted, n + 1, #fitted), scoring)
    if not results then
      return nil, message, code
    end
    columns(response, results, "unconditional_")
  end
  if truncated > 0 then
    response[#response + 1] = {"truncated", truncated}
  end
  return response
end

local function prepare_rolling(model, request, given)
  local ids, first, code = likelihood.text(model, request.text)
  if not ids then
    return nil, first, code -- message and code
  end
  return {request = request, ids = ids, first = first, tokens = #ids, places = 2, given = given}
end

function ANSWERS.rolling(job, context)
  local length = context:info().length
  local overlap = job.given.overlap or 1
  local sum, response = 0, {}
  for _, window in ipairs(likelihood.windows(job.ids, job.first, length, overlap)) do
    local results, message, code = score(context,
      {{context = window.context, continuation = window.predicted}}, {width = 1})
    if not results then
      return nil, message, code
    end
    sum = sum + results[1].logprob
  end
  response[1], response[2] = {"logprob", sum}, {"tokens", #job.ids}
  return response
end

local function prepare_generate(model, request, given)
  local ids, message, code = model:encode(request.context, {start = true})
  if not ids then
    return nil, message, code
  end
  if #ids == 0 then
    return nil, "the prompt is empty and this model has no token that begins a text", "EINVAL"
  end
  return {request = request, ids = ids, tokens = #ids + request.max_tokens - 1, places = 1,
    given = given}
end

function ANSWERS.generate(job, context)
  local request = job.request
  local texts, reasons, tokens, truncated = {}, {}, {}, nil
  local room = context:info().length - request.max_tokens + 1
  local ids = job.ids
  if #ids > room then -- the beginning is left out, as in lm-evaluation-harness
    truncated = 1
    ids = slice(ids, #ids - math.max(room, 1) + 1, #ids)
  end
  for i = 1, request.repeats do
    local told = {
      context = context, seed = job.given.seed, max_tokens = request.max_tokens,
      stream = core.hash(request.task .. "/" .. request.id .. "/" .. i),
      stop = #request.stop > 0 and request.stop or nil,
    }
    for name, value in pairs(request.sampling) do
      told[name] = value
    end
    local text, facts, code = generate.generate(context:model(), ids, told)
    if not text then
      return nil, facts, code -- message and code
    end
    texts[i], reasons[i], tokens[i] = utf8.valid(text), facts.finish_reason, facts.tokens
  end
  return {{"texts", texts}, {"tokens", tokens}, {"finish_reasons", reasons},
    truncated and {"truncated", truncated} or nil}
end

local PREPARE = {
  multiple_choice = prepare_likelihood, loglikelihood = prepare_likelihood,
  rolling = prepare_rolling, generate = prepare_generate,
}
local ANSWER = {
  multiple_choice = ANSWERS.likelihood, loglikelihood = ANSWERS.likelihood,
  rolling = ANSWERS.rolling, generate = ANSWERS.generate,
}

-------------------------------------------------------------------------------- running

local RULES = {
  parallel = {type = "integer", min = 1, max = 1024},
  length = {type = "integer", min = 1},
  overlap = {type = "integer", min = 1},
  seed = {type = "integer", min = 0, default = 0},
  threads = {type = "integer", min = 0, max = 256},
  kv = {one_of = {"f32", "bf16"}},
  cpu = {type = "string"},
  done = {type = "function"},
  step = {type = "function"},
}

local function failure(request, message)
  return "request '" .. request.id .. "' of " .. request.task .. ": " .. message
end

-- All requests in tokens; or nil, message, code.
local function prepare_all(model, requests, given)
  local jobs, tokens, places = {}, 1, 1
  for i, request in ipairs(requests) do
    local job, message, code = PREPARE[request.kind](model, request, given)
    if not job then
      return nil, failure(request, message), code
    end
    jobs[i] = job
    tokens, places = math.max(tokens, job.tokens), math.max(places, job.places)
  end
  return jobs, tokens, places
end

-- Where they are answered: as many at a time as asked for, or as memory allows.
local function open_context(model, jobs, tokens, places, given)
  local info = model:info()
  local length, width = given.length or math.min(info.seq_len, tokens), given.parallel
  if not width then
    local available = parallel.available()
    width = parallel.choose(info, length, given.kv, available and available / places)
    for _, job in ipairs(jobs) do
      width = job.request.kind ~= "generate" and math.min(width, MOST_SCORED) or width
    end
  end
  local context, message, code = model:context {
    sequences = width * places, length = length, threads = given.threads, kv = given.kv,
    cpu = given.cpu,
  }
  return context, message or width, code
end

-- The response as it is written: facts first, all in one order.
local function finish(job, found, fingerprint)
  local list = {
    {"id", job.request.id}, {"task", job.request.task}, {"model", fingerprint},
    {"request", respond.hash(job.request)},
  }
  for _, pair in ipairs(found) do
    list[#list + 1] = pair
  end
  local response = {}
  for _, pair in ipairs(list) do
    response[pair[1]] = pair[2]
  end
  return response, json.object(list)
end

--- What tells a request from one of the same id that asks something else: 64 bits in hexadecimal.
function respond.hash(request)
  return core.hash(json.encode(request))
end

--- Have a model answer requests.
-- @param model a model
-- @param requests a list of requests (lull.evaluate.tasks)
-- @param given optional:
--   parallel  requests at a time; by default as memory allows, up to 8 that are scored or 32 texts
--   length    tokens of the context, by default what is needed and the model has. Of contexts that
--             are too long the beginning is left out
--   overlap   for whole texts: see likelihood.windows; 1
--   seed      for texts that are told; 0
--   threads, kv, cpu of the context
--   done      function(i, response, object) called at each answer, in the order they come; object
--             is the response with its keys in order, for json.encode. nil, message, code from
--             it ends all
--   step      as of lull.decode.run
-- @return the responses in the order of the requests; or nil, message, code
function respond.respond(model, requests, given)
  given = options.check("respond", given, RULES)
  if given.length and given.length > model:info().seq_len then
    error("bad option 'length' to 'respond' (this model holds at most "
      .. model:info().seq_len .. " tokens, got " .. options.show(given.length) .. ")", 2)
  end
  local jobs, tokens, places = prepare_all(model, requests, given)
  if not jobs then
    return nil, tokens, places -- message and code
  elseif #jobs == 0 then
    return {}
  end
  local context, width, code = open_context(model, jobs, tokens, places, given)
  if not context then
    return nil, width, code -- message and code
  elseif (given.overlap or 1) > context:info().length then
    context:close()
    error("bad option 'overlap' to 'respond' (at most the context's length)", 2)
  end
  local responses, fingerprint, failed = {}, model:fingerprint(), nil
  local at = 0
  local function next_task()
    at = at + 1
    local job = jobs[at]
    if not job or failed then
      return nil
    end
    return function()
      return ANSWER[job.request.kind](job, context)
    end
  end
  scheduler.run(next_task, {
    width = width, step = given.step,
    done = function(i, result)
      if result.failed or failed then
        return
      elseif not result[1] then
        failed = {failure(jobs[i].request, result[2]), result[3]}
        return
      end
      local response, object = finish(jobs[i], result[1], fingerprint)
      responses[i] = response
      if given.done then
        local ok, message, why = given.done(i, response, object)
        failed = not ok and message and {message, why} or nil
      end
    end,
  })
  context:close()
  if failed then
    return nil, failed[1], failed[2]
  end
  return responses
end

return respond
