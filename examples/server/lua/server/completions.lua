--- OpenAI's /v1/completions.
-- @module server.completions
local answer = require "server.answer"
local errors = require "server.errors"
local fields = require "server.fields"
local json = require "server.json"
local openai = require "server.openai"
local parameters = require "server.parameters"
local pieces = require "server.pieces"
local telling = require "server.telling"

local completions = {}

local object = json.object

local function is_id(value)
  return type(value) == "number" and value >= 0 and value % 1 == 0
end

-- "text", {"text", ...}, {id, ...} or {{id, ...}, ...}
local PROMPT = {
  text = "a string, a list of strings, a list of token ids or a list of such lists",
  test = function(value)
    if type(value) == "string" then
      return true
    end
    for _, test in ipairs {
      function(one) return type(one) == "string" end, is_id, fields.list(is_id).test,
    } do
      if fields.list(test).test(value) then
        return true
      end
    end
    return false
  end,
}

local RULES = openai.rules {
  prompt = PROMPT,
  echo = {type = "boolean", default = false},
  logprobs = {type = "integer", min = 0, max = parameters.MOST_LOGPROBS},
  best_of = {type = "integer", min = 1, max = 1, text = "1"},
  suffix = {one_of = {""}, text = "absent: this model does not fill in"},
}
RULES.max_tokens.default = 16 -- as OpenAI's

-------------------------------------------------------------------------------- the request

-- The prompts as lists of ids, and as the texts that `echo` repeats.
local function prompts(service, prompt)
  local list = type(prompt) == "table" and not is_id(prompt[1]) and prompt or {prompt or ""}
  if #list > parameters.MOST_TEXTS then
    errors.bad("at most " .. parameters.MOST_TEXTS .. " prompts at a time", "prompt")
  end
  local ids, texts = {}, {}
  for i, one in ipairs(list) do
    ids[i] = type(one) == "table" and one or service:encode(one, "prompt")
    service:check_ids(ids[i], "prompt")
    parameters.check_prompt(service, ids[i], "prompt")
    texts[i] = type(one) == "string" and one or service.model:decode(one)
  end
  return ids, texts
end

-- What is to be told: texts for server.telling, each with the text to be echoed.
local function ask(service, read)
  local ids, texts = prompts(service, read.prompt)
  openai.check_count(#ids * read.n)
  local asked, echoes = {}, {}
  for i, prompt in ipairs(ids) do
    local options = parameters.options(service, read, #prompt)
    for k = 1, read.n do
      asked[#asked + 1] = {
        ids = prompt, bos = service.bos, options = parameters.choice(options, k),
        prompt_logprobs = read.echo and read.logprobs or nil,
      }
      echoes[#asked] = read.echo and texts[i] or ""
    end
  end
  return asked, echoes
end

-------------------------------------------------------------------------------- log-probabilities

local function top_of(entry)
  local top = {}
  for _, candidate in ipairs(entry.top) do
    local shown = pieces.shown(candidate.piece)
    top[shown] = top[shown] or candidate.logprob -- of two that look the same the likelier
  end
  return json.map(top)
end

-- The log-probabilities of some tokens. `place` is where the text goes on: {at = characters before,
-- after = the token before}.
local function logprobs_of(entries, place, bos)
  local tokens, logprobs, tops, offsets = {}, {}, {}, {}
  for i, entry in ipairs(entries) do
    tokens[i] = pieces.shown(entry.piece)
    logprobs[i] = entry.logprob or json.NULL
    tops[i] = entry.top and #entry.top > 0 and top_of(entry) or json.NULL
    offsets[i] = place.at
    place.at = place.at + pieces.characters(pieces.told(entry.piece, place.after == bos))
    place.after = entry.id
  end
  return object {
    {"tokens", tokens}, {"token_logprobs", logprobs}, {"top_logprobs", tops},
    {"text_offset", offsets},
  }
end

-------------------------------------------------------------------------------- answers

-- What of a text has come since the last time: its text, and its log-probabilities where they were
-- asked for, with whether there are any.
local function take(one, state, read)
  local text, entries = one:take(), nil
  if not state.begun and (text ~= "" or one:is_done()) then -- and so its prompt is scored
    text, state.begun = state.echo .. text, true
    entries = one.prompt_entries
  end
  if not read.logprobs then
    return text
  end
  local list = {}
  for _, from in ipairs {entries or {}, one:take_logprobs()} do
    for _, entry in ipairs(from) do
      list[#list + 1] = entry
    end
  end
  return text, logprobs_of(list, state.place, one.bos), #list > 0
end

local function choice(index, text, logprobs, reason)
  return object {
    {"index", index}, {"text", text}, {"logprobs", logprobs}, {"finish_reason", reason},
  }
end

local function envelope(service)
  return openai.envelope(service, "cmpl", "text_completion")
end

local function stream(service, told, read, states)
  local answer_of, hole = envelope(service), json.HOLE
  local part = json.template(answer_of {choice(hole, hole, hole, hole)})
  answer.stream("sse", told, function(all_done)
    local objects = {}
    for i, one in ipairs(told.texts) do
      local state, done = states[i], one:is_done()
      if not state.done then
        local text, logprobs, has_some = take(one, state, read)
        state.done = done
        if text ~= "" or has_some or done then
          objects[#objects + 1] = part:fill(i - 1, text, logprobs,
            done and openai.finish_reason(one) or nil)
        end
      end
    end
    if all_done and openai.wants_usage(read) then
      objects[#objects + 1] = json.encode(answer_of({}, openai.usage(told)))
    end
    return objects
  end)
end

--- POST /v1/completions
function completions.post(service_of, client)
  local read = fields.read(answer.body(), RULES)
  local service = service_of(read.model)
  local asked, echoes = ask(service, read)
  local told = telling.begin(service, client, asked)
  local states = {}
  for i = 1, #asked do
    local ids = asked[i].ids
    states[i] = {
      echo = echoes[i], begun = false,
      place = {at = 0, after = not read.echo and ids[#ids] or nil},
    }
  end
  if read.stream then
    return stream(service, told, read, states)
  end
  told:finish()
  local choices = {}
  for i, one in ipairs(told.texts) do
    local text, logprobs = take(one, states[i], read)
    choices[i] = choice(i - 1, text, logprobs, openai.finish_reason(one))
  end
  answer.json(envelope(service)(choices, openai.usage(told)))
end

return completions
