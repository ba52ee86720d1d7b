--- What the loops that choose by themselves share (beam search, contrastive search): stages that
-- change the logits and choose nothing, and what ends a text.
-- @module lull.decode.search
local options = require "lull.options"
local request = require "lull.decode.request"
local sampling = require "lull.sampling"
local text = require "lull.decode.text"
local watch = require "lull.decode.watch"

local search = {}

--- The options of a search:
--
--   max_tokens (256)   tokens at most
--   stop, stop_ids     as for generate
--   sampler_stages     a function(logits, seq, draw), a strategy or a list of them: what changes
--                      the logits before the search ranks them, and chooses nothing
--   seed (0)           for what these draw
search.RULES = {
  max_tokens = {type = "integer", min = 1, default = 256},
  stop = request.RULES.stop,
  stop_ids = request.RULES.stop_ids,
  sampler_stages = {
    test = function(value) return type(value) == "function" or type(value) == "table" end,
    text = "a function, a strategy or a list of strategies",
  },
  seed = {test = sampling.SEED.test, text = sampling.SEED.text, default = 0},
}

-------------------------------------------------------------------------------- stages

-- The end of a chain of stages.
local CHOOSER = {name = "the search chooses", selector = true, apply = function() end}

local function chain_of(value, level)
  local list = {}
  if type(value) == "function" or type(value) == "table" and value.apply then
    list[1] = value
  else
    for i, stage in ipairs(value or {}) do
      list[i] = stage
    end
  end
  list[#list + 1] = CHOOSER
  local chain = sampling.strategy(list, level + 2)
  return chain
end

--- The options, checked, with the stages as a chain, `stages`, and a `watch` for stop strings.
-- @param given, rules, where, level as for lull.decode.origin's check
function search.check(given, rules, where, level)
  local checked = options.check(where, given, rules, level + 1)
  checked.stages = chain_of(checked.sampler_stages, level + 1)
  checked.watch = watch.new(checked.stop, nil, level + 1)
  return checked
end

--- The raw logits of a sequence as a chain of stages leaves them.
-- @return logits, and the log of the sum of the raw ones: what value - sum is the log-probability
--   of; or nil, message, code
function search.read(chain, seq, draw)
  local logits, message, code = seq:logits()
  if not logits then
    return nil, message, code
  end
  local sum = logits:reset():logsumexp()
  if sum ~= sum then
    return logits:sample(0) -- says what is wrong
  end
  local id
  id, message, code = chain:apply(logits, seq, draw)
  if message ~= nil then
    return nil, message, code
  elseif id ~= nil then
    error("a stage of 'sampler_stages' chose " .. options.show(id) .. "; here stages change the "
      .. "logits, and the search chooses", 0)
  end
  return logits, sum
end

-------------------------------------------------------------------------------- ends

local Ends = {}
Ends.__index = Ends

--- What ends the texts of a search.
-- @param start where they begin (lull.decode.origin)
-- @param checked {watch =, stop_ids =}
function search.ends(start, checked)
  local ids = text.ends(start.model, checked.stop_ids)
  local count = 0
  for _ in pairs(ids) do
    count = count + 1
  end
  return setmetatable({
    ids = ids, watch = checked.watch, model = start.model, at_start = start.at_start,
    count = count, -- of tokens that end a text
  }, Ends)
end

--- Does this token end a text without being part of it?
function Ends:has(id)
  return self.ids[id] ~= nil
end

--- What a token makes of a text.
-- @param bytes the text
-- @param id the token
-- @param first is it the first that is told?
-- @return the text with it; whether it ends here; and by which stop string or id
function Ends:extend(bytes, id, first)
  local stop = self.ids[id]
  if stop then
    return bytes, true, stop ~= true and stop or nil
  end
  bytes = bytes .. text.piece(self.model, id, first and self.at_start)
  local at, which
  if self.watch then
    at, which = self.watch:find_stop(bytes, 1)
  end
  if at then
    return bytes:sub(1, at - 1), true, which
  end
  return bytes, false
end

return search
