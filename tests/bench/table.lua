-- table.lua - Markdown tables from the JSON lines the measuring scripts leave.
-- usage: table.lua peers|ppc|sampling FILE

local kind, path = ...
if not path then
  io.stderr:write("usage: table.lua peers|ppc|sampling FILE\n")
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

local function rate(list)
  if #list == 0 then return "-" end
  local format = median(list) < 100 and "%.1f (%.1f)" or "%.0f (%.0f)"
  return format:format(median(list), largest(list))
end

-------------------------------------------------------------------------------- peers

-- What a size is, by what was measured.
local SIZES = {decode = "depth %d", prefill = "prompt of %d", streams = "%d streams"}

-- Names that lull's own figures have, and whose file it read where that is not its own.
local OWN = {"lull", "lull-v2", "lull-gguf", ["lull-v2"] = "llama2.c", ["lull-gguf"] = "llama.cpp"}

-- The records of each shape, size and kind of weights, in the order they were first measured:
-- {shape, weights, what, size, [name] = {round -> record}}.
local function cells_of()
  local cells = {}
  for _, record in ipairs(records) do
    local key = table.concat({record.shape, record.what, record.size, record.weights}, " ")
    local cell = cells[key]
    if not cell then
      cell = {shape = record.shape, weights = record.weights, what = record.what,
        size = record.size}
      cells[key], cells[#cells + 1] = cell, cell
    end
    cell[record.name] = cell[record.name] or {}
    cell[record.name][record.round] = record
  end
  return cells
end

-- f(record of `a`, record of `b`) for the rounds that have both.
local function pairs_of(cell, a, b, f)
  local list = {}
  for round, record in pairs(cell[a] or {}) do
    local other = (cell[b] or {})[round]
    if other then list[#list + 1] = f(record, other) end
  end
  return list
end

local function rates(cell, name)
  return pairs_of(cell, name, name, function(record) return record.rate end)
end

local function ratio_text(cell, a, b)
  local list = pairs_of(cell, a, b, function(x, y) return x.rate / y.rate end)
  return #list > 0 and ("**%.2f**"):format(median(list)) or "-"
end

local function of_roof(cell, name)
  local list = pairs_of(cell, name, "roof", function(x, y)
    return x.rate * x.weight_bytes / 1e9 / y.gb_per_second
  end)
  return #list > 0 and ("%.0f %%"):format(100 * median(list)) or "-"
end

-- What the least favoured program got of its core.
local function of_core(cell)
  local least = 1000
  for _, by_round in pairs(cell) do
    local shares = {}
    for _, record in pairs(type(by_round) == "table" and by_round or {}) do
      if record.name ~= "roof" then shares[#shares + 1] = record.share end
    end
    least = math.min(least, median(shares) or 1000)
  end
  return ("%.0f %%"):format(least / 10)
end

local function weights_text(cell, name)
  local _, record = next(cell[name])
  return record.precision .. (record.group > 0 and ", group " .. record.group or "")
    .. (OWN[name] and ", " .. OWN[name] .. "'s file" or "") .. (", %.1f MB"):format(
      record.weight_bytes / 1e6), record.kernel
end

local function size_text(cell)
  return (SIZES[cell.what]:format(cell.size):gsub("^1 streams", "1 stream"))
end

local function peers()
  local cells = cells_of()
  local peer_names, single, roofs = {}, true, false
  for _, name in ipairs{"llama2.c", "llama.cpp"} do
    for _, cell in ipairs(cells) do
      if cell[name] then
        peer_names[#peer_names + 1] = name
        break
      end
    end
  end
  for _, record in ipairs(records) do
    single = single and record.peer_threads == 1
    roofs = roofs or record.name == "roof"
  end
  local function row(columns)
    print("| " .. table.concat(columns, " | ") .. " |")
  end
  local head, rule = {"shape", "", "weights", "lull"}, {}
  for _, name in ipairs(peer_names) do head[#head + 1] = name end
  for _, name in ipairs(peer_names) do head[#head + 1] = "x " .. name end
  if roofs then head[#head + 1] = "of roof" end
  if single then head[#head + 1] = "of core" end
  head[#head + 1] = "kernel"
  for i = 1, #head do rule[i] = i < 4 and "---" or "--:" end
  row(head)
  row(rule)
  for _, cell in ipairs(cells) do
    for _, own in ipairs(OWN) do
      if cell[own] then
        local weights, kernel = weights_text(cell, own)
        local columns = {cell.shape, size_text(cell), weights,
          rate(rates(cell, own))}
        for _, name in ipairs(peer_names) do
          local skip = name ~= (OWN[own] or name)
          columns[#columns + 1] = skip and "-" or rate(rates(cell, name))
        end
        for _, name in ipairs(peer_names) do
          local skip = name ~= (OWN[own] or name)
          columns[#columns + 1] = skip and "-" or ratio_text(cell, own, name)
        end
        if roofs then columns[#columns + 1] = of_roof(cell, own) end
        if single then columns[#columns + 1] = of_core(cell) end
        columns[#columns + 1] = kernel
        row(columns)
      end
    end
  end
end

-------------------------------------------------------------------------------- sampling

-- The times of a step of one program, by round.
local function times(shape, step, name)
  local list = {}
  for _, record in ipairs(records) do
    if record.shape == shape and record.step == step and record.name == name then
      list[record.round] = record.us
    end
  end
  return list
end

local function quotients(list, by)
  local out = {}
  for round, us in ipairs(list) do out[round] = us / by[round] end
  return out
end

local function sampling()
  local steps, seen = {}, {}
  for _, record in ipairs(records) do
    if record.shape ~= "lua" and not seen[record.step] then
      seen[record.step] = true
      steps[#steps + 1] = record.step
    end
  end
  print("|  | normal: lull | llama.cpp | x | flat: lull | llama.cpp | x | peaked: lull | "
    .. "llama.cpp | x |")
  print("| --- " .. ("| --: "):rep(9) .. "|")
  for _, step in ipairs(steps) do
    local columns = {step}
    for _, shape in ipairs {"normal", "flat", "peaked"} do
      local own, peer = times(shape, step, "lull"), times(shape, step, "llama.cpp")
      columns[#columns + 1] = ("%.1f"):format(median(own))
      columns[#columns + 1] = #peer > 0 and ("%.1f"):format(median(peer)) or "-"
      columns[#columns + 1] = #peer > 0 and ("**%.1f**"):format(median(quotients(peer, own))) or "-"
    end
    print("| " .. table.concat(columns, " | ") .. " |")
  end
  print("\nThrough the Lua module (lua5.1): reset, top_k 40, top_p 0.95, min_p 0.05, "
    .. "temperature 0.8, a random number, sample.")
  print("\n| logits | chain | of that reset |")
  print("| --: | --: | --: |")
  local sizes = {}
  for _, record in ipairs(records) do
    if record.shape == "lua" then
      if not sizes[record.n] then
        sizes[record.n] = {chain = {}, reset = {}}
        sizes[#sizes + 1] = record.n
      end
      table.insert(sizes[record.n][record.step], record.us)
    end
  end
  for _, n in ipairs(sizes) do
    print(("| %d | %.1f | %.1f |"):format(n, median(sizes[n].chain), median(sizes[n].reset)))
  end
end

-------------------------------------------------------------------------------- ppc

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

if kind == "peers" then
  peers()
elseif kind == "ppc" then
  ppc()
elseif kind == "sampling" then
  sampling()
else
  io.stderr:write("table.lua: " .. kind .. ": expected peers, ppc or sampling\n")
  os.exit(2)
end
