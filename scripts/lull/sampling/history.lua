--- Where a stage's own text begins: behind the prompt.
-- @module lull.sampling.history
local history = {}

--- How many tokens there are in front of what the strategy itself has told: the length of the
-- sequence when the stage (a table, which keeps it in `start`) first saw the text. It needs no
-- accept and survives a rewind; `history.reset` is the stage's `reset`.
function history.start(stage, seq)
  local length = #seq
  local start = stage.start
  if not start or length < start then
    start = length
    stage.start = start
  end
  return start
end

function history.reset(stage)
  stage.start = nil
end

return history
