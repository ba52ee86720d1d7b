--- Decoding loops: many texts at once, drafts, and strategies that drive the loop.
-- @module lull.decode
local beam = require "lull.decode.beam"
local choose = require "lull.decode.choose"
local contrast = require "lull.decode.contrast"
local contrastive_search = require "lull.decode.contrastive_search"
local drafts = require "lull.decode.drafts"
local samples = require "lull.decode.samples"
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
  --- beam(model, prompt, {beams =, groups =, phrases =}): the most probable texts
  beam = beam.beam,
  --- contrastive_search(model, prompt, {k =, alpha =}): probable, and unlike what was said before
  contrastive_search = contrastive_search.search,
  --- choose(model, prompt, choices, {normalize =}): the best of given continuations
  choose = choose.choose,
  --- guidance{prompt =, scale =}: a stage that moves away from another prompt
  guidance = contrast.guidance,
  --- contrastive_decoding{model = | last =, alpha =}: a stage: what an amateur knows is not said
  contrastive_decoding = contrast.contrastive_decoding,
  --- dola(model, {layers =}): a stage: the last layers against earlier ones
  dola = contrast.dola,
  --- best_of(model, prompt, {n =, score =}): several texts, and the best of them
  best_of = samples.best_of,
  --- self_consistency(model, prompt, {n =, answer =}): the answer most of several texts come to
  self_consistency = samples.self_consistency,
  --- child_stream(stream, i): the random stream of the i-th of several texts
  child_stream = samples.child_stream,
}
