--- lull batch: thousands of stories from a file of prompts or from a recipe.
-- @module lull.command.batch
local batch = require "lull.batch"
local chat = require "lull.chat"
local console = require "lull.command.console"
local fleet = require "lull.fleet"
local model = require "lull.command.model"
local params = require "lull.batch.params"
local progress = require "lull.command.progress"
local signals = require "lull.command.signals"
local strategies = require "lull.command.strategies"
local text = require "lull.command.text"

local command = {summary = "Tell many stories, from a file of prompts or a recipe."}

local EPILOG = [[
Examples:
  lull batch -i prompts.jsonl -o stories.jsonl
  lull batch stories15M.bin -i prompts.jsonl -o stories.jsonl --resume
  lull batch --recipe tinystories --count 10000 -o stories.jsonl -n 300
  lull batch --csv a.csv --template "{{ name }} had a {{ pet }}." -o b.jsonl
  lull batch -i prompts.jsonl -o part2.jsonl --shard 2/4

A line of the input is {"id": "a1", "prompt": "One day"}, with "params" and
"seed" of its own if it has any; or "template" and "vars" in place of "prompt";
or a line of OpenAI's batch interface. A line of the output is a story, or has
an "error" with the number of the line that was wrong. Stories depend on the
model, the seed (1), their id and parameters alone: not on --parallel, --threads
or the order of lines.

]] .. text.EPILOG .. [[


With --queue any number of machines with the same model tell the stories, and
this one writes them: the same bytes. See lull worker --help.

Nothing is lost: whatever ends a run, --resume goes on with it. Ctrl-C lets the
running stories end; a second one drops them. OUT.run.jsonl has what is no part
of the stories: speeds, times, and what they were told from.

Exit codes: 0 done, 1 some lines have errors, 2 wrong usage, 3 the environment,
130 interrupted.]]

local function shard(word)
  local i, n = word:match("^(%d+)/(%d+)$")
  i, n = tonumber(i), tonumber(n)
  if not i or i < 1 or i > n then
    return nil, "--shard: I/N expected, with 1 <= I <= N, got '" .. word .. "'"
  end
  return {i, n}
end

local function separator(word)
  if #word ~= 1 then
    return nil, "--separator: one character expected, got '" .. word .. "'"
  end
  return word
end

function command.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  parser:mutex(
    console.option(parser, "-i", "--input", "JSON lines ('-': standard input).")
      :argname "FILE",
    parser:option("--csv", "Rows of variables; the first one names them."):argname "FILE",
    parser:option("--recipe", "simplestories, tinystories, or a JSON file.")
      :argname "RECIPE")
  console.option(parser, "-o", "--output", "Where the stories go ('-': standard output).")
    :argname "OUT"
  parser:option("--count", "So many stories of the recipe.")
    :argname("N"):convert(console.integer("--count", 0))
  parser:option("--form", "Which form of the recipe (default: opening).")
    :argname "FORM"
  parser:option("--template", "Makes prompts of variables ('@FILE': from a file).")
    :argname "TEXT"
  parser:option("--chat-format", "Of conversations (default: the model's own).")
    :argname("NAME"):choices(chat.names())
  parser:option("--separator", "Between the values of a row (default ',').")
    :argname("C"):convert(separator)
  text.define(parser, params.RULES.max_tokens.default)
  strategies.define(parser)
  parser:flag("--resume", "Go on with what is in OUT.")
  parser:flag("--force", "Begin OUT anew, whatever is in it.")
  parser:flag("--ordered", "Lines in the order of the input, not as they get done.")
  parser:option("--shard", "Only every N-th record, from the I-th on.")
    :argname("I/N"):convert(shard)
  parser:option("--sync", "Seconds between two fsync (default 1; 0: each line).")
    :argname("S"):convert(console.by_rule("--sync", {type = "number", min = 0, max = 1e6}))
  parser:option("--parallel", "Stories at once (default: as memory allows, <= 32).")
    :argname("N"):convert(console.integer("--parallel", 1, 1024))
  parser:option("--queue", "Have the workers of redis://HOST tell them; see lull worker.")
    :argname "URL"
  parser:flag("--quiet", "No progress and no summary.")
end

-------------------------------------------------------------------------------- what is asked

local function template_of(args)
  local path = args.template and args.template:match("^@(.+)")
  return path and console.read_text(path) or args.template
end

-- Names of strategies to functions that make them. The workers of a queue have their own.
local function strategies_of(args)
  return strategies.of(args) or args.queue and strategies.anywhere
end

-- The options of a text, of which those that are a story's are kept apart from the rest.
local RULES = {}
for _, name in ipairs {"seed", "threads", "kv", "cpu", "length"} do
  RULES[name] = text.RULES[name]
end
for name, rule in pairs(params.RULES) do
  RULES[name] = rule
end

local function params_of(args)
  local given, kept = text.options(args, RULES), {}
  for name in pairs(params.RULES) do
    kept[name] = given[name]
  end
  local there = strategies_of(args)
  if kept.strategy and not (there and there[kept.strategy]) then
    console.fail(console.USAGE, "--set: there is no strategy '" .. kept.strategy
      .. "'; name its folder: --strategies DIR")
  end
  return kept
end

-- The input as options of batch.open.
local function source_of(args)
  if args.recipe then
    if not args.count then
      console.fail(console.USAGE, "--count is needed: how many stories of the recipe")
    end
    local recipe, message, code = batch.recipe(args.recipe, args.form)
    return {recipe = console.check(recipe, message, code), count = args.count}
  end
  local path = args.input or args.csv
  if not path then
    console.fail(console.USAGE, "an input is needed: -i FILE, --csv FILE, or --recipe and --count")
  elseif path ~= "-" then
    return {input = path, format = args.csv and "csv" or nil}
  elseif console.is_terminal(0) then
    console.fail(console.USAGE, "standard input is a terminal; name a file: -i FILE")
  end
  return {text = console.read "-", format = args.csv and "csv" or nil}
end

local OPEN_HINTS = {
  {": the file exists$", "--resume goes on with it, --force begins anew."},
  {"locked by process", "Another run writes it. Wait for its end, or choose another OUT."},
  {"from something else", "Give the options it was begun with, or choose another OUT."},
  {"damaged", "What is in it cannot be trusted: repair it, or choose another OUT."},
}

local function fail_output(message)
  for _, hint in ipairs(OPEN_HINTS) do
    if message:find(hint[1]) then
      console.fail(console.ENVIRONMENT, message .. "\n" .. hint[2])
    end
  end
  console.fail(console.ENVIRONMENT, message)
end

local function open_job(args)
  if not args.output then
    console.fail(console.USAGE, "an output is needed: -o FILE")
  end
  local given = source_of(args)
  local to_stdout = args.output == "-"
  if to_stdout and args.resume then
    console.fail(console.USAGE, "standard output cannot be resumed; name a file: -o FILE")
  end
  given.output = args.output
  if to_stdout then
    given.output = function(line)
      console.out(line)
      return true
    end
  end
  given.template, given.separator = template_of(args), args.separator
  given.chat_format = args.chat_format
  given.params, given.strategies = params_of(args), strategies_of(args)
  given.seed, given.shard, given.sync = args.seed, args.shard, args.sync
  given.resume, given.overwrite, given.ordered = args.resume, args.force, args.ordered
  given.inputs = {model.path(args)}
  local job, message = batch.open(given)
  if not job then
    fail_output(message)
  end
  return job
end

-------------------------------------------------------------------------------- running

local function print_summary(args, facts)
  local stories = facts.stories == 1 and "1 story" or console.thousands(facts.stories) .. " stories"
  local where = facts.width and console.fixed(facts.width, 0) .. " at a time, "
      .. tostring(facts.kernel) .. ", " .. console.count(facts.threads, "thread")
    or "by the workers of the queue"
  local lines = {
    stories .. " in " .. progress.duration(facts.seconds) .. ", "
      .. console.rate_thousands(console.rate(facts.tokens, facts.seconds)) .. " tokens/s, "
      .. where,
  }
  if facts.resumed > 0 then
    lines[#lines + 1] = console.thousands(facts.resumed) .. " were there already"
  end
  if facts.torn > 0 then
    lines[#lines + 1] = console.count(facts.torn, "byte") .. " of a torn last line were cut off"
  end
  if facts.failures > 0 then
    lines[#lines + 1] = console.count(facts.failures, "line") .. " with an \"error\" and no story"
  end
  if facts.shared_tokens > 0 then
    lines[#lines + 1] = console.thousands(facts.shared_tokens) .. " of "
      .. console.count(facts.prompt_tokens, "prompt token") .. " were shared"
  end
  lines[#lines + 1] = args.output
  console.note(table.concat(lines, "\n"))
end

-- Why it stopped before the end.
local function give_up(args, message, code, facts)
  if code == "ECANCELED" then
    return
  end
  local safe = args.output ~= "-" and facts
    and "\n" .. console.thousands(facts.safe) .. " lines are safe in " .. args.output
      .. "; --resume goes on" or ""
  console.check(nil, message .. safe, code)
end

local function run_job(args, job, loaded, queue, watch)
  local before = job:summary()
  local shown = not args.quiet and progress.new(before.total, "stories")
  local function report()
    if shown and shown:is_due() then
      local facts = job:summary()
      local here = facts.stories + facts.failures
      shown:show(facts.resumed + here, here, facts.tokens, facts.failures)
    end
  end
  local facts, message, code, stopped = job:run(loaded, {
    parallel = args.parallel, length = args.length, threads = args.threads, kv = args.kv,
    cpu = args.cpu, name = model.path(args):match("[^/]*$"), report = report,
    poll = watch.poll, queue = queue, note = console.note,
  })
  console.progress("")
  if not args.quiet and (facts or stopped) then
    print_summary(args, facts or stopped)
  end
  if not facts then
    if code == "ESTATE" or code == "EFORMAT" then
      fail_output(message)
    end
    give_up(args, message, code, stopped)
  end
  return watch.status() or (facts.failures > 0 and console.FAILED or console.DONE)
end

-- The queue, if there is one.
local function open_queue(args)
  if not args.queue then
    return nil
  end
  for _, name in ipairs {"parallel", "threads", "cpu"} do
    if args[name] then
      console.fail(console.USAGE, "--" .. name .. " is for the workers of the queue: lull worker")
    end
  end
  local queue, message, code = fleet.connect(args.queue, console.note)
  if not queue then
    console.fail(code == "EINVAL" and console.USAGE or console.ENVIRONMENT,
      "--queue: " .. message)
  end
  return queue
end

function command.run(args)
  local queue = open_queue(args)
  local job = open_job(args)
  local loaded = model.load(args)
  text.check_length(args, loaded)
  local watch = signals.watch()
  local status = run_job(args, job, loaded, queue, watch)
  watch.close()
  loaded:close()
  return status
end

return command
