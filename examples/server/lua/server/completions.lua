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
  max_tokens = parameters.max_tokens(16), -- as OpenAI's
  echo = {type = "boolean", default = false},
  -- BOS before a prompt without it: by default before texts, and before ids as config.lua says.
  add_special_tokens = {type = "boolean"},
  logprobs = {type = "integer", min = 0, max = parameters.MOST_LOGPROBS},
  best_of = {type = "integer", min = 1, max = 1, text = "1"},
  suffix = {one_of = {""}, text = "absent: this model does not fill in"},
}

-------------------------------------------------------------------------------- the request

-- The prompts: {ids =, text = what `echo` repeats, own = 1 where BOS was put before the client's
-- prompt, which `echo` leaves out, else 0}.
local function prompts(service, read)
  local prompt = read.prompt
  local list = type(prompt) == "table" and not is_id(prompt[1]) and prompt or {prompt or ""}
  if #list > parameters.MOST_TEXTS then
    errors.bad("at most " .. parameters.MOST_TEXTS .. " prompts at a time", "prompt")
  end
  local all = {}
  for i, one in ipairs(list) do
    local is_text = type(one) == "string"
    local ids, own = is_text and service:encode_begin(one, "prompt") or one, 0
    local wants_bos = read.add_special_tokens
    if wants_bos == nil then
      wants_bos = is_text or service.bos_before_ids
    end
    if wants_bos then
      ids, own = service:with_bos(ids)
    end
    service:check_ids(ids, "prompt")
    parameters.check_prompt(service, ids, "prompt")
    all[i] = {ids = ids, own = own, text = is_text and one or service.model:decode(ids)}
  end
  return all
end

-- What is to be told: texts for server.telling, and the state of each one's answer: {echo = its
-- prompt's text, own = see prompts, begun = was any of it sent?, place = see logprobs_of}.
local function ask(service, read)
  local all = prompts(service, read)
  openai.check_count(#all * read.n)
  local asked, states = {}, {}
  for _, prompt in ipairs(all) do
    local ids = prompt.ids
    local options = parameters.options(service, read, #ids)
    for k = 1, read.n do
      asked[#asked + 1] = {
        ids = ids, bos = service.bos, options = parameters.choice(options, k),
        prompt_logprobs = read.echo and read.logprobs or nil,
      }
      states[#asked] = {
        echo = read.echo and prompt.text or "", own = prompt.own, begun = false,
        place = {at = 0, after = ids[read.echo and prompt.own or #ids]},
      }
    end
  end
  return asked, states
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
  local text, list = one:take(), {}
  local begins = not state.begun and (text ~= "" or one:is_done()) -- and so its prompt is scored
  if begins then
    text, state.begun = state.echo .. text, true
  end
  if not read.logprobs then
    return text
  end
  local entries = begins and one.prompt_entries or {}
  for i = 1 + state.own, #entries do
    list[#list + 1] = entries[i]
  end
  for _, entry in ipairs(one:take_logprobs()) do
    list[#list + 1] = entry
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
  openai.stream(told, read, answer_of, function(objects)
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
  end)
end

--- POST /v1/completions
function completions.post(service_of, client)
  local read = fields.read(answer.body(), RULES)
  local service = service_of(read.model)
  local asked, states = ask(service, read)
  local told = telling.begin(service, client, asked)
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
