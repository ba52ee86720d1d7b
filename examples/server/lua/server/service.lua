--- A model that is served: what was loaded once for all workers, and this worker's engine.
-- @module server.service
local engine = require "server.engine"
local errors = require "server.errors"
local limits = require "server.limits"
local lull = require "lull"

local service = {}

local Service = {}
Service.__index = Service

-- No piece of a vocabulary is longer, so a text of more bytes for each token of the context cannot
-- fit it, and need not be encoded to find out.
local function longest_piece(model)
  local longest = 1
  for id = 0, model:vocab_size() - 1 do
    longest = math.max(longest, #model:piece(id))
  end
  return longest
end

--- Load a model.
-- @param given {name, path, tokenizer, precision, chat}
-- @param config of the server
-- @param strategies server.strategies
-- @return the service, or nil, message
function service.load(given, config, strategies)
  local model, message = lull.load(given.path, {
    tokenizer = given.tokenizer, precision = given.precision,
  })
  if not model then
    return nil, message
  end
  return setmetatable({
    name = given.name, path = given.path, chat = given.chat, model = model, bos = model:bos(),
    strategies = strategies, config = config, longest_piece = longest_piece(model),
    defaults = config.defaults, seconds = config.limits.seconds,
    wait_seconds = config.limits.wait_seconds, created = os.time(),
  }, Service)
end

--- Begin to serve it, in a worker.
function Service:start()
  local config = self.config
  self.limits = limits.new(config.limits)
  local opened, message = engine.new(self.model, {
    streams = config.streams, threads = config.threads, kv = config.kv,
    length = config.length and math.min(config.length, self.model:info().seq_len),
  })
  self.engine = opened
  return opened ~= nil, message
end

--- A text as tokens.
-- @param param the field it came in
function Service:encode(text, param, start)
  if #text > (self.engine.length + 1) * self.longest_piece then
    errors.bad("the prompt is longer than this model's context of " .. self.engine.length
      .. " tokens", param, "context_length_exceeded")
  end
  local ids, message = self.model:encode(text, {start = start ~= false})
  if not ids then
    errors.raise {status = 500, message = message}
  end
  return ids
end

--- Refuse what are no tokens of the model.
function Service:check_ids(ids, param)
  local vocab_size = self.model:vocab_size()
  for _, id in ipairs(ids) do
    if type(id) ~= "number" or id % 1 ~= 0 or id < 0 or id >= vocab_size then
      errors.bad("'" .. param .. "' must have token ids in 0.." .. vocab_size - 1, param,
        "invalid_value")
    end
  end
  if #ids == 0 then
    errors.bad("'" .. param .. "' has no tokens", param, "invalid_value")
  end
end

return service
