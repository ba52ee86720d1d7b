--- What is scored of a text, in tokens: the border between context and continuation, and the
-- windows of a text that is longer than the context.
-- @module lull.evaluate.likelihood
local scheduler = require "lull.decode.scheduler"
local scoring = require "lull.decode.scoring"

local likelihood = {}

--- list[i .. j].
local function slice(list, i, j)
  local part = {}
  for k = i, j do
    part[#part + 1] = list[k]
  end
  return part
end

likelihood.slice = slice

--- A context and what follows it, in tokens, as lm-evaluation-harness splits them: space at the
-- end of the context is moved to the continuation (tokens begin with a space and do not end in
-- one), both are encoded together, and the context's part is as long as the context is alone.
-- An empty context is BOS. Where the continuation's first bytes melt into the context's last token
-- and nothing would be left, the last token of the whole is the continuation.
-- @return ids of the context, ids of the continuation; or nil, message, code
function likelihood.split(model, context, continuation)
  local kept = context:match "^(.-)%s*$"
  continuation = context:sub(#kept + 1) .. continuation
  local before, message, code = model:encode(kept, {start = true})
  local whole
  if before then
    whole, message, code = model:encode(kept .. continuation, {start = true})
  end
  if not whole then
    return nil, message, code
  elseif #whole == 0 or (#whole == 1 and whole[1] == model:bos()) then
    return nil, "the continuation is empty", "EINVAL"
  end
  local n = math.min(#before, #whole - 1)
  if n == 0 then
    return nil, "the context is empty and this model has no token that begins a text", "EINVAL"
  end
  return slice(n == #before and before or whole, 1, n), slice(whole, n + 1, #whole)
end

--- The same, with the beginning of the context left out where both do not fit so many tokens (the
-- last of which is never evaluated).
-- @return ids, ids, whether something was left out; or nil, message, code
function likelihood.fit(context, continuation, length)
  local surplus = #context + #continuation - 1 - length
  if surplus <= 0 then
    return context, continuation, false
  elseif surplus >= #context then
    return nil, "the continuation has " .. #continuation .. " tokens and the context holds "
      .. length, "ECONTEXT"
  end
  return slice(context, surplus + 1, #context), continuation, true
end

--- The windows of a text: each token is predicted once, in the first window after BOS, in others
-- after `overlap` tokens of the text and more where the last window is not full.
--
-- overlap = 1 is the rolling log-likelihood of lm-evaluation-harness: windows share one token, so
-- text in all but the first has little before it and perplexity is overestimated. A larger overlap
-- costs length / (length - overlap + 1) times the work and comes nearer to what the model knows
-- (Press et al. 2020, arXiv:2012.15832, Baevski & Auli 2018 call the step the stride).
-- @param ids the text's tokens, without what begins a text
-- @param first BOS, or what stands for it
-- @param length of the context, in tokens
-- @param overlap 1 .. length
-- @return a list of {context = ids, predicted = ids}
function likelihood.windows(ids, first, length, overlap)
  local list, done = {}, math.min(length, #ids)
  if #ids == 0 then
    return list
  end
  list[1] = {context = {first}, predicted = slice(ids, 1, done)}
  while done < #ids do
    local n = math.min(#ids - done, length - overlap + 1)
    local last = done + n
    list[#list + 1] = {
      context = slice(ids, last - length, done), predicted = slice(ids, done + 1, last),
    }
    done = last
  end
  return list
end

--- The tokens of a whole text, and what stands before the first.
-- @return ids, first; or nil, message, code
function likelihood.text(model, text)
  local ids, message, code = model:encode(text, {start = true})
  if not ids then
    return nil, message, code
  end
  local first = model:bos()
  if ids[1] == first then
    table.remove(ids, 1)
  else
    first = model:eos() -- as lm-evaluation-harness does for models without BOS
  end
  if not first then
    return nil, "this model has no token that begins a text", "EINVAL"
  end
  return ids, first
end

-- How many tokens all contexts begin with.
local function common(pairs_list)
  local n, first = 0, pairs_list[1].context
  while true do
    for _, pair in ipairs(pairs_list) do
      if first[n + 1] == nil or pair.context[n + 1] ~= first[n + 1] then
        return n
      end
    end
    n = n + 1
  end
end

--- Score pairs of a context and a continuation. What the contexts begin with together is evaluated
-- once, and all the rest together.
-- @param context a context of the model with places for given.width + 1 sequences
-- @param pairs_list a list of {context = ids, continuation = ids}
-- @param given {width = sequences at a time beside the first, greedy =, each =}: see
--   lull.decode.scoring
-- @return a list of results as of scoring.score; or nil, message, code
function likelihood.score(context, pairs_list, given)
  local seq, message, code = context:sequence()
  if not seq then
    return nil, message, code
  end
  local n = #pairs_list > 1 and common(pairs_list) or 0
  local before, continuations, results = {}, {}, nil
  for i, pair in ipairs(pairs_list) do
    before[i], continuations[i] = slice(pair.context, n + 1, #pair.context), pair.continuation
  end
  local ok
  ok, message, code = seq:feed(slice(pairs_list[1].context, 1, n))
  if ok then
    ok, message, code = scheduler.wait(seq)
  end
  if ok then
    results, message, code = scoring.score(seq, continuations, {
      before = before, width = given.width, greedy = given.greedy, each = given.each,
    })
  end
  seq:close()
  return results, message, code
end

return likelihood
