--- lull tell: a story, streamed as it is told.
-- @module lull.command.tell
local console = require "lull.command.console"
local generate = require "lull.generate"
local model = require "lull.command.model"

local tell = {summary = "Tell a story: go on from a prompt."}

local EPILOG = [[
Examples:
  lull tell -p "Once upon a time, there was a little fox" --seed 7
  lull tell stories15M.bin -n 400 --temperature 0.6 --top-p 0.9 --stats
  echo "One day, Lily met" | lull tell -f -
  lull tell stories15M.bin -f opening.txt --no-prompt > story.txt

One seed tells one story, on every machine. Without --seed one is drawn by
chance; --stats shows it.]]

local RULES = generate.RULES

function tell.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  parser:mutex(
    console.option(parser, "-p", "--prompt", "How the story begins ('-': standard input).")
      :argname "TEXT",
    console.option(parser, "-f", "--file", "Read that from a file ('-': standard input).")
      :argname "FILE")
  console.option(parser, "-n", "--max-tokens", "Tell so many tokens at most (default 256).")
    :argname("N"):convert(console.by_rule("--max-tokens", RULES.max_tokens))
  console.option(parser, "-t", "--temperature", "0 always takes the likeliest (default 0.8).")
    :argname("T"):convert(console.by_rule("--temperature", RULES.temperature))
  parser:option("--top-k", "Choose among the K likeliest (default 40, 0 = off).")
    :argname("K"):convert(console.by_rule("--top-k", RULES.top_k))
  parser:option("--top-p", "... that make up a share P (default 0.95, 1 = off).")
    :argname("P"):convert(console.by_rule("--top-p", RULES.top_p))
  parser:option("--min-p", "... P times as likely (default 0.05, 0 = off).")
    :argname("P"):convert(console.by_rule("--min-p", RULES.min_p))
  console.option(parser, "-s", "--seed", "Which story (an integer).")
    :argname("N"):convert(console.integer("--seed", 0))
  parser:flag("--no-prompt", "Print what is told, without the prompt.")
  parser:flag("--stats", "End with a line of facts, on standard error.")
  model.load_options(parser)
  model.run_options(parser)
  parser:option("--length", "Tokens the context holds (default: as needed).")
    :argname("N"):convert(console.by_rule("--length", RULES.length))
end

local function prompt_of(args)
  if args.file or args.prompt == "-" then
    return console.read_text(args.file or "-")
  end
  return args.prompt or ""
end

local function print_facts(facts, precision)
  local told = console.rate(facts.tokens, facts.seconds - facts.prompt_seconds)
  local parts = {
    console.count(facts.tokens, "token"),
    console.rate_text(told) .. " tokens/s",
    precision,
  }
  if facts.kernel then
    parts[#parts + 1] = facts.kernel
    parts[#parts + 1] = console.count(facts.threads, "thread")
  end
  parts[#parts + 1] = "seed " .. console.fixed(facts.seed, 0)
  parts[#parts + 1] = facts.finish_reason
  console.note(table.concat(parts, ", "))
end

local HINTS = {
  ECONTEXT = "Shorten the prompt; the model can hold no more tokens than that.",
  ESTATE = "Name the tokenizer: --tokenizer FILE",
}

function tell.run(args)
  local prompt = prompt_of(args)
  local loaded = model.load(args)
  if args.length and args.length > loaded:info().seq_len then
    console.fail(console.USAGE, "--length: this model holds at most "
      .. console.count(loaded:info().seq_len, "token"))
  end
  local next_piece, facts, code = loaded:stream(prompt, {
    max_tokens = args.max_tokens, temperature = args.temperature, top_k = args.top_k,
    top_p = args.top_p, min_p = args.min_p, seed = args.seed, threads = args.threads,
    kv = args.kv, cpu = args.cpu, length = args.length,
  })
  console.check(next_piece, facts, code, HINTS)
  if not args.no_prompt then
    console.out(prompt)
  end
  for piece in next_piece do
    console.out(piece)
  end
  if not console.at_line_start then
    console.out("\n")
  end
  if facts.error then
    console.check(nil, facts.error, facts.code, HINTS)
  end
  if args.stats then
    print_facts(facts, loaded:info().precision)
  end
  loaded:close()
  return console.DONE
end

return tell
