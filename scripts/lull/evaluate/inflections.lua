--- Inflected English words: is "stopped" a form of a word on a list?
--
-- A handful of rules for regular endings and a table of the common irregular verbs and plurals of
-- children's stories. It errs on the side of saying yes.
-- @module lull.evaluate.inflections
local inflections = {}

local IRREGULAR = [[
be am is are was were been being; become became; begin began begun; bend bent; bite bit bitten;
blow blew blown; break broke broken; bring brought; build built; buy bought; catch caught;
choose chose chosen; come came; dig dug; do did done does; draw drew drawn; drink drank drunk;
drive drove driven; eat ate eaten; fall fell fallen; feed fed; feel felt; fight fought; find found;
fly flew flown; forget forgot forgotten; forgive forgave forgiven; freeze froze frozen;
get got gotten; give gave given; go went gone goes; grow grew grown; hang hung; have had has;
hear heard; hide hid hidden; hold held; keep kept; know knew known; lay laid; lead led; leave left;
lend lent; lie lay lain; lose lost; make made; mean meant; meet met; pay paid; ride rode ridden;
ring rang rung; rise rose risen; run ran; say said; see saw seen; sell sold; send sent;
shake shook shaken; shine shone; shoot shot; show shown; sing sang sung; sink sank sunk; sit sat;
sleep slept; slide slid; speak spoke spoken; spend spent; spin spun; stand stood;
steal stole stolen; stick stuck; sting stung; swim swam swum; swing swung; take took taken;
teach taught; tear tore torn; tell told; think thought; throw threw thrown;
understand understood; wake woke woken; wear wore worn; win won; write wrote written;
child children; man men; woman women; foot feet; tooth teeth; goose geese; mouse mice;
person people; leaf leaves; wolf wolves; knife knives; life lives; loaf loaves; shelf shelves;
thief thieves; good better best; bad worse worst; far further furthest; many more most;
little less least; can could can't; will would won't; shall should; may might]]

-- A form -> the words that it may be of: "lay" -> {"lie"}.
local irregular = {}
for group in IRREGULAR:gmatch "[^;]+" do
  local base
  for word in group:gmatch "%S+" do
    if base then
      irregular[word] = irregular[word] or {}
      table.insert(irregular[word], base)
    end
    base = base or word
  end
end

-- What may have stood before an ending: "stopp" -> stopp, stop, stoppe; "carri" -> carry.
local function stems(list, stem)
  if #stem < 2 then
    return
  end
  list[#list + 1] = stem
  list[#list + 1] = stem .. "e"
  local last = stem:sub(-1)
  if last == stem:sub(-2, -2) then
    list[#list + 1] = stem:sub(1, -2)
  elseif last == "i" then
    list[#list + 1] = stem:sub(1, -2) .. "y"
  end
end

local ENDINGS = {"s", "es", "ed", "d", "ing", "er", "est", "ers", "ly", "y", "ies", "ied", "n't",
  "'s", "'d", "'ll", "'re", "'ve", "'m", "in'", "ful", "ness", "less"}

--- All words that a word may be a form of, itself first.
function inflections.bases(word)
  local list = {word}
  for _, base in ipairs(irregular[word] or {}) do
    list[#list + 1] = base
  end
  for _, ending in ipairs(ENDINGS) do
    if #word > #ending and word:sub(-#ending) == ending then
      local stem = word:sub(1, -#ending - 1)
      if ending == "ies" or ending == "ied" then
        list[#list + 1] = stem .. "y"
      elseif ending:find("'", 1, true) then
        list[#list + 1] = stem
      else
        stems(list, stem)
      end
    end
  end
  return list
end

--- Is a word, or one that it is a form of, in a set {word = true}?
function inflections.belongs(word, set)
  if set[word] then
    return true
  end
  for _, base in ipairs(inflections.bases(word)) do
    if set[base] then
      return true
    end
  end
  return false
end

return inflections
