--- lull worker: tells the stories of a batch that another machine runs.
-- @module lull.command.worker
local console = require "lull.command.console"
local fleet = require "lull.fleet"
local lull = require "lull"
local model = require "lull.command.model"
local signals = require "lull.command.signals"
local strategies = require "lull.command.strategies"
local text = require "lull.command.text"

local command = {summary = "Tell the stories of a batch on another machine."}

local EPILOG = [[
Examples:
  lull worker redis://server
  lull worker redis://:secret@server:6379/1 stories15M.bin --parallel 4
  lull batch --queue redis://server -i prompts.jsonl -o stories.jsonl

A Redis server (6.2 or later) holds the queue, `lull batch --queue` fills it, and
any number of workers empty it, on machines of any kind. A worker takes only jobs
for its own model, precision, --length and --kv, and for strategies that it has.

Stories are not lost: what a worker that died had taken goes to others after
--lease seconds; one step of the slowest machine must be shorter, and all workers
have the same. Ctrl-C lets the running stories end; a second one, or TERM, gives
them back at once.

Exit codes: 0 done, 1 the work failed, 2 wrong usage, 3 the environment, 130 and
143 ended by a signal.]]

function command.define(parser)
  parser:epilog(EPILOG)
  parser:argument("url", "Where the queue is: redis://[:PASSWORD@]HOST[:PORT][/DB].")
  model.argument(parser)
  parser:option("--name", "Of this worker (default: the machine's, and a number).")
    :argname "NAME"
  parser:option("--lease", "Seconds of silence after which others get its jobs (300).")
    :argname("S"):convert(console.by_rule("--lease", {type = "number", min = 1, max = 1e6}))
  strategies.define(parser)
  parser:option("--parallel", "Stories at once (default: as memory allows, <= 32).")
    :argname("N"):convert(console.integer("--parallel", 1, 1024))
  model.load_options(parser)
  model.run_options(parser)
  parser:option("--length", "Tokens the context holds (default: the model's).")
    :argname("N"):convert(console.by_rule("--length", text.RULES.length))
  parser:flag("--quiet", "No progress and no summary.")
end

local function note(line)
  console.note("lull worker: " .. line)
end

local function check(value, message, code)
  if value == nil then
    console.fail(code == "EINVAL" and console.USAGE or console.ENVIRONMENT, message)
  end
  return value
end

local function print_summary(facts)
  local lines = {
    (facts.stories == 1 and "1 story" or console.thousands(facts.stories) .. " stories") .. ", "
      .. console.rate_thousands(console.rate(facts.tokens, facts.seconds)) .. " tokens/s, "
      .. console.fixed(facts.width, 0) .. " at a time, " .. facts.kernel .. ", "
      .. console.count(facts.threads, "thread"),
  }
  if facts.failures > 0 then
    lines[#lines + 1] = console.count(facts.failures, "job") .. " with an \"error\" and no story"
  end
  if facts.released > 0 then
    lines[#lines + 1] = console.count(facts.released, "job") .. " given back"
  end
  console.note(table.concat(lines, "\n"))
end

-- A line about how it goes, on a terminal.
local function reporter(args)
  local shown = -math.huge
  return function(worker)
    local now = lull.clock()
    if not args.quiet and console.has_terminal() and now - shown >= 0.2 then
      shown = now
      local facts = worker:summary()
      console.progress(console.thousands(facts.stories) .. " stories, "
        .. console.rate_thousands(console.rate(facts.tokens, facts.seconds)) .. " tokens/s")
    end
  end
end

function command.run(args)
  local link = check(fleet.connect(args.url, note))
  local loaded = model.load(args)
  text.check_length(args, loaded)
  local watch = signals.watch()
  local worker = check(fleet.worker(loaded, link, {
    name = args.name, lease = args.lease, strategies = strategies.of(args),
    parallel = args.parallel, length = args.length, threads = args.threads, kv = args.kv,
    cpu = args.cpu, poll = watch.poll, note = note, report = reporter(args),
  }))
  if not args.quiet then
    note(worker.name .. " asks " .. link.address.shown .. " for jobs, "
      .. console.fixed(worker.contexts.width, 0) .. " at a time")
  end
  local facts, message, code, stopped = worker:run()
  console.progress("")
  if not args.quiet then
    print_summary(facts or stopped)
  end
  check(facts, message, code)
  link:close()
  local status = watch.status() or console.DONE
  watch.close()
  loaded:close()
  return status
end

return command
