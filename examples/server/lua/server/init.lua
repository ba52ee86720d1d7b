--- The server: which path leads where, and what is done once for all requests.
-- @module server
-- nginx's own coroutines keep a record each, which lives as long as the request or timer that made
-- them; the engine's timer lives as long as there is work. LuaJIT's keep none.
for _, name in ipairs {"create", "resume", "yield", "status", "wrap"} do
  coroutine[name] = coroutine["_" .. name] or coroutine[name] -- luacheck: ignore 122
end

local access = require "server.access"
local answer = require "server.answer"
local chat = require "server.chat"
local completions = require "server.completions"
local errors = require "server.errors"
local json = require "server.json"
local metrics = require "server.metrics"
local ollama = require "server.ollama"
local ollama_models = require "server.ollama_models"
local openai = require "server.openai"
local service = require "server.service"
local settings = require "server.settings"
local strategies = require "server.strategies"
local tokens = require "server.tokens"

local server = {}

local config
local services = {} -- by name
local first         -- the service of requests that name none
local page

-------------------------------------------------------------------------------- starting

local function read_file(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read "*a"
  file:close()
  return text
end

--- Load everything; nginx does not start, or goes on as it was, when this raises.
-- @param folder of the server
-- @param configuration a file: see config.lua
function server.load(folder, configuration)
  config = settings.load(configuration)
  answer.body_seconds = config.limits.body_seconds
  page = read_file(folder .. "/page.html")
  local loaded = assert(strategies.load(config.strategies))
  for _, given in ipairs(config.models) do
    local one = assert(service.load(given, config, loaded))
    services[one.name] = one
    first = first or one
  end
end

--- Begin to serve, in a worker.
function server.start()
  for name, one in pairs(services) do
    local ok, message = one:start()
    if not ok then
      ngx.log(ngx.ERR, "model ", name, " cannot be served: ", message)
      one.failure = message
    end
  end
end

-- The service that a request names.
local function service_of(name)
  local one = name == nil and first or services[name] or services[(name:gsub(":latest$", ""))]
  if not one then
    errors.raise {status = 404, message = "model '" .. name:sub(1, 100) .. "' not found",
      param = "model", code = "model_not_found"}
  elseif not one.engine then
    errors.raise {status = 503, message = "model '" .. one.name .. "' cannot be served: "
      .. tostring(one.failure), retry_after = 60}
  end
  return one
end

-------------------------------------------------------------------------------- small endpoints

-- All services, in the configuration's order.
local function all()
  local list = {}
  for i, given in ipairs(config.models) do
    list[i] = service_of(given.name)
  end
  return list
end

local function models()
  local list = {}
  for i, one in ipairs(all()) do
    list[i] = openai.model(one)
  end
  answer.json(json.object {{"object", "list"}, {"data", list}})
end

local function health()
  local telling, waiting, broken = 0, 0, nil
  for _, one in pairs(services) do
    telling = telling + (one.engine and one.engine:telling() or 0)
    waiting = waiting + (one.engine and one.engine:queue_length() or 0)
    broken = broken or not one.engine
  end
  answer.json(json.object {
    {"status", broken and "error" or "ok"}, {"telling", telling}, {"waiting", waiting},
  }, broken and 503 or 200)
end

local function tell_metrics()
  metrics.set("lull_memory_bytes", collectgarbage "count" * 1024)
  for _, one in pairs(services) do
    metrics.set("lull_texts_telling", one.engine and one.engine:telling() or 0)
    metrics.set("lull_texts_waiting", one.engine and one.engine:queue_length() or 0)
  end
  answer.text(metrics.tell(), "text/plain; version=0.0.4; charset=utf-8")
end

-- The page for browsers; programs that look whether an Ollama is here find what they look for.
local function root()
  if (ngx.var.http_accept or ""):find("text/html", 1, true) then
    ngx.header.content_security_policy = "default-src 'none'; script-src 'unsafe-inline'; "
      .. "style-src 'unsafe-inline'; connect-src 'self'; img-src data:; base-uri 'none'; "
      .. "form-action 'none'; frame-ancestors 'none'"
    answer.text(page, "text/html; charset=utf-8")
  else
    answer.text "Ollama is running"
  end
end

-------------------------------------------------------------------------------- routes

-- Paths: {GET =, POST =: function(service_of, client); api = the shape of errors, open = true: for
-- those without a key, too}.
local ROUTES = {
  ["/"] = {GET = root, open = true},
  ["/health"] = {GET = health, open = true},
  ["/metrics"] = {GET = tell_metrics},
  ["/v1/models"] = {GET = models},
  ["/v1/completions"] = {POST = completions.post},
  ["/v1/chat/completions"] = {POST = chat.post},
  ["/api/version"] = {GET = ollama_models.version, open = true},
  ["/api/tags"] = {GET = function() ollama_models.tags(all()) end},
  ["/api/ps"] = {GET = function() ollama_models.ps(all()) end},
  ["/api/show"] = {POST = ollama_models.show},
  ["/api/generate"] = {POST = ollama.generate},
  ["/api/chat"] = {POST = ollama.chat},
  ["/tokenize"] = {POST = tokens.tokenize},
  ["/detokenize"] = {POST = tokens.detokenize},
  ["/tokenizer_info"] = {GET = tokens.info},
}

-- The route of a path, and its name for metrics.
local function route_of(path)
  local name = path:match "^/v1/models/(.+)$"
  if name then
    return {GET = function()
      answer.json(openai.model(service_of(ngx.unescape_uri(name))))
    end}, "/v1/models/"
  end
  return ROUTES[path], ROUTES[path] and path or "other"
end

local function api_of(path)
  return path:find "^/api/" and "ollama" or "openai"
end

local function serve(route, method)
  access.check(config, route and route.open or method == "OPTIONS")
  if method == "OPTIONS" then
    return access.preflight()
  elseif not route then
    errors.raise {status = 404, message = "there is no " .. ngx.var.uri:sub(1, 100),
      code = "not_found"}
  end
  local run = route[method] or (method == "HEAD" and route.GET)
  if not run then
    ngx.header.allow = route.GET and "GET, HEAD" or "POST"
    errors.raise {status = 405, message = method .. " is not what " .. ngx.var.uri .. " is for",
      code = "method_not_allowed"}
  end
  run(service_of, ngx.var.binary_remote_addr)
end

--- Answer a request.
function server.handle()
  local path = ngx.var.uri
  local route, name = route_of(path)
  local ok, failure = pcall(serve, route, ngx.req.get_method())
  if not ok then
    if not errors.is(failure) then
      ngx.log(ngx.ERR, tostring(failure))
      failure = errors.internal()
    end
    if not ngx.headers_sent then
      answer.failure(failure, api_of(path))
    end
  end
  metrics.add("lull_requests_total", 1,
    'path="' .. name .. '",status="' .. ngx.status .. '"')
end

local REFUSED = {
  [400] = "the request is malformed", [405] = "the method is none that is known here",
  [411] = "the request has no length", [413] = "the body is too large",
  [414] = "the address is too long", [431] = "the headers are too large",
  [494] = "the headers are too large", [500] = "the server failed: see its log",
  [501] = "the encoding of the body is none that is known here", [503] = "the server is busy",
  [505] = "the version of HTTP is none that is known here",
}

--- Answer what nginx itself has refused.
function server.refuse()
  local status = ngx.status
  answer.failure({status = status == 494 and 431 or status,
    message = REFUSED[status] or "the request was refused"}, api_of(ngx.var.request_uri or "/"))
end

return server
