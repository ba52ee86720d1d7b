--- lull bench: how fast a model runs here.
-- @module lull.command.bench
local lull = require "lull"
local compare = require "lull.command.bench_compare"
local console = require "lull.command.console"
local json = require "lull.json"
local measure = require "lull.command.measure"
local model = require "lull.command.model"

local bench = {summary = "Measure how fast a model runs here."}

local EPILOG = [[
Examples:
  lull bench stories15M.bin --batched
  lull bench stories15M.bin --widths 1,8,64 --depth 128 --threads 2
  lull bench stories15M.bin --compare q8 q4
  lull bench lullaby --compare portable avx2,threads=2
  lull bench lullaby --json >> results.jsonl

Reading a prompt (prefill) and telling on (decode) are measured apart, the
median of several runs each. Decode is also set beside the speed at which this
machine reads so much memory, which no decoding can pass. --compare takes turns
between two settings, each one or more of: a precision, a kernel (portable,
avx2, ...), or kv=, threads=, batch=, group= with a value; commas between them.
No tokenizer is needed.]]

-- A converter for argparse: "1,2,4" to a list of integers in min..max.
local function integers(name, min, max)
  local convert = console.integer(name, min, max)
  return function(text)
    local list = {}
    for part in (text .. ","):gmatch("([^,]*),") do
      local value, problem = convert(part)
      if not value then
        return nil, problem
      end
      list[#list + 1] = value
    end
    return list
  end
end

function bench.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  console.option(parser, "-n", "--tokens", "Tokens decoded in a run (default 64).")
    :argname("N"):convert(console.integer("--tokens", 1, 1e6))
  parser:option("--depth", "Decode after so many tokens (default 8).")
    :argname("N"):convert(console.integer("--depth", 1, 1e6))
  parser:option("--prefill", "Lengths of prompts (default 16,64,256).")
    :argname("N,..."):convert(integers("--prefill", 1, 1e6))
  parser:flag("--batched", "Also decode several texts at once.")
  parser:option("--widths", "How many (default 1,4,16,64).")
    :argname("N,..."):convert(integers("--widths", 1, 65536))
  parser:option("--runs", "Runs to take the median of (default 5).")
    :argname("N"):convert(console.integer("--runs", 1, 1000))
  parser:option("--compare", "Two settings, in turns; see below.")
    :args(2):argname {"A", "B"}
  parser:flag("--json", "One line, for programs and tables.")
  model.load_options(parser)
  model.run_options(parser)
  parser:option("--batch", "Tokens evaluated in one pass (default 64).")
    :argname("N"):convert(console.integer("--batch", 1, 1024))
end

-- What is to be measured, as far as the model's context holds it.
local function plan_of(args, seq_len)
  local plan = {
    runs = args.runs or 5, depth = args.depth or math.min(8, seq_len - 1), prefill = {},
    widths = args.widths or args.batched and {1, 4, 16, 64} or {},
  }
  plan.tokens = args.tokens or math.max(1, math.min(64, seq_len - plan.depth))
  local function need(n, what)
    if n > seq_len then
      console.fail(console.USAGE, what .. " do not fit the model's context of "
        .. console.thousands(seq_len))
    end
  end
  need(plan.depth + plan.tokens, "a depth of " .. console.thousands(plan.depth) .. " and "
    .. console.count(plan.tokens, "token"))
  for _, n in ipairs(args.prefill or {}) do
    need(n, "prompts of " .. console.count(n, "token"))
  end
  for _, n in ipairs(args.prefill or {16, 64, 256}) do
    if n <= seq_len then
      plan.prefill[#plan.prefill + 1] = n
    end
  end
  return plan
end

-- Steps of a batched run: enough to measure by, and wide batches take longer.
local function steps(plan, width)
  return math.min(plan.tokens, math.max(8, math.ceil(2 * plan.tokens / width)))
end

--- The tasks of a plan, in the order they are shown: {kind, size, open() -> task}.
local function tasks_of(plan, loaded, settings)
  local tasks = {}
  local function add(kind, size, open)
    tasks[#tasks + 1] = {kind = kind, size = size, open = open}
  end
  for _, n in ipairs(plan.prefill) do
    add("prefill", n, function() return measure.prefill(loaded, settings, n) end)
  end
  add("decode", plan.depth, function()
    return measure.decode(loaded, settings, plan.depth, plan.tokens, 1)
  end)
  for _, width in ipairs(plan.widths) do
    add("batched", width, function()
      return measure.decode(loaded, settings, plan.depth, steps(plan, width), width)
    end)
  end
  return tasks
end

local NOUNS = {prefill = "token", decode = "depth", batched = "stream"}

--- "64 tokens", "depth 8", "16 streams".
local function label(kind, size)
  return kind == "decode" and NOUNS[kind] .. " " .. console.thousands(size)
    or console.count(size, NOUNS[kind])
end

-------------------------------------------------------------------------------- one setting

local function open(path, args)
  local given = model.options(args)
  given.tokenizer = given.tokenizer or false
  given.cache = false
  local loaded, message, code
  local seconds = measure.seconds(function()
    loaded, message, code = lull.load(path, given)
  end)
  return console.check(loaded, message, code, model.hint), seconds
end

local function settings_of(args)
  return {threads = args.threads, kv = args.kv, cpu = args.cpu, batch = args.batch}
end

-- Everything about one setting.
local function facts_of(path, args)
  console.progress("loading")
  local loaded, load_seconds = open(path, args)
  local info, settings = loaded:info(), settings_of(args)
  local plan = plan_of(args, info.seq_len)
  local facts = {plan = plan, info = info, load_seconds = load_seconds, rates = {}}
  for _, entry in ipairs(tasks_of(plan, loaded, settings)) do
    local task = entry.open()
    entry.rate = measure.rate(task, plan.runs, function(run)
      console.progress(entry.kind .. ", " .. label(entry.kind, entry.size) .. ": run " .. run
        .. " of " .. plan.runs)
    end)
    if entry.kind == "decode" then
      facts.decode, facts.context = entry.rate, task.info
    end
    facts.rates[#facts.rates + 1] = entry
    task.close()
  end
  console.progress("where the time goes")
  facts.phases = measure.phases(loaded, settings, plan.depth, plan.tokens, plan.runs)
  loaded:close() -- to have the memory for the next
  console.progress("how fast memory is read")
  local read, message, code = lull.read_bandwidth(measure.bytes_read(info),
    {threads = facts.context.threads})
  facts.bandwidth = console.check(read, message, code)
  facts.roof = read / measure.bytes_read(info)
  return facts
end

local function row(name, text)
  return (string.format("  %-9s %s", name, text):gsub(" *$", "\n", 1))
end

local function rate_rows(facts)
  local out, before = {}, nil
  for _, entry in ipairs(facts.rates) do
    local text = string.format("%12s %9s tokens/s", label(entry.kind, entry.size),
      console.rate_thousands(entry.rate))
    if entry.kind == "batched" then
      text = text .. string.format("   %5s x one", console.fixed(entry.rate / facts.decode, 2))
    end
    out[#out + 1] = row(entry.kind == before and "" or entry.kind, text)
    before = entry.kind
  end
  return table.concat(out)
end

local NAMES = {lua = "Lua"}

local function phase_rows(phases)
  local out = {}
  for i, name in ipairs(measure.PHASES) do
    local share = phases[name] / phases.total
    out[i] = row(i == 1 and "a token" or "", string.format("%12s %9s us %5s %%  %s",
      NAMES[name] or name, console.fixed(phases[name] * 1e6, 1), console.fixed(share * 100, 0),
      ("#"):rep(math.floor(share * 30 + 0.5))))
  end
  out[#out + 1] = row("", string.format("%12s %9s us, %s tokens/s", "together",
    console.fixed(phases.total * 1e6, 1), console.rate_thousands(1 / phases.total)))
  return table.concat(out)
end

local function print_text(path, facts)
  local info, context, plan = facts.info, facts.context, facts.plan
  console.out(path .. "\n"
    .. row("model", console.thousands(info.n_parameters) .. " parameters, " .. info.precision
      .. (info.group > 0 and " in groups of " .. console.fixed(info.group, 0) or "") .. ", "
      .. console.bytes(info.weight_bytes) .. " of weights")
    .. row("here", context.kernel .. ", " .. console.count(context.threads, "thread") .. ", KV "
      .. context.kv .. "; median of " .. console.count(plan.runs, "run"))
    .. row("memory", console.bytes(info.model_bytes) .. " for the model, "
      .. console.bytes(context.memory_bytes) .. " for a context of "
      .. console.count(context.length, "token"))
    .. row("load", console.fixed(facts.load_seconds, 3) .. " s")
    .. "\n" .. rate_rows(facts)
    .. "\n" .. phase_rows(facts.phases)
    .. "\n" .. row("roof", console.bytes(measure.bytes_read(info)) .. " a token, read at "
      .. console.bytes(facts.bandwidth) .. "/s: at most " .. console.rate_thousands(facts.roof)
      .. " tokens/s")
    .. row("", "decode reaches " .. console.fixed(100 * facts.decode / facts.roof, 0)
      .. " % of it"))
end

local function json_rates(facts, kind, size_name)
  local list = {}
  for _, entry in ipairs(facts.rates) do
    if entry.kind == kind then
      list[#list + 1] = json.object {
        {size_name, entry.size}, {"tokens_per_second", entry.rate},
      }
    end
  end
  return list
end

local function print_json(path, facts)
  local info, context, plan = facts.info, facts.context, facts.plan
  local phases = {}
  for i, name in ipairs(measure.PHASES) do
    phases[i] = {name, facts.phases[name]}
  end
  phases[#phases + 1] = {"total", facts.phases.total}
  console.out(json.encode(json.object {
    {"lull", lull.version}, {"model", path:match("[^/]*$")}, {"format", info.format},
    {"n_parameters", info.n_parameters}, {"dim", info.dim}, {"n_layers", info.n_layers},
    {"precision", info.precision}, {"group", info.group}, {"kernel", context.kernel},
    {"threads", context.threads}, {"kv", context.kv}, {"batch", context.batch},
    {"weight_bytes", info.weight_bytes}, {"model_bytes", info.model_bytes},
    {"context_bytes", context.memory_bytes}, {"load_seconds", facts.load_seconds},
    {"runs", plan.runs}, {"tokens", plan.tokens}, {"depth", plan.depth},
    {"decode_tokens_per_second", facts.decode},
    {"prefill", json_rates(facts, "prefill", "tokens")},
    {"batched", json_rates(facts, "batched", "streams")},
    {"seconds_per_token", json.object(phases)},
    {"read_bytes_per_second", facts.bandwidth}, {"roof_tokens_per_second", facts.roof},
  }) .. "\n")
end

function bench.run(args)
  local path = model.path(args)
  if args.compare then
    return compare.run(path, args, {open = open, plan = plan_of, tasks = tasks_of,
      settings = settings_of, label = label})
  end
  local facts = facts_of(path, args)
  local print_facts = args.json and print_json or print_text
  print_facts(path, facts)
  return console.DONE
end

return bench
