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

-- Add the ids of a segment: one token for a marker that is one, else those of its text.
local function add_segment(ids, model, segment)
  local marker = segment.special and model:find_token(segment.text)
  if marker then
    ids[#ids + 1] = marker
    return true
  end
  local more, message, code = model:encode(segment.text)
  if not more then
    return nil, message, code
  end
  for _, id in ipairs(more) do
    ids[#ids + 1] = id
  end
  return true
end

--- The ids of a conversation that the model is to go on with.
-- @param model the model
-- @param messages a list of {role =, content =}
-- @param format a name of lull.chat, or nil for the one that the model's template shows
-- @return a list of ids; or nil, message, code
function prompts.chat(model, messages, format)
  local problem = problem_of(messages)
  format = format or chat.detect(model:chat_template() or "")
  if problem then
    return nil, problem, "EINVAL"
  elseif not format then
    return nil, "the model says nothing about the format of conversations; one must be named",
      "EUNSUPPORTED"
  end
  local segments, message, code = chat.segments(format, messages,
    {add_generation_prompt = true, bos_token = ""})
  if not segments then
    return nil, message, code
  end
  local ids = {model:bos()}
  for _, segment in ipairs(segments) do
    local added
    added, message, code = add_segment(ids, model, segment)
    if not added then
      return nil, message, code
    end
  end
  return ids
end

return prompts
