-- What the specs of lull.core share: where models are, tiny models written here, comparisons.
-- A spec gets it with dofile, so that it needs no package path.
local core = require "lull.core"

local common = {}

common.MODEL = "examples/models/lullaby.bin"

--- The shipped model, one handle for all specs.
function common.model()
  common.loaded = common.loaded or assert(core.load(common.MODEL))
  return common.loaded
end

-------------------------------------------------------------------------------- files

local made = {}

--- A new file name that common.clean removes.
function common.name()
  local name = os.tmpname()
  made[#made + 1] = name
  return name
end

function common.write(name, bytes)
  local file = assert(io.open(name, "wb"))
  assert(file:write(bytes))
  assert(file:close())
  return name
end

function common.read(name)
  local file = assert(io.open(name, "rb"))
  local bytes = assert(file:read("*a"))
  file:close()
  return bytes
end

function common.clean()
  for _, name in ipairs(made) do
    os.remove(name)
  end
  made = {}
end

-------------------------------------------------------------------------------- tiny models

local function u32(v)
  v = v % 2 ^ 32
  local function byte(shift)
    return math.floor(v / shift) % 256
  end
  return string.char(byte(1), byte(256), byte(65536), byte(16777216))
end

-- x > 0 as m * 2^e with m in 0.5 .. 1; math.frexp is gone from Lua 5.4.
local function frexp(x)
  local e = 0
  while x >= 1 do x, e = x / 2, e + 1 end
  while x < 0.5 do x, e = x * 2, e - 1 end
  return x, e
end

--- The little-endian bytes of a float32 (normal numbers, zero, NaN).
local function f32(x)
  if x ~= x then
    return "\0\0\192\127"
  elseif x == 0 then
    return "\0\0\0\0"
  end
  local sign = x < 0 and 2 ^ 31 or 0
  local m, e = frexp(math.abs(x))
  return u32(sign + (e + 126) * 2 ^ 23 + math.floor((m * 2 - 1) * 2 ^ 23 + 0.5))
end
local function weights(state, n, scale, bad)
  local out = {}
  for i = 1, n do
    state.x = (state.x * 1103515245 + 12345) % 2 ^ 31
    out[i] = f32(bad or (math.floor(state.x / 2 ^ 16) % 255 - 127) / 128 * scale)
  end
  return table.concat(out)
end

local function ones(n, value)
  return f32(value):rep(n)
end

--- Write a llama2.c version 0 checkpoint. given: dim, hidden, layers, heads, kv, vocab, seq, and
-- bad = a value for the last norm (0 / 0 makes every logit NaN). Returns its name.
function common.tiny(given)
  given = given or {}
  local dim, hidden = given.dim or 16, given.hidden or 24
  local layers, heads, kv = given.layers or 2, given.heads or 4, given.kv or 2
  local vocab, seq = given.vocab or 300, given.seq or 64
  local head = dim / heads
  local state = {x = given.seed or 1}
  local parts = {
    u32(dim), u32(hidden), u32(layers), u32(heads), u32(kv), u32(vocab), u32(seq),
    weights(state, vocab * dim, 1),
    ones(layers * dim, 1),
    weights(state, layers * dim * dim, 0.5),
    weights(state, layers * dim * kv * head, 0.5),
    weights(state, layers * dim * kv * head, 0.5),
    weights(state, layers * dim * dim, 0.5),
    ones(layers * dim, 1),
    weights(state, layers * hidden * dim, 0.5),
    weights(state, layers * dim * hidden, 0.5),
    weights(state, layers * hidden * dim, 0.5),
    ones(dim, given.bad or 1),
    weights(state, seq * head, 1), -- two tables that nobody reads
  }
  return common.write(common.name(), table.concat(parts))
end

--- Write a tokenizer.bin: <unk>, <s>, </s>, 256 byte tokens, printable ASCII as far as there is
-- room, fillers. Returns its name.
function common.tokenizer(vocab)
  vocab = vocab or 300
  local parts, longest = {}, 0
  local function add(text, score)
    longest = math.max(longest, #text)
    parts[#parts + 1] = f32(score) .. u32(#text) .. text
  end
  add("<unk>", 0)
  add("\n<s>\n", 0)
  add("\n</s>\n", 0)
  for b = 0, 255 do
    add(("<0x%02X>"):format(b), 0)
  end
  for i = #parts, vocab - 1 do
    local c = 32 + i - 259
    add(c < 127 and string.char(c) or "filler" .. i, -i)
  end
  return common.write(common.name(), u32(longest) .. table.concat(parts))
end

--- A tiny model with a tokenizer, loaded. given as for common.tiny.
function common.tiny_model(given, options)
  options = options or {}
  if options.tokenizer == nil then
    options.tokenizer = common.tokenizer(given and given.vocab)
  end
  return assert(core.load(common.tiny(given), options))
end

-------------------------------------------------------------------------------- comparisons

--- All values of logits, as a list.
function common.values(view)
  local out = {}
  for id = 0, view:size() - 1 do
    out[id + 1] = view:get(id)
  end
  return out
end

--- All logits of a sequence after its queue is evaluated.
function common.logits(seq)
  if seq:pending() > 0 then
    assert(seq:context():step())
  end
  return common.values(assert(seq:logits()))
end

--- A sequence in a context of its own with these tokens evaluated.
function common.fresh(model, tokens, options)
  local seq = assert(assert(model:context(options)):sequence())
  if #tokens > 0 then
    assert(seq:feed(tokens))
    assert(seq:context():step())
  end
  return seq
end

--- Run f, expect an error that contains text, and return the message.
function common.raises(text, f, ...)
  local ok, message = pcall(f, ...)
  if ok then
    error("no error, expected: " .. text, 2)
  elseif not tostring(message):find(text, 1, true) then
    error("the error is: " .. tostring(message) .. "\nexpected in it: " .. text, 2)
  end
  return message
end

--- Expect nil, message, code; the message contains text.
function common.fails(code, text, ok, message, found, ...)
  if ok ~= nil or found ~= code or type(message) ~= "string" or select("#", ...) > 0
    or not message:find(text, 1, true) then
    error(("expected nil, '...%s...', '%s'; got %s, %s, %s"):format(text, code, tostring(ok),
      tostring(message), tostring(found)), 2)
  end
end

return common
