--- lull eval kl: how far two precisions, kernels or models are apart on a text.
-- @module lull.command.eval.kl
local columns = require "lull.command.columns"
local console = require "lull.command.console"
local evaluate = require "lull.evaluate"
local json = require "lull.json"
local lull = require "lull"
local model = require "lull.command.model"
local progress = require "lull.command.progress"
local settings = require "lull.command.settings"

local kl = {summary = "Compare two precisions, kernels or models token by token."}

local EPILOG = [[
A is what is taken for right. A and B are each a precision (f32, q8, q4), a
kernel (portable, avx2, ...), kv=, threads= or group= with a value, the file of
another model, or several of these with commas between.

Examples:
  lull eval kl f32 q4 --model stories15M.bin --text valid.txt
  lull eval kl q8 q8,kv=f32 --text valid.txt --limit 5000
  lull eval kl portable avx2 --text valid.txt
  lull eval kl big.bin,q8 small.bin,q8 --text valid.txt --json

Both read the text in the same windows. For every token: the Kullback-Leibler
divergence of B's distribution from A's in nats, whether both think the same
token likeliest, and what either gives the token that comes. Errors take tokens
for independent of each other.]]

function kl.define(parser)
  parser:epilog(EPILOG)
  parser:argument("a", "What is taken for right; see below."):argname "A"
  parser:argument("b", "What is compared with it."):argname "B"
  parser:option("--model", "The model of which A and B are settings (default: lullaby).")
    :argname "MODEL"
  parser:option("--text", "Plain text; lines <|endoftext|> separate documents.")
    :argname "FILE"
  parser:option("--limit", "Only the first N tokens.")
    :argname("N"):convert(console.integer("--limit", 1))
  parser:option("--length", "Tokens of the context (default: the model's).")
    :argname("N"):convert(console.integer("--length", 1, 2 ^ 31 - 1))
  parser:option("--overlap", "Tokens before a window (default 1).")
    :argname("N"):convert(console.integer("--overlap", 1, 2 ^ 31 - 1))
  model.load_options(parser)
  model.run_options(parser)
  parser:flag("--json", "One line, for programs.")
end

-- Significant digits for numbers of any size.
local function number(value)
  if value == 0 or value >= 1000 then
    return console.fixed(value, 0)
  elseif value < 0.001 then
    return (string.format("%.3g", value):gsub(",", "."))
  end
  return console.fixed(value, value < 0.1 and 6 or value < 10 and 5 or 4)
end

local function signed(value)
  return value < 0 and "-" .. number(-value) or number(value)
end

local function row(name, estimate, scale)
  scale = scale or 1
  return {name, signed(estimate.value * scale),
    estimate.stderr and number(estimate.stderr * scale) or "n/a"}
end

local function print_text(names, paths, infos, r)
  local rows = {{"", "value", "stderr"}, {"tokens", console.thousands(r.tokens), ""}}
  rows[#rows + 1] = row("perplexity of A", r.perplexity_a)
  rows[#rows + 1] = row("perplexity of B", r.perplexity_b)
  rows[#rows + 1] = row("perplexity B / A", r.ratio)
  rows[#rows + 1] = row("KL divergence, mean", r.kl)
  for _, quantile in ipairs(r.quantiles) do
    rows[#rows + 1] = {"  " .. (quantile[1] == "median" and "median" or quantile[1] .. " %"),
      number(quantile[2])}
  end
  rows[#rows + 1] = {"  maximum", number(r.maximum)}
  rows[#rows + 1] = row("same likeliest token, %", r.same_top, 100)
  rows[#rows + 1] = row("change of p, mean, %", r.change, 100)
  rows[#rows + 1] = row("change of p, RMS, %", r.rms_change, 100)
  local heads = {}
  for i = 1, 2 do
    local info = infos[i]
    local name = names[i]:sub(1, #paths[i]) == paths[i] and "" or names[i] .. ": "
    local group = info.group > 0 and " g" .. console.fixed(info.group, 0) or ""
    heads[i] = (i == 1 and "A  " or "B  ") .. name .. paths[i] .. ", " .. info.precision .. group
      .. ", " .. console.bytes(info.weight_bytes) .. "\n"
  end
  console.out(table.concat(heads) .. "\n" .. columns.format(rows, "lrr"))
end

local function estimate(e)
  return json.object {{"value", e.value}, {"stderr", e.stderr}}
end

local function print_json(names, paths, infos, r)
  local function side(i)
    return json.object {
      {"name", names[i]}, {"model", paths[i]:match "[^/]*$"}, {"precision", infos[i].precision},
      {"group", infos[i].group}, {"weight_bytes", infos[i].weight_bytes},
    }
  end
  local quantiles = {}
  for i, quantile in ipairs(r.quantiles) do
    quantiles[i] = quantile
  end
  quantiles[#quantiles + 1] = {"maximum", r.maximum}
  console.out(json.encode(json.object {
    {"lull", lull.version}, {"a", side(1)}, {"b", side(2)}, {"tokens", r.tokens},
    {"perplexity_a", estimate(r.perplexity_a)}, {"perplexity_b", estimate(r.perplexity_b)},
    {"ratio", estimate(r.ratio)}, {"kl", estimate(r.kl)},
    {"kl_quantiles", json.object(quantiles)}, {"same_top", estimate(r.same_top)},
    {"change", estimate(r.change)}, {"rms_change", estimate(r.rms_change)},
  }) .. "\n")
end

function kl.run(args)
  if not args.text then
    console.fail(console.USAGE, "--text is needed: FILE")
  end
  local texts = evaluate.texts(console.read_text(args.text))
  console.progress("loading")
  local a, given_a, path_a = settings.open(args, args.a, "A")
  local b, given_b, path_b = settings.open(args, args.b, "B")
  local most = math.min(a:info().seq_len, b:info().seq_len)
  if (args.overlap or 1) > math.min(args.length or most, most) then
    console.fail(console.USAGE, "--overlap: at most the context's length")
  end
  local shown
  local r, message, code = evaluate.kl(a, b, texts, {
    a = given_a, b = given_b, limit = args.limit, length = args.length, overlap = args.overlap,
    progress = function(done, total)
      shown = shown or progress.new(total, "tokens")
      if shown:is_due() then
        shown:show(done, done, done, 0)
      end
    end,
  })
  console.progress("")
  console.check(r, message, code)
  local print_facts = args.json and print_json or print_text
  print_facts({args.a, args.b}, {path_a, path_b}, {a:info(), b:info()}, r)
  a:close()
  b:close()
  return console.DONE
end

return kl
