--- Options that say which model to load and how to run it, for every subcommand that does.
-- @module lull.command.model
local lull = require "lull"
local console = require "lull.command.console"
local files = require "lull.files"
local generate = require "lull.generate"

local model = {}

--- What the model that ships with lull is called.
model.SHIPPED = "lullaby"

--- Where the model that ships with lull may be; the command sets it.
model.folders = {}

local NEXT_STEPS = {
  EFORMAT = "lull reads llama2.c checkpoints (versions 0, 1, 2) and GGUF, in either byte order.",
  ENOMEM = "'lull inspect MODEL' shows the memory each --precision needs.",
  EIO = "Without MODEL, or as 'lullaby', lull takes the model that comes with it.",
}

--- The next step after a failed load, for console.check.
function model.hint(message, code)
  local wrong_or_missing = code == "EFORMAT" or message:find("No such file", 1, true)
  if message:find("tokenizer", 1, true) and wrong_or_missing
      and not message:find("tokenizer.ggml", 1, true) then
    return "Name the one that belongs to the model: --tokenizer FILE"
  end
  return NEXT_STEPS[code]
end

local function shipped()
  for _, folder in ipairs(model.folders) do
    local path = folder .. "/" .. model.SHIPPED .. ".bin"
    if files.exists(path) then
      return path
    end
  end
  console.fail(console.ENVIRONMENT, "the model that ships with lull is not installed here\n"
    .. "Name a checkpoint: lull ... MODEL")
end

--- The path that the argument MODEL means.
function model.path(args)
  if args.model == nil or (args.model == model.SHIPPED and not files.exists(model.SHIPPED)) then
    return shipped()
  end
  return args.model
end

--- Add MODEL to a subcommand.
function model.argument(parser, required)
  parser:argument("model", "Checkpoint file. 'lullaby'" .. (required and "" or ", or nothing,")
    .. " means the one that comes with lull.")
    :args(required and 1 or "?")
end

--- Add the options of lull.load.
function model.load_options(parser, without_precision)
  if not without_precision then
    parser:option("--precision", "In memory (default: as stored, float files as q8).")
      :choices {"f32", "q8", "q4"}
    parser:option("--group", "Weights per scale, if quantised here (default 64).")
      :argname("N"):convert(console.integer("--group", 1, 65536))
  end
  parser:option("--tokenizer", "Default: in the model (GGUF), or tokenizer.bin beside it.")
    :argname "FILE"
  parser:option("--byte-order", "Overrides what the file looks like.")
    :choices {"little", "big"}
end

--- Add the options of model:context.
function model.run_options(parser)
  parser:option("--threads", "Threads (default 1; 0 = all cores).")
    :argname("N"):convert(console.by_rule("--threads", generate.RULES.threads))
  parser:option("--kv", "How keys and values are kept.")
    :choices {"f32", "bf16"}
  parser:option("--cpu", "Kernels (default: LULL_CPU, else the best here).")
    :argname "NAME"
end

--- What lull.load and lull.inspect are to be given.
function model.options(args)
  return {
    precision = args.precision, group = args.group, byte_order = args.byte_order,
    tokenizer = args.tokenizer,
  }
end

--- Load the model a command line names, or fail.
function model.load(args)
  local loaded, message, code = lull.load(model.path(args), model.options(args))
  return console.check(loaded, message, code, model.hint)
end

return model
