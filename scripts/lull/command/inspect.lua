--- lull inspect: what a checkpoint is, and what it will need.
-- @module lull.command.inspect
local lull = require "lull"
local console = require "lull.command.console"
local json = require "lull.json"
local model = require "lull.command.model"

local inspect = {summary = "Show what a model file is and the memory it needs."}

local EPILOG = [[
Examples:
  lull inspect stories15M.bin
  lull inspect stories15M.bin --precision f32
  lull inspect lullaby --json

Reads the header and checks the file's size; the weights are not loaded.
Lines that begin with '!' are worth a look before you use the file.]]

function inspect.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser)
  parser:flag("--json", "All of it on one line, for programs.")
  model.load_options(parser)
end

-- The order of the fields in --json.
local FIELDS = {
  "architecture", "format", "byte_order", "stored", "stored_group", "dim", "hidden_dim",
  "n_layers", "n_heads", "n_kv_heads", "vocab_size", "seq_len", "shared_classifier",
  "n_parameters", "file_bytes", "precision", "group", "weight_bytes", "model_bytes",
  "kv_bytes_f32", "kv_bytes_bf16", "n_tokenizer", "max_token_bytes", "n_byte_tokens", "bos",
  "eos", "unknown",
}
local PRECISIONS = {"f32", "q8", "q4"}

local function as_json(path, info, trouble)
  local object = json.object {{"file", path}}
  for _, field in ipairs(FIELDS) do
    object[#object + 1] = {field, info[field]}
  end
  local needs = json.object {}
  for _, precision in ipairs(PRECISIONS) do
    needs[#needs + 1] = {precision, (info.needs_bytes or {})[precision]}
  end
  object[#object + 1] = {"needs_bytes", needs}
  object[#object + 1] = {"tokenizer_problem", trouble}
  return json.encode(object)
end

local function weights_text(precision, group)
  if precision == "mixed" then
    return "of several types"
  elseif group == 0 then
    return precision
  end
  return precision .. ", a scale for every " .. console.thousands(group) .. " weights"
end

local function tokenizer_text(info)
  if info.n_tokenizer == 0 then
    return "none found"
  end
  local function token(id)
    return id and console.fixed(id, 0) or "none"
  end
  return console.thousands(info.n_tokenizer) .. " tokens of at most "
    .. console.count(info.max_token_bytes, "byte") .. ", "
    .. console.count(info.n_byte_tokens, "byte token") .. ", BOS " .. token(info.bos)
    .. ", EOS " .. token(info.eos)
end

-- What a careful reader would stumble over.
local function warnings(info, trouble)
  local list = {}
  local function warn(text)
    list[#list + 1] = "! " .. text
  end
  if trouble then
    warn(trouble)
    warn("name the tokenizer that belongs to the model: --tokenizer FILE")
  elseif info.n_tokenizer == 0 then
    warn("no tokenizer.bin beside the model; name one: --tokenizer FILE")
  else
    if info.n_byte_tokens < 256 then
      warn("only " .. info.n_byte_tokens .. " of 256 byte tokens: some text cannot be encoded")
    end
    if not info.bos then
      warn("no BOS token: a story needs a prompt, and ends only by length")
    end
  end
  if info.stored == "mixed" and info.precision ~= "f32" then
    warn("matrices of several types become " .. info.precision
      .. " while loading; --precision f32 keeps their values")
  elseif (info.stored == "f32" or info.stored == "f16") and info.precision ~= "f32" then
    warn("quantised to " .. info.precision
      .. " while loading; --precision f32 keeps the floats")
  end
  if info.stored_group > 0 and info.hidden_dim % info.stored_group ~= 0 then
    warn("groups of " .. info.stored_group .. " do not divide the hidden size "
      .. info.hidden_dim)
  end
  return list
end

local function memory_line(values)
  local parts = {}
  for _, pair in ipairs(values) do
    if pair[2] and pair[2] > 0 then
      parts[#parts + 1] = string.format("%-4s %-11s", pair[1], console.bytes(pair[2]))
    end
  end
  return (table.concat(parts, " "):gsub("%s+$", ""))
end

local function as_text(path, info, trouble)
  local lines = {path, ""}
  local function row(name, text)
    lines[#lines + 1] = string.format("  %-11s %s", name, text)
  end
  row("format", info.format .. ", " .. info.byte_order .. "-endian")
  row("weights", weights_text(info.stored, info.stored_group))
  row("file", console.bytes(info.file_bytes) .. ", " .. console.thousands(info.n_parameters)
    .. " parameters")
  row("shape", info.architecture .. ", " .. console.count(info.n_layers, "layer") .. ", dim "
    .. console.thousands(info.dim) .. ", hidden " .. console.thousands(info.hidden_dim)
    .. ", vocabulary " .. console.thousands(info.vocab_size))
  row("attention", console.count(info.n_heads, "head") .. " of "
    .. console.fixed(info.dim / info.n_heads, 0) .. " over "
    .. console.count(info.n_kv_heads, "key/value head"))
  row("context", console.count(info.seq_len, "token"))
  row("classifier", info.shared_classifier and "shared with the embedding" or "its own")
  row("tokenizer", tokenizer_text(info))
  lines[#lines + 1] = ""
  row("loads as", weights_text(info.precision, info.group) .. "; "
    .. console.bytes(info.model_bytes) .. " in memory")
  local needs = info.needs_bytes or {}
  row("weights as", memory_line {{"f32", needs.f32}, {"q8", needs.q8}, {"q4", needs.q4}})
  row("100 tokens", memory_line {
    {"f32", info.kv_bytes_f32 * 100}, {"bf16", info.kv_bytes_bf16 * 100},
  } .. "  of keys and values")
  local odd = warnings(info, trouble)
  if #odd > 0 then
    lines[#lines + 1] = ""
    for _, line in ipairs(odd) do
      lines[#lines + 1] = line
    end
  end
  return table.concat(lines, "\n")
end

function inspect.run(args)
  local path, given = model.path(args), model.options(args)
  local info, message, code = lull.inspect(path, given)
  local trouble
  if not info and not given.tokenizer then -- is it only that tokenizer.bin is another model's?
    given.tokenizer, trouble = false, message
    info, message, code = lull.inspect(path, given)
  end
  console.check(info, message, code, model.hint)
  console.out((args.json and as_json or as_text)(path, info, trouble) .. "\n")
  return console.DONE
end

return inspect
