--- Conversations as a model's token ids, and model:chat.
--
-- What a user typed never becomes a control token: "<|im_end|>" in a message is text. With a format
-- of lull.chat.formats its segments say what is a marker. With the model's own template (GGUF files
-- bring one along) the control tokens' spellings are taken out of the messages before the template
-- is rendered, looked for in what it wrote, and put back as text where they came from a message.
-- @module lull.chat.conversation
local formats = require "lull.chat.formats"
local options = require "lull.options"
local template = require "lull.template"
local vocabulary = require "lull.vocabulary"

local conversation = {}

-------------------------------------------------------------------------------- a model's tokens

local per_model = setmetatable({}, {__mode = "k"})

-- How templates spell a token: llama2.c's files have line feeds around "<s>".
local function spelling(model, id)
  return id and model:token_text(id):match("^%s*(.-)%s*$") or ""
end

-- Of a model: the spellings of its control tokens, the longest first, and whether a plain text
-- begins with a space that the tokenizer puts there.
local function knowledge(model)
  local known = per_model[model]
  if known then
    return known
  end
  local pieces, message, code = vocabulary.pieces(model)
  if not pieces then
    return nil, message, code
  end
  known = {controls = {}, ids = {}}
  for id = 0, model:vocab_size() - 1 do
    local text = pieces[id] == "" and spelling(model, id) or ""
    if text ~= "" then
      table.insert(known.controls, {text = text, id = id})
      known.ids[text] = known.ids[text] or id
    end
  end
  table.sort(known.controls, function(a, b)
    return #a.text > #b.text or #a.text == #b.text and a.id < b.id
  end)
  local start = assert(model:encode("x", {start = true}))
  known.prefixed = model:piece(start[start[1] == model:bos() and 2 or 1]):sub(1, 1) == " "
  per_model[model] = known
  return known
end

-- Segments as ids. Text after a marker gets the space that text after BOS gets, as llama.cpp does.
local function encode_segments(model, segments)
  local known, message, code = knowledge(model)
  if not known then
    return nil, message, code
  end
  local ids, after_marker = {}, true
  if not segments[1] or segments[1].id ~= model:bos() then
    ids[1] = model:bos()
  end
  for _, segment in ipairs(segments) do
    local id = segment.id
    if segment.special and not id then
      id = known.ids[segment.text] or model:find_token(segment.text)
    end
    if id then
      ids[#ids + 1] = id
    else
      local text = (after_marker and known.prefixed and " " or "") .. segment.text
      local more
      more, message, code = model:encode(text, {start = false})
      if not more then
        return nil, message, code
      end
      for _, one in ipairs(more) do
        ids[#ids + 1] = one
      end
    end
    after_marker = id ~= nil
  end
  return ids
end

-------------------------------------------------------------------------------- templates

-- Characters of the private use area stand for the spellings of control tokens in messages.
local FIRST_STANDIN = 0xE000

local function standin(i)
  local code = FIRST_STANDIN + i
  return string.char(0xE0 + math.floor(code / 4096), 0x80 + math.floor(code / 64) % 64,
    0x80 + code % 64)
end

local function replace(text, from, to)
  local at, parts = 1, {}
  while true do
    local first, last = text:find(from, at, true)
    if not first then
      parts[#parts + 1] = text:sub(at)
      return table.concat(parts)
    end
    parts[#parts + 1] = text:sub(at, first - 1) .. to
    at = last + 1
  end
end

-- Messages (or any value in them) with stand-ins for what is spelled like a control token.
local function without_controls(value, controls)
  if type(value) == "string" then
    for i, control in ipairs(controls) do
      value = replace(value, control.text, standin(i))
    end
  elseif type(value) == "table" then
    local copy = {}
    for key, item in pairs(value) do
      copy[key] = without_controls(item, controls)
    end
    return setmetatable(copy, getmetatable(value))
  end
  return value
end

local function with_controls(text, controls)
  for i, control in ipairs(controls) do
    text = replace(text, standin(i), control.text)
  end
  return text
end

-- What a template wrote, cut at the control tokens it spelled.
local function cut(text, controls)
  local segments, at = {}, 1
  while at <= #text do
    local first, control
    for _, candidate in ipairs(controls) do
      local found = text:find(candidate.text, at, true)
      if found and (not first or found < first) then
        first, control = found, candidate
      end
    end
    local plain = text:sub(at, (first or #text + 1) - 1)
    if plain ~= "" then
      segments[#segments + 1] = {text = with_controls(plain, controls)}
    end
    if not first then
      break
    end
    segments[#segments + 1] = {text = control.text, special = true, id = control.id}
    at = first + #control.text
  end
  return segments
end

local compiled = setmetatable({}, {__mode = "k"}) -- per model, by source

local function render(model, source, messages, given)
  local known, message, code = knowledge(model)
  if not known then
    return nil, message, code
  end
  compiled[model] = compiled[model] or {}
  local ready = compiled[model][source]
  if not ready then
    ready, message, code = template.compile(source, {name = "chat template"})
    if not ready then
      return nil, message, code
    end
    compiled[model][source] = ready
  end
  local variables = {
    messages = without_controls(messages, known.controls), tools = given.tools,
    add_generation_prompt = given.add_generation_prompt,
    bos_token = spelling(model, model:bos()), eos_token = spelling(model, model:eos()),
  }
  for name, value in pairs(given.variables or {}) do
    variables[name] = value
  end
  local text
  text, message, code = ready:render(variables)
  if not text then
    return nil, message, code
  end
  return cut(text, known.controls)
end

-------------------------------------------------------------------------------- public

--- The options of encode and model:chat beside those of generate:
--
--   format     a name of lull.chat.formats; without one, what `template` writes
--   template   a Jinja template, by default the one that came with the model
--   system     the system text of a conversation without (formats only)
--   tools, variables   passed on to the template
conversation.RULES = {
  format = {type = "string"},
  template = {type = "string"},
  system = {type = "string"},
  tools = {type = "table"},
  variables = {type = "table"},
  add_generation_prompt = {type = "boolean", default = true},
}

local MESSAGES = {
  text = "a list of messages {role =, content =}",
  test = function(value) return type(value) == "table" and #value > 0 end,
}

local function segments_of(model, messages, given)
  local source = given.template or not given.format and model:chat_template()
  if source then
    local segments, message, code = render(model, source, messages, given)
    return segments, message, code
  elseif not given.format then
    return nil, "the model came without a chat template; name a format ("
      .. table.concat(formats.names(), ", ") .. ") or give a template", "EUNSUPPORTED"
  end
  local segments, message, code = formats.segments(given.format, messages, {
    add_generation_prompt = given.add_generation_prompt, system = given.system,
    bos_token = "", eos_token = model:eos() and spelling(model, model:eos()) or nil,
  })
  return segments, message, code
end

local function encode(where, model, messages, given)
  options.argument(where, 1, messages, MESSAGES, 3)
  local checked = options.check(where, given, conversation.RULES, 3)
  local segments, message, code = segments_of(model, messages, checked)
  if not segments then
    return nil, message, code
  end
  return encode_segments(model, segments)
end

--- The ids of a conversation that the model is to go on with.
--
--     local ids = chat.encode(model, {{role = "user", content = "Tell a story."}},
--       {format = "chatml"})
--     local options = chat.ending(model, {format = "chatml"}, {max_tokens = 200})
--     for piece in model:stream(ids, options) do ... end
-- @param messages a list of {role =, content =}; templates may want more in them
-- @param given see RULES
-- @return a list of ids; or nil, message, code for what the template or the format refuses
function conversation.encode(model, messages, given)
  local ids, message, code = encode("encode", model, messages, given)
  return ids, message, code
end

-- The spellings of tokens that end an assistant's turn in formats and templates.
local ENDS = {"<|im_end|>", "<|eot_id|>", "<end_of_turn>", "<|end|>", "<|end_of_turn|>",
  "<|end_of_text|>", "<|endoftext|>", "</s>"}

--- Options of generate, and with them what ends an assistant's turn: the tokens that formats and
-- templates use for it, as far as the vocabulary has them as one token, if there are no other
-- stop_ids; and, beside the `stop` strings given, those of the format, or of the format that the
-- template looks like.
-- @param model a model
-- @param given format, template: as for encode
-- @param wanted options of generate, or nil
-- @return a table of its own
function conversation.ending(model, given, wanted)
  local all = {}
  for name, value in pairs(wanted or {}) do
    all[name] = value
  end
  if not all.stop_ids then
    all.stop_ids = {}
    for _, text in ipairs(ENDS) do
      all.stop_ids[#all.stop_ids + 1] = model:find_token(text)
    end
  end
  local format = given.format or formats.detect(given.template or model:chat_template() or "")
  local stop = type(all.stop) == "string" and {all.stop} or all.stop or {}
  if format and type(stop) == "table" then -- else generate says what is wrong with it
    all.stop = {}
    for _, list in ipairs {stop, formats.stops(format)} do
      for _, text in ipairs(list) do
        table.insert(all.stop, text)
      end
    end
  end
  return all
end

--- Answer: the next turn of a conversation.
--
--     local answer, facts = model:chat({{role = "user", content = "Who are you?"}},
--       {format = "chatml", max_tokens = 200, seed = 1})
-- @param messages see encode
-- @param given the options of encode and of generate
-- @return the answer and the facts of generate; or nil, message, code
function conversation.chat(model, messages, given)
  local own, rest = {}, {}
  for key, value in pairs(given or {}) do
    if conversation.RULES[key] then own[key] = value else rest[key] = value end
  end
  local ids, message, code = encode("chat", model, messages, own)
  if not ids then
    return nil, message, code
  end
  return model:generate(ids, conversation.ending(model, own, rest))
end

return conversation
