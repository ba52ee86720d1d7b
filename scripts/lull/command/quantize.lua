--- lull quantize: write a float checkpoint with 8 bits a weight.
-- @module lull.command.quantize
local lull = require "lull"
local console = require "lull.command.console"

local quantize = {summary = "Write a float checkpoint in 8 bit."}

local EPILOG = [[
Examples:
  lull quantize stories15M.bin stories15M-q8.bin
  lull quantize stories15M.bin out.bin --group 32 --force
  lull quantize stories15M.bin for-my-mac.bin --byte-order big

The result is llama2.c version 2, which runq.c reads too. Loading it gives the
same logits, bit for bit, as loading the float file with the options printed.
It is written beside its name and renamed: never half a file.]]

function quantize.define(parser)
  parser:epilog(EPILOG)
  parser:argument("input", "The checkpoint to read."):argname "IN"
  parser:argument("output", "The file to write."):argname "OUT"
  parser:option("--to", "Precision (only q8 for now)."):choices {"q8"}:default "q8"
  parser:option("--group", "Weights per scale (default: the largest that fits, up to 64).")
    :argname("N"):convert(console.integer("--group", 1, 65536))
  parser:option("--byte-order", "Of the output: little (default) or big; lull reads both.")
    :choices {"little", "big"}
  parser:option("--input-byte-order", "Overrides what the input looks like.")
    :choices {"little", "big"}
  parser:flag("--force", "Replace the output if it exists.")
end

local HINTS = {
  ESTATE = "--force replaces a file that exists; input and output must be two files.",
  EINVAL = "Without --group, the largest group that fits is taken.",
}

local function shell_word(text)
  return text:find("^[%w_./=-]+$") and text or "'" .. text:gsub("'", "'\\''") .. "'"
end

function quantize.run(args)
  local report, message, code = lull.quantize(args.input, args.output, {
    group = args.group, byte_order = args.byte_order, input_byte_order = args.input_byte_order,
    overwrite = args.force,
  })
  console.check(report, message, code, HINTS)
  local group = console.fixed(report.group, 0)
  console.out(string.format(
    "%s  %s\n%s  %s, q8, a scale for every %s weights\n"
      .. "error: %s root mean square per weight\n"
      .. "same logits: lull tell %s --precision q8 --group %s\n",
    args.input, console.bytes(report.input_bytes), args.output,
    console.bytes(report.output_bytes), group, console.fixed(report.rms_error, 6),
    shell_word(args.input), group))
  return console.DONE
end

return quantize
