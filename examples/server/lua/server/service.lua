--- A model that is served: what was loaded once for all workers, and this worker's engine.
-- @module server.service
local chat = require "lull.chat"
local engine = require "server.engine"
local errors = require "server.errors"
local limits = require "server.limits"
local lfs = require "lfs"
local lull = require "lull"

local service = {}

local Service = {}
Service.__index = Service

-- What tells one file from another, as long as Ollama's digests are.
local function digest_of(path)
  local facts, parts = lfs.attributes(path), {}
  local text = table.concat({path, facts.size, facts.modification}, " ")
  for i = 1, 4 do
    parts[i] = lull.hash(text .. " " .. i):sub(3)
  end
  return table.concat(parts)
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
  -- What is found out about the vocabulary is found out now.
  assert(chat.encode(model, {{role = "user", content = ""}}, {format = "raw"}))
  return setmetatable({
    name = given.name, path = given.path,
    chat = given.chat or not model:chat_template() and "raw" or nil,
    model = model, bos = model:bos(), fingerprint = "fp_" .. model:fingerprint():sub(3),
    strategies = strategies, config = config, bos_before_ids = config.bos_before_ids,
    longest_piece = model:info().max_token_bytes,
    defaults = config.defaults, seconds = config.limits.seconds,
    wait_seconds = config.limits.wait_seconds,
    modified = lfs.attributes(given.path, "modification"), digest = digest_of(given.path),
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

--- Refuse a text of so many bytes where it cannot fit the context. No token has more than
-- longest_piece bytes, so it need not be encoded to find out.
-- @param param the field it came in
function Service:check_size(bytes, param)
  if bytes > (self.engine.length + 1) * self.longest_piece then
    errors.bad("the prompt is longer than this model's context of " .. self.engine.length
      .. " tokens", param, "context_length_exceeded")
  end
end

--- Ids with BOS before them, where the model has one and they do not begin with it.
-- @return the ids, and how many were put there
function Service:with_bos(ids)
  if not self.bos or ids[1] == self.bos then
    return ids, 0
  end
  local all = {self.bos}
  for i, id in ipairs(ids) do
    all[i + 1] = id
  end
  return all, 1
end

--- A text as tokens, for what comes at a beginning: where the tokenizer puts a space before the
-- first word after BOS, it is there, but BOS is not.
function Service:encode_begin(text, param)
  local ids = self:encode(text, param)
  if ids[1] == self.bos then -- never where there is neither
    table.remove(ids, 1)
  end
  return ids
end

--- A text as tokens.
function Service:encode(text, param, start)
  self:check_size(#text, param)
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
