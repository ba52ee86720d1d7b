--- lull quantize: write a float checkpoint smaller, or in another format.
-- @module lull.command.quantize
local lull = require "lull"
local console = require "lull.command.console"

local quantize = {summary = "Write a float checkpoint in 8 or 4 bit, or as GGUF."}

local EPILOG = [[
Examples:
  lull quantize stories15M.bin stories15M-q8.bin
  lull quantize stories15M.bin stories15M.gguf --to q4
  lull quantize stories15M.bin out.bin --group 32 --force
  lull quantize stories15M.bin for-my-mac.bin --byte-order big

llama2c is llama2.c version 2, which runq.c reads too: q8 only. GGUF holds the
tokenizer, and llama.cpp reads it too: q8 (Q8_0), q4 (Q4_0), f16 or f32, where
q8 and q4 need rows that are multiples of 32. Loading a q8 or q4 file gives the
same logits, bit for bit, as loading the float file with the options printed.
The output is written beside its name and renamed: never half a file.]]

function quantize.define(parser)
  parser:epilog(EPILOG)
  parser:argument("input", "The checkpoint to read."):argname "IN"
  parser:argument("output", "The file to write."):argname "OUT"
  parser:option("--to", "Precision of the matrices (default: q8).")
    :choices {"q8", "q4", "f16", "f32"}
  parser:option("--format", "Default: gguf where OUT ends in .gguf, else llama2c.")
    :choices {"llama2c", "gguf"}
  parser:option("--group", "Weights per scale (default: the largest that fits, up to 64; "
    .. "in GGUF 32).")
    :argname("N"):convert(console.integer("--group", 1, 65536))
  parser:option("--tokenizer", "For GGUF (default: in IN or tokenizer.bin beside it).")
    :argname "FILE"
  parser:option("--byte-order", "Of the output: little (default) or big; lull reads both.")
    :choices {"little", "big"}
  parser:option("--input-byte-order", "Overrides what the input looks like.")
    :choices {"little", "big"}
  parser:flag("--force", "Replace the output if it exists.")
end

local HINTS = {
  ESTATE = "--force replaces a file that exists; input and output must be two files.",
}

-- The next step after a failure.
local function hint(message, code)
  if message:find("holds 8 bits only", 1, true) then
    return "Write GGUF: --format gguf, or an OUT that ends in .gguf."
  elseif message:find("tokenizer", 1, true) then
    return "Name the one that belongs to the model: --tokenizer FILE"
  elseif message:find("needs a multiple of", 1, true) then
    return "--to f16, --to f32 and --format llama2c take rows of any length."
  elseif code == "EINVAL" then
    return "Without --group, the largest group that fits is taken."
  end
  return HINTS[code]
end

local function format_of(args)
  return args.format or (args.output:lower():find("%.gguf$") and "gguf" or "llama2c")
end

-- What there is to say about the numbers in the output.
local function account(args, to, report)
  local lines = {}
  if to ~= "f32" then
    lines[1] = "error: " .. console.fixed(report.rms_error, 6) .. " root mean square per weight"
  end
  if report.group > 0 then
    lines[#lines + 1] = "same logits: lull tell " .. console.shell_word(args.input)
      .. " --precision " .. to .. " --group " .. console.fixed(report.group, 0)
  end
  return lines
end

function quantize.run(args)
  local to = args.to or "q8"
  local report, message, code = lull.quantize(args.input, args.output, {
    format = format_of(args), to = to, group = args.group, tokenizer = args.tokenizer,
    byte_order = args.byte_order, input_byte_order = args.input_byte_order, overwrite = args.force,
  })
  console.check(report, message, code, hint)
  local group = report.group > 0
    and ", a scale for every " .. console.fixed(report.group, 0) .. " weights" or ""
  local lines = {
    args.input .. "  " .. console.bytes(report.input_bytes),
    args.output .. "  " .. console.bytes(report.output_bytes) .. ", " .. to .. group,
  }
  for _, line in ipairs(account(args, to, report)) do
    lines[#lines + 1] = line
  end
  console.out(table.concat(lines, "\n") .. "\n")
  return console.DONE
end

return quantize
