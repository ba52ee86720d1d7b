--- lull compare: which model or strategy is better, in a table and a page.
-- @module lull.command.compare
local columns = require "lull.command.columns"
local console = require "lull.command.console"
local evaluate = require "lull.evaluate"
local glyphs = require "lull.command.glyphs"
local lull = require "lull"
local model = require "lull.command.model"
local output = require "lull.command.output"
local progress = require "lull.command.progress"
local records = require "lull.command.compare.json"
local settings = require "lull.command.settings"
local text = require "lull.command.text"

local command = {summary = "Compare models and strategies by what they tell."}

local SEEDS, TOKENS = 8, 128

local EPILOG = [[
A strategy is a name and options of generate: cool:temperature=0.5,top_p=0.9; a
name alone is the defaults. A model is a file, 'lullaby', a precision (f32, q8,
q4), a kernel, kv=, threads= or group= with a value, or several of these with
commas between.

Examples:
  lull compare --strategy cool:temperature=0.5 --strategy hot:temperature=1.3
  lull compare q8 q4 --prompts openings.txt --seeds 16 --judge big.bin
  lull compare --strategy a:min_p=0.1 --strategy b:top_p=0.9 --html page.html

Every model tells every prompt with every strategy and the seeds 1..N: each text
is the one that lull tell tells with the same options. log p is the mean natural
logarithm of a token's probability, for the model that told it or for --judge:
only a judge makes models comparable. distinct-2 is different pairs of words /
pairs of words, self-BLEU how much texts are made of each other's phrases; both
depend on how much text there is. A whole end is that of a sentence. Errors are
bootstrapped over the texts.]]

function command.define(parser)
  parser:epilog(EPILOG)
  parser:argument("models", "Models or settings (default: lullaby); see below.")
    :argname("MODEL"):args "*"
  parser:option("--strategy", "A strategy; see below. May be repeated.")
    :argname("NAME:OPTIONS"):count "*"
  console.option(parser, "-p", "--prompt", "How a text begins. May be repeated.")
    :argname("TEXT"):count "*"
  parser:option("--prompts", "More of them, one in a line ('-': standard input).")
    :argname "FILE"
  parser:option("--seeds", "So many texts of each prompt (default " .. SEEDS .. ").")
    :argname("N"):convert(console.integer("--seeds", 1, 1e6))
  console.option(parser, "-n", "--max-tokens", "Tokens of a text at most (default "
    .. TOKENS .. ").")
    :argname("N"):convert(console.integer("--max-tokens", 1, 2 ^ 31 - 1))
  parser:option("--judge", "The model whose probabilities count.")
    :argname "MODEL"
  parser:option("--bootstrap", "Samples for standard errors (default 1000).")
    :argname("N"):convert(console.integer("--bootstrap", 0, 1e6))
  parser:option("--parallel", "Texts at once (default: as memory allows, <= 32).")
    :argname("N"):convert(console.integer("--parallel", 1, 1024))
  model.load_options(parser)
  model.run_options(parser)
  parser:option("--html", "Write a page to look at ('-': standard output).")
    :argname "FILE"
  parser:flag("--force", "Replace that page if it exists.")
  parser:flag("--json", "One line with all that is known, for programs.")
end

-------------------------------------------------------------------------------- what is asked

-- NAME or NAME:OPTIONS as a strategy of lull.evaluate.compare.
local function strategy_of(word)
  local name, rest = word:match "^([^:]+):?(.*)$"
  if not name then
    console.fail(console.USAGE, "--strategy: NAME:OPTIONS expected, got '" .. word .. "'")
  end
  local where, given = "--strategy " .. name, {}
  for option in rest:gmatch "[^,]+" do
    text.set(given, evaluate.compare_rules, option, where)
  end
  return {name = name, options = text.check(given, text.RULES, where)}
end

local function strategies_of(args)
  local list = {}
  for i, word in ipairs(args.strategy) do
    list[i] = strategy_of(word)
  end
  return #list > 0 and list or {{name = "defaults", options = {}}}
end

local function prompts_of(args)
  local list = {}
  for i, prompt in ipairs(args.prompt) do
    list[i] = prompt
  end
  if args.prompts then
    for line in console.read_text(args.prompts):gmatch "[^\r\n]+" do
      list[#list + 1] = line
    end
    if #list == 0 then
      console.fail(console.USAGE, "--prompts: there is no line in " .. args.prompts)
    end
  end
  return #list > 0 and list or {""}
end

local function seeds_of(args)
  local list = {}
  for i = 1, args.seeds or SEEDS do
    list[i] = i
  end
  return list
end

local function check_names(list, what)
  local seen = {}
  for _, entry in ipairs(list) do
    if seen[entry.name] then
      console.fail(console.USAGE, what .. ": '" .. entry.name .. "' is given twice")
    end
    seen[entry.name] = true
  end
end

-- A model of the command line, not yet loaded. It is called as it was given, without its folder.
local function entry_of(word)
  return {name = word:gsub("^[^,]*/", ""), word = word}
end

local function load_into(entry, args, where)
  console.progress("loading " .. entry.name)
  local loaded, given = settings.open(args, entry.word, where)
  return {name = entry.name, model = loaded, threads = given.threads, kv = given.kv,
    cpu = given.cpu}
end

-------------------------------------------------------------------------------- running

local function run_grid(spec)
  local signals = lull.core.signals()
  local signal, shown
  function spec.progress(done, total, tokens)
    shown = shown or progress.new(total, spec.judge and "texts told and judged" or "texts")
    if shown:is_due() then
      shown:show(done, done, tokens, 0)
    end
  end
  function spec.poll()
    signal = signal or signals:poll()
    return signal and "drop"
  end
  local result, message, code = evaluate.compare(spec)
  signals:close()
  console.progress("")
  if not result and code == "ECANCELED" then
    console.fail(console.INTERRUPTED, "stopped")
  end
  return console.check(result, message, code, text.HINTS)
end

-------------------------------------------------------------------------------- showing

-- Title, name of the metric, digits.
local QUALITY = {
  {"log p", "logprob", 3}, {"whole end", "ended_in_sentence", 2}, {"EOS", "ended", 2},
  {"repetition-4", "repetition_4", 3},
}
local DIVERSITY = {
  {"distinct-2", "distinct_2", 3}, {"self-BLEU", "self_bleu", 3}, {"tokens", "tokens", 1},
}

local WIDEST_NAME = 18 -- so that the table fits a terminal

local function cell(found, digits)
  return found.value and console.fixed(found.value, digits)
    .. (found.stderr and " +- " .. console.fixed(found.stderr, digits) or "") or "n/a"
end

local function table_of(result, title, metrics)
  local rows = {{title}}
  for i, metric in ipairs(metrics) do
    rows[1][i + 1] = metric[1]
  end
  for _, arm in ipairs(result.arms) do
    local row = {(glyphs.show(arm.name, WIDEST_NAME))}
    for i, metric in ipairs(metrics) do
      row[i + 1] = cell(arm.metrics[metric[2]], metric[3])
    end
    rows[#rows + 1] = row
  end
  return columns.format(rows, "l" .. ("r"):rep(#metrics))
end

local function print_text(result)
  local names = {}
  for i, entry in ipairs(result.models) do
    names[i] = glyphs.show(entry.name)
  end
  console.out(table.concat(names, ", ") .. ": " .. console.count(#result.prompts, "prompt")
    .. ", " .. console.count(#result.seeds, "seed") .. ", "
    .. console.count(result.max_tokens, "token") .. " at most"
    .. (result.judge and ", judged by " .. glyphs.show(result.judge.name) or "") .. "\n\n"
    .. table_of(result, "quality", QUALITY) .. "\n" .. table_of(result, "diversity", DIVERSITY))
end

function command.run(args)
  if args.json and args.html == "-" then
    console.fail(console.USAGE, "--json and --html - both want standard output")
  end
  local strategies, models = strategies_of(args), {}
  for i, word in ipairs(#args.models > 0 and args.models or {model.SHIPPED}) do
    models[i] = entry_of(word)
  end
  check_names(strategies, "--strategy")
  check_names(models, "MODEL")
  local prompts = prompts_of(args)
  if args.html then
    output.check(args.html, args.force)
  end
  for i, entry in ipairs(models) do
    models[i] = load_into(entry, args, "MODEL")
  end
  local result = run_grid {
    models = models, strategies = strategies, prompts = prompts, seeds = seeds_of(args),
    max_tokens = args.max_tokens or TOKENS, bootstrap = args.bootstrap,
    parallel = args.parallel,
    judge = args.judge and load_into(entry_of(args.judge), args, "--judge"),
  }
  if args.html then
    local page = require("lull.command.compare.page").of(result)
    output.write(args.html, page, args.force)
  end
  if args.json then
    console.out(records.encode(result) .. "\n")
  elseif args.html ~= "-" then
    print_text(result)
    if args.html then
      console.out("\n" .. args.html .. "\n")
    end
  end
  return console.DONE
end

return command
