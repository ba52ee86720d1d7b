-- Writes the seeds in tests/corpus/checkpoint: the smallest checkpoints of each format and byte
-- order, and files that are wrong in one way each.  Run from the top folder:
--
--     lua5.1 tests/corpus/checkpoint.lua

local folder = "tests/corpus/checkpoint/"

-- A 32-bit number, big- or little-endian.
local function int(value, big)
  local u, bytes = value % 2 ^ 32, {}
  for i = 1, 4 do
    bytes[big and 5 - i or i] = string.char(u % 256)
    u = math.floor(u / 256)
  end
  return table.concat(bytes)
end

local ONE = 0x3f800000 -- 1.0 in float32

local function floats(n, big)
  return int(ONE, big):rep(n)
end

local function config(c, big, vocab)
  return int(c.dim, big) .. int(c.hidden, big) .. int(c.layers, big) .. int(c.heads, big)
    .. int(c.kv_heads, big) .. int(vocab, big) .. int(c.seq_len, big)
end

-- Weights of one layer's matrices, and of its two norms.
local function sizes(c)
  local kv = c.dim / c.heads * c.kv_heads
  return { c.dim * c.dim, kv * c.dim, kv * c.dim, c.dim * c.dim,
           c.hidden * c.dim, c.hidden * c.dim, c.hidden * c.dim }
end

local function v0(c, big)
  local n = c.vocab * c.dim + c.layers * 2 * c.dim + c.dim + c.seq_len * c.dim / c.heads
  for _, size in ipairs(sizes(c)) do n = n + c.layers * size end
  if not c.shared then n = n + c.vocab * c.dim end
  return config(c, big, c.shared and c.vocab or -c.vocab) .. floats(n, big)
end

local function ak42(c, big, version)
  local head = int(0x616b3432, big) .. int(version, big) .. config(c, big, c.vocab)
    .. string.char(c.shared and 1 or 0) .. (version == 2 and int(c.group, big) or "")
  local parts = { head, ("\0"):rep(256 - #head), floats((2 * c.layers + 1) * c.dim, big) }
  local function matrix(n)
    if version == 1 then parts[#parts + 1] = floats(n, big) return end
    parts[#parts + 1] = ("\127\129\0\1"):rep(n):sub(1, n)
    parts[#parts + 1] = floats(n / c.group, big)
  end
  matrix(c.vocab * c.dim)
  for _, size in ipairs(sizes(c)) do
    for _ = 1, c.layers do matrix(size) end
  end
  if not c.shared then matrix(c.vocab * c.dim) end
  return table.concat(parts)
end

local function write(name, bytes)
  local f = assert(io.open(folder .. name, "wb"))
  assert(f:write(bytes))
  assert(f:close())
end

local small = { dim = 4, hidden = 6, layers = 1, heads = 2, kv_heads = 1, vocab = 5, seq_len = 3,
                group = 2, shared = true }
local unshared = setmetatable({ shared = false, layers = 2 }, { __index = small })

for _, big in ipairs { false, true } do
  local order = big and "be" or "le"
  write("v0-" .. order, v0(small, big))
  write("v0-unshared-" .. order, v0(unshared, big))
  write("v1-" .. order, ak42(small, big, 1))
  write("v2-" .. order, ak42(small, big, 2))
  write("v2-unshared-" .. order, ak42(unshared, big, 2))
end

local good = v0(small, false)
local nan = string.char(0xff, 0xff, 0xff, 0x7f)
write("empty", "")
write("header-only", good:sub(1, 28))
write("cut", good:sub(1, -2))
write("surplus", good .. "\0")
write("no-numbers", good:sub(1, 28) .. nan:rep((#good - 28) / 4))
write("vocabulary-int-min", good:sub(1, 20) .. int(-2 ^ 31) .. good:sub(25))
write("heads-zero", good:sub(1, 12) .. int(0) .. good:sub(17))
write("largest-header", config({ dim = 2 ^ 20, hidden = 2 ^ 20, layers = 4096, heads = 4096,
                                 kv_heads = 4096, seq_len = 2 ^ 20 }, false, 2 ^ 22))
write("long-context", ak42(setmetatable({ seq_len = 2 ^ 18 }, { __index = small }), false, 1))
write("group-zero", ak42(setmetatable({ group = 2 }, { __index = small }), false, 2)
  :gsub("^(" .. ("."):rep(37) .. ")....", "%1\0\0\0\0", 1))
write("page", "<!DOCTYPE html>\n<html><body>404: no such model</body></html>\n")
write("gguf", "GGUF" .. int(3) .. ("\0"):rep(16))
