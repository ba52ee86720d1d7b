--- What OpenAI's endpoints have in common.
-- @module server.openai
local answer = require "server.answer"
local errors = require "server.errors"
local fields = require "server.fields"
local json = require "server.json"
local lull = require "lull"
local parameters = require "server.parameters"

local openai = {}

local object = json.object

--- The fields of a request that tells texts.
-- @param own the endpoint's, by name
function openai.rules(own)
  local rules = {
    model = {type = "string"},
    stream = {type = "boolean", default = false},
    stream_options = {test = function(value) return type(value) == "table" end,
      text = "an object {\"include_usage\": boolean}"},
    n = {type = "integer", min = 1, max = parameters.MOST_TEXTS, default = 1},
    max_tokens = parameters.max_tokens(),
    seed = parameters.SEED, stop = parameters.STRINGS, logit_bias = parameters.LOGIT_BIAS,
    ban_phrases = parameters.STRINGS, strategy = parameters.STRATEGY,
    user = fields.IGNORED, metadata = fields.IGNORED, store = fields.IGNORED,
    service_tier = fields.IGNORED,
  }
  for _, set in ipairs {parameters.SAMPLING, own} do
    for name, rule in pairs(set) do
      rules[name] = rule
    end
  end
  return rules
end

--- Refuse more texts than one request may ask for.
function openai.check_count(count)
  if count > parameters.MOST_TEXTS then
    errors.bad("at most " .. parameters.MOST_TEXTS .. " texts at a time, " .. count
      .. " were asked for", "n", "invalid_value")
  end
end

local counter = 0

-- A name for an answer that no other has.
local function id_of(prefix)
  counter = counter + 1
  local moment = string.format("%.9f %d %d", lull.clock(), ngx.worker.pid(), counter)
  return prefix .. "-" .. lull.hash(moment):sub(3)
end

--- What is around the choices of an answer, or around those of each part of a stream.
-- @param prefix of its id
-- @param kind of object
-- @return function(choices, usage) -> the object
function openai.envelope(service, prefix, kind)
  local id, created = id_of(prefix), ngx.time()
  return function(choices, usage)
    return json.present {
      {"id", id}, {"object", kind}, {"created", created}, {"model", service.name},
      {"system_fingerprint", service.fingerprint}, {"choices", choices}, {"usage", usage},
    }
  end
end

--- Stream texts, with their usage at the end where it is wanted.
-- @param told the texts
-- @param read the request's fields
-- @param answer_of what `envelope` gave
-- @param news function(objects): appends what has come, encoded
function openai.stream(told, read, answer_of, news)
  answer.stream("sse", told, function(all_done)
    local objects = {}
    news(objects)
    if all_done and read.stream_options and read.stream_options.include_usage == true then
      objects[#objects + 1] = json.encode(answer_of({}, openai.usage(told)))
    end
    return objects
  end)
end

--- Why a text ended, in OpenAI's words.
function openai.finish_reason(text)
  local reason = text.facts and text.facts.finish_reason
  return (reason == "stop" or reason == "ban") and "stop" or "length"
end

--- Tokens read and told, all texts together. A prompt counts once, however many go on from it.
function openai.usage(told)
  local prompt, completion, last = 0, 0, nil
  for _, text in ipairs(told.texts) do
    if text.ids ~= last then
      prompt, last = prompt + #text.ids, text.ids
    end
    completion = completion + (text.facts and text.facts.tokens or 0)
  end
  return object {
    {"prompt_tokens", prompt}, {"completion_tokens", completion},
    {"total_tokens", prompt + completion},
  }
end

--- GET /v1/models, and one of them.
function openai.model(service)
  return object {
    {"id", service.name}, {"object", "model"}, {"created", service.modified},
    {"owned_by", "lull"}, {"max_model_len", service.engine.length},
    {"strategies", service.strategies.names},
  }
end

return openai
