--- Prompts from templates: the one place where a batch meets the template engine.
-- @module lull.batch.prompts
local prompts = {}

local found, template = pcall(require, "lull.template")

if found then
  --- The prompt of a template and its variables; nil, message, code.
  function prompts.render(text, vars, name)
    return template.render(text, vars, {name = name or "template"})
  end
else
  function prompts.render(text, vars, name)
    local problem
    local prompt = text:gsub("{{%s*(.-)%s*}}", function(variable)
      local value = vars[variable]
      if type(value) ~= "string" and type(value) ~= "number" then
        problem = problem or (name or "template") .. ": no text for '" .. variable .. "'"
        return ""
      end
      return tostring(value)
    end)
    if problem then
      return nil, problem, "EFORMAT"
    end
    return prompt
  end
end

return prompts
