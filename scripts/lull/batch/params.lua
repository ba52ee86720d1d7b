--- What a record may ask of its story: the options of a text that are data.
--
-- Left out are those that are Lua objects, and those that make a story depend on the machine
-- (max_seconds). `strategy` is a name, which the host resolves: a record never carries Lua.
-- @module lull.batch.params
local json = require "lull.json"
local options = require "lull.options"
local request = require "lull.decode.request"
local sampling = require "lull.sampling"

local params = {}

-- Their order in an output line.
local ORDER = {"max_tokens"}
for _, name in ipairs(sampling.CHAIN_OPTIONS) do
  ORDER[#ORDER + 1] = name
end
for _, name in ipairs {"stop", "stop_ids", "ban_phrases", "max_rewinds", "loops", "strategy"} do
  ORDER[#ORDER + 1] = name
end

--- Is this the name of a strategy? It becomes part of a path.
function params.is_name(value)
  return type(value) == "string" and value:find("^[A-Za-z0-9_-]+$") ~= nil
end

local RULES = {strategy = {
  test = params.is_name,
  text = "the name of a strategy (letters, digits, - and _)",
}}
for _, name in ipairs(ORDER) do
  RULES[name] = RULES[name] or request.RULES[name]
end

params.RULES = RULES

-- JSON's keys are strings: {"logit_bias": {"17": -1}} means token 17.
local function with_ids(bias)
  local by_id = {}
  for key, value in pairs(bias) do
    by_id[tonumber(key) or key] = value
  end
  return by_id
end

--- What a story is told with: the options of a run, and a record's own over them. Raises on what
-- is unknown or out of range.
-- @param defaults a table of them, or nil
-- @param own a table of them, or nil
-- @param strategies name -> a function that returns a strategy, or nil
-- @return what is asked for (and max_tokens, always), and what sequence:stream takes
function params.complete(defaults, own, strategies)
  local all = {}
  for _, set in ipairs {defaults or {}, own or {}} do
    for name, value in pairs(set) do
      all[name] = value
    end
  end
  local checked = options.check("params", all, RULES, 1)
  local given = {}
  for name, value in pairs(checked) do
    given[name] = value
  end
  if given.logit_bias then
    given.logit_bias = with_ids(given.logit_bias)
  end
  if given.strategy then
    local maker = strategies and strategies[given.strategy]
    if not maker then
      error("there is no strategy " .. options.show(given.strategy) .. " here", 0)
    end
    given.sampler, given.strategy = maker(), nil
  end
  request.check(given, request.RULES, "params", 1)
  all.max_tokens = checked.max_tokens
  return all, given
end

--- The parameters as a JSON object, in their order.
function params.object(checked)
  local list = {}
  for _, name in ipairs(ORDER) do
    if checked[name] ~= nil then
      list[#list + 1] = {name, checked[name]}
    end
  end
  return json.object(list)
end

return params
