-- Tarantool with lull inside: stories for rows of a space, all told together, while other fibers
-- run.
--
--     LULL_MODEL=/path/to/lullaby.bin tarantool stories.lua FOLDER
local fiber = require "fiber"
local lull = require "lull"

local folder = arg[1] or "."
box.cfg {memtx_dir = folder, wal_dir = folder, vinyl_dir = folder, log_level = 3}

local stories = box.schema.space.create("stories", {if_not_exists = true, format = {
  {"id", "unsigned"}, {"opening", "string"}, {"rest", "string"},
}})
stories:create_index("by_id", {if_not_exists = true})
for id, opening in ipairs {"Once upon a time", "One day, Lily", "Tom had a", "The big red ball"} do
  stories:replace {id, opening, ""}
end

local model = assert(lull.load(os.getenv "LULL_MODEL"
  or "/usr/local/share/lull/models/lullaby.bin"))
local context = assert(model:context {sequences = 4, length = 256})

-- Another fiber, which wants to run every millisecond; how late it was at most.
local worst, ticks = 0, 0
local clock = fiber.new(function()
  while true do
    local from = fiber.clock()
    fiber.sleep(0.001)
    worst, ticks = math.max(worst, fiber.clock() - from - 0.001), ticks + 1
  end
end)

local function rest(story)
  return function()
    return model:generate(story.opening, {context = context, seed = story.id, max_tokens = 150})
  end
end

lull.async.use(lull.async.by_sleep(fiber.sleep, 0.001))
local tasks = {}
for _, story in stories:pairs() do
  tasks[#tasks + 1] = rest(story)
end
lull.decode.run(tasks, {done = function(id, result)
  local text = assert(result[1], result[2])
  stories:update(id, {{"=", "rest", text}})
end})
clock:cancel()

for _, story in stories:pairs() do
  print(story.id, story.opening .. "|" .. story.rest:gsub("\n", " "))
end
print(("another fiber of 1 ms is late by at most %.1f ms (of %d)"):format(worst * 1000, ticks))
os.exit(0)
