-- A character sheet as JSON: whatever the model would rather say, it fits the schema, and a JSON
-- library reads it. Choices narrow what a small model may get wrong.
local here = arg[0]:match("^(.*)/") or "."
local cjson = require "cjson"
local lull = require "lull"
local model = assert(lull.load(here .. "/../models/lullaby.bin"))

local name = {enum = {"Lily", "Tom", "Mia", "Ben", "Sue", "Max", "Anna", "Sam"}}
local sheet = lull.constrain.json_schema {
  type = "object",
  order = {"name", "animal", "age", "likes", "friend", "is_happy", "wish"},
  required = {"name", "animal", "age", "likes", "friend", "is_happy", "wish"},
  properties = {
    name = name,
    animal = {enum = {"cat", "dog", "fox", "bear", "mouse", "bird"}},
    age = {type = "integer", minimum = 1, maximum = 12},
    likes = {type = "array", minItems = 2, maxItems = 3,
      items = {enum = {"cakes", "the park", "birds", "toys", "books", "the sea", "games"}}},
    friend = name,
    is_happy = {type = "boolean"},
    wish = {type = "string", pattern = "^I want to [a-z]{2,5} (a|the|my) [a-z]{3,6}$"},
  },
}

for seed = 1, 3 do
  local text = assert(model:generate("Once upon a time, there was a little animal.\n",
    {constraint = sheet, seed = seed, temperature = 0.7}))
  local hero = cjson.decode(text)
  print(text)
  print(("%s the %s is %d and likes %s. \"%s!\"\n"):format(hero.name, hero.animal, hero.age,
    table.concat(hero.likes, " and "), hero.wish))
end
