-- constrain.lua - what a constraint costs a token: a story sheet under a JSON schema.
-- usage: constrain.lua ROUNDS NAME MODEL TOKENIZER
--
-- A text is generated as a loop would do it: a token is drawn, and only where the schema does not
-- allow it are the others masked and one drawn again.  ROUNDS texts are the first of a grammar
-- (cold), as many are told after twenty others (warm).  Times are microseconds a token, each the
-- median over the texts; drawing again is no part of them.  Leaves the rows of a Markdown table.

local lull = require "lull"
local constrain = require "lull.constrain"
local clock = lull.clock

local rounds, name, path, tokenizer = ...
if not tokenizer then
  io.stderr:write("usage: constrain.lua ROUNDS NAME MODEL TOKENIZER\n")
  os.exit(2)
end
rounds = assert(tonumber(rounds))

local SHEET = [[{
  "type": "object",
  "properties": {
    "title": {"type": "string", "minLength": 1, "maxLength": 60},
    "hero": {
      "type": "object",
      "properties": {
        "name": {"type": "string", "minLength": 1, "maxLength": 20},
        "kind": {"enum": ["girl", "boy", "dog", "cat", "dragon"]},
        "age": {"type": "integer", "minimum": 1, "maximum": 99}
      },
      "required": ["name", "kind", "age"]
    },
    "places": {
      "type": "array", "items": {"type": "string", "minLength": 1, "maxLength": 30},
      "minItems": 1, "maxItems": 3
    },
    "happy": {"type": "boolean"},
    "moral": {"type": "string", "maxLength": 200}
  },
  "required": ["title", "hero", "places", "happy", "moral"]
}]]

local model = assert(lull.load(path, {tokenizer = tokenizer}))
local context = assert(model:context {sequences = 1})
local eos = model:eos()

-- Seconds a call takes, and what it returns.
local function timed(f, ...)
  local start = clock()
  local result, message = f(...)
  return clock() - start, assert(result ~= nil, message) and result
end

-- One text; its seconds by kind.
local function tell(grammar, seed)
  local matcher = assert(grammar:matcher())
  local seq = assert(context:sequence()):feed("Once upon a time")
  local facts = {allows = 0, mask = 0, accept = 0, step = 0, tokens = 0, rejected = 0}
  local function add(kind, seconds, result)
    facts[kind] = facts[kind] + seconds
    return result
  end
  assert(context:step()) -- the prompt
  while #seq < context:info().length do
    local logits, position = assert(seq:logits()), #seq
    local id = assert(logits:sample {seed = seed, position = position})
    if not add("allows", timed(matcher.allows, matcher, id)) then
      facts.rejected = facts.rejected + 1
      add("mask", timed(matcher.mask, matcher, logits))
      id = assert(logits:sample {seed = seed, position = position, attempt = 1})
    end
    add("accept", timed(matcher.accept, matcher, id))
    if id == eos then
      break
    end
    facts.tokens = facts.tokens + 1
    seq:feed(id)
    add("step", timed(context.step, context))
  end
  seq:close()
  matcher:close()
  return facts
end

local function median(values)
  table.sort(values)
  return values[math.floor(#values / 2) + 1]
end

-- The median over texts of what they took a token, in microseconds.
local function per_token(texts, kind)
  local values = {}
  for i, facts in ipairs(texts) do
    local seconds = kind and facts[kind] or facts.allows + facts.mask + facts.accept
    values[i] = seconds / facts.tokens * 1e6
  end
  return median(values)
end

local function report(label, texts)
  local tokens, rejected = 0, 0
  for _, facts in ipairs(texts) do
    tokens, rejected = tokens + facts.tokens, rejected + facts.rejected
  end
  local step, all = per_token(texts, "step"), per_token(texts)
  print(("| %s | %s | %.0f | %.0f %% | %.2f | %.2f | %.2f | %.1f | %.0f | %.1f %% |"):format(name,
    label, tokens / #texts, 100 * rejected / tokens, per_token(texts, "allows"),
    per_token(texts, "mask"), per_token(texts, "accept"), all, step, 100 * all / step))
end

local reading, constraint = timed(constrain.json_schema, SHEET)
local making, grammar = timed(constraint.on, constraint, model)

local cold, warm = {}, {}
for round = 1, rounds do
  cold[round] = tell(assert(lull.core.grammar(model, constraint.program)), round)
end
for seed = 1, 20 do
  tell(grammar, rounds + seed)
end
for round = 1, rounds do
  warm[round] = tell(grammar, rounds + 20 + round)
end
report("first", cold)
report("later", warm)
local info = grammar:info()
io.stderr:write(("%s: schema read in %.1f ms, trie of %d tokens made in %.1f ms; after %d texts %d "
  .. "states, %d masks, %.1f MB\n"):format(name, reading * 1e3, model:vocab_size(), making * 1e3,
  20 + rounds, info.states, info.masks, info.memory_bytes / 1e6))
