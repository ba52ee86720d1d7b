-- Nothing that could keep a child awake: these words do not come up.
local WORDS = {
  " monster", " wolf", " scared", " afraid", " dark", " cried", " hurt", " lost", " angry",
}

return function()
  local phrases = {}
  for i, word in ipairs(WORDS) do
    phrases[i] = {text = word, ignore_case = true}
  end
  return {ban_phrases = phrases}
end
