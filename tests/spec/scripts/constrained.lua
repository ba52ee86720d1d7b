-- What the specs of lull.constrain share: random texts that a constraint allows, random garbage.
local helper = require "tests.spec.helper"
local core = require "lull.core"

local constrained = {}

local unpack = unpack or table.unpack -- luacheck: ignore
local model = helper.model()
constrained.model = model

local seq = model:context():sequence()
assert(seq:feed {model:bos()})
assert(seq:context():step())
local logits = assert(seq:logits())

--- A random whole number in 1..n: a function of its arguments.
function constrained.pick(n, seed, position)
  return math.floor(core.random(seed, "pick", position) * n) + 1
end

-- What brings most texts nearer to their end, best first.
local CLOSERS = {}
for i, text in ipairs {'"', "}", "]", ")", "0", "n", "null", ":", "."} do
  CLOSERS[i] = text
end

local function closer(matcher)
  if matcher:allows(model:eos()) then
    return model:eos()
  end
  for _, text in ipairs(CLOSERS) do
    local id = model:encode(text, {start = false})[1]
    if matcher:allows(id) then
      return id
    end
  end
end

--- A random text under a constraint, token by token, as a generation loop would do it: a token is
-- drawn, and only when it is not allowed are the others masked.
-- @param given tokens (60): then it is brought to its end; at_start; temperature (3); check: a
--   function of each new matcher state and the text so far
-- @return the text, and whether it was brought to an end
function constrained.text(constraint, seed, given)
  given = given or {}
  local matcher = assert(constraint:matcher(model, {at_start = given.at_start}))
  local ids, text = {}, ""
  for position = 1, 300 do
    if given.check then
      given.check(matcher, text)
    end
    local view = logits:reset():temperature(given.temperature or 3)
    local id = view:sample(core.random(seed, "walk", position))
    if position > (given.tokens or 60) then
      id = closer(matcher) or id
    end
    if not matcher:allows(id) then
      assert(matcher:mask(view))
      id = assert(view:sample(core.random(seed, "walk", position, 0, 1)))
      assert(matcher:allows(id))
    end
    assert(matcher:accept(id))
    if id == model:eos() then
      assert(matcher:complete())
      return text, true
    end
    ids[#ids + 1] = id
    text = given.at_start and model:decode {model:bos(), unpack(ids)} or model:decode(ids)
  end
  return text, false
end

--- A random text under a constraint, byte by byte where there is a choice.
-- @return the text, or nil when it came to no end
function constrained.bytes(constraint, seed, alphabet)
  local matcher, text = assert(constraint.grammar:matcher()), ""
  for position = 1, 4000 do
    local forced = matcher:forced()
    if forced then
      assert(matcher:accept_text(forced))
      text = text .. forced
    end
    if matcher:complete() and constrained.pick(4, seed, 2 * position) == 1 then
      return text
    end
    local i = constrained.pick(#alphabet, seed, 2 * position + 1)
    local byte = alphabet:sub(i, i)
    if matcher:accept_text(byte) then
      text = text .. byte
    end
  end
end

--- Compare a matcher's mask with the definition: a token is allowed when what it adds is.
function constrained.check_mask(constraint)
  return function(matcher, text)
    local masked = assert(matcher:mask(logits:reset()))
    for id = 0, model:vocab_size() - 1 do
      local piece = model:piece(id)
      local expected
      if id == model:eos() then
        expected = constraint:test(text)
      elseif id == model:bos() or id == 0 or piece == "" then
        expected = false
      else
        expected = constraint.grammar:matcher():accept_text(text .. piece) and true or false
      end
      if (masked:get(id) > -math.huge) ~= expected or matcher:allows(id) ~= expected then
        error(("token %d (%q) after %q: %s expected"):format(id, piece, text,
          tostring(expected)), 0)
      end
    end
  end
end

--- Texts near those of a list: bytes are cut out, doubled, exchanged and thrown in.
function constrained.garbage(samples, seed, odd)
  local text = samples[constrained.pick(#samples, seed, 0)]
  for change = 1, constrained.pick(4, seed, 1) do
    local at = constrained.pick(#text + 1, seed, 10 * change)
    local length = constrained.pick(6, seed, 10 * change + 1) - 1
    local what = constrained.pick(4, seed, 10 * change + 2)
    local cut = text:sub(at, at + length)
    if what == 1 then
      text = text:sub(1, at - 1) .. text:sub(at + length + 1)
    elseif what == 2 then
      text = text:sub(1, at - 1) .. cut .. cut .. text:sub(at)
    elseif what == 3 then
      local other = samples[constrained.pick(#samples, seed, 10 * change + 3)]
      text = text:sub(1, at - 1) .. other:sub(constrained.pick(#other, seed, 10 * change + 4))
    else
      local i = constrained.pick(#odd, seed, 10 * change + 5)
      text = text:sub(1, at - 1) .. odd:sub(i, i) .. text:sub(at)
    end
  end
  return text
end

return constrained
