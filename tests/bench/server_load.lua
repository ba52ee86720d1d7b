-- A script of wrk: streams of examples/server, each compared with what the same seed tells alone.
-- usage: wrk -s server_load.lua URL -- EXPECTED TOKENS    EXPECTED is what server_expected.lua made
local cjson = require "cjson"

local threads = {}

function setup(thread)
  threads[#threads + 1] = thread
end

local expected, requests, sent

function init(args)
  local file = assert(io.open(args[1]))
  expected = cjson.decode(file:read "*a")
  file:close()
  requests, sent, wrong, right, first_wrong = {}, 0, 0, 0, "" -- globals: `done` asks for them
  local i = 1
  while expected["There were " .. i .. " birds"] do
    requests[i] = wrk.format("POST", "/v1/completions", {["Content-Type"] = "application/json"},
      cjson.encode {
        prompt = "There were " .. i .. " birds", seed = i, max_tokens = tonumber(args[2]),
        logit_bias = {["1"] = -100, ["2"] = -100}, stream = true, echo = true,
      })
    i = i + 1
  end
end

function request()
  sent = sent + 1
  return requests[(sent - 1) % #requests + 1]
end

-- The text of a stream, whose events must be whole and end as they should.
local function text_of(body)
  local parts = {}
  for event in body:gmatch "data: (.-)\n\n" do
    if event == "[DONE]" then
      return table.concat(parts)
    end
    parts[#parts + 1] = cjson.decode(event).choices[1].text
  end
end

function response(status, _, body)
  local text = status == 200 and text_of(body) or ""
  local prompt = text:match "^There were %d+ birds" or ""
  if expected[prompt] and text == prompt .. expected[prompt] then
    right = right + 1
  else
    wrong = wrong + 1
    first_wrong = wrong == 1 and status .. " " .. body:sub(1, 200) or first_wrong
  end
end

function done(summary, latency)
  local all_right, all_wrong, example = 0, 0, ""
  for _, thread in ipairs(threads) do
    all_right, all_wrong = all_right + thread:get "right", all_wrong + thread:get "wrong"
    example = thread:get "first_wrong"
  end
  local errors = summary.errors
  io.write(cjson.encode {
    right = all_right, wrong = all_wrong, example = example, seconds = summary.duration / 1e6,
    errors = errors.connect + errors.read + errors.write + errors.status + errors.timeout,
    median_ms = latency:percentile(50) / 1000, worst_ms = latency.max / 1000,
  }, "\n")
end
