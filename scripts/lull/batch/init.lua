--- Batches: thousands of stories from a file of prompts, none of which gets lost.
--
--     local batch = require "lull.batch"
--     local summary = assert(batch.run(model, {
--       input = "prompts.jsonl", output = "stories.jsonl", resume = true,
--       params = {max_tokens = 200, temperature = 0.8},
--     }))
--     print(summary.stories, summary.failures)
--
-- A line of the input asks for a story, {"id": "a1", "prompt": "One day", "params": {"top_k": 5},
-- "seed": 7}, or {"id":, "template":, "vars": {...}}, or it is a line of OpenAI's batch interface;
-- see lull.batch.records. A line of the output is a story or says why there is none; see
-- lull.batch.results.
--
-- A story depends on the model, its seed, its id and its parameters, and on nothing else: not on
-- the order of lines, on how many are told at once, on threads, on the machine, or on a run that
-- was stopped in the middle and gone on with. So an output is the same as a set of lines, and with
-- `ordered` the same file.
-- @module lull.batch
local chat = require "lull.chat"
local core = require "lull.core"
local jobs = require "lull.fleet.jobs"
local json = require "lull.json"
local lines = require "lull.batch.lines"
local options = require "lull.options"
local output = require "lull.batch.output"
local parallel = require "lull.batch.parallel"
local params = require "lull.batch.params"
local producer = require "lull.fleet.producer"
local recipes = require "lull.batch.recipes"
local records = require "lull.batch.records"
local results = require "lull.batch.results"
local sampling = require "lull.sampling"
local teller = require "lull.batch.teller"

local batch = {
  --- recipe(name | table): a recipe for prompts; see lull.batch.recipes
  recipe = recipes.new,
  --- teller(model, context, options): continuous batching without files; see lull.batch.teller
  teller = teller.new,
}

local function is_shard(value)
  return type(value) == "table" and options.allows({type = "integer", min = 1}, value[2])
    and options.allows({type = "integer", min = 1, max = value[2]}, value[1])
end

local RULES = {
  input = {type = "string"},
  text = {type = "string"},
  format = {one_of = {"jsonl", "csv"}, default = "jsonl"},
  separator = {test = function(v) return type(v) == "string" and #v == 1 end,
    text = "one character", default = ","},
  recipe = {test = function(v) return type(v) == "table" and v.draw ~= nil end,
    text = "a recipe of lull.batch.recipe"},
  count = {type = "integer", min = 0},
  template = {type = "string"},
  chat_format = {one_of = chat.names()},
  params = {type = "table", default = {}},
  strategies = {type = "table"},
  seed = sampling.SEED,
  output = {test = function(v) return type(v) == "string" or type(v) == "function" end,
    text = "a path or a function"},
  resume = {type = "boolean"},
  overwrite = {type = "boolean"},
  inputs = {type = "table"},
  ordered = {type = "boolean"},
  sync = {type = "number", min = 0, default = 1},
  shard = {test = is_shard, text = "{i, n} with 1 <= i <= n"},
}

-- What is told first of several inputs that are given.
local SOURCES = {"input", "text", "recipe"}

local Job = {}
Job.__index = Job

-------------------------------------------------------------------------------- the input

local function open_source(given, run)
  if given.recipe then
    return records.recipe(given.recipe, run, given.count, given.seed)
  end
  local reader, message, code
  if given.text then
    reader = lines.text(given.text, "the input")
  else
    reader, message, code = lines.file(given.input)
    if not reader then
      return nil, message, code
    end
  end
  if given.format == "csv" then
    return records.csv(reader, run, given.separator), reader
  end
  return records.json_lines(reader, run), reader
end

-- Read all of the input once: how many records there are, and what they hash to.
function Job:survey()
  local n = 0
  local found, message, code
  repeat
    found, message, code = self.source(true)
    n = n + (found and 1 or 0)
  until not found
  if message then
    return nil, message, code
  end
  self.total = n
  if not self.reader then
    self.input_hash = self.given.recipe:hash()
    return true
  end
  self.input_hash = self.reader.hash
  return self.reader:rewind()
end

-- Is this record one of this shard's?
function Job:is_mine(number)
  local shard = self.given.shard
  return not shard or (number - 1) % shard[2] + 1 == shard[1]
end

-- How many records there are for this shard.
function Job:share()
  local shard = self.given.shard
  if not shard then
    return self.total
  end
  return math.floor((self.total - shard[1]) / shard[2]) + 1
end

-- The next record that is to be told; nil at the end; nil, message, code.
function Job:next_record()
  while true do
    local record, message, code = self.source()
    if not record then
      return nil, message, code
    end
    self.number = self.number + 1
    local first = record.key and self.seen[record.key]
    if first then
      record.failure = {code = "EINVAL", message = "the id of line " .. first .. " again"}
    elseif record.key then
      self.seen[record.key] = record.line
    end
    local done = self.out.done_lines[record.line]
      or (not record.failure and self.out.done[record.key])
    if self:is_mine(self.number) and not done then
      self.pulled = self.pulled + 1
      record.index = self.pulled
      return record
    end
  end
end

-------------------------------------------------------------------------------- opening

-- What must be the same for a later run to go on with the output.
function Job:identity(model)
  local given = self.given
  local shard = given.shard or {1, 1}
  return json.object {
    {"input", self.input_hash}, {"model", model}, {"seed", given.seed},
    {"params", params.object(self.params)}, {"template", given.template},
    {"chat_format", given.chat_format},
    {"format", given.recipe and "recipe"
      or given.format == "csv" and "csv " .. given.separator or given.format},
    {"shard", options.number_text(shard[1]) .. "/" .. options.number_text(shard[2])},
    {"length", self.length}, {"kv", self.kv},
  }
end

local WORDS = {
  input = "the input is another one", model = "the model, or its precision, is another one",
  seed = "the seed is another one", params = "the parameters are others",
  template = "the template is another one",
  chat_format = "the format of conversations is another one",
  format = "the kind of input is another one",
  shard = "the shard is another one", length = "the context's length is another one",
  kv = "keys and values are kept otherwise",
}

-- Does the output hold stories of the same work? true, or nil, message, code.
function Job:compare(identity)
  local before = self.out.identity
  if not before then
    if self.out.lines == 0 then
      return true
    end
    return nil, self.out.account_name .. " is missing, which says what " .. self.out.path
      .. " was written from", "ESTATE"
  end
  local now = json.decode(json.encode(identity))
  for _, pair in ipairs(identity) do
    local name = pair[1]
    local this, that = json.encode(now[name]), json.encode(before[name])
    if this ~= that then
      return nil, self.out.path .. " was written from something else: " .. WORDS[name] .. " ("
        .. options.show(that) .. ", now " .. options.show(this) .. ")", "ESTATE"
    end
  end
  return true
end

--- Open a batch: its input and its output, but nothing of the model yet.
-- @param given a table:
--   input      a file; or text: its contents; or recipe (see batch.recipe) and count
--   format     "jsonl" (default) or "csv", whose columns are variables; separator (",")
--   template   for records that have no prompt
--   chat_format   of conversations (see lull.chat; default: as the model's template has it)
--   params     for all stories; a record's own count more (see lull.batch.params)
--   strategies name -> function that returns a strategy, for params.strategy
--   seed       for records that have none (1)
--   output     a file; its account is OUTPUT.run.jsonl. Or function(line) -> true, or nil, message,
--              code, and then there is nothing to resume
--   resume     go on with what is there; overwrite: begin anew. Without either the file must not
--              exist, or be empty
--   inputs     other files that the output must not be (the model)
--   ordered    lines in the order of the input, else as they get done
--   sync       seconds between calls of fsync (1); 0: after every line
--   shard      {i, n}: only every n-th record, from the i-th on
-- @return job; or nil, message, code
function batch.open(given)
  given = options.check("open", given, RULES)
  local sources = 0
  for _, name in ipairs(SOURCES) do
    sources = sources + (given[name] and 1 or 0)
  end
  if sources ~= 1 then
    error("bad options to 'open' (one of input, text and recipe is needed)", 2)
  elseif not given.output then
    error("bad options to 'open' (output is needed)", 2)
  elseif given.recipe and not given.count then
    error("bad options to 'open' (count is needed: how many stories of the recipe)", 2)
  end
  given.seed = given.seed or 1
  local checked = params.complete(given.params, nil, given.strategies)
  local job = setmetatable({
    given = given, params = checked, number = 0, pulled = 0, seen = {},
    stories = 0, failures = 0, torn = 0, held = {}, next_index = 1,
  }, Job)
  local message, code
  job.source, job.reader, code = open_source(given, {
    params = given.params, template = given.template, strategies = given.strategies,
  })
  if not job.source then
    return nil, job.reader, code
  end
  local inputs = {given.input}
  for _, path in ipairs(given.inputs or {}) do
    inputs[#inputs + 1] = path
  end
  if type(given.output) == "function" then
    job.out = output.sink(given.output)
  else
    job.out, message, code = output.open(given.output, {
      resume = given.resume, overwrite = given.overwrite, inputs = inputs, sync = given.sync,
    })
  end
  local ok = job.out ~= nil
  if ok then
    ok, message, code = job:survey()
  end
  if not ok then
    job:close()
    return nil, message, code
  end
  job.torn, job.resumed = job.out.torn, job.out.lines
  return job
end

-------------------------------------------------------------------------------- running

-- Write a line, or with `ordered` hold it until its turn. true, or nil, message, code.
function Job:put(index, line)
  if not self.given.ordered then
    return self.out:write(line)
  end
  self.held[index] = line
  while self.held[self.next_index] do
    local ok, message, code = self.out:write(self.held[self.next_index])
    if not ok then
      return nil, message, code
    end
    self.held[self.next_index] = nil
    self.next_index = self.next_index + 1
  end
  return true
end

function Job:done(record, text, facts)
  local line
  if text then
    self.stories = self.stories + 1
    self.finish[facts.finish_reason] = (self.finish[facts.finish_reason] or 0) + 1
    line = results.story(record, text, facts, self)
    self.out:note {
      {"kind", "story"}, {"id", record.id}, {"seconds", core.clock() - record.begun},
    }
  else
    self.failures = self.failures + 1
    line = results.failure(record)
  end
  local ok, message, code = self:put(record.index, line)
  if ok and self.report then
    self.report(self)
  end
  return ok, message, code
end

--- Facts to watch a run by, or of one that has ended.
-- @return {stories, failures, resumed, total, tokens, seconds, prompt_tokens, shared_tokens, safe,
--   width, threads, kernel, torn, finish = reason -> how many, ended = "done", "finish" (some are
--   left, as was asked for) or the code of what stopped it}
function Job:summary()
  local tell = self.teller
  local prompt_tokens, shared_tokens = 0, 0
  if tell then
    prompt_tokens, shared_tokens = tell:prompt_tokens()
  end
  return {
    stories = self.stories, failures = self.failures, resumed = self.resumed, torn = self.torn,
    total = self:share(), tokens = tell and tell:told() or 0,
    prompt_tokens = prompt_tokens, shared_tokens = shared_tokens,
    seconds = self.began and math.max(0, core.clock() - self.began) or 0,
    safe = self.out.safe, finish = self.finish, ended = self.ended,
    width = self.width, threads = self.info and self.info.threads,
    kernel = self.info and self.info.kernel,
  }
end

local RUN_RULES = {
  parallel = {type = "integer", min = 1, max = 1024},
  length = {type = "integer", min = 1},
  threads = {type = "integer", min = 0, max = 256},
  kv = {one_of = {"f32", "bf16"}},
  cpu = {type = "string"},
  queue = {test = function(v) return type(v) == "table" and v.call ~= nil end,
    text = "what lull.fleet.connect returns"},
  name = {type = "string"},
  note = {type = "function"},
  poll = {type = "function"},
  report = {type = "function"},
}

-- Everything onto the disk, and the end of the account.
function Job:finish_up(ended)
  self.ended = ended
  local facts = self:summary()
  self.out:note {
    {"kind", "end"}, {"ended", ended}, {"stories", facts.stories},
    {"failures", facts.failures}, {"tokens", facts.tokens}, {"seconds", facts.seconds},
    {"prompt_tokens", facts.prompt_tokens}, {"shared_tokens", facts.shared_tokens},
  }
  return self.out:sync()
end

-- The contexts: as wide as asked for, or as memory allows. true, or nil, message, code.
function Job:open_contexts(model, given)
  local message, code
  self.contexts, message, code = parallel.open(model, given, teller.PREFIXES)
  if not self.contexts then
    return nil, message, code
  end
  self.width, self.info = self.contexts.width, self.contexts[1]:info()
  return true
end

-- The output says what it is told from. true, or nil, message, code.
function Job:begin(identity)
  local ok, message, code = self:compare(identity)
  if not ok then
    return nil, message, code
  end
  local info = self.info or {}
  return self.out:begin(identity, json.object {
    {"lull", core.version}, {"time", os.time()}, {"kernel", info.kernel},
    {"threads", info.threads}, {"parallel", self.width}, {"lua", _VERSION},
    {"resumed", self.resumed},
  })
end

-- What tells the stories: this process, or the workers of a queue.
function Job:new_teller(model, given)
  local needs = {
    width = self.width, seed = self.given.seed, poll = given.poll,
    chat_format = self.given.chat_format,
    next = function()
      local record, problem, why = self:next_record()
      if record then
        record.begun = core.clock()
      end
      return record, problem, why
    end,
    done = function(record, text, facts) return self:done(record, text, facts) end,
  }
  if not given.queue then
    return teller.new(model, self.contexts, needs)
  end
  needs.demand = jobs.demand(model, self.length, self.kv)
  needs.batch = core.hash(json.encode(self:identity(self.model)) .. self.out:id()):sub(3)
  needs.note = given.note
  needs.is_done = function(key) return self.out.done[key] or self.seen[key] ~= nil end
  needs.make_safe = function()
    if next(self.held) then
      return false
    end
    return self.out:sync()
  end
  return producer.new(given.queue, needs)
end

--- Tell the stories.
-- @param model the model
-- @param given a table, all of it optional:
--   parallel   how many at once (default: as memory allows, at most 32)
--   length     tokens of prompt and story together (default: as many as the model takes)
--   threads    of each context (1); 0: all cores but one, which chooses tokens
--   kv, cpu    as of model:context
--   queue      a link of lull.fleet.connect: workers tell the stories. Of the options above only
--              length and kv mean something then
--   note       function(text), told what happens to the queue
--   name       what OpenAI's form calls the model
--   poll       function(), called before each step: "finish" begins no more stories, "drop" drops
--              those that run (a later run tells them again)
--   report     function(job), called after each story; see job:summary
-- @return a summary (see job:summary); or nil, message, code and the summary. The output is
--   closed
-- @raise what a strategy raised
function Job:run(model, given)
  given = options.check("run", given, RUN_RULES)
  self.model, self.name, self.report = model:fingerprint(), given.name or "lull", given.report
  self.finish = {}
  self.length = math.min(given.length or model:info().seq_len, model:info().seq_len)
  self.kv = given.kv
  local ok, message, code = true, nil, nil
  if not given.queue then
    ok, message, code = self:open_contexts(model, given)
  end
  if ok then
    ok, message, code = self:begin(self:identity(self.model))
  end
  if not ok then
    self:close()
    return nil, message, code
  end
  self.began = core.clock()
  self.teller = self:new_teller(model, given)
  ok, message, code = self.teller:run()
  local synced, problem, why = self:finish_up(ok == true and "done" or ok or code)
  if ok and not synced then
    ok, message, code = nil, problem, why
  elseif ok == true and given.queue then
    self.teller:forget()
  end
  self:close()
  if not ok then
    return nil, message, code, self:summary()
  end
  return self:summary()
end

--- Give input and output back. May be called again.
function Job:close()
  if self.reader then
    self.reader.close()
  end
  for _, context in ipairs(self.contexts or {}) do
    context:close()
  end
  if self.out then
    self.out:close()
  end
end

--- Open a batch and run it; the options of both.
-- @return as of job:run
function batch.run(model, given)
  local of_run, of_open = {}, {}
  for name, value in pairs(given) do
    (RUN_RULES[name] and of_run or of_open)[name] = value
  end
  local job, message, code = batch.open(of_open)
  if not job then
    return nil, message, code
  end
  return job:run(model, of_run)
end

return batch
