--- What the evaluation of tokens shall leave behind for a strategy: hidden states, early layers.
--
-- A strategy says what it needs in its field `feed`, a table of options of seq:feed; the loop then
-- feeds every token it chooses with them. The tokens that are there already may have been fed
-- without: those are fed again, which costs their evaluation if they had been evaluated.
-- @module lull.decode.feeding
local feeding = {}

--- The first token of a sequence, counted from 1, that has to be fed again with these options; nil
-- where none has. Early layers are kept of the last token only, all else is for all the text.
function feeding.first(seq, feed)
  local hidden = feed.hidden and seq:similarity(-1, 1, -1) ~= nil -- all have theirs
  for key in pairs(feed) do
    if key ~= "layers" and not (key == "hidden" and hidden) then
      return 1
    end
  end
  return feed.layers and #seq or nil
end

--- Feed the tokens from the i-th on again. true, or nil, message, code.
function feeding.again(seq, i, feed)
  local ids = seq:tokens(i, -1)
  local ok, message, code = seq:rewind(i - 1)
  if ok then
    ok, message, code = seq:feed(ids, feed)
  end
  if not ok then
    return nil, message, code
  end
  return true
end

return feeding
