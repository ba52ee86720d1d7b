--- From lines to records: what each line asks for, or what is wrong with it.
--
-- A record is a table:
--
--     line      its number in the input (for a recipe: which story)
--     id        what the line gave: a string or an integer
--     key       the same as text; all that is random about a story comes from it
--     form      "plain" or "openai"
--     prompt    a text or a list of token ids; or else template and vars, or messages
--     labels    what the output line repeats
--     params    as lull.batch.params has them, and `given`, what sequence:stream takes
--     seed      the record's own, or nil
--     failure   {code, message} in place of all that could not be read
-- @module lull.batch.records
local csv = require "lull.batch.csv"
local json = require "lull.json"
local options = require "lull.options"
local params = require "lull.batch.params"
local sampling = require "lull.sampling"

local records = {}

local function failure(code, message)
  return {code = code, message = message}
end

-- A value of the record, nil where it is null.
local function value_of(object, name)
  local value = object[name]
  if value == json.null then
    return nil
  end
  return value
end

local function is_id(value)
  return type(value) == "string" and value ~= ""
    or options.allows({type = "integer", min = 0}, value)
end

local function is_prompt(value)
  if type(value) ~= "table" then
    return type(value) == "string"
  end
  for i = 1, #value do
    if not options.allows({type = "integer", min = 0}, value[i]) then
      return false
    end
  end
  return #value > 0
end

-- Checks of fields: {test, what is expected}.
local FIELDS = {
  id = {is_id, "a string that is not empty, or an integer,"},
  prompt = {is_prompt, "a string or a list of token ids"},
  template = {function(v) return type(v) == "string" end, "a string"},
  vars = {json.is_object, "an object"},
  labels = {json.is_object, "an object"},
  params = {json.is_object, "an object"},
  seed = {sampling.SEED.test, sampling.SEED.text},
  -- of OpenAI's form
  custom_id = {is_id, "a string that is not empty"},
  method = {function(v) return v == "POST" end, "'POST'"},
  url = {
    function(v) return v == "/v1/completions" or v == "/v1/chat/completions" end,
    "'/v1/completions' or '/v1/chat/completions'",
  },
  body = {json.is_object, "an object"},
  messages = {function(v) return type(v) == "table" and #v > 0 end, "a list of messages"},
}

-- The fields of an object that are allowed, checked; nil and what is wrong.
local function fields_of(object, allowed)
  local out = {}
  for name in pairs(object) do
    if not allowed[name] then
      local near = options.nearest(name, allowed)
      return nil, "unknown field " .. options.show(name)
        .. (near and " (did you mean '" .. near .. "'?)" or "")
    end
  end
  for name in pairs(allowed) do
    local value, rule = value_of(object, name), FIELDS[name]
    if value ~= nil and rule and not rule[1](value) then
      return nil, "'" .. name .. "': " .. rule[2] .. " expected, got " .. options.show(value)
    end
    out[name] = value
  end
  return out
end

local function set_of(names)
  local set = {}
  for name in names:gmatch("%S+") do
    set[name] = true
  end
  return set
end

local PLAIN = set_of "id prompt template vars labels params seed"
local ENVELOPE = set_of "custom_id method url body"
-- Of a request's body; what is a parameter of lull's too is taken as such.
local BODY = set_of [[model prompt messages seed stop max_tokens max_completion_tokens n stream
  user metadata echo best_of logprobs]]
for name in pairs(params.RULES) do
  BODY[name] = true
end

-- What must be as it is where the field is given at all: the rest of OpenAI's interface.
local ONLY = {n = 1, best_of = 1, stream = false, echo = false, logprobs = false}

-------------------------------------------------------------------------------- the forms

local function plain(object, record)
  local fields, problem = fields_of(object, PLAIN)
  record.id = is_id(object.id) and object.id or nil
  if not fields then
    return problem
  elseif fields.id == nil then
    return "'id' is missing"
  end
  for _, name in ipairs {"prompt", "template", "vars", "labels", "seed"} do
    record[name] = fields[name]
  end
  record.own = fields.params
end

local function read_body(body, record)
  local fields, problem = fields_of(body, BODY)
  if not fields then
    return "body: " .. problem
  end
  for name, value in pairs(ONLY) do
    if fields[name] ~= nil and fields[name] ~= value then
      return "body: '" .. name .. "' can only be " .. tostring(value)
    end
  end
  record.prompt, record.messages = fields.prompt, fields.messages
  record.seed, record.model = fields.seed, fields.model
  local own = {}
  for name in pairs(params.RULES) do
    own[name] = fields[name]
  end
  own.max_tokens = own.max_tokens or fields.max_completion_tokens
  record.own = own
end

local function openai(object, record)
  record.form = "openai"
  record.id = is_id(object.custom_id) and object.custom_id or nil
  local fields, problem = fields_of(object, ENVELOPE)
  if not fields then
    return problem
  elseif fields.custom_id == nil then
    return "'custom_id' is missing"
  elseif not fields.body then
    return "'body' is missing"
  end
  record.chat = fields.url == "/v1/chat/completions"
    or (fields.url == nil and fields.body.messages ~= nil)
  return read_body(fields.body, record)
end

-------------------------------------------------------------------------------- completing

-- Put together what the line and the run say. What is wrong with it, or nil.
local function complete(record, run)
  if record.prompt == nil and record.messages == nil and record.template == nil then
    record.template = run.template
  end
  local ways = (record.prompt ~= nil and 1 or 0) + (record.template ~= nil and 1 or 0)
    + (record.messages ~= nil and 1 or 0)
  if ways ~= 1 then
    return record.form == "openai" and "one of 'prompt' and 'messages' is needed"
      or "one of 'prompt' and 'template' is needed"
  elseif record.messages ~= nil ~= (record.chat or false) then
    return "'messages' belong to /v1/chat/completions and 'prompt' to /v1/completions"
  end
  local ok, checked, given = pcall(params.complete, run.params, record.own, run.strategies)
  if not ok then
    return (tostring(checked):gsub("^[^\n]-%.lua:%d+: ", "")) -- where lull lies is no part of it
  end
  record.params, record.given = checked, given
end

-- A record of a line's object, or of what is wrong with the line.
local function record_of(object, line, run, problem)
  local record = {line = line, form = "plain"}
  if not problem and not json.is_object(object) then
    problem = "an object expected"
  end
  if not problem then
    local form = (object.custom_id ~= nil or object.body ~= nil) and openai or plain
    problem = form(object, record)
  end
  if record.id ~= nil then
    record.key = type(record.id) == "number" and options.number_text(record.id) or record.id
  end
  problem = problem or complete(record, run)
  if problem then
    record.failure = failure("EINVAL", problem)
  end
  return record
end

--- The record of one line of JSON.
-- @param text the line
-- @param number its number
-- @param run {params =, template =, strategies =}: what goes for records that say nothing
function records.read(text, number, run)
  local object, problem = json.decode(text)
  return record_of(object, number, run, object == nil and problem or nil)
end

--- Records of a reader of JSON lines (lull.batch.lines). Blank lines are passed over.
-- @param run as of records.read
-- @return a function: the next record; nil at the end; nil, message, code. With `true` it only
--   counts: lines are not parsed
function records.json_lines(reader, run)
  return function(only_count)
    local line, message, code
    repeat
      line, message, code = reader:next()
    until not line or line:find("[^ \t]")
    if line == nil then
      return nil, message, code
    elseif only_count then
      return true
    elseif line == false then
      return record_of(nil, reader.number, run, "a line of more than 16 MB")
    end
    return records.read(line, reader.number, run)
  end
end

--- Records of CSV (lull.batch.csv): the columns are variables. A column `id` names the story,
-- else the number of its line does; without a template a column `prompt` is the prompt.
function records.csv(reader, run, separator)
  local rows = csv.rows(reader, separator)
  local function next_record(only_count)
    local row, message, code = rows:next()
    if row == nil then
      rows.columns = nil -- the reader may be rewound
      return nil, message, code
    elseif only_count then
      return true
    elseif row == false then
      return record_of(nil, rows.line, run, message)
    end
    local object = {id = row.id or rows.line}
    if run.template then
      object.vars, object.labels = row, row
    else
      object.prompt = row.prompt
    end
    return record_of(object, rows.line, run,
      not run.template and not row.prompt and "a column 'prompt', or a template, is needed"
      or nil)
  end
  return next_record
end

--- Records of a recipe (lull.batch.recipes): story i of `count`.
function records.recipe(recipe, run, count, seed)
  local i = 0
  return function(only_count)
    if i >= count then
      i = 0
      return nil
    end
    i = i + 1
    if only_count then
      return true
    end
    local id = recipe.name .. "-" .. options.number_text(i)
    local labels, prompt, problem = recipe:draw(id, seed)
    return record_of({id = id, prompt = prompt, labels = labels}, i, run, problem)
  end
end

return records
