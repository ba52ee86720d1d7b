--- The third stage: responses are compared with what was wanted. No model is needed.
-- @module lull.evaluate.score
local core = require "lull.core"
local filters = require "lull.evaluate.filters"
local json = require "lull.json"
local options = require "lull.options"
local respond = require "lull.evaluate.respond"
local statistics = require "lull.evaluate.statistics"

local score = {}

local log2 = core.math.log(2)

-------------------------------------------------------------------------------- one document

-- Characters of UTF-8 text: bytes that begin one.
local function characters(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

local function best(values)
  local at = 1
  for i, value in ipairs(values) do
    if value > values[at] then
      at = i
    end
  end
  return at - 1
end

-- The values over what divides or is taken off each, and the best of them.
local function best_of(logprobs, change)
  local values = {}
  for i, value in ipairs(logprobs) do
    values[i] = change(value, i)
  end
  return best(values)
end

local function mark(is_right)
  return is_right and 1 or 0
end

local ROWS = {}

--- acc, acc_norm (by characters of the choice), acc_bytes (by its bytes in UTF-8), acc_mutual_info
-- (by what the choice is worth without the context).
function ROWS.multiple_choice(request, response)
  local logprobs, priors = response.logprobs, response.unconditional_logprobs
  local choices, label = request.choices, request.label
  local row = {{"acc", mark(best(logprobs) == label)}}
  if request.normalized then
    row[2] = {"acc_norm", mark(label == best_of(logprobs, function(value, i)
      return value / math.max(1, characters(choices[i]))
    end))}
    row[3] = {"acc_bytes", mark(label == best_of(logprobs, function(value, i)
      return value / math.max(1, #choices[i])
    end))}
  end
  if priors then
    row[#row + 1] = {"acc_mutual_info", mark(label == best_of(logprobs, function(value, i)
      return value - priors[i]
    end))}
  end
  return row
end

function ROWS.loglikelihood(request, response)
  return {
    {"acc", mark(response.greedy[1])}, {"logprob", response.logprobs[1]},
    {"tokens", response.tokens[1]}, {"bytes", #request.continuations[1]},
  }
end

-- Words as lm-evaluation-harness counts them: what splitting at white space gives, empty ones at
-- the ends included.
local function words(text)
  return select(2, text:gsub("%s+", "")) + 1
end

function ROWS.rolling(request, response)
  return {
    {"logprob", response.logprob}, {"tokens", response.tokens}, {"bytes", #request.text},
    {"words", words(request.text)},
  }
end

-- Text as SQuAD's evaluation compares it: small letters, no punctuation, no articles.
local function bare(text)
  text = (" " .. text:lower():gsub("%p", "") .. " "):gsub("%s+", "  ")
  for _, article in ipairs {"a", "an", "the"} do
    text = text:gsub(" " .. article .. " ", " ")
  end
  return (text:gsub("%s+", " "):match "^%s*(.-)%s*$")
end

--- The harmonic mean of precision and recall of the words (Rajpurkar et al. 2016).
local function f1(told, wanted)
  local counts, n_told, n_wanted, common = {}, 0, 0, 0
  for word in bare(wanted):gmatch "%S+" do
    counts[word] = (counts[word] or 0) + 1
    n_wanted = n_wanted + 1
  end
  for word in bare(told):gmatch "%S+" do
    n_told = n_told + 1
    if (counts[word] or 0) > 0 then
      counts[word] = counts[word] - 1
      common = common + 1
    end
  end
  if n_told == 0 or n_wanted == 0 then
    return mark(n_told == n_wanted)
  end
  return 2 * common / (n_told + n_wanted)
end

function ROWS.generate(request, response, given)
  local row = {}
  for _, pipeline in ipairs(given.filters) do
    local told = filters.apply(pipeline, response.texts)[1] or ""
    local exact, overlap = 0, 0
    local function plain(text)
      return given.ignore_case and text:lower() or text
    end
    for _, target in ipairs(request.target) do
      exact = math.max(exact, mark(plain(told) == plain(target)))
      overlap = math.max(overlap, f1(told, target))
    end
    local suffix = #given.filters > 1 and "," .. pipeline.name or ""
    row[#row + 1] = {"exact_match" .. suffix, exact}
    row[#row + 1] = {"f1" .. suffix, overlap}
    row[#row + 1] = {"answer" .. suffix, told}
  end
  return row
end

-------------------------------------------------------------------------------- all of them

local function perplexity(mean)
  return core.math.exp(-mean)
end

local function bits(mean)
  return -mean / log2
end

local RATIOS = {
  loglikelihood = {
    {name = "acc", numerator = "acc"},
    {name = "perplexity", numerator = "logprob", transform = perplexity},
    {name = "token_perplexity", numerator = "logprob", denominator = "tokens",
      transform = perplexity},
    {name = "bits_per_byte", numerator = "logprob", denominator = "bytes", transform = bits},
  },
  rolling = {
    {name = "bits_per_byte", numerator = "logprob", denominator = "bytes", transform = bits},
    {name = "byte_perplexity", numerator = "logprob", denominator = "bytes",
      transform = perplexity},
    {name = "word_perplexity", numerator = "logprob", denominator = "words",
      transform = perplexity},
    {name = "token_perplexity", numerator = "logprob", denominator = "tokens",
      transform = perplexity},
  },
}

-- What is computed of a task's rows. For kinds without ratios: the means of all their numbers.
local function metrics_of(kind, rows)
  if RATIOS[kind] then
    return RATIOS[kind]
  end
  local list = {}
  for _, name in ipairs(rows[1].names) do
    if type(rows[1][name]) == "number" then
      list[#list + 1] = {name = name, numerator = name}
    end
  end
  return list
end

local function key_of(record)
  return record.task .. "\n" .. record.id
end

local function index(responses)
  local by_key = {}
  for _, response in ipairs(responses) do
    by_key[key_of(response)] = response
  end
  return by_key
end

local RULES = {
  filters = {type = "table", default = filters.DEFAULT},
  ignore_case = {type = "boolean", default = false},
  bootstrap = {type = "integer", min = 0, max = 1e6, default = 1000},
  seed = {type = "integer", min = 0, default = 0},
  row = {type = "function"},
}

--- Score responses.
-- @param requests a list of requests
-- @param responses a list of responses in any order
-- @param given optional:
--   filters      pipelines for texts that were told (lull.evaluate.filters); with more than one
--                their names are part of the metrics' names
--   ignore_case  for exact_match
--   bootstrap    samples for standard errors, 1000; 0 for none
--   seed         of these
--   row          function(request, response) -> {{name, value}, ...}: your own scores of a
--                document, in place of those of its kind; of numbers the mean is taken
-- @return {tasks = for each task {task, kind, n, truncated, metrics = {{name, value, stderr, n},
--   ...}}, rows = for each document {id, task, names, and its scores by name}}
-- @return nil, message, code where responses are missing or belong to other requests
function score.score(requests, responses, given)
  given = options.check("score", given, RULES)
  filters.check(given.filters, 1)
  local by_key, order, by_task, rows = index(responses), {}, {}, {}
  for i, request in ipairs(requests) do
    local response = by_key[key_of(request)]
    if not response then
      return nil, "there is no response to request '" .. request.id .. "' of " .. request.task,
        "ESTATE"
    elseif response.request ~= respond.hash(request) then
      return nil, "the response to '" .. request.id .. "' of " .. request.task
        .. " is to another request of that id", "ESTATE"
    end
    local row = {id = request.id, task = request.task, names = {}}
    for k, pair in ipairs((given.row or ROWS[request.kind])(request, response, given)) do
      row[pair[1]], row.names[k] = pair[2], pair[1]
    end
    local task = by_task[request.task]
    if not task then
      task = {task = request.task, kind = request.kind, rows = {}, truncated = 0}
      by_task[request.task], order[#order + 1] = task, task
    end
    task.rows[#task.rows + 1], rows[i] = row, row
    task.truncated = task.truncated + (response.truncated and 1 or 0)
  end
  local results = {}
  for i, task in ipairs(order) do
    results[i] = {
      task = task.task, kind = task.kind, n = #task.rows, truncated = task.truncated,
      metrics = statistics.summarize(task.rows,
        metrics_of(not given.row and task.kind or nil, task.rows), given),
    }
  end
  return {tasks = results, rows = rows}
end

--- A row as a JSON object: the line of a file of scores.
function score.object(row)
  local list = {{"id", row.id}, {"task", row.task}}
  for _, name in ipairs(row.names) do
    list[#list + 1] = {name, row[name]}
  end
  return json.object(list)
end

return score
