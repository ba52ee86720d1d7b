--- Evaluation: which model, precision or way of telling is better.
--
--     local evaluate = require "lull.evaluate"
--     local docs = assert(evaluate.read("hellaswag", "hellaswag_val.jsonl"))
--     local result = assert(evaluate.run(model, "hellaswag", docs, {limit = 200}))
--     for _, metric in ipairs(result.tasks[1].metrics) do
--       print(metric.name, metric.value, metric.stderr)
--     end
--
-- An evaluation has three stages: requests are made of documents, a model responds to them, and
-- the responses are scored. Each can be run alone and kept in a file; see lull.evaluate.stages and
-- the command `lull eval`.
-- @module lull.evaluate
local compare = require "lull.evaluate.compare"
local datasets = require "lull.evaluate.datasets"
local kl = require "lull.evaluate.kl"
local respond = require "lull.evaluate.respond"
local score = require "lull.evaluate.score"
local stages = require "lull.evaluate.stages"
local stories = require "lull.evaluate.stories"
local tasks = require "lull.evaluate.tasks"
local vocabulary = require "lull.evaluate.vocabulary"

local evaluate = {
  --- read(format, path, answers) -> documents of a data set; see lull.evaluate.datasets
  read = datasets.read,
  --- texts(text) -> the texts of plain text, between lines <|endoftext|>
  texts = datasets.texts,
  --- task{name =, kind =, ...}: a task of your own; see lull.evaluate.tasks
  task = tasks.new,
  --- tasks: those that there are, by name
  tasks = tasks.known,
  --- requests(task, documents, {fewshot =, ...}): the first stage
  requests = tasks.requests,
  --- respond(model, requests, {parallel =, ...}): the second
  respond = respond.respond,
  --- score(requests, responses, {filters =, ...}): the third
  score = score.score,
  --- stages: the three as files
  stages = stages,
  --- kl(a, b, texts, options): how far two models or settings are apart; see lull.evaluate.kl
  kl = kl.kl,
  --- compare{models =, strategies =, prompts =, seeds =, ...}: which way of telling is better; see
  -- lull.evaluate.compare
  compare = compare.compare,
  --- compare_metrics: what it counts, in order; compare_rules: what a strategy's options may be
  compare_metrics = compare.METRICS,
  compare_rules = compare.STRATEGY_RULES,
  --- read_stories(path, {labels =, with_prompt =}): what lull batch wrote, or plain text
  read_stories = datasets.stories,
  --- stories(list, options): what can be counted of stories; see lull.evaluate.stories
  stories = stories.stories,
  --- children(): 1,500 words of stories for small children, as a set for stories' vocabulary
  children = vocabulary.children,
  --- distinct(texts, n): different n-grams of words / n-grams
  distinct = stories.distinct,
}

local STAGE_OPTIONS = {
  requests = {"fewshot", "examples", "same_examples", "limit", "seed"},
  respond = {"parallel", "length", "overlap", "threads", "kv", "cpu", "done", "step", "seed"},
  score = {"filters", "ignore_case", "bootstrap", "row", "seed"},
}

local function pick(given, stage)
  local own = {}
  for _, name in ipairs(STAGE_OPTIONS[stage]) do
    own[name] = given[name]
  end
  return own
end

--- All three stages at once, in memory.
-- @param model a model
-- @param task a task, or the name of one
-- @param documents a list of documents
-- @param given optional: the options of requests, respond and score; seed is that of all three
-- @return as score; or nil, message, code
function evaluate.run(model, task, documents, given)
  given = given or {}
  local known = {}
  for _, names in pairs(STAGE_OPTIONS) do
    for _, name in ipairs(names) do
      known[name] = true
    end
  end
  for name in pairs(given) do
    if not known[name] then
      error("unknown option '" .. tostring(name) .. "' to 'run'", 2)
    end
  end
  task = tasks.find(task)
  local filters = given.filters or task.filters
  local requests, message, code = tasks.requests(task, documents, pick(given, "requests"))
  local responses
  if requests then
    responses, message, code = respond.respond(model, requests, pick(given, "respond"))
  end
  if not responses then
    return nil, message, code
  end
  local scoring = pick(given, "score")
  scoring.filters = filters
  local result
  result, message, code = score.score(requests, responses, scoring)
  return result, message, code
end

return evaluate
