--- Messages, as both APIs send them, and the prompt they make.
-- @module server.conversation
local chat = require "lull.chat"
local errors = require "server.errors"
local json = require "server.json"

local conversation = {}

local ROLES = {system = "system", developer = "system", user = "user", assistant = "assistant"}
local MOST_MESSAGES = 1024

local function is_absent(value)
  return value == nil or value == json.decoded_null
end

-- The text of a message's content: a string, or a list of parts that are text.
local function content_of(content, place)
  if type(content) == "string" then
    return content
  elseif is_absent(content) then
    return ""
  elseif type(content) ~= "table" then
    errors.bad("'" .. place .. "' must be a string or a list of parts", place, "invalid_value")
  end
  local parts = {}
  for i, part in ipairs(content) do
    if type(part) ~= "table" or part.type ~= "text" or type(part.text) ~= "string" then
      errors.bad("'" .. place .. "[" .. i - 1 .. "]' must be {\"type\": \"text\", \"text\": "
        .. "string}: this model reads text only", place, "invalid_value")
    end
    parts[i] = part.text
  end
  return table.concat(parts)
end

--- The rule of a field with messages.
conversation.MESSAGES = {
  text = "a list of up to " .. MOST_MESSAGES .. " messages",
  test = function(value)
    return type(value) == "table" and #value <= MOST_MESSAGES and (#value > 0 or not next(value))
  end,
}

--- Messages checked: a list of {role, content}.
function conversation.read(messages)
  local list = {}
  for i, message in ipairs(messages) do
    local place = "messages[" .. i - 1 .. "]"
    if type(message) ~= "table" then
      errors.bad("'" .. place .. "' must be an object", place, "invalid_value")
    end
    local role = type(message.role) == "string" and ROLES[message.role]
    if not role then
      errors.bad("'" .. place .. ".role' must be system, developer, user or assistant",
        place .. ".role", "invalid_value")
    elseif not is_absent(message.images) and #message.images > 0 then
      errors.bad("this model sees no images", place .. ".images", "unsupported")
    end
    list[i] = {role = role, content = content_of(message.content, place .. ".content")}
  end
  return list
end

local function text_of(model, id)
  return id and model:token_text(id) or ""
end

-- The tokens of segments, and those of the format's markers: what a user typed makes none.
local function ids_of(service, segments)
  local model = service.model
  local ids = service:encode("", "messages")
  local is_marker, after_start = {}, true
  for i, segment in ipairs(segments) do
    local id = segment.special and model:find_token(segment.text)
    if id and not (i == 1 and id == service.bos) then
      ids[#ids + 1], is_marker[id] = id, true
      after_start = false
    elseif not id then
      local list = service:encode(segment.text, "messages", after_start)
      for k = after_start and #ids + 1 or 1, #list do
        ids[#ids + 1] = list[k]
      end
      after_start = false
    end
  end
  return ids, is_marker
end

--- The prompt of a conversation, for the assistant's next message.
-- @return ids, and ids that end the answer: the markers of the format
function conversation.prompt(service, messages)
  local model = service.model
  local segments, message = chat.segments(service.chat, messages, {
    add_generation_prompt = true,
    bos_token = text_of(model, model:bos()), eos_token = text_of(model, model:eos()),
  })
  if not segments then
    errors.bad(message, "messages", "invalid_value")
  end
  local ids, is_marker = ids_of(service, segments)
  local stop_ids = {}
  for id in pairs(is_marker) do
    stop_ids[#stop_ids + 1] = id
  end
  return ids, #stop_ids > 0 and stop_ids or nil
end

return conversation
