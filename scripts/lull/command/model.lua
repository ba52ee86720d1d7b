--- Options that say which model to load and how to run it, for every subcommand that does.
-- @module lull.command.model
local lull = require "lull"
local console = require "lull.command.console"
local generate = require "lull.generate"

local model = {}

local SHIPPED = "lullaby"

--- Where the model that ships with lull may be; the command sets it.
model.folders = {}

local LOAD_HINTS = {
  EFORMAT = "What is it? 'file MODEL' and 'lull inspect MODEL' may tell; lull reads llama2.c "
    .. "checkpoints\n(versions 0, 1 and 2, in either byte order).",
  ENOMEM = "--precision q8 takes about a quarter of the memory of f32; 'lull inspect MODEL' "
    .. "shows what each needs.",
  EIO = "Without MODEL, or as 'lullaby', lull takes the model that ships with it.",
}

local function exists(path)
  local file = io.open(path, "rb")
  if file then
    file:close()
  end
  return file ~= nil
end

local function shipped()
  for _, folder in ipairs(model.folders) do
    local path = folder .. "/" .. SHIPPED .. ".bin"
    if exists(path) then
      return path
    end
  end
  console.fail(console.ENVIRONMENT, "the model that ships with lull is not installed here\n"
    .. "Name a checkpoint: lull ... MODEL")
end

--- The path that the argument MODEL means.
function model.path(args)
  if args.model == nil or (args.model == SHIPPED and not exists(SHIPPED)) then
    return shipped()
  end
  return args.model
end

--- Add MODEL to a subcommand.
function model.argument(parser, required)
  parser:argument("model", "Checkpoint file. 'lullaby'" .. (required and "" or ", or nothing,")
    .. " means the model that ships with lull.")
    :args(required and 1 or "?")
end

--- Add the options of lull.load.
function model.load_options(parser, without_precision)
  if not without_precision then
    parser:option("--precision", "f32 or q8 (default: as stored; float files load as q8).")
      :choices {"f32", "q8", "q4"}
    parser:option("--group", "Weights per scale when quantising while loading (default 64).")
      :convert(console.by_rule {type = "integer", min = 1, max = 65536})
  end
  parser:option("--tokenizer", "Tokenizer file (default: tokenizer.bin beside the model).")
    :argname "FILE"
  parser:option("--byte-order", "little or big: overrides what the file looks like.")
    :choices {"little", "big"}
end

--- Add the options of model:context.
function model.run_options(parser)
  parser:option("--threads", "Threads (default 1; 0 = all cores).")
    :convert(console.by_rule(generate.RULES.threads))
  parser:option("--kv", "f32 or bf16: how keys and values are kept.")
    :choices {"f32", "bf16"}
  parser:option("--cpu", "Kernels by name (default: LULL_CPU, else the best here).")
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
  return console.check(loaded, message, code, LOAD_HINTS)
end

--- Hints by code for console.check.
model.LOAD_HINTS = LOAD_HINTS

return model
