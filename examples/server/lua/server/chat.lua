--- OpenAI's /v1/chat/completions.
-- @module server.chat
local answer = require "server.answer"
local conversation = require "server.conversation"
local errors = require "server.errors"
local fields = require "server.fields"
local json = require "server.json"
local openai = require "server.openai"
local parameters = require "server.parameters"
local pieces = require "server.pieces"
local schemas = require "server.schemas"
local telling = require "server.telling"

local chat = {}

local object = json.object

local NONE = {text = "absent: this model calls no functions", test = function(value)
  return value == "none" or value == "auto" or fields.is_empty(value)
end}

local MESSAGES = {required = true}
for key, value in pairs(conversation.MESSAGES) do
  MESSAGES[key] = value
end

local RULES = openai.rules {
  messages = MESSAGES,
  max_completion_tokens = parameters.max_tokens(),
  logprobs = {type = "boolean"},
  top_logprobs = {type = "integer", min = 0, max = parameters.MOST_LOGPROBS},
  response_format = {type = "table", text = "an object {\"type\": ...}"},
  tools = NONE, tool_choice = NONE, functions = NONE, function_call = NONE,
  parallel_tool_calls = fields.IGNORED, reasoning_effort = fields.IGNORED,
  verbosity = fields.IGNORED, prediction = fields.IGNORED, modalities = fields.IGNORED,
  safety_identifier = fields.IGNORED, prompt_cache_key = fields.IGNORED,
}

-------------------------------------------------------------------------------- the request

local function schema_of(format)
  if format == nil or format.type == "text" then
    return nil
  elseif format.type == "json_object" then
    return schemas.OBJECT
  elseif format.type == "json_schema" and type(format.json_schema) == "table"
    and type(format.json_schema.schema) == "table" then
    return format.json_schema.schema
  end
  errors.bad("'response_format' must be {\"type\": \"text\"}, {\"type\": \"json_object\"} or "
    .. "{\"type\": \"json_schema\", \"json_schema\": {\"schema\": {...}}}", "response_format",
    "invalid_value")
end

local function ask(service, read)
  openai.check_count(read.n)
  local messages = conversation.read(read.messages)
  if #messages == 0 then
    errors.bad("'messages' is empty", "messages", "invalid_value")
  end
  local ids = conversation.prompt(service, messages)
  parameters.check_prompt(service, ids, "messages")
  read.max_tokens = read.max_completion_tokens or read.max_tokens
  if read.top_logprobs and not read.logprobs then
    errors.bad("'top_logprobs' goes with 'logprobs': true", "top_logprobs", "invalid_value")
  end
  read.logprobs = read.logprobs and (read.top_logprobs or 0) or nil
  read.schema = schema_of(read.response_format)
  local options = conversation.options(service, parameters.options(service, read, #ids))
  local asked = {}
  for k = 1, read.n do
    asked[k] = {ids = ids, bos = service.bos, options = parameters.choice(options, k)}
  end
  return asked
end

-------------------------------------------------------------------------------- answers

local function candidate(entry)
  return object {
    {"token", pieces.shown(entry.piece)}, {"logprob", entry.logprob},
    {"bytes", pieces.bytes(entry.piece)},
  }
end

-- The log-probabilities of what was taken of a text, or nil where nobody asked for them.
local function logprobs_of(one, read)
  if not read.logprobs then
    return nil
  end
  local content = {}
  for i, entry in ipairs(one:take_logprobs()) do
    local tops = {}
    for k, top in ipairs(entry.top) do
      tops[k] = candidate(top)
    end
    content[i] = candidate(entry)
    content[i][4] = {"top_logprobs", tops}
  end
  return object {{"content", content}}, #content > 0
end

local function stream(service, told, read)
  local answer_of, hole = openai.envelope(service, "chatcmpl", "chat.completion.chunk"), json.HOLE
  local part = json.template(answer_of {object {
    {"index", hole}, {"delta", hole}, {"logprobs", hole}, {"finish_reason", hole},
  }})
  local begun, ended = {}, {}
  openai.stream(told, read, answer_of, function(objects)
    local function add(i, delta, logprobs, reason)
      objects[#objects + 1] = part:fill(i - 1, object(delta), logprobs, reason)
    end
    for i, one in ipairs(told.texts) do
      if not begun[i] then
        begun[i] = true
        add(i, {{"role", "assistant"}, {"content", ""}})
      end
      local piece = one:take()
      local logprobs, has_some = logprobs_of(one, read)
      if piece ~= "" or has_some then
        add(i, {{"content", piece}}, logprobs)
      end
      if one:is_done() and not ended[i] then
        ended[i] = true
        add(i, {}, nil, openai.finish_reason(one))
      end
    end
  end)
end

--- POST /v1/chat/completions
function chat.post(service_of, client)
  local read = fields.read(answer.body(), RULES)
  local service = service_of(read.model)
  local told = telling.begin(service, client, ask(service, read))
  if read.stream then
    return stream(service, told, read)
  end
  told:finish()
  local choices = {}
  for i, one in ipairs(told.texts) do
    local text = one:take()
    choices[i] = object {
      {"index", i - 1},
      {"message", object {{"role", "assistant"}, {"content", text}, {"refusal", nil}}},
      {"logprobs", (logprobs_of(one, read))}, {"finish_reason", openai.finish_reason(one)},
    }
  end
  answer.json(openai.envelope(service, "chatcmpl", "chat.completion")(choices,
    openai.usage(told)))
end

return chat
