-- table.lua - Markdown tables from the JSON lines the measuring scripts leave.
-- usage: table.lua x86|ppc FILE

local kind, path = ...
if not path then
  io.stderr:write("usage: table.lua x86|ppc FILE\n")
  os.exit(2)
end

-- Flat objects only, one a line: {"name":"text","other":1.5}
local function read(line)
  local object = {}
  for key, value in line:gmatch('"([%w_]+)":("?[^",}]*)') do
    object[key] = tonumber(value) or value:gsub('^"', "")
  end
  return object
end

local function median(values)
  local sorted = {unpack(values)}
  table.sort(sorted)
  local n = #sorted
  if n == 0 then return nil end
  if n % 2 == 1 then return sorted[(n + 1) / 2] end
  return (sorted[n / 2] + sorted[n / 2 + 1]) / 2
end

local function largest(values)
  local best
  for _, value in ipairs(values) do best = best and math.max(best, value) or value end
  return best
end

local records, shapes = {}, {}
for line in assert(io.open(path)):lines() do
  local record = read(line)
  records[#records + 1] = record
  if not shapes[record.shape] then
    shapes[record.shape] = true
    shapes[#shapes + 1] = record.shape
  end
end

-- All values of a field, in the order of rounds.
local function values(shape, name, field)
  local list = {}
  for _, record in ipairs(records) do
    if record.shape == shape and record.name == name and record[field] then
      list[#list + 1] = record[field]
    end
  end
  return list
end

local function first(shape, name, field)
  return values(shape, name, field)[1]
end

-- Median of a's over b's, round by round: what drifts between rounds drops out.
local function ratio(a, b)
  local list = {}
  for i = 1, math.min(#a, #b) do list[i] = a[i] / b[i] end
  return median(list)
end

local function rate(list)
  if #list == 0 then return "-" end
  local format = median(list) < 100 and "%.1f (%.1f)" or "%.0f (%.0f)"
  return format:format(median(list), largest(list))
end

local function x86()
  print("| shape | weights | peer | lull | ratio | roof GB/s | of roof | of core | kernel |")
  print("|---|---|---|---|---|---|---|---|---|")
  local rows = {
    {"f32", "run.c", "f32", "roof-f32"},
    {"q8, runq's file", "runq.c", "q8-file", "roof-q8"},
    {"q8 from f32", "runq.c", "q8", "roof-q8"},
  }
  for _, shape in ipairs(shapes) do
    for _, row in ipairs(rows) do
      local peer = values(shape, row[2], "tokens_per_second")
      local own = values(shape, row[3], "tokens_per_second")
      local roof = values(shape, row[4], "gb_per_second")
      local used, bytes = {}, first(shape, row[3], "weight_bytes")
      local seconds = values(shape, row[3], "decode_cpu_seconds")
      local tokens = first(shape, row[3], "tokens")
      for i, s in ipairs(seconds) do used[i] = tokens * bytes / s / 1e9 end
      local shares = {values(shape, row[2], "share"), values(shape, row[3], "share")}
      local share = math.min(median(shares[1]), median(shares[2]))
      local group = first(shape, row[3], "group")
      local line = "| %s | %s%s, %.1f MB | %s | %s | **%.2f** | %.1f | %.0f %% | %.0f %% | %s |"
      print(line:format(shape, row[1], group > 0 and ", group " .. group or "", bytes / 1e6,
        rate(peer), rate(own),
        ratio(own, peer), median(roof), 100 * ratio(used, roof), share / 10,
        first(shape, row[3], "kernel")))
    end
  end
end

-- Counted the same way, gcc 12: instructions and DRAM bytes read, millions a token.
local others = {
  {"llama2.c -O3, plain float32", ["15M"] = {85.0, 61}, ["110M"] = {607, 439}},
  {"llama2.c with an AltiVec matmul, float32", ["15M"] = {22.8, 61}, ["110M"] = {157, 439}},
  {"llama2.c -Ofast, float32", ["15M"] = {29, 61}, ["110M"] = {199, 439}},
}

-- Instructions of all linear layers of a token, of the rest, and of the parts named.
local function split(shape, precision)
  local linear, rest, parts = 0, 0, {}
  for _, record in ipairs(records) do
    if record.shape == shape and record.name == precision .. " part" then
      local sum = record.calls * record.insns
      local name = record.part:match("^%S+")
      if name:find("^linear") then linear = linear + sum else rest = rest + sum end
      if not parts[name] then parts[#parts + 1] = name end
      parts[name] = (parts[name] or 0) + sum
    end
  end
  return linear, rest, parts
end

local precisions = {"f32", "q8", "q4"}

local function ppc_batch(shape, precision)
  local name = precision .. " batch"
  if not first(shape, name, "insns") then return end
  local row = "| lull %s, %s, 4 tokens at once: each | **%.1f** | %.1f | **%.1f** | %.3f |"
  local function millions(field) return first(shape, name, field) / 4e6 end
  print(row:format(precision, first(shape, name, "kernel"), millions("insns"), millions("loads"),
    millions("dram_read"), split(shape, name) / first(shape, name, "weights") / 4))
end

local function ppc_tokens(shape)
  print(("## %s\n"):format(shape))
  print("| program | M instructions a token | M loads | DRAM read, MB | instructions a weight |")
  print("|---|---|---|---|---|")
  for _, other in ipairs(others) do
    local cost = other[shape]
    if cost then print(("| %s | %.1f | - | %.0f | - |"):format(other[1], cost[1], cost[2])) end
  end
  for _, precision in ipairs(precisions) do
    if first(shape, precision, "insns") then
      local linear = split(shape, precision)
      local row = "| lull %s, %s | **%.1f** | %.1f | **%.1f** | %.3f |"
      local function millions(field) return first(shape, precision, field) / 1e6 end
      print(row:format(precision, first(shape, precision, "kernel"), millions("insns"),
        millions("loads"), millions("dram_read"), linear / first(shape, precision, "weights")))
      ppc_batch(shape, precision)
    end
  end
  print("\nOf four tokens in one step only the last one's logits are computed.")
end

local function ppc_parts(shape, precision)
  local insns = first(shape, precision, "insns")
  if not insns then return end
  local linear, rest, parts = split(shape, precision)
  print(("\nInstructions of one %s token by kernel, thousands:\n"):format(precision))
  print("| kernel | thousands | share |")
  print("|---|---|---|")
  for _, name in ipairs(parts) do
    print(("| %s | %.0f | %.1f %% |"):format(name, parts[name] / 1e3, 100 * parts[name] / insns))
  end
  local other = insns - linear - rest
  print(("| RoPE, cache, embedding and the rest | %.0f | %.1f %% |"):format(other / 1e3,
    100 * other / insns))
  local depths = {}
  for _, record in ipairs(records) do
    if record.shape == shape and record.name == precision .. " depth" then
      depths[#depths + 1] = ("%.1f million at position %d"):format(
        record.calls * record.insns / 1e6, record.depth)
    end
  end
  if #depths > 0 then print("\nAttention grows: " .. table.concat(depths, ", ") .. ".") end
end

local function ppc()
  for i, shape in ipairs(shapes) do
    if i > 1 then print() end
    ppc_tokens(shape)
    for _, precision in ipairs(precisions) do ppc_parts(shape, precision) end
  end
end

if kind == "x86" then
  x86()
elseif kind == "ppc" then
  ppc()
else
  io.stderr:write("table.lua: " .. kind .. ": expected x86 or ppc\n")
  os.exit(2)
end
