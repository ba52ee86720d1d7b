--- Texts to tokens and back, as the Language Model Evaluation Harness asks for them.
-- @module server.tokens
local answer = require "server.answer"
local errors = require "server.errors"
local fields = require "server.fields"
local json = require "server.json"
local options = require "lull.options"

local tokens = {}

local object = json.object

-- llama-server calls the text `content`.
local TOKENIZE = {
  model = {type = "string"},
  prompt = {type = "string"}, content = {type = "string"},
  add_special_tokens = {type = "boolean", default = true}, add_special = {type = "boolean"},
}

local DETOKENIZE = {
  model = {type = "string"},
  tokens = {required = true, text = "a list of token ids", test = options.is_list},
}

-- The id of a text that is nothing but the spelling of a token without text, as "<s>": clients ask
-- so which tokens BOS and EOS are. Within a text such a spelling is text.
local function control_token(model, text)
  local id = model:find_token(text)
  return id and model:piece(id) == "" and id or nil
end

--- POST /tokenize {"prompt", "add_special_tokens"}
function tokens.tokenize(service_of)
  local read = fields.read(answer.body(), TOKENIZE)
  local service = service_of(read.model)
  local text = read.prompt or read.content
  if not text then
    errors.bad("'prompt' is missing", "prompt", "missing_parameter")
  end
  local ids
  if read.add_special_tokens and read.add_special ~= false then
    ids = service:encode(text, "prompt")
  else
    local control = control_token(service.model, text)
    ids = control and {control} or service:encode_begin(text, "prompt")
  end
  answer.json(object {
    {"tokens", ids}, {"count", #ids}, {"max_model_len", service.engine.length},
  })
end

--- POST /detokenize {"tokens"}
function tokens.detokenize(service_of)
  local read = fields.read(answer.body(), DETOKENIZE)
  local service = service_of(read.model)
  if #read.tokens > 0 then
    service:check_ids(read.tokens, "tokens")
  end
  local text = service.model:decode((service:with_bos(read.tokens)))
  answer.json(object {{"prompt", text}, {"content", text}})
end

--- GET /tokenizer_info
function tokens.info(service_of)
  local service = service_of(ngx.var.arg_model and ngx.unescape_uri(ngx.var.arg_model))
  local model = service.model
  local function text_of(id)
    return id and model:token_text(id)
  end
  answer.json(object {
    {"tokenizer_class", "lull"}, {"vocab_size", model:vocab_size()},
    {"model_max_length", service.engine.length},
    {"bos_token", text_of(model:bos())}, {"eos_token", text_of(model:eos())},
    {"bos_token_id", model:bos()}, {"eos_token_id", model:eos()},
    {"add_bos_token", model:bos() ~= nil}, {"chat_template", model:chat_template()},
  })
end

return tokens
