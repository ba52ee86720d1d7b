--- What is answered when something is wrong.
--
-- Whoever cannot go on raises one with errors.raise; the request's handler is the only one that
-- catches it. It becomes an answer in the shape of the API that was called.
-- @module server.errors
local json = require "server.json"

local errors = {}

local Failure = {}

-- By status: OpenAI's `type`.
local TYPES = {
  [401] = "authentication_error", [403] = "permission_error", [404] = "not_found_error",
  [429] = "rate_limit_error", [499] = "canceled", [500] = "server_error",
  [503] = "service_unavailable_error",
}

--- Give up on a request.
-- @param failure {status, message, param = the field it is about, code = a short name of the
--   problem, retry_after = seconds}
function errors.raise(failure)
  error(setmetatable(failure, Failure), 0)
end

function errors.is(value)
  return getmetatable(value) == Failure
end

--- A request is not as it should be.
function errors.bad(message, param, code)
  errors.raise {status = 400, message = message, param = param, code = code}
end

--- What went wrong while a text was told.
function errors.of_text(message)
  return setmetatable({status = 500, message = message}, Failure)
end

--- What nobody expected.
function errors.internal()
  return errors.of_text "the server failed: see its log"
end

local SHAPES = {
  openai = function(failure)
    return json.object {{"error", json.object {
      {"message", failure.message},
      {"type", TYPES[failure.status] or "invalid_request_error"},
      {"param", failure.param},
      {"code", failure.code},
    }}}
  end,
  ollama = function(failure)
    return json.object {{"error", failure.message}}
  end,
}

--- The failure as one line of JSON, in an API's shape.
function errors.encode(failure, api)
  return json.encode(SHAPES[api](failure))
end

return errors
