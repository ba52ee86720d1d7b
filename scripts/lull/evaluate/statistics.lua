--- Means, ratios and how sure they are.
--
-- All metrics are functions of a ratio of sums over documents: a mean is sum(value) / n, bits per
-- byte sum(-log2 p) / sum(bytes), a perplexity exp of such a ratio. Standard errors are
-- bootstrapped: documents are drawn anew, with repetition, as often as there are, the metric is
-- computed of each such sample, and the standard deviation of these is the standard error (Efron
-- 1979). Draws are lull.random's, so that the same scores have the same errors everywhere.
-- @module lull.evaluate.statistics
local core = require "lull.core"

local statistics = {}

local floor, sqrt = math.floor, math.sqrt

--- Mean and sample standard deviation (divided by n - 1; nil for fewer than two).
function statistics.mean(values)
  local n, mean, squares = 0, 0, 0
  for _, value in ipairs(values) do -- Welford 1962
    n = n + 1
    local from_old = value - mean
    mean = mean + from_old / n
    squares = squares + from_old * (value - mean)
  end
  return n > 0 and mean or nil, n > 1 and sqrt(squares / (n - 1)) or nil
end

--- The value below which a share p of sorted values lies, between two of them in proportion (as
-- numpy's percentile and R's type 7).
function statistics.quantile(sorted, p)
  local at = p * (#sorted - 1)
  local below = floor(at)
  local low, high = sorted[below + 1], sorted[below + 2]
  return high and low + (at - below) * (high - low) or low
end

local function identity(ratio)
  return ratio
end

local function value_of(numerator, denominator, transform)
  if denominator == 0 then
    return nil
  end
  return transform(numerator / denominator)
end

-- The columns of a metric: its numerators, and denominators or nil for 1 each.
local function columns(rows, metric)
  local numerators, denominators = {}, metric.denominator and {} or nil
  for i, row in ipairs(rows) do
    numerators[i] = row[metric.numerator]
    if denominators then
      denominators[i] = row[metric.denominator]
    end
  end
  return numerators, denominators
end

local function total(list, n)
  local sum = 0
  for i = 1, n do
    sum = sum + list[i]
  end
  return sum
end

--- Compute metrics over rows, and their standard errors.
-- @param rows a list of tables
-- @param metrics a list of {name, numerator = a key of rows, denominator = another (by default 1
--   each), transform = a function of the ratio}. Rows without the numerator are left out
-- @param given {bootstrap = 1000: samples, 0 for none; seed = 0}
-- @return a list of {name, value, stderr, n}: stderr is nil for fewer than two rows, and both are
--   nil where there is nothing
function statistics.summarize(rows, metrics, given)
  local list = {}
  for i, metric in ipairs(metrics) do
    local used = {}
    for _, row in ipairs(rows) do
      if row[metric.numerator] ~= nil then
        used[#used + 1] = row
      end
    end
    local numerators, denominators = columns(used, metric)
    local n, transform = #used, metric.transform or identity
    local result = {
      name = metric.name, n = n,
      value = value_of(total(numerators, n), denominators and total(denominators, n) or n,
        transform),
    }
    if n > 1 and given.bootstrap > 1 then
      local values = {}
      for sample = 1, given.bootstrap do
        local top, bottom = 0, denominators and 0 or n
        for k = 1, n do
          -- The same documents for all metrics of as many rows: position and purpose are k and
          -- nothing, the stream is the sample.
          local j = floor(core.random(given.seed, sample, k) * n) + 1
          top = top + numerators[j]
          if denominators then
            bottom = bottom + denominators[j]
          end
        end
        values[#values + 1] = value_of(top, bottom, transform)
      end
      local _, deviation = statistics.mean(values)
      result.stderr = deviation
    end
    list[i] = result
  end
  return list
end

return statistics
