--- lull bench --compare: two settings of one model, measured in turns.
-- @module lull.command.bench_compare
local lull = require "lull"
local console = require "lull.command.console"
local json = require "lull.json"
local measure = require "lull.command.measure"
local settings = require "lull.command.settings"

local compare = {}

local function same_weights(a, b)
  return a.precision == b.precision and a.group == b.group
end

-- Both rates of every task, and the ratio.
local function measure_all(plan, tasks_a, tasks_b, label)
  local rows, infos = {}, nil
  for i, entry in ipairs(tasks_a) do
    local a, b = entry.open(), tasks_b[i].open()
    local row = {kind = entry.kind, size = entry.size}
    row.a, row.b, row.ratio = measure.turns(a, b, plan.runs, function(round)
      console.progress(entry.kind .. ", " .. label(entry.kind, entry.size) .. ": round " .. round
        .. " of " .. plan.runs)
    end)
    if entry.kind == "decode" then
      infos = {a.info, b.info}
    end
    rows[#rows + 1] = row
    a.close()
    b.close()
  end
  return rows, infos
end

local function describe(info, context)
  return info.precision .. (info.group > 0 and " g" .. console.fixed(info.group, 0) or "") .. ", "
    .. context.kernel .. ", " .. console.count(context.threads, "thread") .. ", KV " .. context.kv
    .. ", " .. console.bytes(info.weight_bytes)
end

local function print_text(path, names, facts, label)
  local width = math.max(10, #names[1], #names[2])
  local function columns(what, size, a, b, ratio)
    return string.format("  %-9s%12s  %" .. width .. "s  %" .. width .. "s  %8s\n", what, size, a,
      b, ratio)
  end
  local out = {path .. "\n"}
  for i = 1, 2 do
    out[#out + 1] = string.format("  %-9s %s\n", i == 1 and "A" or "B",
      names[i] .. ": " .. describe(facts.infos[i], facts.contexts[i]))
  end
  out[#out + 1] = "\n" .. columns("", "tokens/s", names[1], names[2], "B / A")
  for i, row in ipairs(facts.rows) do
    local again = i > 1 and facts.rows[i - 1].kind == row.kind
    out[#out + 1] = columns(again and "" or row.kind, label(row.kind, row.size),
      console.rate_thousands(row.a), console.rate_thousands(row.b), console.fixed(row.ratio, 2))
  end
  out[#out + 1] = "\n  " .. console.count(facts.runs, "round")
    .. " in turns: medians, and the median of their ratios\n"
  console.out(table.concat(out))
end

local function print_json(path, names, facts)
  local function setting(i)
    local info, context = facts.infos[i], facts.contexts[i]
    return json.object {
      {"name", names[i]}, {"precision", info.precision}, {"group", info.group},
      {"kernel", context.kernel}, {"threads", context.threads}, {"kv", context.kv},
      {"batch", context.batch}, {"weight_bytes", info.weight_bytes},
    }
  end
  local rows = {}
  for i, row in ipairs(facts.rows) do
    rows[i] = json.object {
      {"what", row.kind}, {"size", row.size}, {"a_tokens_per_second", row.a},
      {"b_tokens_per_second", row.b}, {"ratio", row.ratio},
    }
  end
  console.out(json.encode(json.object {
    {"lull", lull.version}, {"model", path:match("[^/]*$")}, {"rounds", facts.runs},
    {"a", setting(1)}, {"b", setting(2)}, {"compared", rows},
  }) .. "\n")
end

--- Measure the two settings in args.compare; `bench` is what lull.command.bench lends.
function compare.run(path, args, bench)
  local names = args.compare
  local given = {
    settings.apply(args, names[1], "--compare"), settings.apply(args, names[2], "--compare"),
  }
  console.progress("loading")
  local a = bench.open(path, given[1])
  local b = same_weights(given[1], given[2]) and a or bench.open(path, given[2])
  local plan = bench.plan(args, a:info().seq_len)
  local facts = {runs = plan.runs, infos = {a:info(), b:info()}}
  facts.rows, facts.contexts = measure_all(plan,
    bench.tasks(plan, a, bench.settings(given[1])), bench.tasks(plan, b, bench.settings(given[2])),
    bench.label)
  local print_facts = args.json and print_json or print_text
  print_facts(path, names, facts, bench.label)
  a:close()
  b:close()
  return console.DONE
end

return compare
