--- Prompts from templates and from conversations: where a batch meets lull.template and lull.chat.
-- @module lull.batch.prompts
local chat = require "lull.chat"
local json = require "lull.json"
local template = require "lull.template"

local prompts = {}

local compiled = setmetatable({}, {__mode = "k"}) -- the last template of each batch, by its run

--- The prompt of a template and its variables.
-- @param owner whose template this is: templates mostly stay the same from record to record
-- @param text the template
-- @param vars a table of names to values
-- @param name for messages
-- @return the prompt; or nil, message, code
function prompts.render(owner, text, vars, name)
  local kept = compiled[owner]
  if not kept or kept.text ~= text then
    kept = {text = text, template = template.compile(text, {name = name})}
    compiled[owner] = kept
  end
  return kept.template:render(vars)
end

-- What is wrong with messages as they come from JSON, or nil.
local function problem_of(messages)
  for i, message in ipairs(messages) do
    if not json.is_object(message) or type(message.role) ~= "string"
        or type(message.content) ~= "string" then
      return "message " .. i .. ": a role and a content, both strings, are needed"
    end
  end
end

--- The ids of a conversation that the model is to go on with.
-- @param model the model
-- @param messages a list of {role =, content =}
-- @param format a name of lull.chat, or nil for the template that came with the model
-- @return a list of ids; or nil, message, code
function prompts.chat(model, messages, format)
  local problem = problem_of(messages)
  if problem then
    return nil, problem, "EINVAL"
  end
  return chat.encode(model, messages, {format = format})
end

--- Options of generate, and with them what ends an answer in such a conversation.
function prompts.ending(model, format, wanted)
  return chat.ending(model, {format = format}, wanted)
end

return prompts
