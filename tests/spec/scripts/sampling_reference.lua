--- The strategies once more, from their definitions, for the specs to compare with.
--
-- Plain Lua on plain lists: logits are a list of numbers, the token id is the index less one,
-- -math.huge is a banned token. Everything sorts the whole vocabulary and uses math.*; nothing
-- here is fast and nothing is shared with the code under test. Equal values go to the lower id.
local reference = {}

local NONE = -math.huge
local unpack = unpack or table.unpack -- luacheck: ignore

-------------------------------------------------------------------------------- distributions

--- softmax; the probability of a banned token is 0.
function reference.softmax(logits)
  local max, sum, p = NONE, 0, {}
  for i = 1, #logits do
    max = math.max(max, logits[i])
  end
  for i = 1, #logits do
    p[i] = math.exp(logits[i] - max)
    sum = sum + p[i]
  end
  for i = 1, #logits do
    p[i] = p[i] / sum
  end
  return p
end

--- Shannon entropy in nats.
function reference.entropy(p)
  local h = 0
  for i = 1, #p do
    if p[i] > 0 then
      h = h - p[i] * math.log(p[i])
    end
  end
  return h
end

--- Indices of what is not banned, the largest first.
function reference.order(logits)
  local order = {}
  for i = 1, #logits do
    if logits[i] > NONE then
      order[#order + 1] = i
    end
  end
  table.sort(order, function(a, b)
    return logits[a] > logits[b] or (logits[a] == logits[b] and a < b)
  end)
  return order
end

-- Ban everything but the indices in a list.
local function keep(logits, kept)
  local out = {}
  for i = 1, #logits do
    out[i] = NONE
  end
  for _, i in ipairs(kept) do
    out[i] = logits[i]
  end
  return out
end

-- Keep the tokens of which test(p, i) holds, and in any case the most probable one.
local function keep_where(logits, test)
  local p, kept = reference.softmax(logits), {}
  for rank, i in ipairs(reference.order(logits)) do
    if rank == 1 or test(p[i], i) then
      kept[#kept + 1] = i
    end
  end
  return keep(logits, kept)
end

local function map(logits, f)
  local out = {}
  for i = 1, #logits do
    out[i] = logits[i] > NONE and f(logits[i], i) or NONE
  end
  return out
end

-------------------------------------------------------------------------------- truncation

function reference.top_k(logits, k)
  local order = reference.order(logits)
  return keep(logits, {unpack(order, 1, math.min(k, #order))})
end

-- The shortest prefix of a ranking whose probability reaches share.
local function reach(logits, ranking, p, share)
  local kept, sum = {}, 0
  for _, i in ipairs(ranking) do
    kept[#kept + 1] = i
    sum = sum + p[i]
    if sum >= share then
      break
    end
  end
  return keep(logits, kept)
end

function reference.top_p(logits, share)
  return reach(logits, reference.order(logits), reference.softmax(logits), share)
end

local function largest(p)
  local max = 0
  for i = 1, #p do
    max = math.max(max, p[i])
  end
  return max
end

--- p_i >= m * p_max
function reference.min_p(logits, m)
  local max = largest(reference.softmax(logits))
  return keep_where(logits, function(p) return p >= m * max end)
end

--- p_i >= a * p_max^2
function reference.top_a(logits, a)
  local max = largest(reference.softmax(logits))
  return keep_where(logits, function(p) return p >= a * max * max end)
end

--- l_i >= l_max - n * (standard deviation of all logits that are not banned)
function reference.top_n_sigma(logits, n)
  local order = reference.order(logits)
  local sum, squares = 0, 0
  for _, i in ipairs(order) do
    sum = sum + logits[i]
  end
  local mean = sum / #order
  for _, i in ipairs(order) do
    squares = squares + (logits[i] - mean) ^ 2
  end
  local low = logits[order[1]] - n * math.sqrt(squares / #order)
  return keep_where(logits, function(_, i) return logits[i] >= low end)
end

--- Rank by |-log p - H|, keep what reaches the share.
function reference.typical(logits, share)
  local p = reference.softmax(logits)
  local h, ranking, off = reference.entropy(p), reference.order(logits), {}
  for _, i in ipairs(ranking) do
    off[i] = math.abs(-math.log(p[i]) - h)
  end
  table.sort(ranking, function(a, b)
    return off[a] < off[b] or (off[a] == off[b] and a < b)
  end)
  return reach(logits, ranking, p, share)
end

--- Tail free: with p sorted and c_i = |p_i - 2 p_(i+1) + p_(i+2)|, keep the tokens before the
-- first i at which the sum of c exceeds z times the sum of all c.
function reference.tail_free(logits, z)
  local p, order = reference.softmax(logits), reference.order(logits)
  local c, total = {}, 0
  for i = 1, #order - 2 do
    c[i] = math.abs(p[order[i]] - 2 * p[order[i + 1]] + p[order[i + 2]])
    total = total + c[i]
  end
  local kept, sum = #order, 0
  for i = 1, #c do
    sum = sum + c[i]
    if sum > z * total then
      kept = math.max(1, i - 1)
      break
    end
  end
  return reference.top_k(logits, kept)
end

--- p_i >= e
function reference.epsilon(logits, e)
  return keep_where(logits, function(p) return p >= e end)
end

--- p_i >= min(e, sqrt(e) * exp(-H))
function reference.eta(logits, e)
  local h = reference.entropy(reference.softmax(logits))
  local eta = math.min(e, math.sqrt(e) * math.exp(-h))
  return keep_where(logits, function(p) return p >= eta end)
end

-------------------------------------------------------------------------------- shape

--- Smoothing: with d = l - max, -k * f * d^2 + s * f * d^3 + max, where the curve c gives
-- k = (3 - c) / 2 and s = (c - 1) / 2.
function reference.smooth(logits, factor, curve)
  local max = logits[reference.order(logits)[1]]
  local k, s = (3 - (curve or 1)) / 2, ((curve or 1) - 1) / 2
  return map(logits, function(l)
    local d = l - max
    return -k * factor * d ^ 2 + s * factor * d ^ 3 + max
  end)
end

function reference.temperature(logits, t)
  return map(logits, function(l) return l / t end)
end

--- T = min + (max - min) * (H / log n)^exponent; a single token has T = min
function reference.dynamic_temperature(logits, low, high, exponent)
  local n, share = #reference.order(logits), 0
  if n > 1 then
    share = reference.entropy(reference.softmax(logits)) / math.log(n)
  end
  return reference.temperature(logits, low + (high - low) * share ^ exponent)
end

--- Adaptive-p's transform: 5 - 10 d^2 / (1 + d), d = |p - target| / 0.3
function reference.toward(logits, target)
  local p = reference.softmax(logits)
  return map(logits, function(_, i)
    local d = math.abs(p[i] - target) / 0.3
    return 5 - 10 * d * d / (1 + d)
  end)
end

-------------------------------------------------------------------------------- history

--- The token d places before the newest (0) has the weight 1 for d <= last, then
-- 1 - (d - last) / decay. For each token of the history, with n = the sum of its weights and w =
-- the newest one's: a positive logit is divided by 1 + (repetition - 1) w, another multiplied;
-- then n * frequency + w * presence is taken off.
function reference.penalize(logits, history, given)
  local last, decay = given.last or #history, given.decay or 0
  local totals, newest = {}, {}
  for d = 0, math.min(#history, last + decay) - 1 do
    local id, w = history[#history - d], d <= last and 1 or 1 - (d - last) / decay
    totals[id] = (totals[id] or 0) + w
    newest[id] = newest[id] or w
  end
  return map(logits, function(l, i)
    local n, w = totals[i - 1], newest[i - 1]
    if not n then
      return l
    end
    local r = 1 + ((given.repetition or 1) - 1) * w
    l = l > 0 and l / r or l * r
    return l - n * (given.frequency or 0) - w * (given.presence or 0)
  end)
end

local function set_of(list)
  local set = {}
  for _, id in ipairs(list or {}) do
    set[id] = true
  end
  return set
end

-- How many tokens before position i of h equal those at its end, not beyond a breaker.
local function match_length(h, i, breakers)
  local n = 0
  while i - 1 - n >= 1 and h[i - 1 - n] == h[#h - n] and not breakers[h[#h - n]] do
    n = n + 1
  end
  return n
end

--- DRY: choosing h[i] would make the n tokens before it and the n at the end one repetition.
-- Of the longest such n >= allowed, multiplier * base^(n - allowed) is taken off.
function reference.dry(logits, history, given)
  local h, longest = {}, {}
  for i = math.max(1, #history - (given.last or #history) + 1), #history do
    h[#h + 1] = history[i]
  end
  local breakers = set_of(given.breakers)
  for i = 2, #h do
    local n = match_length(h, i, breakers)
    if not breakers[h[i]] then
      longest[h[i]] = math.max(longest[h[i]] or 0, n)
    end
  end
  return map(logits, function(l, i)
    local n = longest[i - 1] or 0
    if n < given.allowed_length then
      return l
    end
    return l - given.multiplier * given.base ^ (n - given.allowed_length)
  end)
end

--- The tokens that would complete an n-gram the history has: a set of ids.
function reference.repeated_ngrams(history, n)
  local banned = {}
  for i = 1, #history - n + 1 do
    local same = true
    for j = 0, n - 2 do
      same = same and history[i + j] == history[#history - (n - 2) + j]
    end
    if same then
      banned[history[i + n - 1]] = true
    end
  end
  return banned
end

-------------------------------------------------------------------------------- choosing

--- XTC at the moment it strikes: of the tokens with p >= threshold only the least probable
-- stays, the lowest of equals, and those in the list kept.
function reference.xtc(logits, threshold, kept)
  local p, keeps, least = reference.softmax(logits), set_of(kept), nil
  local above = {}
  for i = 1, #logits do
    if p[i] >= threshold then
      above[#above + 1] = i
      if not least or p[i] < p[least] then
        least = i
      end
    end
  end
  local out = map(logits, function(l) return l end)
  for _, i in ipairs(above) do
    if i ~= least and not keeps[i - 1] then
      out[i] = NONE
    end
  end
  return out
end

--- Mirostat's first version: how many tokens stay, from the m most probable ones (its eq. 30
-- and 2): s = sum(t b) / sum(t^2) with t = log((i + 1) / i), b = log(p_i / p_(i+1)), and
-- k = (e 2^mu / (1 - n^-e))^(1/s) with e = s - 1.
function reference.mirostat_k(logits, mu, m)
  local p, order = reference.softmax(logits), reference.order(logits)
  local tb, tt = 0, 0
  for i = 1, math.min(m, #order) - 1 do
    local t = math.log((i + 1) / i)
    tb = tb + t * math.log(p[order[i]] / p[order[i + 1]])
    tt = tt + t * t
  end
  local s = tb / tt
  local e = s - 1
  return math.max(1, math.floor((e * 2 ^ mu / (1 - (#logits) ^ -e)) ^ (1 / s)))
end

--- Mirostat's second version: drop what has more than mu bits of surprise.
function reference.mirostat2_cut(logits, mu)
  return reference.epsilon(logits, 2 ^ -mu)
end

--- Surprise in bits of token id.
function reference.surprise(logits, id)
  return -math.log(reference.softmax(logits)[id + 1]) / math.log(2)
end

-------------------------------------------------------------------------------- statistics

--- Pearson's chi-square of counts (by index) against probabilities, and its degrees of freedom.
-- What is expected fewer than 5 times is one class.
function reference.chi_square(counts, p, draws)
  local sum, classes, rare_count, rare_p = 0, 0, 0, 0
  for i = 1, #p do
    local expected = p[i] * draws
    if expected >= 5 then
      sum = sum + ((counts[i] or 0) - expected) ^ 2 / expected
      classes = classes + 1
    else
      rare_count = rare_count + (counts[i] or 0)
      rare_p = rare_p + p[i]
    end
  end
  if rare_p * draws >= 5 then
    sum = sum + (rare_count - rare_p * draws) ^ 2 / (rare_p * draws)
    classes = classes + 1
  elseif rare_count > 0 and rare_p * draws < 1e-3 then
    return math.huge, classes
  end
  return sum, classes - 1
end

--- What chi-square exceeds once in a thousand times (Wilson and Hilferty 1931).
function reference.chi_limit(degrees)
  local a = 2 / (9 * degrees)
  return degrees * (1 - a + 3.0902 * math.sqrt(a)) ^ 3
end

--- Upper tail of the normal distribution by Simpson's rule, from z to z + 12.
function reference.normal_tail(z)
  local steps, width, sum = 4000, 12, 0
  local h = width / steps
  for i = 0, steps do
    local weight = (i == 0 or i == steps) and 1 or i % 2 == 1 and 4 or 2
    sum = sum + weight * math.exp(-(z + i * h) ^ 2 / 2)
  end
  return sum * h / 3 / math.sqrt(2 * math.pi)
end

return reference
