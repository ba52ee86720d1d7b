--- The configuration, checked and completed.
-- @module server.settings
local chat = require "lull.chat"
local options = require "lull.options"

local settings = {}

local function is_list(value)
  return type(value) == "table" and (#value > 0 or next(value) == nil)
end

local RULES = {
  models = {test = function(value) return is_list(value) and #value > 0 end,
    text = "a list of models"},
  strategies = {type = "string"},
  streams = {type = "integer", min = 1, max = 1024, default = 64},
  threads = {type = "integer", min = 0, max = 256, default = 1},
  length = {type = "integer", min = 1},
  kv = {one_of = {"f32", "bf16"}},
  bos_before_ids = {type = "boolean", default = false},
  defaults = {type = "table", default = {}},
  limits = {type = "table", default = {}},
  api_key = {test = function(value) return type(value) == "string" and #value >= 8 end,
    text = "a string of at least 8 characters"},
  origins = {test = is_list, text = "a list of origins", default = {}},
}

local MODEL_RULES = {
  name = {type = "string"},
  path = {type = "string"},
  tokenizer = {type = "string"},
  precision = {one_of = {"f32", "q8", "q4"}},
  chat = {one_of = chat.names()},
}

local LIMIT_RULES = {
  queue = {type = "integer", min = 0, default = 64},
  per_client = {type = "integer", min = 1, default = 128},
  seconds = {type = "number", min = 0, default = 600},
  wait_seconds = {type = "number", min = 0, default = 30},
  body_seconds = {type = "number", min = 0, default = 30},
}

-- A path as seen from the configuration's folder.
local function resolve(folder, path)
  return path and (path:find "^/" and path or folder .. "/" .. path)
end

--- @param path of a file that returns the configuration
-- @raise on what cannot be meant
function settings.load(path)
  local chunk, folder = assert(loadfile(path)), path:match "^(.*)/[^/]*$"
  local config = options.check("config.lua", chunk(), RULES)
  config.limits = options.check("config.lua: limits", config.limits, LIMIT_RULES)
  local sampling = require "lull.sampling"
  config.defaults = options.check("config.lua: defaults", config.defaults, sampling.RULES)
  config.strategies = resolve(folder, config.strategies)
  for i, given in ipairs(config.models) do
    local model = options.check("config.lua: model", given, MODEL_RULES)
    assert(model.path, "config.lua: a model needs a path")
    model.path, model.tokenizer = resolve(folder, model.path), resolve(folder, model.tokenizer)
    model.name = model.name or model.path:match "([^/]+)$":gsub("%.%w+$", "")
    config.models[i] = model
  end
  return config
end

return settings
