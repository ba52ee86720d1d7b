-- batch.lua - what a batch loses beside the decoding of as many texts in lockstep.
-- usage: batch.lua MODEL WIDTHS ROUNDS THREADS CPU
--
-- `lull bench` decodes given tokens; a batch also chooses them (the default chain, and the
-- log-probability of what was chosen), reads prompts, writes lines. In each round the two take
-- turns; ratios are medians over the rounds. Leaves a Markdown table.

local batch = require "lull.batch"
local lull = require "lull"
local measure = require "lull.command.measure"

local path, widths, cpu = arg[1], arg[2], arg[5]
local rounds, threads = tonumber(arg[3]), tonumber(arg[4])
local TOKENS = 200
local AT_A_PLACE = 3 -- stories told one after the other in each place

local model = assert(lull.load(path))

-- Seconds of the processor, of all threads, and of the clock.
local function timed(work)
  local cpu_start, start = os.clock(), lull.clock()
  local tokens = work()
  return tokens / (lull.clock() - start), (os.clock() - cpu_start) / tokens * 1e6
end

local function stories(width)
  local lines = {}
  for i = 1, width * AT_A_PLACE do
    lines[i] = ('{"id":%d,"prompt":"Tom"}'):format(i)
  end
  local summary = assert(batch.run(model, {
    text = table.concat(lines, "\n"), output = function() return true end,
    params = {max_tokens = TOKENS}, parallel = width, threads = threads, cpu = cpu,
  }))
  return summary.tokens
end

print(("\n%s, %d threads, stories of up to %d tokens, %s\n"):format(path:match("[^/]*$"), threads,
  TOKENS, _G.jit and _G.jit.version or _VERSION))
print("| stories at once | bench tokens/s | batch tokens/s | share | bench CPU us | batch CPU us |")
print("|---|---|---|---|---|---|")
for width in widths:gmatch("%d+") do
  width = tonumber(width)
  local task = measure.decode(model, {threads = threads, cpu = cpu}, TOKENS / 2, 32, width)
  local bench, told, share, bench_cpu, told_cpu = {}, {}, {}, {}, {}
  for i = 1, rounds do
    bench[i], bench_cpu[i] = timed(function()
      local n = 0
      for _ = 1, math.ceil(AT_A_PLACE * TOKENS / 32 / 2) do
        task.run()
        n = n + task.tokens
      end
      return n
    end)
    told[i], told_cpu[i] = timed(function() return stories(width) end)
    share[i] = told[i] / bench[i]
  end
  task.close()
  print(("| %d | %.0f | %.0f | %.2f | %.1f | %.1f |"):format(width, measure.median(bench),
    measure.median(told), measure.median(share), measure.median(bench_cpu),
    measure.median(told_cpu)))
end
