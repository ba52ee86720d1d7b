-- Writes the seeds in tests/corpus/gguf: the smallest GGUF files of each type of weights and byte
-- order, and files that are wrong in one way each.  Run from the top folder:
--
--     lua5.1 tests/corpus/gguf.lua

local folder = "tests/corpus/gguf/"

local U32, I32, F32, BOOL, STRING, ARRAY = 4, 5, 6, 7, 8, 9
local EPSILON = 0x3727c5ac -- 1e-5 in float32
local TYPES = { f32 = 0, f16 = 1, q4_0 = 2, q8_0 = 8 }

-- Writers of numbers and strings in one byte order.
local function writer(big)
  local w = {}
  function w.int(value, bytes)
    local out, v = {}, value % 2 ^ (8 * bytes)
    for i = 1, bytes do
      out[big and bytes + 1 - i or i] = string.char(v % 256)
      v = math.floor(v / 256)
    end
    return table.concat(out)
  end
  function w.u32(v) return w.int(v, 4) end
  function w.u64(v) return w.int(v, 8) end
  function w.text(s) return w.u64(#s) .. s end
  function w.key(name, kind, value) return w.text(name) .. w.u32(kind) .. value end
  return w
end

local SPACE = "\226\150\129"
local TOKENS = { "<unk>", "<s>", "</s>", "<0x0A>", SPACE, "O", "n", "On", SPACE .. "On" }

local function keys(w, c)
  local texts, scores, kinds = {}, {}, {}
  for i, text in ipairs(TOKENS) do
    texts[i] = w.text(text)
    scores[i] = w.u32(i < 6 and 0 or 0x3f800000)
    kinds[i] = w.u32(i == 1 and 2 or i < 4 and 3 or i == 4 and 6 or 1)
  end
  local function array(kind, list) return w.u32(kind) .. w.u64(#list) .. table.concat(list) end
  return {
    w.key("general.architecture", STRING, w.text("llama")),
    w.key("llama.context_length", U32, w.u32(c.seq_len)),
    w.key("llama.embedding_length", U32, w.u32(c.dim)),
    w.key("llama.block_count", U32, w.u32(1)),
    w.key("llama.feed_forward_length", U32, w.u32(c.hidden)),
    w.key("llama.attention.head_count", U32, w.u32(c.heads)),
    w.key("llama.attention.head_count_kv", U32, w.u32(c.kv_heads)),
    w.key("llama.attention.layer_norm_rms_epsilon", F32, w.u32(EPSILON)),
    w.key("tokenizer.ggml.model", STRING, w.text("llama")),
    w.key("tokenizer.ggml.tokens", ARRAY, array(STRING, texts)),
    w.key("tokenizer.ggml.scores", ARRAY, array(F32, scores)),
    w.key("tokenizer.ggml.token_type", ARRAY, array(I32, kinds)),
    w.key("tokenizer.ggml.add_space_prefix", BOOL, "\1"),
  }
end

-- n weights of a type, all about 1.
local function weights(w, kind, n)
  if kind == "f32" then return w.u32(0x3f800000):rep(n) end
  if kind == "f16" then return w.int(0x3c00, 2):rep(n) end
  local block = kind == "q8_0" and ("\127\129\0\1"):rep(8) or ("\0\136\255\8"):rep(4)
  return (w.int(0x2c00, 2) .. block):rep(n / 32)
end

local function tensors(w, c, kind)
  local kv = c.dim / c.heads * c.kv_heads
  local list = {
    { "token_embd", c.dim, #TOKENS }, { "blk.0.attn_norm", c.dim },
    { "blk.0.attn_q", c.dim, c.dim }, { "blk.0.attn_k", c.dim, kv }, { "blk.0.attn_v", c.dim, kv },
    { "blk.0.attn_output", c.dim, c.dim }, { "blk.0.ffn_norm", c.dim },
    { "blk.0.ffn_gate", c.dim, c.hidden }, { "blk.0.ffn_down", c.hidden, c.dim },
    { "blk.0.ffn_up", c.dim, c.hidden }, { "output_norm", c.dim },
  }
  local infos, data, used = {}, {}, 0
  for i, t in ipairs(list) do
    local own = t[3] and kind or "f32"
    local bytes = weights(w, own, t[2] * (t[3] or 1))
    bytes = bytes .. ("\0"):rep(-#bytes % 32)
    infos[i] = w.text(t[1] .. ".weight") .. w.u32(t[3] and 2 or 1) .. w.u64(t[2])
      .. (t[3] and w.u64(t[3]) or "") .. w.u32(TYPES[own]) .. w.u64(used)
    data[i] = bytes
    used = used + #bytes
  end
  return infos, data
end

local function gguf(c, kind, big, version)
  local w = writer(big)
  local list = keys(w, c)
  local infos, data = tensors(w, c, kind)
  local head = "GGUF" .. w.u32(version or 3) .. w.u64(#infos) .. w.u64(#list)
    .. table.concat(list) .. table.concat(infos)
  return head .. ("\0"):rep(-#head % 32) .. table.concat(data), #head
end

local function write(name, bytes)
  local f = assert(io.open(folder .. name, "wb"))
  assert(f:write(bytes))
  assert(f:close())
end

local function replaced(bytes, from, to)
  local at = assert(bytes:find(from, 1, true), "nothing to replace")
  return bytes:sub(1, at - 1) .. to .. bytes:sub(at + #from)
end

local small = { dim = 4, hidden = 6, heads = 2, kv_heads = 1, seq_len = 3 }
local blocks = { dim = 32, hidden = 32, heads = 2, kv_heads = 1, seq_len = 3 }

for _, big in ipairs { false, true } do
  local order = big and "be" or "le"
  write("f32-" .. order, (gguf(small, "f32", big)))
  write("f16-" .. order, (gguf(small, "f16", big)))
  write("q8_0-" .. order, (gguf(blocks, "q8_0", big)))
  write("q4_0-" .. order, (gguf(blocks, "q4_0", big)))
end

local good, head = gguf(small, "f32", false)
local w = writer(false)
write("version-1", (gguf(small, "f32", false, 1)))
write("version-2", (gguf(small, "f32", true, 2)))
write("cut-header", good:sub(1, head - 9))
write("cut-data", good:sub(1, -33))
write("surplus", good .. ("\0"):rep(32))
write("reversed", "FUGG" .. good:sub(5))
write("many-tensors", good:sub(1, 8) .. ("\255"):rep(8) .. good:sub(17))
write("many-keys", good:sub(1, 16) .. ("\255"):rep(8) .. good:sub(25))
write("long-key", good:sub(1, 24) .. ("\255"):rep(8) .. good:sub(33))
write("other-architecture", replaced(good, w.text("llama"), w.text("gemma")))
local of_strings = w.u32(ARRAY) .. w.u32(STRING)
write("nested-arrays", replaced(good, of_strings, w.u32(ARRAY) .. w.u32(ARRAY)))
write("tokens-of-numbers", replaced(good, of_strings, w.u32(ARRAY) .. w.u32(U32)))
write("many-elements", replaced(good, w.u32(F32) .. w.u64(#TOKENS), w.u32(F32) .. w.u64(2 ^ 61)))
write("byte-token", replaced(good, "<0x0A>", "<0x-1>"))
write("far-layer", replaced(good, w.text("blk.0.attn_v.weight"),
  w.text("blk.536870912.attn_v.weight")))
write("twice", replaced(good, "blk.0.attn_v", "blk.0.attn_k"))
write("wide", replaced(good, "output_norm.weight" .. w.u32(1) .. w.u64(4),
  "output_norm.weight" .. w.u32(1) .. w.u64(2 ^ 61)))
