--- Messages, as both APIs send them, and the prompt they make.
-- @module server.conversation
local chat = require "lull.chat"
local errors = require "server.errors"
local fields = require "server.fields"
local json = require "server.json"
local options = require "lull.options"

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
  elseif not options.is_list(content) then
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
    return options.is_list(value) and #value <= MOST_MESSAGES
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
    elseif not is_absent(message.images) and not fields.is_empty(message.images) then
      errors.bad("this model sees no images", place .. ".images", "unsupported")
    end
    list[i] = {role = role, content = content_of(message.content, place .. ".content")}
  end
  return list
end

--- The prompt of a conversation, for the assistant's next message.
function conversation.prompt(service, messages)
  local size = 0
  for _, message in ipairs(messages) do
    size = size + #message.content
  end
  service:check_size(size, "messages")
  local ids, message = chat.encode(service.model, messages, {format = service.chat})
  if not ids then
    errors.bad(message, "messages", "invalid_value")
  end
  return ids
end

--- The options of its answer: those of a text, and what ends a turn.
function conversation.options(service, wanted)
  return chat.ending(service.model, {format = service.chat}, wanted)
end

return conversation
