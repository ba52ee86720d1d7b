-- Small words only: no word has more than six letters. Of the 200 likeliest tokens those are banned
-- that make a longer one.
local lull = require "lull"

local LONGEST = 6

return function(model)
  -- How many letters the text ends in.
  local function open_word(seq)
    local letters, i = 0, #seq
    while i > 0 do
      local run = model:piece(seq:token(i)):match "%a*$"
      letters = letters + #run
      if #run < #model:piece(seq:token(i)) then
        break
      end
      i = i - 1
    end
    return letters
  end

  return {sampler = {
    function(logits, seq)
      local before = open_word(seq)
      logits:top_k(200)
      for id in logits:candidates(200) do
        local piece = model:piece(id)
        local first = #piece:match "^%a*"
        if before + first > LONGEST or #(piece:match "%A(%a*)$" or "") > LONGEST then
          logits:ban(id)
        end
      end
    end,
    lull.sampling.min_p(0.05), lull.sampling.temperature(0.8), lull.sampling.sample(),
  }}
end
