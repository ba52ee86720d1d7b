--- Drafts: guesses of the next tokens, so that one pass over the weights evaluates several.
--
-- A decode loop hands the guesses to `seq:guess` and goes on as ever: it draws with its own
-- number at every place, and where that agrees with the guess the logits of the next place are
-- there already. So a draft changes how fast a text is told and never what is told (speculative
-- decoding, Leviathan et al. 2023, arXiv:2211.17192, with exact agreement in place of acceptance
-- by ratio). It pays where a pass over a few tokens costs little more than over one: with large
-- models, whose time goes into reading weights, on one stream.
--
-- A draft is an object with `open(seq, strategy) -> drafter`, and a drafter has
-- `propose(seq, draw, most) -> list of at most `most` ids, or nil, message, code` and, where it has
-- something to close, `close()`.
-- @module lull.decode.drafts
local options = require "lull.options"
local sampling = require "lull.sampling"
local scheduler = require "lull.decode.scheduler"
local shadow = require "lull.decode.shadow"
local text = require "lull.decode.text"

local drafts = {}

-------------------------------------------------------------------------------- a small model

local ModelDrafter = {}
ModelDrafter.__index = ModelDrafter

-- Make the drafter's own sequence equal the text. false where it does not fit.
function ModelDrafter:follow(seq)
  return #seq < self.length and assert(shadow.follow(self.seq, 1, seq, 1))
end

function ModelDrafter:propose(seq, draw, most)
  local ids = {}
  if not self:follow(seq) then
    return ids
  end
  local own = self.seq
  local own_draw = draw:fork(own) -- the same number at the same place, so that models agree
  local strategy = sampling.clone(self.strategy)
  while #ids < math.min(most, self.tokens) and #own < self.length do
    local ok, message, code = scheduler.wait(own)
    if not ok then
      return nil, message, code
    end
    local id = strategy:apply(own:logits():reset(), own, own_draw)
    if not id or self.ends[id] then
      break
    end
    ids[#ids + 1] = id
    if strategy.accept then
      strategy:accept(id, own)
    end
    assert(own:feed(id))
  end
  if strategy.close then
    strategy:close()
  end
  return ids
end

function ModelDrafter:close()
  self.seq:close()
  if self.owns_context then
    self.context:close()
  end
end

local MODEL_RULES = {
  tokens = {type = "integer", min = 1, max = 64, default = 4},
  context = options.handle "context",
}

local ModelDraft = {}
ModelDraft.__index = ModelDraft

function ModelDraft:open(seq, strategy)
  local model = self.model
  shadow.check_vocabulary("draft model", model, seq:model())
  local context, message, code = self.context, nil, nil
  if not context then
    context, message, code = model:context {
      length = math.min(model:info().seq_len, seq:context():info().length),
    }
  end
  local own
  if context then
    own, message, code = context:sequence()
  end
  if not own then
    if context and not self.context then
      context:close()
    end
    return nil, message, code
  end
  return setmetatable({
    seq = own, strategy = strategy, tokens = self.tokens,
    ends = text.ends(model), length = context:info().length,
    context = context, owns_context = not self.context,
  }, ModelDrafter)
end

--- Drafts by a smaller model with the same vocabulary, which chooses with the same strategy and
-- the same random numbers. A strategy that reads a second sequence (guidance, contrastive decoding)
-- guesses only where that has a place more, `sequences = 2`; a constraint is not asked.
-- @param model the small model
-- @param given optional {tokens = 4: guesses a pass, context = one of its contexts to open
--   sequences in (for texts that run together), by default one of its own per text}
function drafts.model(model, given)
  options.argument("draft_model", 1, model, options.handle "model")
  given = options.check("draft_model", given, MODEL_RULES)
  if given.context and given.context:model() ~= model then
    error("bad option 'context' to 'draft_model' (it belongs to another model)", 2)
  end
  return setmetatable({model = model, tokens = given.tokens, context = given.context}, ModelDraft)
end

-------------------------------------------------------------------------------- prompt lookup

local LookupDrafter = {}
LookupDrafter.__index = LookupDrafter

-- The n tokens that end at place i, as one number: a vocabulary of 2^17 and n = 3 fit in 2^53.
local function key_at(seq, i, n, base)
  local key = 0
  for k = i - n + 1, i do
    key = key * base + seq:token(k)
  end
  return key
end

-- Note what follows each n tokens; of several places the latest counts.
function LookupDrafter:index(seq)
  local n = self.ngram
  self.indexed = math.min(self.indexed, #seq - 1) -- after a rewind
  for i = math.max(self.indexed + 1, n), #seq - 1 do
    self.after[key_at(seq, i, n, self.base)] = i + 1
  end
  self.indexed = #seq - 1
end

function LookupDrafter:propose(seq, _, most)
  if #seq <= self.ngram then
    return {}
  end
  self:index(seq)
  local place = self.after[key_at(seq, #seq, self.ngram, self.base)]
  if not place or place > #seq then
    return {}
  end
  return seq:tokens(place, math.min(#seq, place + math.min(most, self.tokens) - 1))
end

local LOOKUP_RULES = {
  ngram = {type = "integer", min = 1, max = 3, default = 2},
  tokens = {type = "integer", min = 1, max = 64, default = 8},
}

local LookupDraft = {}
LookupDraft.__index = LookupDraft

function LookupDraft:open(seq)
  return setmetatable({
    ngram = self.ngram, tokens = self.tokens, after = {}, indexed = 0,
    base = seq:model():vocab_size(),
  }, LookupDrafter)
end

--- Drafts out of the text itself (prompt lookup): what followed the last `ngram` tokens where
-- they stood before. Costs next to nothing, and pays where a text repeats itself or its prompt.
-- @param given optional {ngram = 2 (1..3), tokens = 8: guesses a pass}
function drafts.lookup(given)
  given = options.check("draft_lookup", given, LOOKUP_RULES)
  return setmetatable({ngram = given.ngram, tokens = given.tokens}, LookupDraft)
end

return drafts
