--- Beam search: the most probable texts, as far as a few beams can tell.
--
-- A beam is a text on its way: its tokens, the sum of their log-probabilities, and a place: a
-- sequence with the state of the stages. In each step every beam proposes its best next tokens, and
-- the best texts of all go on. The sequences are forks in one context, so a step is one pass over
-- the weights for all beams, and what they have in common is stored once.
-- @module lull.decode.beam
local core = require "lull.core"
local options = require "lull.options"
local origin = require "lull.decode.origin"
local phrases = require "lull.decode.phrases"
local sampling = require "lull.sampling"
local scheduler = require "lull.decode.scheduler"
local search = require "lull.decode.search"

local beam = {}

local USER = 2 -- whom to blame for a mistake: the caller of beam.beam

local Search = {}
Search.__index = Search

local function appended(list, value)
  local longer = {}
  for i = 1, #list do
    longer[i] = list[i]
  end
  longer[#longer + 1] = value
  return longer
end

-------------------------------------------------------------------------------- proposals

-- What a beam would be with one more token. `order` is what it is ranked by.
-- @param number of the parent in its group
-- @param lowered how many beams of earlier groups have chosen the token in this step
function Search:proposal(parent, number, id, logprob, lowered)
  local state = parent.state and self.phrases:advance(parent.state, parent.ids, id)
  local sum = parent.sum + logprob
  return {
    parent = parent, number = number, id = id, sum = sum, state = state,
    order = sum - self.given.diversity * (lowered or 0), met = state and state.met or 0,
  }
end

-- Higher first; of equals what comes from the earlier beam, then the lower id.
local function is_before(a, b)
  if a.order ~= b.order then
    return a.order > b.order
  elseif a.number ~= b.number then
    return a.number < b.number
  end
  return a.id < b.id
end

-- What the beams of a group propose, sorted; or nil, message, code. The best of each beam suffice:
-- as many as are kept, as may end their text, and as earlier groups may have lowered.
-- @param taken {[id] = how many beams of earlier groups have chosen it in this step}
-- @param n_taken how many ids that are
function Search:proposals(group, taken, n_taken)
  local list = {}
  local k = math.min(self.vocab_size, group.width + self.ends.count + n_taken)
  for number, parent in ipairs(group.beams) do
    local place = parent.place
    local logits, log_sum, code = search.read(place.stages, place.seq, place.draw)
    if not logits then
      return nil, log_sum, code -- message and code
    end
    local seen = {}
    local function propose(id)
      local value = logits:get(id)
      if not seen[id] and value > -math.huge then
        seen[id] = true
        list[#list + 1] = self:proposal(parent, number, id, value - log_sum, taken[id])
      end
    end
    for id in logits:candidates(k) do
      propose(id)
    end
    for _, id in ipairs(parent.state and self.phrases:wanted(parent.state) or {}) do
      propose(id)
    end
  end
  table.sort(list, is_before)
  return list
end

-------------------------------------------------------------------------------- texts at their end

-- The score of a text: sum / length^penalty. An end counts as a token.
function Search:score(sum, length)
  return sum / core.math.pow(length, self.given.length_penalty)
end

-- Texts in which every phrase has come up are before all others.
local function is_better(a, b)
  if a.open ~= b.open then
    return a.open < b.open
  end
  return a.score > b.score
end

-- Put a text among the best of its group, after its equals, if there is room.
function Search:finish(group, one, n_scored, reason, stop)
  local finished, open = group.finished, one.state and one.state.open or 0
  local told = {
    text = one.bytes, ids = one.ids, tokens = #one.ids, logprob = one.sum,
    score = self:score(one.sum, n_scored), finish_reason = reason, stop = stop, open = open,
    missing = open > 0 and self.phrases:missing(one.state) or nil,
  }
  local at = #finished + 1
  while at > 1 and is_better(told, finished[at - 1]) do
    at = at - 1
  end
  table.insert(finished, at, told)
  finished[group.width + 1] = nil
end

-- Can no beam that goes on become better than the worst of the group's finished texts?
function Search:is_done(group, going)
  local worst = group.finished[group.width]
  if #going == 0 then
    return true
  elseif not worst or worst.open > 0 then
    return false
  elseif self.given.early_stopping == true then
    return true
  end
  local best, length = -math.huge, self.told
  for _, one in ipairs(going) do
    best = math.max(best, one.sum)
  end
  if self.given.early_stopping == "never" and self.given.length_penalty > 0 then
    length = self.most
  end
  return worst.score >= self:score(best, length)
end

-------------------------------------------------------------------------------- who goes on

-- Sorted proposals by how many tokens of phrases they have met, the most first: the banks of Post
-- and Vilar. Without phrases there is one.
local function banks_of(list)
  local by_met, banks = {}, {}
  for _, one in ipairs(list) do
    local bank = by_met[one.met]
    if not bank then
      bank = {met = one.met}
      by_met[one.met] = bank
      banks[#banks + 1] = bank
    end
    bank[#bank + 1] = one
  end
  table.sort(banks, function(a, b) return a.met > b.met end)
  return banks
end

-- Of each bank in turn the next best, until there are so many.
local function take_turns(banks, width)
  local chosen, round, more = {}, 1, true
  while more and #chosen < width do
    more = false
    for _, bank in ipairs(banks) do
      if bank[round] and #chosen < width then
        chosen[#chosen + 1] = bank[round]
        more = true
      end
    end
    round = round + 1
  end
  return chosen
end

-- Of sorted proposals those that go on. Texts that end are finished, if they are among the best of
-- their bank and no phrase is missing.
function Search:choose(group, list)
  local banks = banks_of(list)
  for b, bank in ipairs(banks) do
    local going = {}
    for rank, one in ipairs(bank) do
      if rank > group.width and #going == group.width then
        break
      end
      local parent = one.parent
      local ended, stop
      one.bytes, ended, stop = self.ends:extend(parent.bytes, one.id, self.told == 0)
      one.ids = self.ends:has(one.id) and parent.ids or appended(parent.ids, one.id)
      if not ended then
        going[#going + 1] = one
      elseif rank <= group.width and (not one.state or one.state.open == 0) then
        self:finish(group, one, self.told + 1, "stop", stop)
      end
    end
    banks[b] = going
  end
  local chosen = take_turns(banks, group.width)
  table.sort(chosen, is_before)
  return chosen
end

-------------------------------------------------------------------------------- places

function Search:new_place(seq, chain, is_root)
  local place = {
    seq = seq, stages = chain, is_root = is_root,
    draw = sampling.draws(seq, {seed = self.given.seed}),
  }
  self.places[place] = true
  return place
end

function Search:close_place(place)
  self.places[place] = nil
  place.stages:close()
  if not place.is_root then
    place.seq:close()
  end
end

--- Close all that was opened for the search.
function Search:close()
  for place in pairs(self.places) do
    self:close_place(place)
  end
  self.start:close()
end

-- Give the chosen of all groups their places and queue their tokens. Places without a child are
-- closed first, and the last child takes its parent's: there are never more than beams.
function Search:go_on(chosen)
  local children = {}
  for _, one in ipairs(chosen) do
    local place = one.parent.place
    children[place] = (children[place] or 0) + 1
  end
  for place in pairs(self.places) do
    if not children[place] then
      self:close_place(place)
    end
  end
  for _, one in ipairs(chosen) do
    local place = one.parent.place
    children[place] = children[place] - 1
    if children[place] == 0 and not place.is_root then
      one.place = place
    else
      local seq, message, code = place.seq:fork()
      if not seq then
        return nil, message, code
      end
      one.place = self:new_place(seq, place.stages:clone())
    end
  end
  for _, one in ipairs(chosen) do
    local place = one.place
    one.parent = nil -- or every beam there ever was would stay in memory
    place.stages:accept(one.id, place.seq)
    local ok, message, code = place.seq:feed(one.id, place.stages.feed)
    if not ok then
      return nil, message, code
    end
  end
  return true
end

-------------------------------------------------------------------------------- the search

-- One token on. true, or nil, message, code. At the end self.over is set.
function Search:step()
  local chosen, taken, n_taken = {}, {}, 0
  for _, group in ipairs(self.groups) do
    local list, message, code = self:proposals(group, taken, n_taken)
    if not list then
      return nil, message, code
    end
    group.beams = self:choose(group, list)
    for _, one in ipairs(group.beams) do
      n_taken = n_taken + (taken[one.id] and 0 or 1)
      taken[one.id] = (taken[one.id] or 0) + 1
    end
  end
  self.told = self.told + 1
  for _, group in ipairs(self.groups) do
    if self:is_done(group, group.beams) then
      group.beams = {}
    elseif self.told == self.most then
      for _, one in ipairs(group.beams) do
        self:finish(group, one, self.told, self.why)
      end
      group.beams = {}
    end
    for _, one in ipairs(group.beams) do
      chosen[#chosen + 1] = one
    end
  end
  self.over = #chosen == 0
  return self:go_on(chosen)
end

function Search:wait()
  for _, group in ipairs(self.groups) do
    for _, one in ipairs(group.beams) do
      local ok, message, code = scheduler.wait(one.place.seq)
      if not ok then
        return nil, message, code
      end
    end
  end
  return true
end

-- The finished texts of all groups, the best first.
function Search:texts()
  local all = {}
  for _, group in ipairs(self.groups) do
    for _, one in ipairs(group.finished) do
      all[#all + 1] = one
      one.order = #all
    end
  end
  table.sort(all, function(a, b)
    if is_better(a, b) ~= is_better(b, a) then
      return is_better(a, b)
    end
    return a.order < b.order
  end)
  local best = {}
  for i = 1, math.min(#all, self.given.n) do
    best[i] = all[i]
    all[i].order, all[i].open = nil, nil
  end
  return best
end

local function check(given, rules, where, level)
  local checked = search.check(given, rules, where, level + 1)
  if checked.beams % checked.groups ~= 0 then
    error("bad option 'groups' to '" .. where .. "' (a divisor of " .. checked.beams
      .. " beams expected, got " .. checked.groups .. ")", level + 1)
  elseif checked.n > checked.beams then
    error("bad option 'n' to '" .. where .. "' (at most " .. checked.beams
      .. " beams expected, got " .. checked.n .. ")", level + 1)
  end
  return checked
end

local SPEC = {where = "beam", check = check, rules = options.merge(search.RULES, {
  beams = {type = "integer", min = 1, max = 1024, default = 5},
  n = {type = "integer", min = 1, max = 1024, default = 1},
  length_penalty = {type = "number", min = -100, max = 100, default = 1},
  early_stopping = {
    test = function(value) return type(value) == "boolean" or value == "never" end,
    text = "true, false or 'never'", default = false,
  },
  groups = {type = "integer", min = 1, max = 1024, default = 1},
  diversity = {type = "number", min = 0, max = 1e6, default = 0.5},
  phrases = phrases.RULE,
})}

-- The search with its prompt evaluated; or nil, message, code.
-- @param level whom to blame, as for error()
local function open_search(start, checked, level)
  local forced, ok, message, code
  if checked.phrases and #checked.phrases > 0 then
    forced, message, code = phrases.new(start.model, checked.phrases, SPEC.where, level + 1)
    if not forced then
      return nil, message, code
    end
  end
  ok, message, code = start:open(checked.max_tokens, checked.beams + 1)
  if ok then
    ok, message, code = start:evaluate(checked.stages.feed)
  end
  if not ok then
    return nil, message, code
  end
  local self = setmetatable({
    start = start, given = checked, phrases = forced, ends = search.ends(start, checked),
    vocab_size = start.model:vocab_size(), told = 0, over = false, groups = {}, places = {},
  }, Search)
  self.most, self.why = start:room(checked.max_tokens)
  for g = 1, checked.groups do
    local chain = sampling.clone(checked.stages)
    chain:reset()
    self.groups[g] = {
      width = checked.beams / checked.groups, finished = {},
      beams = {{
        ids = {}, bytes = "", sum = 0, state = forced and forced:start(),
        place = self:new_place(start.seq, chain, true),
      }},
    }
  end
  return self
end

--- Beam search.
--
--     local text = decode.beam(model, "One day, Lily", {beams = 5, max_tokens = 40})
--     local _, facts = decode.beam(model, "Tom had a", {
--       beams = 6, groups = 3, n = 3, phrases = {" dog", " red ball"},
--       sampler_stages = lull.sampling.no_repeat_ngram(3),
--     })
--     for _, one in ipairs(facts.texts) do print(one.score, one.text) end
--
-- Looks for the text with the highest score = sum of log-probabilities / length^length_penalty
-- (Wu et al. 2016, arXiv:1609.08144, in the form of transformers), where length counts the tokens
-- of the text and the one that ends it. 1 compares means, 0 sums, more favours long texts. For
-- short answers, completions and translations, where there is something like the right text; in
-- stories it is dull and loops: give it no_repeat_ngram, or sample instead (best_of). Log-
-- probabilities are of the model's own distribution; what stages change is added to them, and
-- what they ban stays out. All ties go to the earlier beam, then to the lower id.
--
-- A text ends at BOS, EOS, a stop string or a stop id, if that is among the best `beams`
-- continuations of its step, and after max_tokens or when the context is full. The search ends as
-- in transformers: with early_stopping = true as soon as `beams` texts have ended; with false when
-- none that goes on, as long as it is now, is better than the worst of those (with a penalty above
-- 0 a longer one might yet be); with "never" when surely none can. With beams = 1 it is greedy.
--
-- groups > 1 (Vijayakumar et al. 2016, arXiv:1610.02424): the beams are split into groups that
-- search one after the other in each step; a token that n beams of earlier groups have chosen there
-- ranks lower by diversity * n (Hamming diversity), while scores stay those of the texts.
--
-- phrases (lexical constraints): each of them must come up, in any order and by its tokens, as a
-- string is encoded within a text (a word begins with its space). As Post and Vilar 2018
-- (arXiv:1804.06609) each beam also proposes what takes a phrase further, and places are dealt
-- out in turn to those that have met the most, less, ... none of them. Give it beams: about as many
-- as the phrases have tokens.
-- @param ... (model, prompt, given) or (seq, given); a sequence stays as it is
-- @param given {beams = 5, n = 1 (how many texts to return), max_tokens = 256,
--   length_penalty = 1, early_stopping = false (true, "never"), groups = 1 (divides beams),
--   diversity = 0.5, phrases = list of strings or lists of ids}, those of lull.decode.search (stop,
--   stop_ids, sampler_stages, ...) and, for a model, those of its context; one of yours needs
--   beams + 1 places, or beams beside the sequence
-- @return the best text
-- @return facts {texts = {{text, score, logprob (the sum), tokens, ids, finish_reason, stop,
--   missing: the phrases that did not fit in}, ...}, the best first, prompt_tokens} and those of
--   the best: score, logprob, tokens, ids, finish_reason, stop, missing
-- @return nil, message, code on failure
function beam.beam(...)
  local target, prompt, given = origin.arguments(...)
  local start, checked, code = origin.begin(SPEC, target, prompt, given, USER)
  if not start then
    return nil, checked, code -- message and code
  end
  local self, message, ok
  self, message, code = open_search(start, checked, USER)
  if not self then
    return nil, message, code
  end
  repeat
    ok, message, code = self:step()
    if ok then
      ok, message, code = self:wait()
    end
  until not ok or self.over
  self:close()
  if not ok then
    return nil, message, code
  end
  local facts = {texts = self:texts(), prompt_tokens = start.n_prompt}
  local best = facts.texts[1]
  if not best then
    return nil, "the stages leave no token to begin with", "EINVAL"
  end
  for _, key in ipairs {
    "score", "logprob", "tokens", "ids", "finish_reason", "stop", "missing",
  } do
    facts[key] = best[key]
  end
  return best.text, facts
end

return beam
