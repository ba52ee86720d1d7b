--- Decoding loops: many texts at once, drafts, and strategies that drive the loop.
-- @module lull.decode
local drafts = require "lull.decode.drafts"
local scheduler = require "lull.decode.scheduler"

return {
  --- run(tasks, options) -> results: texts that share each pass over the weights
  run = scheduler.run,
  --- wait(seq): have what a sequence has queued evaluated, alone or together with other tasks
  wait = scheduler.wait,
  --- draft_model(model, {tokens =, context =}): guesses by a smaller model
  draft_model = drafts.model,
  --- draft_lookup{ngram =, tokens =}: guesses from the text itself
  draft_lookup = drafts.lookup,
}
