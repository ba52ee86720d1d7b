--- Inflected English words: is "stopped" a form of a word on a list?
--
-- A handful of rules for regular endings and a table of the common irregular verbs and plurals of
-- children's stories. It errs on the side of saying yes.
-- @module lull.evaluate.inflections
local inflections = {}

local IRREGULAR = [[
be am is are was were been being
become became begin began begun bend bent bite bit bitten blow blew blown break broke broken
bring brought build built buy bought catch caught choose chose chosen come came cost cut dig dug
do did done does draw drew drawn drink drank drunk drive drove driven eat ate eaten fall fell fallen
feed fed feel felt fight fought find found fly flew flown forget forgot forgotten forgive forgave
forgiven freeze froze frozen get got gotten give gave given go went gone goes grow grew grown
hang hung have had has hear heard hide hid hidden hit hold held hurt keep kept know knew known
lay laid lead led leave left lend lent let lie lay lain lose lost make made mean meant meet met
pay paid put read ride rode ridden ring rang rung rise rose risen run ran say said see saw seen
sell sold send sent set shake shook shaken shine shone shoot shot show shown shut sing sang sung
sink sank sunk sit sat sleep slept slide slid speak spoke spoken spend spent spin spun spread
stand stood steal stole stolen stick stuck sting stung swim swam swum swing swung take took taken
teach taught tear tore torn tell told think thought throw threw thrown understand understood
wake woke woken wear wore worn win won write wrote written
child children man men woman women foot feet tooth teeth goose geese mouse mice person people
leaf leaves wolf wolves knife knives life lives loaf loaves shelf shelves thief thieves
good better best bad worse worst far further furthest many more most little less least
can could will would shall should may might]]

-- "began" -> {"begin"}. Lines above have a base and its forms, run together: a base is a word that
-- the list of bases has.
local BASES = [[
be become begin bend bite blow break bring build buy catch choose come cost cut dig do draw drink
drive eat fall feed feel fight find fly forget forgive freeze get give go grow hang have hear hide
hit hold hurt keep know lay lead leave lend let lie lose make mean meet pay put read ride ring rise
run say see sell send set shake shine shoot show shut sing sink sit sleep slide speak spend spin
spread stand steal stick sting swim swing take teach tear tell think throw understand wake wear win
write child man woman foot tooth goose mouse person leaf wolf knife life loaf shelf thief good bad
far many little can will shall may]]

local function read_irregular()
  local is_base, forms, base = {}, {}, nil
  for word in BASES:gmatch "%a+" do
    is_base[word] = true
  end
  for word in IRREGULAR:gmatch "%a+" do
    if is_base[word] and word ~= "lay" then
      base = word
    elseif word == "lay" and base ~= "lie" then
      base = word
    else
      forms[word] = forms[word] or {}
      table.insert(forms[word], base)
    end
  end
  return forms
end

local irregular = read_irregular()

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
