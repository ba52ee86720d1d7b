--- Pearson's test: do counts look like draws from a distribution?
local chi_square = {}

--- The statistic and its degrees of freedom. Cells that expect fewer than 5 are pooled.
-- @param counts {[key] = how often}; @param expected {[key] = probability, sum 1}; @param n draws
function chi_square.statistic(counts, expected, n)
  local sum, cells, pooled, pooled_count = 0, 0, 0, 0
  for key, p in pairs(expected) do
    if p * n >= 5 then
      sum = sum + ((counts[key] or 0) - p * n) ^ 2 / (p * n)
      cells = cells + 1
    else
      pooled, pooled_count = pooled + p * n, pooled_count + (counts[key] or 0)
    end
  end
  if pooled >= 1 then
    sum = sum + (pooled_count - pooled) ^ 2 / pooled
    cells = cells + 1
  end
  return sum, cells - 1
end

--- Is the statistic below the 99.9 % point (Wilson and Hilferty's approximation), and nothing
-- drawn that has no probability?
function chi_square.fits(counts, expected, n)
  for key in pairs(counts) do
    if not expected[key] then
      return false, "drew " .. tostring(key) .. ", which has no probability"
    end
  end
  local statistic, freedom = chi_square.statistic(counts, expected, n)
  if freedom < 1 then
    return true
  end
  local h = 2 / (9 * freedom)
  local limit = freedom * (1 - h + 3.0902 * h ^ 0.5) ^ 3
  return statistic <= limit, ("chi square %.1f, limit %.1f for %d"):format(statistic, limit,
    freedom)
end

return chi_square
