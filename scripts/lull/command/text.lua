--- What tell and explore share: the options that say which text is to be told.
-- @module lull.command.text
local console = require "lull.command.console"
local generate = require "lull.generate"
local model = require "lull.command.model"
local options = require "lull.options"
local request = require "lull.decode.request"

local text = {}

local RULES = generate.RULES

text.RULES = RULES

--- The options -p and -f, of which one can be given.
function text.prompt_options(parser)
  return console.option(parser, "-p", "--prompt", "How the story begins ('-': standard input).")
      :argname "TEXT",
    console.option(parser, "-f", "--file", "Read that from a file ('-': standard input).")
      :argname "FILE"
end

--- Add the options of a text and of where it is told.
-- @param max_tokens how many there are without -n
function text.define(parser, max_tokens)
  console.option(parser, "-n", "--max-tokens", "Tell so many tokens at most (default "
    .. max_tokens .. ").")
    :argname("N"):convert(console.by_rule("--max-tokens", RULES.max_tokens))
  console.option(parser, "-t", "--temperature", "0 always takes the likeliest (default 0.8).")
    :argname("T"):convert(console.by_rule("--temperature", RULES.temperature))
  parser:option("--top-k", "Choose among the K likeliest (default 40, 0 = off).")
    :argname("K"):convert(console.by_rule("--top-k", RULES.top_k))
  parser:option("--top-p", "... that make up a share P (default 0.95, 1 = off).")
    :argname("P"):convert(console.by_rule("--top-p", RULES.top_p))
  parser:option("--min-p", "... P times as likely (default 0.05, 0 = off).")
    :argname("P"):convert(console.by_rule("--min-p", RULES.min_p))
  parser:option("--set", "Any option of generate; see below. May be repeated.")
    :argname("NAME=VALUE"):count "*"
  parser:option("--stop", "End before this text. May be repeated.")
    :argname("TEXT"):count "*"
  parser:option("--ban", "Never tell this text. May be repeated.")
    :argname("TEXT"):count "*"
  console.option(parser, "-s", "--seed", "Which story (an integer).")
    :argname("N"):convert(console.integer("--seed", 0))
  model.load_options(parser)
  model.run_options(parser)
  parser:option("--length", "Tokens the context holds (default: as needed).")
    :argname("N"):convert(console.by_rule("--length", RULES.length))
end

--- What is said about --set below the options.
text.EPILOG = [[
--set passes an option of generate by its name, as in a script:
  --set mirostat=2 --set mirostat_tau=3
  --set repetition_penalty=1.1 --set dry_multiplier=0.8]]

--- The prompt that a command line gives.
function text.prompt(args)
  if args.file or args.prompt == "-" then
    return console.read_text(args.file or "-")
  end
  return args.prompt or ""
end

local OWN = {
  "max_tokens", "temperature", "top_k", "top_p", "min_p", "seed", "threads", "kv", "cpu", "length",
}

--- One NAME=VALUE into options, or fail.
-- @param where what messages call it
function text.set(given, rules, word, where)
  local name, value = word:match("^([^=]+)=(.*)$")
  if not name then
    console.fail(console.USAGE, where .. ": NAME=VALUE expected, got '" .. word .. "'")
  elseif not rules[name] then
    local near = options.nearest(name, rules)
    console.fail(console.USAGE, where .. ": there is no option '" .. name .. "'"
      .. (near and " (did you mean '" .. near .. "'?)" or ""))
  elseif given[name] ~= nil then
    console.fail(console.USAGE, where .. ": '" .. name .. "' is given twice")
  end
  given[name] = console.value(value, rules[name])
  if given[name] == nil then
    console.fail(console.USAGE, where .. ": " .. name .. ": " .. options.expected(rules[name])
      .. " expected, got '" .. value .. "'")
  end
end

--- Fail where options do not go together, which single ones do not show.
-- @return the options
function text.check(given, rules, where)
  local ok, problem = pcall(request.check, given, rules, where, 1)
  if not ok then
    problem = tostring(problem)
    if not problem:find("option", 1, true) then
      error(problem, 0)
    end
    console.fail(console.USAGE, (problem:gsub("^[^:\n]*:%d+: ", "")))
  end
  return given
end

--- What generate is to be given, or fail.
-- @param rules of those options that there are; by default all of generate's
function text.options(args, rules)
  rules = rules or RULES
  local given = {stop = args.stop[1] and args.stop, ban_phrases = args.ban[1] and args.ban}
  for _, name in ipairs(OWN) do
    given[name] = args[name]
  end
  for _, word in ipairs(args.set) do
    text.set(given, rules, word, "--set")
  end
  return text.check(given, rules, "lull " .. args.command)
end

--- A seed as it can be given again.
function text.seed(seed)
  return type(seed) == "string" and seed or console.fixed(seed, 0)
end

--- Fail where the model holds less than --length.
function text.check_length(given, loaded)
  local most = loaded:info().seq_len
  if given.length and given.length > most then
    console.fail(console.USAGE, "--length: this model holds at most "
      .. console.count(most, "token"))
  end
end

--- The next steps after a failure.
text.HINTS = {
  ECONTEXT = "Shorten the text; the model can hold no more tokens than that.",
  ESTATE = "Name the tokenizer: --tokenizer FILE",
}

return text
