--- How many stories at once: as many as memory is there for, up to where more gains nothing.
-- @module lull.batch.parallel
local parallel = {}

-- Beyond this the weights' traffic is shared by enough stories on every machine measured.
local MOST = 32

-- Of the memory that is there, so much may go into keys and values.
local SHARE = 0.5

-- Where nobody says how much memory there is.
local CAUTIOUS = 64e6

-- A sequence has its logits, a working copy, and room for sampling (see bindings/objects.h).
local BYTES_PER_TOKEN_ID = 24

--- Bytes of memory that new work may take, or nil where the system does not say.
function parallel.available()
  local file = io.open("/proc/meminfo", "rb")
  if not file then
    return nil
  end
  local text = file:read(4096) or ""
  file:close()
  local kilobytes = text:match("MemAvailable:%s*(%d+) kB")
  return kilobytes and tonumber(kilobytes) * 1024
end

--- How many cores this process may use.
function parallel.cores(model)
  local probe = model:context {sequences = 1, length = 1, threads = 0}
  local cores = probe and probe:info().threads or 1
  if probe then
    probe:close()
  end
  return cores
end

--- Bytes that one more sequence takes.
function parallel.sequence_bytes(info, length, kv)
  local per_token = info[kv == "f32" and "kv_bytes_f32" or kv == "bf16" and "kv_bytes_bf16"
    or info.precision == "f32" and "kv_bytes_f32" or "kv_bytes_bf16"]
  return per_token * length + BYTES_PER_TOKEN_ID * info.vocab_size
end

--- How many stories at once.
-- @param info of the model
-- @param length of the context
-- @param kv "f32", "bf16" or nil
-- @param available bytes, or nil
function parallel.choose(info, length, kv, available)
  local room = available and available * SHARE or CAUTIOUS
  local fit = math.floor(room / parallel.sequence_bytes(info, length, kv))
  return math.max(1, math.min(MOST, fit))
end

-- Fewer would make two groups that hardly share their passes over the weights.
local WORTH_HALVING = 4

--- In how many groups, each with a context: two where a core is left that can choose tokens while
-- another one evaluates.
-- @param width how many stories in all
-- @param threads of a context
-- @param cores of the machine
function parallel.groups(width, threads, cores)
  return width >= WORTH_HALVING and cores > threads and 2 or 1
end

--- The contexts that stories are told in: as wide as asked for, or as memory allows.
-- @param model the model
-- @param given {parallel =, length =, threads =, kv =, cpu =}, as of job:run of lull.batch
-- @param spare so many sequences more in each
-- @return a list of one or two, whose field `width` says how many stories at once; or nil, message,
--   code
function parallel.open(model, given, spare)
  local info = model:info()
  local length = math.min(given.length or info.seq_len, info.seq_len)
  local width = given.parallel or parallel.choose(info, length, given.kv, parallel.available())
  local cores = parallel.cores(model)
  local threads = given.threads == 0 and math.max(1, cores - 1) or given.threads or 1
  local contexts = {width = width}
  local groups = parallel.groups(width, threads, cores)
  for i = 1, groups do
    local context, message, code = model:context {
      sequences = math.ceil(width / groups) + spare, length = length,
      threads = threads, kv = given.kv, cpu = given.cpu, batch = math.max(64, width),
    }
    if not context then
      for _, opened in ipairs(contexts) do
        opened:close()
      end
      return nil, message, code
    end
    contexts[i] = context
  end
  return contexts
end

return parallel
