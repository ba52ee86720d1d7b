--- lull explore: a text token by token, with what else there could have been.
-- @module lull.command.explore
local console = require "lull.command.console"
local explore = require "lull.explore"
local model = require "lull.command.model"
local output = require "lull.command.output"
local text = require "lull.command.text"

local command = {summary = "Show how each token of a text was chosen."}

local TOKENS, ALTERNATIVES = 40, 8

local EPILOG = [[
Examples:
  lull explore -p "Once upon a time" --seed 7
  lull explore -p "One day, Tom" --temperature 1.2 -v | less
  lull explore -p "One day, Tom" -n 200 --html tom.html
  lull explore --text story.txt --html - > story.html

Tells what lull tell would with the same options. Each token's line has its
probability in percent and its rank, the entropy in bits (the model's doubt),
how many tokens the chain left, and what else there was; in brackets or faint
is what the chain removed. --text shows how the model sees a text that is
there; × marks tokens that the chain would not have let through.

]] .. text.EPILOG

function command.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  local prompt, file = text.prompt_options(parser)
  parser:mutex(prompt, file,
    parser:option("--text", "Look at this text instead ('-': standard input).")
      :argname "FILE")
  text.define(parser, TOKENS)
  parser:option("--alternatives", "So many for each token (default " .. ALTERNATIVES .. ").")
    :argname("N"):convert(console.by_rule("--alternatives", explore.RULES.alternatives))
  parser:mutex(
    console.flag(parser, "-v", "--verbose", "All about each token, on several lines."),
    parser:flag("--json", "One line, for programs."),
    parser:option("--html", "Write a page to look at ('-': standard output).")
      :argname "FILE")
  parser:flag("--force", "Replace that page if it exists.")
  parser:flag("--no-color", "As NO_COLOR in the environment: no colours.")
end

-- Colours for a terminal that has them, unless they are not wanted (no-color.org).
local function wants_color(args)
  local refused = os.getenv("NO_COLOR")
  return not (args.no_color or (refused and refused ~= "") or os.getenv("TERM") == "dumb")
    and console.is_terminal(1)
end

local function record_of(args, loaded, given, source)
  given.alternatives = args.alternatives or ALTERNATIVES
  local name = args.text and "given" or "text"
  if not args.text then
    given.max_tokens = given.max_tokens or TOKENS
  end
  function given.each(_, number)
    console.progress(console.count(number, "token"))
  end
  local record, message, code = explore[name](loaded, source, given)
  return console.check(record, message, code, text.HINTS)
end

function command.run(args)
  local given = text.options(args, args.text and explore.GIVEN_RULES or nil)
  local source = args.text and console.read_text(args.text) or text.prompt(args)
  if args.html then
    output.check(args.html, args.force)
  end
  local loaded = model.load(args)
  text.check_length(given, loaded)
  local record = record_of(args, loaded, given, source)
  local name = model.path(args):match("[^/]*$")
  if args.json then
    console.out(require("lull.command.explore.json").record(record, name) .. "\n")
  elseif args.html then
    local page = require("lull.command.explore.page").of(record, name)
    output.write(args.html, page, args.force)
    if args.html ~= "-" then
      console.out(args.html .. "  " .. console.bytes(#page) .. ", "
        .. console.count(#record.tokens, "token") .. "\n")
    end
  else
    console.out(require("lull.command.explore.terminal").show(record, {
      color = wants_color(args), verbose = args.verbose, columns = console.columns(),
    }))
  end
  loaded:close()
  return console.DONE
end

return command
