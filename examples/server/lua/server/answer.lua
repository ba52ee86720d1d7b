--- Reading what was sent and writing what is answered: plain JSON, and the two kinds of streams.
-- @module server.answer
local errors = require "server.errors"
local json = require "server.json"

local answer = {}

--- Seconds that a body may take to come.
answer.body_seconds = 30

-- Have the whole body, in time. nginx by itself would hang up on who is late, without a word.
local function read_body()
  local seconds, came = answer.body_seconds, false
  local reader = ngx.thread.spawn(function()
    ngx.req.read_body()
    came = true
  end)
  if not came then
    local clock = ngx.thread.spawn(function() ngx.sleep(seconds) end)
    ngx.thread.wait(reader, clock)
    ngx.thread.kill(came and clock or reader)
  end
  if not came then
    errors.raise {status = 408, code = "timeout",
      message = "the body did not come within " .. seconds .. " s"}
  end
end

--- The request's body as an object.
function answer.body()
  read_body()
  local text = ngx.req.get_body_data()
  if not text then
    errors.bad(ngx.req.get_body_file() and "the body is too large"
      or "a JSON object is expected as the body, and there is none", nil, "invalid_json")
  end
  local value, message = json.decode(text)
  if value == nil then
    errors.bad("the body is no JSON: " .. message, nil, "invalid_json")
  elseif type(value) ~= "table" or not text:find "^%s*{" then
    errors.bad("a JSON object is expected as the body", nil, "invalid_json")
  end
  return value
end

local function write(status, kind, text)
  ngx.status = status
  ngx.header.content_type = kind
  ngx.header.content_length = #text
  ngx.print(text)
end

--- Answer an object.
function answer.json(object, status)
  write(status or 200, "application/json", json.encode(object))
end

function answer.text(text, kind)
  write(200, kind or "text/plain; charset=utf-8", text)
end

--- Answer what went wrong.
function answer.failure(failure, api)
  if failure.retry_after then
    ngx.header.retry_after = failure.retry_after
  end
  if failure.status == 401 then
    ngx.header.www_authenticate = "Bearer"
  end
  write(failure.status, "application/json", errors.encode(failure, api))
end

-------------------------------------------------------------------------------- streams

-- By name: what stands before and after each object, and after the last.
local STREAMS = {
  -- Server-sent events, as OpenAI's API has them.
  sse = {
    kind = "text/event-stream; charset=utf-8", api = "openai",
    before = "data: ", after = "\n\n", close = "data: [DONE]\n\n",
  },
  -- One JSON object a line, as Ollama's has them.
  ndjson = {kind = "application/x-ndjson", api = "ollama", before = "", after = "\n", close = ""},
}

-- Send what there is. nil when the client has gone.
local function send(parts)
  return ngx.print(parts) and ngx.flush(true)
end

local function begin(kind)
  ngx.header.content_type = kind.kind
  ngx.header.cache_control = "no-cache"
  ngx.header.x_accel_buffering = "no"
end

-- Objects of each turn until the texts have ended.
local function pump(kind, telling, take)
  local begun = false
  repeat
    telling:wait() -- raises before anything was sent, and then a status still says it
    local done, parts = telling:is_done(), {}
    for _, object in ipairs(take(done)) do
      local n = #parts
      parts[n + 1], parts[n + 2], parts[n + 3] = kind.before, object, kind.after
    end
    if done then
      parts[#parts + 1] = kind.close
    end
    if #parts > 0 then
      if not begun then
        begin(kind)
        begun = true
      end
      if done then
        ngx.print(parts) -- goes out with the end of the answer
      elseif not send(parts) then
        return
      end
    end
    if not done then
      telling:rest()
    end
  until done
end

--- Stream texts.
-- @param name "sse" or "ndjson"
-- @param telling the texts
-- @param take function(done) -> list of objects to be sent, encoded; called when there is something
--   new
function answer.stream(name, telling, take)
  local kind = STREAMS[name]
  local ok, failure = pcall(pump, kind, telling, take)
  telling:close()
  if not ok then
    if not ngx.headers_sent or not errors.is(failure) then
      error(failure, 0)
    end
    send {kind.before, errors.encode(failure, kind.api), kind.after}
  end
end

return answer
