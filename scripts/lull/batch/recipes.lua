--- Recipes: prompts put together from words that are drawn, and kept as labels.
--
-- A recipe is data, a table or a JSON file:
--
--     {"name": "pets",
--      "slots": [{"name": "animal", "words": "cat, dog, old parrot"},
--                {"name": "traits", "words": ["fast", "shy"], "subset": true}],
--      "form": "opening",
--      "forms": {"opening": "There was {{ a_animal }}", "request": ["...", "..."]}}
--
-- Of each slot a word is drawn, or with `subset` any number of them, each with probability 1/2.
-- A form is a template, or a list of which one is drawn; its variables are the slots' words
-- (subsets joined with commas) and, with "a_" before the slot's name, a word with its article.
-- What is drawn depends on the seed and the story's id alone, and only what the form has a use for
-- is drawn.
-- @module lull.batch.recipes
local core = require "lull.core"
local json = require "lull.json"
local options = require "lull.options"
local prompts = require "lull.batch.prompts"

local recipes = {}

local BUILT_IN = {tinystories = true, simplestories = true}

--- The names of the recipes that come with lull.
recipes.NAMES = {"simplestories", "tinystories"}

local Recipe = {}
Recipe.__index = Recipe

-- "a, b" or {"a", "b"} as a list.
local function word_list(words)
  if type(words) ~= "string" then
    return words
  end
  local list = {}
  for word in words:gmatch("[^,\n]+") do
    word = word:match("^%s*(.-)%s*$")
    if word ~= "" then
      list[#list + 1] = word
    end
  end
  return list
end

-------------------------------------------------------------------------------- checking

local function is_list_of_texts(value)
  if type(value) ~= "table" or value[1] == nil then
    return false
  end
  for i = 1, #value do
    if type(value[i]) ~= "string" then
      return false
    end
  end
  return true
end

-- What is wrong with a slot, or nil.
local function slot_problem(slot)
  if type(slot) ~= "table" or type(slot.name) ~= "string" or not slot.name:find("^[%a_][%w_]*$")
  then
    return "a slot needs a name of letters, digits and _"
  end
  local words = word_list(slot.words)
  if not is_list_of_texts(words) then
    return "slot '" .. slot.name .. "' needs words: a list of strings, or one with commas"
  end
end

local function recipe_problem(data)
  if type(data) ~= "table" or type(data.name) ~= "string" or data.name == "" then
    return "a recipe needs a name"
  elseif type(data.slots) ~= "table" or type(data.forms) ~= "table" then
    return "a recipe needs slots and forms"
  end
  for _, slot in ipairs(data.slots) do
    local problem = slot_problem(slot)
    if problem then
      return problem
    end
  end
  for name, form in pairs(data.forms) do
    if type(form) ~= "string" and not is_list_of_texts(form) then
      return "form " .. options.show(name) .. " must be a template or a list of them"
    end
  end
end

-------------------------------------------------------------------------------- making

-- Does one of the templates mention this slot?
local function is_used(name, templates)
  for _, template in ipairs(templates) do
    for word in template:gmatch("[%a_][%w_]*") do
      if word == name or word == "a_" .. name then
        return true
      end
    end
  end
  return false
end

local function data_of(source)
  if type(source) == "table" then
    return source
  elseif BUILT_IN[source] then
    return require("lull.recipes." .. source)
  end
  local file, problem = io.open(source, "rb")
  if not file then
    return nil, "no recipe of this name (" .. table.concat(recipes.NAMES, ", ")
      .. "), and no file: " .. problem, "EIO"
  end
  local text, message = file:read("*a")
  file:close()
  if not text then
    return nil, source .. ": " .. tostring(message), "EIO"
  end
  local data, wrong, code = json.decode(text)
  if data == nil then
    return nil, source .. ": " .. wrong, code
  end
  return data
end

--- A recipe.
-- @param source the name of one that comes with lull, a JSON file, or a table
-- @param form one of its forms (default: the one it names)
-- @return recipe; or nil, message, code
function recipes.new(source, form)
  local data, message, code = data_of(source)
  if not data then
    return nil, message, code
  end
  local problem = recipe_problem(data)
  form = form or data.form
  if not problem and not data.forms[form] then
    local names = {}
    for name in pairs(data.forms) do
      names[#names + 1] = tostring(name)
    end
    table.sort(names)
    problem = "no form " .. options.show(form) .. ", only: " .. table.concat(names, ", ")
  end
  if problem then
    return nil, (type(source) == "string" and source or "recipe") .. ": " .. problem, "EFORMAT"
  end
  local slots = {}
  for i, slot in ipairs(data.slots) do
    slots[i] = {name = slot.name, words = word_list(slot.words), subset = slot.subset == true}
  end
  local templates = type(data.forms[form]) == "string" and {data.forms[form]} or data.forms[form]
  for _, slot in ipairs(slots) do
    slot.used = is_used(slot.name, templates)
  end
  return setmetatable({
    name = data.name, form = form, slots = slots, templates = templates,
  }, Recipe)
end

--- Which recipe this is, for telling whether a run goes on with the same one.
function Recipe:hash()
  local parts = {self.name, self.form}
  for _, slot in ipairs(self.slots) do
    parts[#parts + 1] = slot.name .. (slot.subset and " subset" or "")
    parts[#parts + 1] = table.concat(slot.words, ",")
  end
  parts[#parts + 1] = table.concat(self.templates, "\n")
  return core.hash(table.concat(parts, "\n"))
end

-------------------------------------------------------------------------------- drawing

-- By letters, as far as that goes: a useful unicorn, an owl.
local function with_article(word)
  local lower = word:lower()
  local consonant = lower:find("^us[eu]") or lower:find("^uni") or lower:find("^eu")
    or lower:find("^one")
  return (lower:find("^[aeiou]") and not consonant and "an " or "a ") .. word
end

-- What is drawn of a slot, and that as text.
local function draw_words(slot, draw)
  if not slot.subset then
    local word = slot.words[draw(#slot.words, slot.name)]
    return word, word
  end
  local drawn = {}
  for k, word in ipairs(slot.words) do
    drawn[#drawn + 1] = draw(2, slot.name, k) == 1 and word or nil
  end
  return drawn, table.concat(drawn, ", ")
end

--- The labels and the prompt of a story.
-- @param id the story's
-- @param seed
-- @return labels (for json.encode, in the order of the slots), prompt; or labels, nil, message
function Recipe:draw(id, seed)
  local stream = core.hash(id)
  local function draw(n, purpose, k) -- 1 .. n
    return math.floor(core.random(seed, stream, k or 0, "recipe " .. purpose, 0) * n) + 1
  end
  local labels, vars = {}, {}
  for _, slot in ipairs(self.slots) do
    if slot.used then
      local drawn, text = draw_words(slot, draw)
      labels[#labels + 1] = {slot.name, drawn}
      vars[slot.name], vars["a_" .. slot.name] = text, with_article(text)
    end
  end
  local n = draw(#self.templates, "form")
  if #self.templates > 1 then
    labels[#labels + 1] = {"form", self.form .. " " .. options.number_text(n)}
  end
  local prompt, problem = prompts.render(self, self.templates[n], vars, "recipe " .. self.name)
  return json.object(labels), prompt, problem
end

return recipes
