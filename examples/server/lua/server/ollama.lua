--- Ollama's /api/generate and /api/chat.
--
-- As Ollama does, unknown fields are left alone; streams are the default.
-- @module server.ollama
local answer = require "server.answer"
local conversation = require "server.conversation"
local fields = require "server.fields"
local json = require "server.json"
local options = require "lull.options"
local parameters = require "server.parameters"
local pieces = require "server.pieces"
local schemas = require "server.schemas"
local telling = require "server.telling"

local ollama = {}

local object = json.object

local SHARED = {
  model = {type = "string", required = true},
  stream = {type = "boolean", default = true},
  format = {text = "\"json\" or a JSON schema", test = function(value)
    return value == "" or value == "json" or type(value) == "table"
  end},
  options = {type = "table", default = {}},
  logprobs = {type = "boolean"},
  top_logprobs = {type = "integer", min = 0, max = parameters.MOST_LOGPROBS},
  strategy = parameters.STRATEGY, -- lull's own
}

local function with_shared(own)
  for name, rule in pairs(SHARED) do
    own[name] = rule
  end
  return own
end

local function absent(what)
  return {text = "absent: " .. what, test = function(value)
    return value == "" or fields.is_empty(value)
  end}
end

local GENERATE = with_shared {
  prompt = {type = "string", default = ""},
  system = {type = "string", default = ""},
  raw = {type = "boolean", default = false},
  context = {text = "a list of token ids", test = options.is_list},
  suffix = absent "this model does not fill in", images = absent "this model sees no images",
  template = absent "templates are the server's",
}

local CHAT = with_shared {
  messages = conversation.MESSAGES,
  tools = absent "this model calls no functions",
}

-- Ollama's names of options; those of lull's go as well.
local OPTIONS = {
  num_predict = {type = "integer", min = -2, max = 2 ^ 31},
  repeat_last_n = {type = "integer", min = -1, max = 2 ^ 31},
  repeat_penalty = parameters.SAMPLING.repetition_penalty,
  tfs_z = parameters.SAMPLING.tail_free,
  seed = parameters.SEED, stop = parameters.STRINGS,
}
for name, rule in pairs(parameters.SAMPLING) do
  OPTIONS[name] = OPTIONS[name] or rule
end

-------------------------------------------------------------------------------- the request

-- What server.parameters takes.
local function read_options(read)
  local own = fields.read(read.options, OPTIONS, {prefix = "options.", lenient = true})
  own.max_tokens = own.num_predict and own.num_predict >= 0 and own.num_predict or nil
  own.penalty_last_n = own.repeat_last_n or own.penalty_last_n
  own.repetition_penalty = own.repeat_penalty or own.repetition_penalty
  own.tail_free = own.tfs_z or own.tail_free
  own.strategy = read.strategy
  own.logprobs = read.logprobs and (read.top_logprobs or 0) or nil
  own.schema = read.format == "json" and schemas.OBJECT
    or type(read.format) == "table" and read.format or nil
  return own
end

-- @param is_turn is the text a turn of a conversation, which has an end of its own?
local function begin(service, client, own, ids, is_turn, param)
  parameters.check_prompt(service, ids, param)
  local wanted = parameters.options(service, own, #ids)
  wanted = is_turn and conversation.options(service, wanted) or wanted
  return telling.begin(service, client, {{ids = ids, bos = service.bos, options = wanted}})
end

-------------------------------------------------------------------------------- answers

local function moment()
  local now = ngx.now()
  return os.date("!%Y-%m-%dT%H:%M:%S", now) .. string.format(".%03dZ", now % 1 * 1000)
end

local function nanoseconds(seconds)
  return math.floor(math.max(0, seconds) * 1e9)
end

local REASONS = {stop = "stop", ban = "stop"}

local function logprobs_of(text, read)
  if not read.logprobs then
    return nil
  end
  local function shown(entry)
    return object {
      {"token", pieces.shown(entry.piece)}, {"logprob", entry.logprob},
      {"bytes", pieces.bytes(entry.piece)},
    }
  end
  local list = {}
  for i, entry in ipairs(text:take_logprobs()) do
    local tops = {}
    for k, top in ipairs(entry.top) do
      tops[k] = shown(top)
    end
    list[i] = shown(entry)
    list[i][4] = read.top_logprobs and {"top_logprobs", tops} or nil
  end
  return #list > 0 and list or nil
end

-- The fields of the last object of an answer.
local function summary(told)
  local text = told.texts[1]
  local facts = text.facts or {tokens = 0, seconds = 0, prompt_seconds = 0}
  return {
    {"done", true}, {"done_reason", REASONS[facts.finish_reason] or "length"},
    {"total_duration", nanoseconds(told:age())}, {"load_duration", 0},
    {"prompt_eval_count", #text.ids},
    {"prompt_eval_duration", nanoseconds(facts.prompt_seconds)},
    {"eval_count", facts.tokens},
    {"eval_duration", nanoseconds(facts.seconds - facts.prompt_seconds)},
  }
end

-- An object of an answer: `content` is the field that has the text, `last` the fields at its end.
local function part(service, content, logprobs, last, created_at)
  local out = object {
    {"model", service.name}, {"created_at", created_at or moment()}, content,
  }
  if logprobs then
    out[#out + 1] = {"logprobs", logprobs}
  end
  for _, field in ipairs(last or {{"done", false}}) do
    out[#out + 1] = field
  end
  return out
end

-- Answer with a text, as a stream or at once.
-- @param field function(text) -> {name, value}: how this endpoint has the text
-- @param extra function(text) -> fields at the end, or nil
local function tell(service, told, read, field, extra)
  local text = told.texts[1]
  local function last()
    local list = summary(told)
    for _, one in ipairs(extra and extra(text) or {}) do
      list[#list + 1] = one
    end
    return list
  end
  if not read.stream then
    told:finish()
    local piece = text:take()
    return answer.json(part(service, field(piece), logprobs_of(text, read), last()))
  end
  local hole = json.HOLE
  local plain = json.template(part(service, field(hole), nil, nil, hole))
  answer.stream("ndjson", told, function(done)
    local objects, piece = {}, text:take()
    local logprobs = logprobs_of(text, read)
    if logprobs then
      objects[1] = json.encode(part(service, field(piece), logprobs))
    elseif piece ~= "" then
      objects[1] = plain:fill(moment(), piece)
    end
    if done then
      objects[#objects + 1] = json.encode(part(service, field "", nil, last()))
    end
    return objects
  end)
end

-- A request without a prompt has Ollama load the model, which is loaded.
local function loaded(service, read, field)
  local out = part(service, field "", nil, {{"done", true}, {"done_reason", "load"}})
  if read.stream then
    ngx.header.content_type = "application/x-ndjson"
    ngx.print(json.encode(out), "\n")
  else
    answer.json(out)
  end
end

local function response(text)
  return {"response", text}
end

local function message(text)
  return {"message", object {{"role", "assistant"}, {"content", text}}}
end

-- The tokens of a text and its prompt, from which a client may go on.
local function context_of(text)
  local ids = {}
  for i, id in ipairs(text.ids) do
    ids[i] = id
  end
  for _, id in ipairs(text.told_ids or {}) do
    ids[#ids + 1] = id
  end
  return {{"context", ids}}
end

-- The prompt of /api/generate, and whether it is a conversation's.
local function prompt_of(service, read)
  local ids, is_turn
  if read.raw or read.context then
    ids = service:encode(read.prompt, "prompt", not read.context)
  else
    local messages = {{role = "user", content = read.prompt}}
    if read.system ~= "" then
      table.insert(messages, 1, {role = "system", content = read.system})
    end
    ids, is_turn = conversation.prompt(service, messages), true
  end
  if read.context then
    service:check_ids(read.context, "context")
    local all = {}
    for _, list in ipairs {read.context, ids} do
      for _, id in ipairs(list) do
        all[#all + 1] = id
      end
    end
    ids = all
  end
  return ids, is_turn
end

--- POST /api/generate
function ollama.generate(service_of, client)
  local read = fields.read(answer.body(), GENERATE, {lenient = true})
  local service, own = service_of(read.model), read_options(read)
  read.context = not fields.is_empty(read.context) and read.context or nil
  if read.prompt == "" and not read.context then
    return loaded(service, read, response)
  end
  local ids, is_turn = prompt_of(service, read)
  local told = begin(service, client, own, ids, is_turn, "prompt")
  tell(service, told, read, response, context_of)
end

--- POST /api/chat
function ollama.chat(service_of, client)
  local read = fields.read(answer.body(), CHAT, {lenient = true})
  local service, own = service_of(read.model), read_options(read)
  local messages = conversation.read(read.messages or {})
  if #messages == 0 then
    return loaded(service, read, message)
  end
  local ids = conversation.prompt(service, messages)
  tell(service, begin(service, client, own, ids, true, "messages"), read, message)
end

return ollama
