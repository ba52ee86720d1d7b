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

-- A metric's numerators, and denominators or nil for 1 each; rows without numerator left out.
local function columns(rows, metric)
  local numerators, denominators = {}, metric.denominator and {} or nil
  for _, row in ipairs(rows) do
    if row[metric.numerator] ~= nil then
      numerators[#numerators + 1] = row[metric.numerator]
      if denominators then
        denominators[#numerators] = row[metric.denominator]
      end
    end
  end
  return numerators, denominators
end

-- n numbers of 1..n, with repetition.
local function draw(n, seed, sample)
  local drawn = {}
  for k = 1, n do
    drawn[k] = floor(core.random(seed, sample, k) * n) + 1
  end
  return drawn
end

local function total(list, drawn)
  local sum = 0
  for k = 1, #drawn do
    sum = sum + list[drawn[k]]
  end
  return sum
end

-- The metric of the drawn rows.
local function value_of(column, drawn)
  local denominator = column.denominators and total(column.denominators, drawn) or #drawn
  if denominator == 0 then
    return nil
  end
  return column.transform(total(column.numerators, drawn) / denominator)
end

-- Values of all columns in a sample; those of equally many rows have the same rows drawn.
local function draw_sample(list, seed, sample)
  local drawn = {}
  for _, column in ipairs(list) do
    local n = #column.numerators
    if n > 1 then
      drawn[n] = drawn[n] or draw(n, seed, sample)
      column.values[#column.values + 1] = value_of(column, drawn[n])
    end
  end
end

--- Compute metrics over rows, and their standard errors.
-- @param rows a list of tables
-- @param metrics a list of {name, numerator = a key of rows, denominator = another (by default 1
--   each), transform = a function of the ratio}. Rows without the numerator are left out
-- @param given {bootstrap = 1000: samples, fewer than 2 for none; seed = 0}
-- @return a list of {name, value, stderr, n}: stderr is nil for fewer than two rows, and both are
--   nil where there is nothing
function statistics.summarize(rows, metrics, given)
  local list, results = {}, {}
  for i, metric in ipairs(metrics) do
    local numerators, denominators = columns(rows, metric)
    list[i] = {
      numerators = numerators, denominators = denominators, values = {},
      transform = metric.transform or identity,
    }
    local all = {}
    for k = 1, #numerators do
      all[k] = k
    end
    results[i] = {name = metric.name, n = #all, value = value_of(list[i], all)}
  end
  for sample = 1, given.bootstrap > 1 and given.bootstrap or 0 do
    draw_sample(list, given.seed, sample)
  end
  for i, column in ipairs(list) do
    results[i].stderr = select(2, statistics.mean(column.values))
  end
  return results
end

return statistics
