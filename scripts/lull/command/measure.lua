--- What `lull bench` measures: tasks that can be run again and again, and what they come to.
--
-- A task is one thing to be timed on one context of its own, {tokens, run() -> seconds, info,
-- close()}: tasks of two settings can take turns.
-- @module lull.command.measure
local lull = require "lull"
local console = require "lull.command.console"

local measure = {}

-- A run goes on until it has lasted so long: clocks are coarse, and small models fast.
local ENOUGH = 0.01

--- The middle of some numbers.
function measure.median(values)
  local sorted = {}
  for i, value in ipairs(values) do
    sorted[i] = value
  end
  table.sort(sorted)
  local middle = math.floor(#sorted / 2)
  if #sorted % 2 == 1 then
    return sorted[middle + 1]
  end
  return (sorted[middle] + sorted[middle + 1]) / 2
end

-- Token ids that look like text: spread over the vocabulary, the same in every run.
local function some_ids(n, vocab_size, stream)
  local ids = {}
  for i = 1, n do
    ids[i] = math.floor(lull.random(1, stream, i, 0, 0) * vocab_size)
  end
  return ids
end

local function step(context)
  repeat
    local remaining, message, code = context:step()
    console.check(remaining, message, code)
  until remaining == 0
end

--- Seconds that work() takes.
function measure.seconds(work)
  local start = lull.clock()
  work()
  return lull.clock() - start
end

-- Settings are options of model:context that stay the same; `special` those of one task.
local function open_context(loaded, settings, special)
  local given = {}
  for _, options in ipairs {settings, special} do
    for key, value in pairs(options) do
      given[key] = value
    end
  end
  return console.check(loaded:context(given))
end

-- `once` does the task's work one time and returns the seconds that count.
local function new_task(context, tokens, once)
  once() -- caches and page tables warm
  return {
    tokens = tokens, info = context:info(),
    run = function()
      local total, times = 0, 0
      repeat
        total, times = total + once(), times + 1
      until total >= ENOUGH or times == 1000
      return total / times
    end,
    close = function()
      context:close()
    end,
  }
end

--- Reading a prompt of n tokens.
function measure.prefill(loaded, settings, n)
  local context = open_context(loaded, settings, {length = n})
  local prompt = some_ids(n, loaded:vocab_size(), 1)
  return new_task(context, n, function()
    local seq = console.check(context:sequence())
    local seconds = measure.seconds(function()
      console.check(seq:feed(prompt))
      step(context)
    end)
    seq:close()
    return seconds
  end)
end

-- `width` sequences of `depth` tokens each.
local function open_sequences(context, width, depth, vocab_size)
  local sequences = {}
  for i = 1, width do
    sequences[i] = console.check(context:sequence())
    console.check(sequences[i]:feed(some_ids(depth, vocab_size, i)))
  end
  step(context)
  return sequences
end

local function rewind(context, sequences, depth)
  for _, seq in ipairs(sequences) do
    console.check(seq:rewind(depth))
  end
  step(context)
end

--- Decoding n tokens each of `width` sequences in lockstep, from `depth` tokens on.
function measure.decode(loaded, settings, depth, n, width)
  local vocab_size = loaded:vocab_size()
  local special = {sequences = width, length = depth + n}
  if width > 64 and not settings.batch then
    special.batch = math.min(width, 1024) -- all of them in one pass
  end
  local context = open_context(loaded, settings, special)
  local sequences = open_sequences(context, width, depth, vocab_size)
  local ids = some_ids(n + width, vocab_size, 0)
  return new_task(context, width * n, function()
    rewind(context, sequences, depth)
    return measure.seconds(function()
      for i = 1, n do
        for k = 1, width do
          console.check(sequences[k]:feed(ids[i + k]))
        end
        step(context)
      end
    end)
  end)
end

local PHASES = {"matmul", "attention", "other", "sampling", "lua"}

--- The names of what measure.phases returns, in the order of a token.
measure.PHASES = PHASES

-- Tell n tokens as `lull tell` does; seconds of each phase.
local function told(context, seq, n)
  local strategy, draw = lull.sampling.from {}, lull.sampling.draws(seq, {seed = 1})
  local before, sampling, id = context:times(), 0, 1
  local start = lull.clock()
  for _ = 1, n do
    console.check(seq:feed(id))
    step(context)
    local sampling_start = lull.clock()
    local message, code
    id, message, code = strategy:apply(seq:logits():reset(), seq, draw)
    sampling = sampling + lull.clock() - sampling_start
    console.check(id, message, code)
  end
  local wall, after = lull.clock() - start, context:times()
  local phases = {
    matmul = after.linear - before.linear, attention = after.attention - before.attention,
    other = after.other - before.other, sampling = sampling, total = wall,
  }
  phases.lua = math.max(0, wall - phases.matmul - phases.attention - phases.other - sampling)
  return phases
end

--- Where the time of a told token goes: seconds of each phase and their total, of the run that
-- took the median time. `lua` is what the others leave: the loop, and the calls into the core.
function measure.phases(loaded, settings, depth, n, runs)
  local context = open_context(loaded, settings, {length = depth + n, profile = true})
  local seq = open_sequences(context, 1, depth, loaded:vocab_size())[1]
  local all = {}
  for i = 0, runs do -- the 0th warms up
    rewind(context, {seq}, depth)
    all[i] = told(context, seq, n)
  end
  context:close()
  all[0] = nil
  table.sort(all, function(a, b) return a.total < b.total end)
  local median = all[math.floor((runs + 1) / 2)]
  for name, seconds in pairs(median) do
    median[name] = seconds / n
  end
  return median
end

--- Bytes a decode step reads: the weights, of an embedding table of its own only one row.
function measure.bytes_read(info)
  local share = info.shared_classifier and 1
    or 1 - info.vocab_size * info.dim / info.n_parameters
  return math.floor(info.weight_bytes * share)
end

--- Tokens per second of a task: the median of so many runs.
function measure.rate(task, runs, tell)
  local seconds = {}
  for i = 1, runs do
    tell(i)
    seconds[i] = task.run()
  end
  return task.tokens / measure.median(seconds)
end

--- Two tasks in turns: their rates, medians over the rounds, and the median of the ratios b / a
-- of rounds, from which a machine's slow minutes drop out.
function measure.turns(a, b, rounds, tell)
  local rates = {{}, {}, {}}
  for i = 1, rounds do
    tell(i)
    local first, second = a, b
    if i % 2 == 0 then
      first, second = b, a -- what the one leaves behind meets both
    end
    local rate = {}
    rate[first] = first.tokens / first.run()
    rate[second] = second.tokens / second.run()
    rates[1][i], rates[2][i], rates[3][i] = rate[a], rate[b], rate[b] / rate[a]
  end
  return measure.median(rates[1]), measure.median(rates[2]), measure.median(rates[3])
end

return measure
