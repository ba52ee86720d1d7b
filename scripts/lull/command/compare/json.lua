--- A result of lull.evaluate.compare as JSON, for programs and for the page.
-- @module lull.command.compare.json
local evaluate = require "lull.evaluate"
local json = require "lull.json"
local lull = require "lull"

local records = {}

local object, map = json.object, json.map

local function model(entry)
  return object {
    {"name", entry.name}, {"fingerprint", entry.fingerprint}, {"precision", entry.precision},
  }
end

local function strategy(entry)
  return object {{"name", entry.name}, {"sampler", entry.sampler}}
end

local function position(bin)
  return object {
    {"from", bin.from}, {"to", bin.to}, {"tokens", bin.tokens}, {"bits", bin.bits},
  }
end

local function text(entry)
  return object {
    {"prompt", entry.prompt}, {"seed", entry.seed}, {"text", entry.text},
    {"tokens", entry.tokens}, {"finish_reason", entry.finish_reason},
    {"logprob", entry.logprob}, {"scored", entry.scored},
  }
end

local function arm(entry)
  local metrics = map(evaluate.compare_metrics, function(metric)
    local found = entry.metrics[metric.name]
    return {metric.name,
      object {{"value", found.value}, {"stderr", found.stderr}, {"n", found.n}}}
  end)
  return object {
    {"name", entry.name}, {"model", entry.model}, {"strategy", entry.strategy},
    {"metrics", object(metrics)}, {"positions", map(entry.positions, position)},
    {"texts", map(entry.texts, text)},
  }
end

--- A result as one JSON object, on one line: nothing in it depends on time or machine. Prompts,
-- models and strategies are told by their numbers, from 1.
function records.encode(result)
  return json.encode(object {
    {"lull", lull.version}, {"models", map(result.models, model)},
    {"judge", result.judge and model(result.judge)},
    {"strategies", map(result.strategies, strategy)}, {"prompts", result.prompts},
    {"seeds", result.seeds}, {"max_tokens", result.max_tokens}, {"arms", map(result.arms, arm)},
  })
end

return records
