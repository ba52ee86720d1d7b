--- The command `lull`: parses the command line and runs a subcommand.
--
-- Each subcommand is a module {name, summary, define(parser), run(args) -> exit code}.
-- @module lull.command
local console = require "lull.command.console"

local command = {}

local SUBCOMMANDS = {
  "tell", "batch", "worker", "explore", "inspect", "tokenize", "quantize", "bench",
  "eval", "compare",
}

local DESCRIPTION = "Tells stories with Llama-family models, on any machine."

local EPILOG = [[
Examples:
  lull tell -p "Once upon a time"      a story by the model that ships with lull
  lull tell stories15M.bin --seed 7    the same story every time, on any machine
  lull explore -p "One day, Tom"       how each of its tokens was chosen
  lull eval stories out.jsonl          what can be counted of many stories
  lull compare --strategy cool:temperature=0.5 --html page.html
  lull inspect stories15M.bin          what a file is, and the memory it needs
  lull tell --help                     more about one command

Exit codes: 0 done, 1 the work failed, 2 wrong usage, 3 the environment.]]

local function load_argparse()
  local ok, argparse = pcall(require, "argparse")
  if ok then
    return argparse
  elseif not tostring(argparse):find("module 'argparse' not found", 1, true) then
    error(argparse, 0)
  end
  console.fail(console.ENVIRONMENT, "the Lua module 'argparse' is missing\n"
    .. "Install it: apt-get install lua-argparse, or: luarocks install argparse")
end

local function build_parser()
  local parser = load_argparse()("lull", DESCRIPTION, EPILOG)
    :add_help(false):help_max_width(80):usage_max_width(78):help_description_margin(28)
    :require_command(true):command_target("command")
  parser.error = function(failed, message)
    error({usage = failed:get_usage(), message = message, who = failed:_get_fullname()}, 0)
  end
  console.add_help(parser)
  parser:flag("--version", "Show the version and exit."):action(function()
    error({help = require("lull")._VERSION .. "\n"}, 0)
  end)
  local modules = {}
  for _, name in ipairs(SUBCOMMANDS) do
    local module = require("lull.command." .. name)
    local subparser = parser:command(name, module.summary):add_help(false)
    console.add_help(subparser)
    module.define(subparser)
    modules[name] = module
  end
  return parser, modules
end

-- lua.c turns Ctrl-C into an error with this text, between two instructions.
local INTERRUPT = "interrupted!"

local function with_traceback(failure)
  if type(failure) == "string" and not failure:find(INTERRUPT, 1, true) then
    return debug.traceback(failure, 2)
  end
  return failure
end

-- Say what went wrong and return the exit code.
local function report(who, failure)
  console.progress("")
  if not console.at_line_start then
    io.stdout:write("\n")
    io.stdout:flush()
  end
  if type(failure) ~= "table" then
    local text = tostring(failure)
    if text:find(INTERRUPT, 1, true) then
      return console.INTERRUPTED
    elseif text:find("not enough memory", 1, true) then
      console.note(who .. ": not enough memory")
      return console.ENVIRONMENT
    end
    console.note(who .. ": this should not happen: " .. text)
    return console.FAILED
  elseif failure.usage then
    console.note(failure.usage .. "\n\n" .. failure.who .. ": " .. failure.message
      .. "\nSee: " .. failure.who .. " --help")
    return console.USAGE
  elseif failure.message then
    console.note(who .. ": " .. failure.message)
  end
  return failure.status
end

--- Run the command.
-- @param argv the arguments, from 1
-- @param folders where the model that ships with lull may be
-- @return the exit code
function command.main(argv, folders)
  local who = "lull"
  local function run()
    local parser, modules = build_parser()
    require("lull.command.model").folders = folders or {}
    local args = parser:parse(argv)
    who = "lull " .. args.command
    return modules[args.command].run(args)
  end
  local ok, result = xpcall(run, with_traceback)
  if not ok and type(result) == "table" and result.help then
    local help = result.help
    ok, result = xpcall(function()
      console.out(help)
      return console.DONE
    end, with_traceback)
  end
  return ok and result or report(who, result)
end

return command
