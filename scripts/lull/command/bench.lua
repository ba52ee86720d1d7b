--- lull bench: how fast a model runs here.
-- @module lull.command.bench
local lull = require "lull"
local console = require "lull.command.console"
local model = require "lull.command.model"

local bench = {summary = "Measure how fast a model runs here."}

local EPILOG = [[
Examples:
  lull bench stories15M.bin
  lull bench stories15M.bin --precision f32 --threads 2
  LULL_CPU=portable lull bench lullaby
  lull bench lullaby --json >> results.jsonl

Reading a prompt (prefill) and telling on (decode) are measured apart, the
median of several runs each. No tokenizer is needed.]]

function bench.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  console.option(parser, "-n", "--tokens", "Tokens decoded in a run (default 64).")
    :argname("N"):convert(console.integer("--tokens", 1, 1e6))
  parser:option("--prompt-tokens", "Tokens of prompt in a run (default 64).")
    :argname("N"):convert(console.integer("--prompt-tokens", 1, 1e6))
  parser:option("--runs", "Runs to take the median of (default 5).")
    :argname("N"):convert(console.integer("--runs", 1, 1000))
  parser:flag("--json", "One line, for programs and tables.")
  model.load_options(parser)
  model.run_options(parser)
  parser:option("--batch", "Tokens evaluated in one pass (default 32).")
    :argname("N"):convert(console.integer("--batch", 1, 1024))
end

local function median(values)
  table.sort(values)
  local middle = #values / 2
  if middle % 1 == 0 then
    return (values[middle] + values[middle + 1]) / 2
  end
  return values[middle + 0.5]
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

local function seconds_of(work)
  local start = lull.clock()
  work()
  return lull.clock() - start
end

-- One run: seconds to read the prompt, seconds to decode.
local function run_once(context, prompt, ids)
  local seq = console.check(context:sequence())
  local prefill = seconds_of(function()
    console.check(seq:feed(prompt))
    step(context)
  end)
  local decode = seconds_of(function()
    for i = 1, #ids do
      console.check(seq:feed(ids[i]))
      step(context)
    end
  end)
  seq:close()
  return prefill, decode
end

local function measure(context, n_prompt, n_tokens, runs, vocab_size)
  local prompt = some_ids(n_prompt, vocab_size, 1)
  local ids = some_ids(n_tokens, vocab_size, 2)
  local prefill, decode = {}, {}
  run_once(context, prompt, {ids[1]}) -- caches and page tables warm
  for i = 1, runs do
    prefill[i], decode[i] = run_once(context, prompt, ids)
  end
  return console.rate(n_prompt, median(prefill)), console.rate(n_tokens, median(decode))
end

local function open_context(loaded, args, n_prompt, n_tokens)
  local seq_len = loaded:info().seq_len
  if n_prompt + n_tokens > seq_len then
    console.fail(console.USAGE, console.count(n_prompt, "prompt token") .. " and "
      .. console.count(n_tokens, "token") .. " do not fit the model's context of "
      .. console.thousands(seq_len))
  end
  return console.check(loaded:context {
    length = n_prompt + n_tokens, threads = args.threads, kv = args.kv, cpu = args.cpu,
    batch = args.batch,
  })
end

local function print_text(path, info, context, facts)
  local function row(name, text)
    return string.format("  %-9s %s\n", name, text)
  end
  local function rate_row(name, rate, n)
    return row(name, string.format("%8s tokens/s  (%s)", console.rate_text(rate), n))
  end
  console.out(path .. "\n"
    .. row("model", console.thousands(info.n_parameters) .. " parameters, " .. info.precision
      .. (info.group > 0 and " in groups of " .. console.fixed(info.group, 0) or "") .. ", "
      .. console.bytes(info.weight_bytes) .. " of weights")
    .. row("here", context.kernel .. ", " .. console.count(context.threads, "thread") .. ", "
      .. console.bytes(context.memory_bytes) .. " for the context, KV " .. context.kv)
    .. row("load", console.fixed(facts.load_seconds, 3) .. " s")
    .. rate_row("prefill", facts.prefill, console.count(facts.n_prompt, "token"))
    .. rate_row("decode", facts.decode, console.count(facts.n_tokens, "token") .. ", "
      .. console.count(facts.runs, "run")))
end

local function print_json(path, info, context, facts)
  console.out(console.json(console.object {
    {"lull", lull.version}, {"model", path:match("[^/]*$")}, {"format", info.format},
    {"n_parameters", info.n_parameters}, {"dim", info.dim}, {"n_layers", info.n_layers},
    {"precision", info.precision}, {"group", info.group}, {"kernel", context.kernel},
    {"threads", context.threads}, {"kv", context.kv}, {"batch", context.batch},
    {"weight_bytes", info.weight_bytes}, {"model_bytes", info.model_bytes},
    {"context_bytes", context.memory_bytes}, {"load_seconds", facts.load_seconds},
    {"prompt_tokens", facts.n_prompt}, {"tokens", facts.n_tokens}, {"runs", facts.runs},
    {"prefill_tokens_per_second", facts.prefill}, {"decode_tokens_per_second", facts.decode},
  }) .. "\n")
end

function bench.run(args)
  local path = model.path(args)
  local n_tokens, n_prompt = args.tokens or 64, args.prompt_tokens or 64
  local facts = {n_prompt = n_prompt, n_tokens = n_tokens, runs = args.runs or 5}
  local given = model.options(args)
  given.tokenizer = given.tokenizer or false
  given.cache = false
  local loaded
  facts.load_seconds = seconds_of(function()
    local message, code
    loaded, message, code = lull.load(path, given)
    console.check(loaded, message, code, model.hint)
  end)
  local context = open_context(loaded, args, n_prompt, n_tokens)
  facts.prefill, facts.decode = measure(context, n_prompt, n_tokens, facts.runs,
    loaded:vocab_size())
  local print_facts = args.json and print_json or print_text
  print_facts(path, loaded:info(), context:info(), facts)
  context:close()
  loaded:close()
  return console.DONE
end

return bench
