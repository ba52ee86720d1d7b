--- What travels through a queue: jobs and results, as text.
--
-- A job is a line of lull.batch's input, complete: with all parameters and a seed. It is read by
-- the same code as such a line, and whatever it says it stays data: prompts, numbers, and the name
-- of a strategy, which each worker looks up in a folder of its own. A result is what the line of a
-- story is made from; the line is written where the batch is, so that it is the same bytes as
-- without a queue.
--
-- A demand is what a worker must have for a job: the same lull, model and precision, the same
-- length of context and kind of cache, and the strategy, if one is named. Every demand has a stream
-- of its own, so that a worker is only given what it can tell.
-- @module lull.fleet.jobs
local core = require "lull.core"
local json = require "lull.json"
local params = require "lull.batch.params"
local records = require "lull.batch.records"

local jobs = {}

-------------------------------------------------------------------------------- demands

--- What a model's stories need.
-- @param model the model
-- @param length of the context, nil for the model's own
-- @param kv "f32", "bf16", nil for what goes with the model
-- @return {lull =, model = fingerprint, length =, kv =}
function jobs.demand(model, length, kv)
  local info = model:info()
  return {
    lull = core.version, model = model:fingerprint(), length = math.min(length or info.seq_len,
      info.seq_len), kv = kv or (info.precision == "f32" and "f32" or "bf16"),
  }
end

--- A demand as text, which also tells one from another.
function jobs.demand_text(demand, strategy)
  return json.encode(json.object {
    {"lull", demand.lull}, {"model", demand.model}, {"length", demand.length},
    {"kv", demand.kv}, {"strategy", strategy},
  })
end

local WANTED = {
  lull = "lull ", model = "the model ", length = "a context of ", kv = "keys and values as ",
}

--- Why a worker cannot tell for a demand, or nil.
-- @param text the demand's
-- @param own what the worker has
-- @param strategies name -> function, or nil
function jobs.misfit(text, own, strategies)
  local demand = json.decode(text)
  if not json.is_object(demand) then
    return "something else"
  end
  for _, name in ipairs {"lull", "model", "length", "kv"} do
    if demand[name] ~= own[name] then
      return WANTED[name] .. json.encode(demand[name]):gsub('"', "")
    end
  end
  local strategy = demand.strategy
  if strategy ~= json.null and not (params.is_name(strategy) and strategies
      and strategies[strategy]) then
    return "the strategy " .. json.encode(strategy)
  end
end

-------------------------------------------------------------------------------- jobs

--- A record as the text of a job.
-- @param record of lull.batch.records
-- @param seed for records that have none
function jobs.encode(record, seed)
  local line
  if record.messages then
    local body = params.object(record.params)
    body[#body + 1] = {"messages", record.messages}
    body[#body + 1] = {"seed", record.seed or seed}
    line = json.object {
      {"custom_id", record.id}, {"url", "/v1/chat/completions"}, {"body", body},
    }
  else
    line = json.object {{"id", record.id}}
    for _, name in ipairs {"prompt", "template", "vars"} do
      if record[name] ~= nil then
        line[#line + 1] = {name, record[name]}
      end
    end
    line[#line + 1] = {"seed", record.seed or seed}
    line[#line + 1] = {"params", params.object(record.params)}
  end
  return json.encode(line, true)
end

--- The record of a job. What is wrong with it is in record.failure.
-- @param text of the job
-- @param strategies name -> function, or nil
function jobs.decode(text, strategies)
  return records.read(text, 0, {strategies = strategies})
end

-------------------------------------------------------------------------------- results

--- The text of a result.
-- @param record of jobs.decode; record.failure where there is no story
-- @param text the story, or nil
-- @param facts of sequence:stream
function jobs.encode_result(record, text, facts)
  if not text then
    return json.encode(json.object {{"error", json.object {
      {"code", record.failure.code}, {"message", record.failure.message},
    }}})
  end
  return json.encode(json.object {
    {"text", text}, {"prompt", record.template and record.prompt},
    {"finish_reason", facts.finish_reason}, {"prompt_tokens", facts.prompt_tokens},
    {"tokens", facts.tokens}, {"logprob", facts.logprob}, {"seed", facts.seed},
  }, true)
end

local FACTS = {
  text = "string", finish_reason = "string", prompt_tokens = "number", tokens = "number",
}

--- What a result says, put into the record it is for.
-- @return text and facts; false where it is a failure, which is then the record's; nil where it is
--   no result
function jobs.decode_result(text, record)
  local result = json.decode(text)
  if not json.is_object(result) then
    return nil
  end
  local problem = result.error
  if json.is_object(problem) and type(problem.code) == "string"
      and type(problem.message) == "string" then
    record.failure = {code = problem.code, message = problem.message}
    return false
  end
  for name, kind in pairs(FACTS) do
    if type(result[name]) ~= kind then
      return nil
    end
  end
  if record.template then
    if type(result.prompt) ~= "string" then
      return nil
    end
    record.prompt = result.prompt
  end
  return result.text, result
end

return jobs
