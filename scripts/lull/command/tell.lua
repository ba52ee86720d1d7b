--- lull tell: a story, streamed as it is told.
-- @module lull.command.tell
local console = require "lull.command.console"
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

function tell.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  parser:mutex(
    console.option(parser, "-p", "--prompt", "How the story begins ('-': standard input).")
      :argname "TEXT",
    console.option(parser, "-f", "--file", "Read that from a file ('-': standard input).")
      :argname "FILE")
  model.story_options(parser)
  console.option(parser, "-s", "--seed", "Which story (an integer).")
    :argname("N"):convert(console.integer("--seed", 0))
  parser:flag("--no-prompt", "Print what is told, without the prompt.")
  parser:flag("--stats", "End with a line of facts, on standard error.")
  model.load_options(parser)
  model.run_options(parser)
  parser:option("--length", "Tokens the context holds (default: as needed).")
    :argname("N"):convert(console.by_rule("--length", model.RULES.length))
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
  local given = model.story(args)
  given.seed, given.length = args.seed, args.length
  given.threads, given.kv, given.cpu = args.threads, args.kv, args.cpu
  local next_piece, facts, code = loaded:stream(prompt, given)
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
