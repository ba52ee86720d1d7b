--- Counters for Prometheus, shared by all workers and kept over a reload.
-- @module server.metrics
local metrics = {}

local counts = ngx.shared.lull_metrics

-- Upper bounds of the histograms' buckets, in seconds.
local BUCKETS = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60}

-- Every metric: kind, name, what it says.
local METRICS = {
  {"counter", "lull_requests_total", "Requests by endpoint and status."},
  {"counter", "lull_prompt_tokens_total", "Tokens of prompts that were read."},
  {"counter", "lull_generated_tokens_total", "Tokens that were told."},
  {"counter", "lull_texts_total", "Texts by how they ended."},
  {"gauge", "lull_texts_telling", "Texts that are told at this moment."},
  {"gauge", "lull_texts_waiting", "Texts that wait for a place."},
  {"gauge", "lull_memory_bytes", "Memory of the Lua states of all workers."},
  {"histogram", "lull_step_seconds", "Time of a step, which serves all texts."},
  {"histogram", "lull_first_token_seconds", "Time from a request to its first token."},
  {"histogram", "lull_request_seconds", "Time of requests that tell texts."},
}

--- Count something.
-- @param labels as they stand between the braces: 'status="200"', or nil
function metrics.add(name, amount, labels)
  counts:incr(labels and name .. "{" .. labels .. "}" or name, amount, 0)
end

--- Set what this worker has of something.
function metrics.set(name, value)
  counts:set(name .. '{worker="' .. ngx.worker.id() .. '"}', value)
end

--- Put a duration into a histogram.
function metrics.observe(name, seconds)
  local bucket = "+Inf"
  for _, bound in ipairs(BUCKETS) do
    if seconds <= bound then
      bucket = bound
      break
    end
  end
  counts:incr(name .. "_bucket|" .. bucket, 1, 0)
  counts:incr(name .. "_sum", seconds, 0)
end

-- Histograms are kept as the number in each bucket, and told as the number up to its bound.
local function tell_histogram(out, name)
  local sum = 0
  for _, bound in ipairs(BUCKETS) do
    sum = sum + (counts:get(name .. "_bucket|" .. bound) or 0)
    out[#out + 1] = string.format('%s_bucket{le="%s"} %d', name, bound, sum)
  end
  sum = sum + (counts:get(name .. "_bucket|+Inf") or 0)
  out[#out + 1] = string.format('%s_bucket{le="+Inf"} %d', name, sum)
  out[#out + 1] = string.format("%s_sum %.6f", name, counts:get(name .. "_sum") or 0)
  out[#out + 1] = string.format("%s_count %d", name, sum)
end

--- All of them in Prometheus' text format.
function metrics.tell()
  local out = {}
  local keys = counts:get_keys(0)
  table.sort(keys)
  for _, metric in ipairs(METRICS) do
    local kind, name, help = metric[1], metric[2], metric[3]
    out[#out + 1] = "# HELP " .. name .. " " .. help
    out[#out + 1] = "# TYPE " .. name .. " " .. kind
    if kind == "histogram" then
      tell_histogram(out, name)
    end
    for _, key in ipairs(kind ~= "histogram" and keys or {}) do
      if key == name or key:sub(1, #name + 1) == name .. "{" then
        out[#out + 1] = string.format("%s %.0f", key, counts:get(key))
      end
    end
  end
  return table.concat(out, "\n") .. "\n"
end

return metrics
