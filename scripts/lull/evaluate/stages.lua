--- The three stages as files of JSON lines, each of which can be made again alone.
--
--     NAME.requests.jsonl   what is asked      made without a model
--     NAME.responses.jsonl  what a model says  appended to as answers come: a run that was
--                           stopped, however, is gone on with (NAME.responses.jsonl.run.jsonl is
--                           its account)
--     NAME.scores.jsonl     what it is worth   made without a model, as often as you like
--
-- Requests and scores are written beside their names and renamed: whole or absent.
-- @module lull.evaluate.stages
local core = require "lull.core"
local datasets = require "lull.evaluate.datasets"
local files = require "lull.files"
local json = require "lull.json"
local options = require "lull.options"
local output = require "lull.batch.output"
local respond = require "lull.evaluate.respond"
local score = require "lull.evaluate.score"

local stages = {}

--- The file of a stage: "requests", "responses" or "scores".
function stages.path(name, stage)
  return name .. "." .. stage .. ".jsonl"
end

-------------------------------------------------------------------------------- whole files

local function encode_lines(list, object)
  local lines = {}
  for i, item in ipairs(list) do
    lines[i] = json.encode(object and object(item) or item) .. "\n"
  end
  return table.concat(lines)
end

--- Write the first stage. What is there already may be the same; else it is in the way.
-- @param given {overwrite = true: replace what is there}
-- @return true; or nil, message, code
function stages.write_requests(name, requests, given)
  local path, text = stages.path(name, "requests"), encode_lines(requests)
  if files.exists(path) and not (given and given.overwrite) then
    local file = assert(io.open(path, "rb"))
    local before = file:read "*a"
    file:close()
    if before == text then
      return true
    end
    return nil, path .. ": asks something else", "ESTATE"
  end
  return files.write_whole(path, text)
end

local FIELDS = {
  multiple_choice = {"continuations", "choices", "label"},
  loglikelihood = {"context", "continuations"}, rolling = {"text"},
  generate = {"context", "target", "stop", "max_tokens", "sampling", "repeats"},
}

local function request_problem(request)
  if type(request.id) ~= "string" or type(request.task) ~= "string" then
    return "a request has an id and a task"
  end
  local fields = FIELDS[request.kind]
  if not fields then
    return "there is no kind of request '" .. tostring(request.kind) .. "'"
  end
  for _, field in ipairs(fields) do
    if request[field] == nil then
      return "a request of kind " .. request.kind .. " has a field '" .. field .. "'"
    end
  end
end

--- Read the first stage. A list of requests; or nil, message, code.
function stages.read_requests(name)
  return datasets.records(stages.path(name, "requests"), request_problem)
end

--- Read the second stage. A list of responses; or nil, message, code.
function stages.read_responses(name)
  return datasets.records(stages.path(name, "responses"), function(response)
    if type(response.id) ~= "string" or type(response.task) ~= "string"
        or type(response.request) ~= "string" then
      return "a response has an id, a task and a request"
    end
  end)
end

--- Write the third stage: a line for each document.
function stages.write_scores(name, result)
  return files.write_whole(stages.path(name, "scores"), encode_lines(result.rows, score.object))
end

-------------------------------------------------------------------------------- responses

local function read_line(line)
  local response = json.decode(line)
  if not json.is_object(response) or type(response.id) ~= "string"
      or type(response.task) ~= "string" or type(response.model) ~= "string" then
    return nil
  end
  return {key = response.task .. "\n" .. response.id, model = response.model}
end

local OWN = {overwrite = {type = "boolean"}, sync = {type = "number", min = 0}}

local function split_options(given)
  local own, rest = {}, {}
  for key, value in pairs(given or {}) do
    local target = OWN[key] and own or rest
    target[key] = value
  end
  return options.check("respond", own, OWN, 3), rest
end

-- What must be the same for the file to be gone on with.
local function identity_of(model, requests, rest)
  return json.object {
    {"requests", core.hash(encode_lines(requests))}, {"model", model:fingerprint()},
    {"length", rest.length}, {"overlap", rest.overlap}, {"seed", rest.seed}, {"kv", rest.kv},
  }
end

--- Have a model answer requests, into the file of the second stage. What is in it already is kept
-- and not asked again.
-- @param model a model
-- @param name of the files
-- @param requests what read_requests returned, or the first stage's list
-- @param given the options of respond.respond, and overwrite = true: begin anew; sync = seconds
--   between two fsync (1)
-- @return how many were answered now, how many were there; or nil, message, code: what was
--   answered until then is in the file
function stages.respond(model, name, requests, given)
  local own, rest = split_options(given)
  local path = stages.path(name, "responses")
  local out, message, code = output.open(path, {
    resume = not own.overwrite, overwrite = own.overwrite, sync = own.sync, read = read_line,
    inputs = {stages.path(name, "requests")},
  })
  if not out then
    return nil, message, code
  end
  local identity = identity_of(model, requests, rest)
  local before, there = out.identity, out.lines
  if before and json.encode(before) ~= json.encode(json.decode(json.encode(identity))) then
    out:close()
    return nil, path .. ": was answered by another model, or other requests or options", "ESTATE"
  end
  local left = {}
  for _, request in ipairs(requests) do
    if not out.done[request.task .. "\n" .. request.id] then
      left[#left + 1] = request
    end
  end
  local ok = true
  if not before or #left > 0 then
    ok, message, code = out:begin(identity, json.object {{"lull", core.version}})
  end
  local done = rest.done
  rest.done = function(i, response, object)
    local written, problem, why = out:write(json.encode(object) .. "\n")
    if written and done then
      return done(i, response, object)
    end
    return written, problem, why
  end
  if ok then
    ok, message, code = respond.respond(model, left, rest)
  end
  local synced, problem, why = out:sync()
  out:close()
  if not ok then
    return nil, message, code
  elseif not synced then
    return nil, problem, why
  end
  return #left, there
end

return stages
