--- What Ollama's API tells about models: /api/tags, /api/ps, /api/show, /api/version.
-- @module server.ollama_models
local answer = require "server.answer"
local errors = require "server.errors"
local fields = require "server.fields"
local json = require "server.json"
local lull = require "lull"

local ollama_models = {}

local object = json.object

local function details(service)
  local info = service.model:info()
  return object {
    {"parent_model", ""}, {"format", info.format}, {"family", "llama"},
    {"families", {"llama"}}, {"parameter_size", string.format("%.1fM", info.n_parameters / 1e6)},
    {"quantization_level", info.precision:upper()},
  }
end

local function listed(service)
  return {
    {"name", service.name .. ":latest"}, {"model", service.name .. ":latest"},
    {"modified_at", os.date("!%Y-%m-%dT%H:%M:%SZ", service.modified)},
    {"size", service.model:info().file_bytes}, {"digest", service.digest},
    {"details", details(service)},
  }
end

--- GET /api/tags
function ollama_models.tags(services)
  local list = {}
  for i, service in ipairs(services) do
    list[i] = object(listed(service))
  end
  answer.json(object {{"models", list}})
end

--- GET /api/ps
function ollama_models.ps(services)
  local list = {}
  for i, service in ipairs(services) do
    local fields_of = listed(service)
    fields_of[#fields_of + 1] = {"expires_at", "9999-12-31T23:59:59Z"}
    fields_of[#fields_of + 1] = {"size_vram", 0}
    fields_of[#fields_of + 1] = {"context_length", service.engine.length}
    list[i] = object(fields_of)
  end
  answer.json(object {{"models", list}})
end

--- POST /api/show
function ollama_models.show(service_of)
  local read = fields.read(answer.body(), {model = {type = "string"}, name = {type = "string"}},
    {lenient = true})
  if not (read.model or read.name) then
    errors.bad("'model' is missing", "model", "missing_parameter")
  end
  local service = service_of(read.model or read.name)
  local info = service.model:info()
  answer.json(object {
    {"license", ""}, {"modelfile", "FROM " .. service.name}, {"parameters", ""},
    {"template", service.model:chat_template() or ""}, {"details", details(service)},
    {"model_info", object {
      {"general.architecture", "llama"}, {"general.basename", service.name},
      {"general.parameter_count", info.n_parameters}, {"llama.block_count", info.n_layers},
      {"llama.context_length", service.engine.length}, {"llama.embedding_length", info.dim},
      {"llama.attention.head_count", info.n_heads},
      {"llama.attention.head_count_kv", info.n_kv_heads},
      {"llama.vocab_size", service.model:vocab_size()},
    }},
    {"capabilities", {"completion"}},
    {"modified_at", os.date("!%Y-%m-%dT%H:%M:%SZ", service.modified)},
  })
end

--- GET /api/version: lull's.
function ollama_models.version()
  answer.json(object {{"version", lull.version}})
end

return ollama_models
