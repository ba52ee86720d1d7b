--- How far two precisions, kernels or models are apart: token by token on the same text.
--
-- What llama.cpp's llama-perplexity --kl-divergence reports: the Kullback-Leibler divergence of the
-- second from the first (nats), how often both think the same token likeliest, the perplexities and
-- their ratio. Errors are those of means of independent numbers, which neighbouring tokens are
-- only about.
-- @module lull.evaluate.kl
local core = require "lull.core"
local likelihood = require "lull.evaluate.likelihood"
local options = require "lull.options"
local scheduler = require "lull.decode.scheduler"
local statistics = require "lull.evaluate.statistics"

local kl = {}

local exp, sqrt = core.math.exp, math.sqrt
local slice = likelihood.slice
local CHUNK = 64 -- tokens whose logits are held at once

local SIDE_RULES = {
  threads = {type = "integer", min = 0, max = 256},
  kv = {one_of = {"f32", "bf16"}},
  cpu = {type = "string"},
}

local RULES = {
  a = {type = "table"},
  b = {type = "table"},
  length = {type = "integer", min = 1},
  overlap = {type = "integer", min = 1, default = 1},
  limit = {type = "integer", min = 1},
  progress = {type = "function"},
  each = {type = "function"},
}

-- One of the two: a model, its context, a sequence at a time.
local function open_side(model, given, length)
  local checked = options.check("kl", given, SIDE_RULES, 3)
  checked.length, checked.batch = length, CHUNK
  local context, message, code = model:context(checked)
  if not context then
    return nil, message, code
  end
  return {model = model, context = context}
end

-- Queue tokens on a side's sequence and have them evaluated, their logits kept.
local function feed(side, ids, keep)
  local ok, message, code = side.seq:feed(ids, keep and {logits = "all"} or nil)
  if ok then
    ok, message, code = scheduler.wait(side.seq)
  end
  if not ok then
    return nil, message, code
  end
  return true
end

-- Compare both after the i-th token of a window; `id` comes next.
local function compare(sides, i, id, columns)
  local a, b = sides[1].seq:logits(i), sides[2].seq:logits(i)
  local divergence = a:kl(b)
  local n = #columns.kl + 1
  columns.kl[n] = divergence
  columns.a[n], columns.b[n] = a:logprob(id), b:logprob(id)
  columns.same[n] = a:argmax() == b:argmax() and 1 or 0
  a:close()
  b:close()
  if divergence ~= divergence then
    return nil, "a model gives logits that are no numbers", "EINVAL"
  end
  return true
end

-- One window: all its predicted tokens are compared.
local function window_columns(sides, window, columns, each)
  local ids = slice(window.context, 1, #window.context)
  for _, id in ipairs(window.predicted) do
    ids[#ids + 1] = id
  end
  local ok, message, code = true, nil, nil
  for _, side in ipairs(sides) do
    side.seq, message, code = side.context:sequence()
    if not side.seq then
      return nil, message, code
    end
    ok, message, code = feed(side, slice(ids, 1, #window.context - 1))
    if not ok then
      return nil, message, code
    end
  end
  local from = #window.context
  while ok and from < #ids do
    local last = math.min(from + CHUNK - 1, #ids - 1)
    for _, side in ipairs(sides) do
      if ok then
        ok, message, code = feed(side, slice(ids, from, last), true)
      end
    end
    for i = from, last do
      if ok then
        ok, message, code = compare(sides, i, ids[i + 1], columns)
      end
      if ok and each then
        local n = #columns.kl
        each {id = ids[i + 1], position = i + 1, kl = columns.kl[n], a = columns.a[n],
          b = columns.b[n], same = columns.same[n] == 1}
      end
    end
    from = last + 1
  end
  for _, side in ipairs(sides) do
    side.seq:close()
  end
  return ok, message, code
end

-------------------------------------------------------------------------------- numbers

-- A mean and its error.
local function estimate(values)
  local mean, deviation = statistics.mean(values)
  return {value = mean, stderr = deviation and deviation / sqrt(#values)}
end

-- exp of minus a mean.
local function perplexity(values)
  local mean = estimate(values)
  local value = exp(-mean.value)
  return {value = value, stderr = mean.stderr and value * mean.stderr}
end

local QUANTILES = {{"median", 0.5}, {"90", 0.9}, {"95", 0.95}, {"99", 0.99}, {"99.9", 0.999}}

local function report(columns)
  local n = #columns.kl
  local difference, change, squares = {}, {}, {}
  for i = 1, n do
    difference[i] = columns.b[i] - columns.a[i]
    change[i] = exp(columns.b[i]) - exp(columns.a[i])
    squares[i] = change[i] * change[i]
  end
  local mean_square = estimate(squares)
  local root = sqrt(mean_square.value)
  local sorted = slice(columns.kl, 1, n)
  table.sort(sorted)
  local found = {
    tokens = n, kl = estimate(columns.kl), maximum = sorted[n], same_top = estimate(columns.same),
    perplexity_a = perplexity(columns.a), perplexity_b = perplexity(columns.b),
    ratio = perplexity(difference), change = estimate(change),
    rms_change = {value = root,
      stderr = mean_square.stderr and (root > 0 and mean_square.stderr / (2 * root) or 0)},
    quantiles = {},
  }
  for i, quantile in ipairs(QUANTILES) do
    found.quantiles[i] = {quantile[1], statistics.quantile(sorted, quantile[2])}
  end
  return found
end

local function same_ids(a, b)
  for i = 1, math.max(#a, #b) do
    if a[i] ~= b[i] then
      return false
    end
  end
  return true
end

-- The windows of all texts in the tokens of both models; or nil, message, code.
local function all_windows(a, b, texts, length, given)
  local list, total = {}, 0
  for _, text in ipairs(texts) do
    local ids, first, code = likelihood.text(a, text)
    if not ids then
      return nil, first, code -- message and code
    end
    local other, other_first, other_code = likelihood.text(b, text)
    if not other then
      return nil, other_first, other_code
    elseif first ~= other_first or not same_ids(ids, other) then
      return nil, "the models do not make the same tokens of the text", "EINVAL"
    end
    if given.limit then
      ids = slice(ids, 1, math.min(#ids, given.limit - total))
    end
    for _, window in ipairs(likelihood.windows(ids, first, length, given.overlap)) do
      list[#list + 1] = window
      total = total + #window.predicted
    end
  end
  return list, total
end

--- Compare two models, or one in two settings.
--
--     local r = evaluate.kl(f32, q8, {text})
--     print(r.kl.value, r.same_top.value, r.ratio.value)
--
-- @param a the model that is taken for right
-- @param b the other; both have the same vocabulary, and make the same tokens of the texts
-- @param texts a list of strings
-- @param given optional:
--   a, b      of either context: {threads =, kv =, cpu =}
--   length    of the contexts, by default what both models have
--   overlap   of windows, see likelihood.windows; 1
--   limit     so many tokens at most
--   progress  function(done, total), called after each window with numbers of tokens
--   each      function{id, position, kl, a, b, same}: each token, log-probabilities under a and b
-- @return {tokens, kl, quantiles = {{"median", v}, {"90", v}, {"95", v}, {"99", v}, {"99.9", v}},
--   maximum, same_top, perplexity_a, perplexity_b, ratio = of the perplexities, b's to a's, change
--   = of the token's probability from a to b, rms_change}; kl, same_top, the perplexities, ratio
--   and changes are {value, stderr}
-- @return nil, message, code on failure
function kl.kl(a, b, texts, given)
  options.argument("kl", 1, a, options.handle "model")
  options.argument("kl", 2, b, options.handle "model")
  given = options.check("kl", given, RULES)
  if a:vocab_size() ~= b:vocab_size() then
    return nil, "the models have vocabularies of " .. a:vocab_size() .. " and "
      .. b:vocab_size() .. " tokens; they must have the same", "EINVAL"
  end
  local most = math.min(a:info().seq_len, b:info().seq_len)
  local length = math.min(given.length or most, most)
  if given.overlap > length then
    error("bad option 'overlap' to 'kl' (at most the context's length)", 2)
  end
  local windows, total, code = all_windows(a, b, texts, length, given)
  if not windows then
    return nil, total, code -- message and code
  elseif total == 0 then
    return nil, "there is no text to compare on", "EINVAL"
  end
  local first, second, message
  first, message, code = open_side(a, given.a, length)
  if first then
    second, message, code = open_side(b, given.b, length)
  end
  local sides, columns = {first, second}, {kl = {}, a = {}, b = {}, same = {}}
  local ok = #sides == 2
  for _, window in ipairs(windows) do
    if ok then
      ok, message, code = window_columns(sides, window, columns, given.each)
    end
    if ok and given.progress then
      given.progress(#columns.kl, total)
    end
  end
  for _, side in ipairs(sides) do
    side.context:close()
  end
  if not ok then
    return nil, message, code
  end
  return report(columns)
end

return kl
