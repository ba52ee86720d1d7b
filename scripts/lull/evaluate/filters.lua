--- Filters: what is taken as the answer from the texts that were told to one question.
--
-- A pipeline is a list of steps, each of which makes a list of texts of a list of texts:
--
--     {name = "number", {"pattern", "(%-?%d+)"}, {"majority"}}
--
--     {"pattern", p, select = 1, fallback = "[invalid]"}  what the Lua pattern p matches in each
--                    text (its first capture that is not empty, without space around it): match
--                    number `select`, -1 for the last; fallback where there is none
--     {"take_first"} the first text only
--     {"majority"}   the text that comes most often; of equals the one that comes first
--     {"lowercase"}, {"strip"}   of each text
--     a function     from a list to a list
--
-- Semantics are those of lm-evaluation-harness, whose regular expressions are Lua patterns here:
-- `regex` is "pattern", `majority_vote` is "majority".
-- @module lull.evaluate.filters
local filters = {}

--- What is done where a task has no filters.
filters.DEFAULT = {{name = "none", {"take_first"}}}

local function each(list, change)
  local changed = {}
  for i, text in ipairs(list) do
    changed[i] = change(text)
  end
  return changed
end

local function strip(text)
  return (text:match "^%s*(.-)%s*$")
end

-- All matches of a pattern: of each the first capture that is not empty, or else the match.
local function matches(text, pattern)
  local list, from = {}, 1
  while from <= #text + 1 do
    local found = {text:find(pattern, from)}
    if not found[1] then
      break
    end
    local chosen = found[3] == nil and text:sub(found[1], found[2]) or ""
    for i = 3, #found do
      if chosen == "" then
        chosen = tostring(found[i])
      end
    end
    list[#list + 1] = strip(chosen)
    from = math.max(found[2], found[1]) + 1
  end
  return list
end

local STEPS = {
  pattern = function(list, step)
    return each(list, function(text)
      local found = matches(text, step[2])
      local select = step.select or 1
      return found[select < 0 and #found + 1 + select or select] or step.fallback or "[invalid]"
    end)
  end,
  take_first = function(list) return {list[1]} end,
  majority = function(list)
    local counts, best = {}, nil
    for _, text in ipairs(list) do
      counts[text] = (counts[text] or 0) + 1
    end
    for _, text in ipairs(list) do
      if not best or counts[text] > counts[best] then
        best = text
      end
    end
    return {best}
  end,
  lowercase = function(list) return each(list, string.lower) end,
  strip = function(list) return each(list, strip) end,
}

--- Check pipelines; raises where one is none.
function filters.check(pipelines, level)
  local function wrong(message)
    error("bad option 'filters' (" .. message .. ")", (level or 1) + 2)
  end
  for i, pipeline in ipairs(pipelines) do
    if type(pipeline) ~= "table" or type(pipeline.name) ~= "string" then
      wrong("pipeline " .. i .. " needs a name")
    end
    for _, step in ipairs(pipeline) do
      if type(step) ~= "function" and (type(step) ~= "table" or not STEPS[step[1]]) then
        wrong("there is no step " .. tostring(type(step) == "table" and step[1] or step))
      elseif type(step) == "table" and step[1] == "pattern" then
        if type(step[2]) ~= "string" then
          wrong("'pattern' needs a Lua pattern")
        end
        (""):find(step[2]) -- raises now rather than later where it is malformed
      end
    end
  end
  return pipelines
end

--- Run texts through a pipeline.
function filters.apply(pipeline, texts)
  for _, step in ipairs(pipeline) do
    if type(step) == "function" then
      texts = step(texts)
    else
      texts = STEPS[step[1]](texts, step)
    end
  end
  return texts
end

return filters
