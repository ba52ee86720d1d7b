-- A task of your own: does the model know how children's stories feel?  Solved examples come first,
-- and which of the choices is more probable counts.
local lull = require "lull"
local evaluate = require "lull.evaluate"

local model = assert(lull.load(arg[1] or "examples/models/lullaby.bin"))

local moods = evaluate.task {
  name = "moods", kind = "multiple_choice", mutual_information = true,
  fewshot_delimiter = "\n", target_delimiter = " ",
}

local documents = {}
for i, line in ipairs {
  "Lily lost her favorite doll. She felt|sad|happy", "Tom got a big red ball. He felt|happy|sad",
  "Ben fell and hurt his knee. He felt|sad|happy", "Mia saw a big dark cave. She felt|scared|happy",
  "Sam ate a yummy cake. He felt|happy|scared", "The dog barked at Tim. Tim felt|scared|happy",
} do
  local context, right, wrong = line:match "^(.-)|(.-)|(.-)$"
  documents[i] = {id = "m" .. i, context = context, choices = {right, wrong}, label = 0}
end

for _, fewshot in ipairs {0, 2} do
  local result = assert(evaluate.run(model, moods, documents, {fewshot = fewshot, seed = 1}))
  print(fewshot .. " examples before each question")
  for _, metric in ipairs(result.tasks[1].metrics) do
    print(("  %-16s %.2f +- %.2f"):format(metric.name, metric.value, metric.stderr))
  end
end
