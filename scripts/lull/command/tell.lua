--- lull tell: a story, streamed as it is told.
-- @module lull.command.tell
local console = require "lull.command.console"
local generate = require "lull.generate"
local model = require "lull.command.model"
local text = require "lull.command.text"

local tell = {summary = "Tell a story: go on from a prompt."}

local EPILOG = [[
Examples:
  lull tell -p "Once upon a time, there was a little fox" --seed 7
  lull tell stories15M.bin -n 400 --temperature 0.6 --top-p 0.9 --stats
  echo "One day, Lily met" | lull tell -f -
  lull tell stories15M.bin -f opening.txt --no-prompt > story.txt
  lull tell -p "One day, Tom" --ban "Lily" --stop "The end"

]] .. text.EPILOG .. [[


One seed tells one story, on every machine. Without --seed one is drawn by
chance; --stats shows it.]]

function tell.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  parser:mutex(text.prompt_options(parser))
  text.define(parser, generate.RULES.max_tokens.default)
  parser:flag("--no-prompt", "Print what is told, without the prompt.")
  parser:flag("--stats", "End with a line of facts, on standard error.")
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
  parts[#parts + 1] = "seed " .. text.seed(facts.seed)
  parts[#parts + 1] = facts.finish_reason
  console.note(table.concat(parts, ", "))
end

function tell.run(args)
  local given, prompt = text.options(args), text.prompt(args)
  local loaded = model.load(args)
  text.check_length(given, loaded)
  local next_piece, facts, code = loaded:stream(prompt, given)
  console.check(next_piece, facts, code, text.HINTS)
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
    console.check(nil, facts.error, facts.code, text.HINTS)
  end
  if args.stats then
    print_facts(facts, loaded:info().precision)
  end
  loaded:close()
  return console.DONE
end

return tell
