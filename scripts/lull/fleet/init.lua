--- Many machines on one batch: a queue on a Redis server.
--
--     local fleet = require "lull.fleet"
--     local link = assert(fleet.connect "redis://server")
--     batch.run(model, {input = "prompts.jsonl", output = "stories.jsonl", queue = link})
--
-- puts the records of a batch in and writes what comes back, and on each other machine
--
--     local worker = assert(fleet.worker(model, link, {parallel = 8}))
--     worker:run()
--
-- tells them. Jobs are data: they never carry Lua or paths. See lull.fleet.queue for what is kept
-- on the server, and the commands `lull batch --queue` and `lull worker`.
-- @module lull.fleet
local link = require "lull.fleet.link"
local worker = require "lull.fleet.worker"

return {
  --- connect(url, note): a link to a server; see lull.fleet.link
  connect = link.open,
  --- worker(model, link, options): see lull.fleet.worker
  worker = worker.new,
}
