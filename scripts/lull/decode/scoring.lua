--- How probable given continuations are after what a sequence holds.
--
-- The sequence is shared: each continuation is read on a fork of it, and those that fit are queued
-- before one waits, so that one pass over the weights serves all of them (and, in decode.run, those
-- of other tasks). The last token of a continuation is never evaluated: its probability is in the
-- logits before it.
-- @module lull.decode.scoring
local scheduler = require "lull.decode.scheduler"

local scoring = {
  WIDTH = 32, -- so many are evaluated at a time at most, where the caller says nothing else
}

local NAN = 0 / 0

-- Queue what comes before a continuation and all its tokens but the last, on a fork. It; or nil,
-- message, code.
local function queue(seq, before, ids, greedy)
  local fork, message, code = seq:fork()
  if not fork then
    return nil, message, code
  end
  local plain, scored = {}, {}
  for i, id in ipairs(before) do
    local target = greedy and i == #before and scored or plain -- its logits are asked for
    target[#target + 1] = id
  end
  for i = 1, #ids - 1 do
    scored[#scored + 1] = ids[i]
  end
  local fed
  fed, message, code = fork:feed(plain)
  if fed then
    fed, message, code = fork:feed(scored, {score = true, logits = greedy and "all" or "last"})
  end
  if not fed then
    fork:close()
    return nil, message, code
  end
  return fork
end

-- Is each token of the continuation the likeliest at its place? Asked when all but the last are
-- evaluated; `first` is the likeliest one after the sequence, where nothing comes between.
local function is_greedy(fork, ids, first)
  if first and ids[1] ~= first then
    return false
  end
  for i = first and 2 or 1, #ids do
    local logits = fork:logits(#fork - #ids + i)
    local likeliest = logits:argmax()
    logits:close()
    if likeliest ~= ids[i] then
      return false
    end
  end
  return true
end

-- What is known of a continuation, when all but its last token are in the sequence.
local function result_of(fork, ids, given, first)
  local logits, message, code = fork:logits()
  if not logits then
    return nil, message, code
  end
  local last, sum, each = logits:reset():logprob(ids[#ids]), 0, {}
  if #ids > 1 then
    local scores = fork:scores()
    for i = 1, #ids - 1 do
      each[i] = scores[#scores - #ids + 1 + i] or NAN -- which scores() has no number for
      sum = sum + each[i]
    end
  end
  each[#ids] = last
  local result = {logprob = sum + last, tokens = #ids, each = given.each and each or nil}
  if given.greedy then
    result.greedy = is_greedy(fork, ids, first)
  end
  return result
end

local NOTHING = {}

-- Score the lists from the i-th on that have room. How many there were; or nil, message, code.
local function score_some(seq, lists, i, given, results, first)
  local forks, message, code = {}, nil, nil
  local ok = true
  local function before(k)
    return given.before and given.before[k] or NOTHING
  end
  while ok and #forks < (given.width or scoring.WIDTH) and lists[i + #forks] do
    local k = i + #forks
    local fork = seq
    if #lists[k] > 1 or #before(k) > 0 then
      fork, message, code = queue(seq, before(k), lists[k], given.greedy)
    end
    if fork then
      forks[#forks + 1] = fork
    else
      ok = code == "ELIMIT" and #forks > 0 -- the others will have room when these are done
      break
    end
  end
  for j, fork in ipairs(forks) do
    local k = i + j - 1
    if ok then
      ok, message, code = scheduler.wait(fork)
    end
    if ok then
      results[k], message, code = result_of(fork, lists[k], given, #before(k) == 0 and first)
      ok = results[k] ~= nil
    end
    if fork ~= seq then
      fork:close()
    end
  end
  if not ok then
    return nil, message, code
  end
  return #forks
end

--- Score lists of token ids as what comes next.
-- @param seq a sequence with nothing queued; it stays as it is. It may be empty where something
--   comes before each continuation
-- @param lists a list of lists of ids, none empty
-- @param given optional {greedy = true: also whether each token is the likeliest at its place;
--   each = true: also the log-probabilities of the single tokens; before = a list of lists of ids
--   that come between the sequence and the i-th continuation, and are not scored; width = 32:
--   forks at a time at most, for which the context should have places}
-- @return for each list {logprob = the sum of the natural logarithms of the raw probabilities,
--   tokens = how many, greedy =, each =}; NaN where the model gives NaN
-- @return nil, message, code on failure
function scoring.score(seq, lists, given)
  given = given or {}
  local results, i, first = {}, 1, nil
  if given.greedy and #seq > 0 then
    local logits, message, code = seq:logits()
    if not logits then
      return nil, message, code
    end
    first = logits:reset():argmax()
  end
  while i <= #lists do
    local count, message, code = score_some(seq, lists, i, given, results, first)
    if not count then
      return nil, message, code
    end
    i = i + count
  end
  return results
end

return scoring
