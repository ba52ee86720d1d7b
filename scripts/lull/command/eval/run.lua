--- lull eval run: requests, responses and scores of a task.
-- @module lull.command.eval.run
local columns = require "lull.command.columns"
local console = require "lull.command.console"
local evaluate = require "lull.evaluate"
local json = require "lull.json"
local lull = require "lull"
local model = require "lull.command.model"
local progress = require "lull.command.progress"
local scheduler = require "lull.decode.scheduler"

local run = {summary = "Run a task: requests, responses, scores."}

local EPILOG = [[
Tasks: hellaswag, arc, piqa (--answers has the labels), winogrande, lambada read
their authors' files; perplexity reads plain text, whose documents are separated
by lines <|endoftext|>. multiple_choice, loglikelihood and generate read lines
  {"id": "1", "context": "Roses are", "choices": ["red", "blue"], "label": 0}
  {"id": "2", "context": "Roses are", "target": "red"}

Examples:
  lull eval run lullaby --task perplexity --data valid.txt
  lull eval run m.bin --task arc --data test.jsonl --fewshot 5 -o runs/arc
  lull eval run --stage scores -o runs/arc --json
  lull eval run m.bin --task generate --data sums.jsonl --pattern '(%d+)'

With -o NAME the stages are kept in NAME.requests.jsonl, NAME.responses.jsonl
and NAME.scores.jsonl. A run that was stopped goes on where it was; --stage does
one of them alone, and only the second needs a model.
Semantics are those of lm-evaluation-harness: acc_norm divides by characters,
acc_bytes by bytes, standard errors are bootstrapped.]]

local STAGES = {"requests", "responses", "scores"}

local function task_names()
  local names = {}
  for name in pairs(evaluate.tasks) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

function run.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  parser:option("--task", "What is asked; see below."):argname("TASK")
    :choices(task_names())
  parser:option("--data", "The documents."):argname "FILE"
  parser:option("--answers", "The labels, where they are a file of their own.")
    :argname "FILE"
  console.option(parser, "-o", "--output", "Keep the stages in NAME.*.jsonl.")
    :argname "NAME"
  parser:option("--stage", "Only this one: requests, responses or scores.")
    :choices(STAGES)
  parser:flag("--force", "Begin the files of NAME anew.")
  parser:option("--fewshot", "Solved examples before each question (default 0).")
    :argname("N"):convert(console.integer("--fewshot", 0, 1000))
  parser:option("--fewshot-data", "Take them from here (default: from DATA).")
    :argname "FILE"
  parser:flag("--same-examples", "The same ones before all questions.")
  parser:option("--limit", "Only the first N documents.")
    :argname("N"):convert(console.integer("--limit", 1))
  parser:flag("--mutual-information", "Also acc_mutual_info (twice the work).")
  parser:option("--pattern", "generate: the answer is what this Lua pattern finds.")
    :argname "PATTERN"
  parser:option("--repeats", "generate: N answers, of which the most frequent counts.")
    :argname("N"):convert(console.integer("--repeats", 1, 1000))
  console.option(parser, "-n", "--max-tokens", "generate: tokens at most (default 64).")
    :argname("N"):convert(console.integer("--max-tokens", 1))
  console.option(parser, "-t", "--temperature", "generate: default 0, the likeliest.")
    :argname("T"):convert(console.by_rule("--temperature",
      require("lull.generate").RULES.temperature))
  parser:flag("--ignore-case", "generate: for exact_match.")
  console.option(parser, "-s", "--seed", "Of examples, answers and errors (default 0).")
    :argname("N"):convert(console.integer("--seed", 0))
  parser:option("--bootstrap", "Samples for standard errors (default 1000).")
    :argname("N"):convert(console.integer("--bootstrap", 0, 1e6))
  parser:option("--parallel", "Requests at once (default: as memory allows).")
    :argname("N"):convert(console.integer("--parallel", 1, 1024))
  parser:option("--length", "Tokens of the context (default: as needed).")
    :argname("N"):convert(console.integer("--length", 1, 2 ^ 31 - 1))
  parser:option("--overlap", "perplexity: tokens before a window (default 1).")
    :argname("N"):convert(console.integer("--overlap", 1, 2 ^ 31 - 1))
  model.load_options(parser)
  model.run_options(parser)
  parser:flag("--json", "One line, for programs.")
end

-------------------------------------------------------------------------------- the stages

local function need(args, name)
  return args[name] or console.fail(console.USAGE, "--" .. name .. " is needed")
end

-- The task with what the command line changes about it.
local function task_of(args)
  local task = {}
  for key, value in pairs(evaluate.tasks[need(args, "task")]) do
    task[key] = value
  end
  task.mutual_information = args.mutual_information or task.mutual_information
  task.max_tokens = args.max_tokens or task.max_tokens
  task.repeats = args.repeats or task.repeats
  task.sampling = args.temperature and {temperature = args.temperature} or task.sampling
  return evaluate.task(task)
end

local function make_requests(args)
  local task = task_of(args)
  local docs = console.check(evaluate.read(task.format, need(args, "data"), args.answers))
  local examples = args.fewshot_data
    and console.check(evaluate.read(task.format, args.fewshot_data))
  return console.check(evaluate.requests(task, docs, {
    fewshot = args.fewshot, examples = examples, same_examples = args.same_examples,
    limit = args.limit, seed = args.seed,
  }))
end

local HINTS = {
  {"asks something else$", "--force begins anew; or choose another NAME."},
  {"was answered by another", "--force begins anew; or choose another NAME."},
  {"is by another model$", "--force begins anew; or choose another NAME."},
  {"locked by process", "Another run writes it. Wait for its end, or choose another NAME."},
  {"damaged", "What is in it cannot be trusted: --force begins anew."},
  {"there is no response", "Answer the rest first: --stage responses"},
  {"another request of that id", "The requests were made anew: --stage responses --force"},
}

local function hint(message)
  for _, entry in ipairs(HINTS) do
    if message:find(entry[1]) then
      return entry[2]
    end
  end
end

-- Tokens that were scored or told for a response.
local function tokens_of(response)
  local tokens = response.tokens or 0
  if type(tokens) == "table" then
    local sum = 0
    for _, n in ipairs(tokens) do
      sum = sum + n
    end
    return sum
  end
  return tokens
end

-- Shows how many are done, and lets Ctrl-C end between two steps.
local function watch(total, signals)
  local shown, here, tokens = progress.new(total, "requests"), 0, 0
  return function(_, response)
    here, tokens = here + 1, tokens + tokens_of(response)
    if shown:is_due() then
      shown:show(here, here, tokens, 0)
    end
  end, function(context)
    local signal = signals:poll()
    if signal then
      return nil, "stopped by " .. signal, "ECANCELED"
    end
    return scheduler.step(context)
  end
end

-- The responses, in memory or in their file.
local function answer(args, requests)
  local loaded = model.load(args)
  if args.length and args.length > loaded:info().seq_len then
    console.fail(console.USAGE, "--length: this model holds at most "
      .. console.count(loaded:info().seq_len, "token"))
  elseif args.overlap and args.overlap > (args.length or loaded:info().seq_len) then
    console.fail(console.USAGE, "--overlap: at most the context's length")
  end
  local signals = lull.core.signals()
  local done, step = watch(#requests, signals)
  local given = {
    parallel = args.parallel, length = args.length, overlap = args.overlap, seed = args.seed,
    threads = args.threads, kv = args.kv, cpu = args.cpu, done = done, step = step,
  }
  local responses, message, code
  if args.output then
    given.overwrite = args.force or nil
    responses, message, code = evaluate.stages.respond(loaded, args.output, requests, given)
    if responses and args.stage ~= "responses" then
      responses, message, code = evaluate.stages.read_responses(args.output)
    end
  else
    responses, message, code = evaluate.respond(loaded, requests, given)
  end
  signals:close()
  console.progress("")
  if not responses and code == "ECANCELED" then
    console.fail(console.INTERRUPTED, args.output and "stopped; the same command goes on"
      or "stopped")
  end
  loaded:close()
  return console.check(responses, message, code, hint)
end

local function filters_of(args, requests)
  local repeats = requests[1] and requests[1].repeats or 1
  local pipeline = {name = "none"}
  if args.pattern then
    local ok, problem = pcall(string.find, "", args.pattern)
    if not ok then
      console.fail(console.USAGE, "--pattern: " .. problem)
    end
    pipeline[1] = {"pattern", args.pattern}
  end
  pipeline[#pipeline + 1] = {repeats > 1 and "majority" or "take_first"}
  return {pipeline}
end

-------------------------------------------------------------------------------- showing

local function digits(metric)
  return (metric.value and metric.value >= 100) and 2 or 4
end

local function print_text(result)
  local rows = {{"task", "n", "metric", "value", "stderr"}}
  for _, task in ipairs(result.tasks) do
    for i, metric in ipairs(task.metrics) do
      local first = i == 1
      rows[#rows + 1] = {
        first and task.task or "", first and console.thousands(task.n) or "", metric.name,
        metric.value and console.fixed(metric.value, digits(metric)) or "n/a",
        metric.stderr and console.fixed(metric.stderr, digits(metric)) or "n/a",
      }
    end
  end
  console.out(columns.format(rows, "lrlrr"))
  for _, task in ipairs(result.tasks) do
    if task.truncated > 0 then
      console.note(task.task .. ": of " .. console.count(task.truncated, "context")
        .. " the beginning was left out")
    end
  end
end

local function print_json(result, responses)
  local list = {}
  for i, task in ipairs(result.tasks) do
    local metrics = {}
    for k, metric in ipairs(task.metrics) do
      metrics[k] = json.object {
        {"name", metric.name}, {"value", metric.value}, {"stderr", metric.stderr},
        {"n", metric.n},
      }
    end
    list[i] = json.object {
      {"task", task.task}, {"kind", task.kind}, {"n", task.n}, {"truncated", task.truncated},
      {"metrics", metrics},
    }
  end
  console.out(json.encode(json.object {
    {"lull", lull.version}, {"model", responses[1] and responses[1].model}, {"tasks", list},
  }) .. "\n")
end

local function show(args, requests, responses)
  local result, message, code = evaluate.score(requests, responses, {
    filters = filters_of(args, requests), ignore_case = args.ignore_case,
    bootstrap = args.bootstrap, seed = args.seed,
  })
  console.check(result, message, code, hint)
  if args.output then
    console.check(evaluate.stages.write_scores(args.output, result))
  end
  if args.json then
    print_json(result, responses)
  else
    print_text(result)
  end
end

function run.run(args)
  local stage, requests, responses = args.stage
  if stage and not args.output then
    console.fail(console.USAGE, "--stage goes with files: -o NAME")
  end
  if stage == nil or stage == "requests" then
    requests = make_requests(args)
    if args.output then
      local ok, message, code = evaluate.stages.write_requests(args.output, requests,
        {overwrite = args.force})
      console.check(ok, message, code, hint)
    end
  end
  if requests == nil or args.output then
    requests = console.check(evaluate.stages.read_requests(args.output))
  end
  if stage == "requests" then
    console.note(console.count(#requests, "request") .. " in "
      .. evaluate.stages.path(args.output, "requests"))
    return console.DONE
  end
  if stage == "scores" then
    responses = console.check(evaluate.stages.read_responses(args.output))
  else
    responses = answer(args, requests)
  end
  if stage ~= "responses" then
    show(args, requests, responses)
  end
  return console.DONE
end

return run
