--- lull eval: scores of models, distances between precisions, metrics of stories.
-- @module lull.command.eval
local console = require "lull.command.console"

local eval = {summary = "Evaluate: tasks, KL divergence, metrics of stories."}

local EPILOG = [[
Examples:
  lull eval run lullaby --task perplexity --data valid.txt
  lull eval run stories15M.bin --task hellaswag --data val.jsonl -o runs/hs
  lull eval kl f32 q4 --model stories15M.bin --text valid.txt
  lull eval stories greedy.jsonl warm.jsonl

lull eval COMMAND --help has more about each.]]

local COMMANDS = {"run", "kl", "stories"}

function eval.define(parser)
  parser:epilog(EPILOG):require_command(true):command_target("eval_command")
  for _, name in ipairs(COMMANDS) do
    local module = require("lull.command.eval." .. name)
    local subparser = parser:command(name, module.summary):add_help(false)
    console.add_help(subparser)
    module.define(subparser)
  end
end

function eval.run(args)
  return require("lull.command.eval." .. args.eval_command).run(args)
end

return eval
