--- A record of lull.explore as JSON, for programs and for the page.
-- @module lull.command.explore.json
local json = require "lull.json"
local utf8 = require "lull.utf8"

local records = {}

local object, map = json.object, json.map

-- The bytes of a piece that is no UTF-8, which the string cannot have.
local function hex(piece)
  if not utf8.first_bad(piece) then
    return nil
  end
  return (piece:gsub(".", function(byte)
    return string.format("%02X", byte:byte())
  end))
end

-- An object of the pairs that have a value.
local function present(pairs_list)
  local out = object {}
  for _, pair in ipairs(pairs_list) do
    if pair[2] ~= nil then
      out[#out + 1] = pair
    end
  end
  return out
end

local function alternative(a)
  return present {
    {"id", a.id}, {"piece", a.piece}, {"hex", hex(a.piece)}, {"p", a.p}, {"rank", a.rank},
    {"chain_p", a.chain_p}, {"removed_by", a.removed_by},
  }
end

local function stage(s)
  return object {
    {"name", s.name}, {"remaining", s.remaining}, {"removed", s.removed}, {"mass", s.mass},
    {"reshaped", s.reshaped}, {"entropy", s.entropy}, {"entropy_bits", s.entropy_bits},
  }
end

-- What each token adds to the text, in whole characters: one that several tokens bring belongs to
-- the first of them, and the others add nothing.
local function added_texts(tokens)
  local bytes, ends, added = {}, {}, {}
  local size = 0
  for i, t in ipairs(tokens) do
    bytes[i], size = t.ending and "" or t.text, size + (t.ending and 0 or #t.text)
    ends[i] = size
  end
  local all, at = table.concat(bytes), 1
  for i = 1, #tokens do
    local from = at
    while at <= ends[i] do
      at = at + (utf8.length(all, at) or 1)
    end
    added[i] = all:sub(from, at - 1)
  end
  return added
end

local function token(t, added)
  return present {
    {"position", t.position}, {"id", t.id}, {"piece", t.piece}, {"hex", hex(t.piece)},
    {"text", added}, {"ending", t.ending}, {"p", t.p}, {"rank", t.rank},
    {"surprise_bits", t.surprise_bits}, {"entropy", t.entropy},
    {"entropy_bits", t.entropy_bits}, {"chain_p", t.chain_p}, {"removed_by", t.removed_by},
    {"chain_entropy", t.chain_entropy}, {"chain_entropy_bits", t.chain_entropy_bits},
    {"alternatives", map(t.alternatives, alternative)}, {"stages", map(t.stages, stage)},
  }
end

--- A record as one JSON object, on one line. Its strings are UTF-8; pieces that are none also
-- have their bytes, as `hex`.
-- @param name what the model is called
function records.record(record, name)
  local added = added_texts(record.tokens)
  local tokens = {}
  for i, t in ipairs(record.tokens) do
    tokens[i] = token(t, added[i])
  end
  return json.encode(present {
    {"model", name}, {"sampler", record.sampler}, {"seed", record.seed},
    {"vocab_size", record.vocab_size}, {"finish_reason", record.finish_reason},
    {"stop", record.stop}, {"surprise_bits", record.surprise_bits},
    {"entropy_bits", record.entropy_bits}, {"prompt", record.prompt}, {"text", record.text},
    {"cut", record.cut}, {"tokens", tokens},
  })
end

return records
