--- From a story to its line. Nothing goes in that depends on the machine or the moment, so that
-- equal stories are equal bytes.
-- @module lull.batch.results
local core = require "lull.core"
local json = require "lull.json"
local params = require "lull.batch.params"

local results = {}

local object = json.object

-- lull's reasons in OpenAI's words.
local FINISH = {stop = "stop", ban = "content_filter"}


-- Pairs that have a value.
local function present(list)
  local kept = {}
  for i = 1, #list do
    if list[i][2] ~= nil then
      kept[#kept + 1] = list[i]
    end
  end
  return object(kept)
end

local function plain_story(record, text, facts, run)
  return present {
    {"id", record.id}, {"prompt", record.prompt}, {"text", text}, {"labels", record.labels},
    {"finish_reason", facts.finish_reason}, {"prompt_tokens", facts.prompt_tokens},
    {"tokens", facts.tokens}, {"logprob", facts.logprob}, {"seed", facts.seed},
    {"model", run.model}, {"params", params.object(record.params)},
  }
end

local function openai_story(record, text, facts, run)
  local hash = core.hash(run.model .. " " .. record.key):sub(3)
  local chat = record.chat
  local choice = object {{"index", 0}}
  if chat then
    choice[2] = {"message", object {{"role", "assistant"}, {"content", text}}}
  else
    choice[2] = {"text", text}
  end
  choice[3] = {"logprobs", nil}
  choice[4] = {"finish_reason", FINISH[facts.finish_reason] or "length"}
  local body = object {
    {"id", (chat and "chatcmpl-" or "cmpl-") .. hash},
    {"object", chat and "chat.completion" or "text_completion"},
    {"created", 0},
    {"model", record.model or run.name},
    {"choices", {choice}},
    {"usage", object {
      {"prompt_tokens", facts.prompt_tokens}, {"completion_tokens", facts.tokens},
      {"total_tokens", facts.prompt_tokens + facts.tokens},
    }},
    {"lull", object {
      {"finish_reason", facts.finish_reason}, {"logprob", facts.logprob}, {"seed", facts.seed},
      {"model", run.model}, {"params", params.object(record.params)},
    }},
  }
  return object {
    {"id", "batch_req_" .. hash}, {"custom_id", record.id},
    {"response", object {{"status_code", 200}, {"request_id", hash}, {"body", body}}},
    {"error", nil},
  }
end

--- The line of a story.
-- @param record see lull.batch.records
-- @param text the story
-- @param facts as of sequence:stream
-- @param run {model = fingerprint, name = what the model is called}
function results.story(record, text, facts, run)
  local story = record.form == "openai" and openai_story or plain_story
  return json.encode(story(record, text, facts, run)) .. "\n"
end

--- The line of a record that cannot be told.
function results.failure(record)
  local problem = object {
    {"code", record.failure.code}, {"message", record.failure.message}, {"line", record.line},
  }
  if record.form == "openai" then
    return json.encode(object {
      {"id", "batch_req_" .. core.hash("line " .. record.line):sub(3)}, {"custom_id", record.id},
      {"response", nil}, {"error", problem},
    }) .. "\n"
  end
  return json.encode(object {{"id", record.id}, {"error", problem}}) .. "\n"
end

--- What a line of an output is about.
-- @param line without its end
-- @return {key = id as text, model =} for a story, {line =} for a failure; or nil
function results.read(line)
  local value = json.decode(line)
  if not json.is_object(value) then
    return nil
  end
  local problem = value.error
  if json.is_object(problem) then
    return type(problem.line) == "number" and {line = problem.line} or nil
  end
  local id = value.id
  local own = value
  if json.is_object(value.response) and json.is_object(value.response.body) then
    id, own = value.custom_id, value.response.body.lull
  elseif type(value.text) ~= "string" then
    return nil
  end
  if type(own) ~= "table" or type(own.model) ~= "string"
      or (type(id) ~= "string" and type(id) ~= "number") then
    return nil
  end
  return {key = type(id) == "number" and json.encode(id) or id, model = own.model}
end

return results
