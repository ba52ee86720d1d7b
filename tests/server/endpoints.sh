#!/bin/sh
# Every endpoint of examples/server, and what it says to requests that are not as they should be.
. tests/support/server.sh
serve server

story='"prompt":"Once upon a time","max_tokens":12,"seed":7'
told=$(tell 'Once upon a time' 7 12)
ask='"model":"lullaby","options":{"num_predict":12,"seed":7}'
turn='"messages":[{"role":"user","content":"Once upon a time"}]'

# ---- what is told

check completion 200 /v1/completions "{$story}" '"object":"text_completion"' "\"text\":\"$told\"" \
  '"finish_reason":"length"' '"usage":{"prompt_tokens":5,"completion_tokens":12,"total_tokens":17}'
check 'ids as the prompt' 200 /v1/completions '{"prompt":[1,423,431,261,399],"max_tokens":12,"seed":7}' \
  "\"text\":\"$told\""
check 'several prompts' 200 /v1/completions \
  '{"prompt":["Once upon a time","One day"],"max_tokens":12,"seed":7,"n":2}' \
  "{\"index\":0,\"text\":\"$told\"" '"index":3'
check 'the model by name' 200 /v1/completions "{$story,\"model\":\"lullaby:latest\"}" "$told"
check stop 200 /v1/completions "{$story,\"stop\":[\" boy\"]}" '"text":", there was a little"' \
  '"finish_reason":"stop"'
check 'no stop strings' 200 /v1/completions "{$story,\"stop\":[],\"ban_phrases\":[]}" "$told"
check 'null is nothing' 200 /v1/completions "{$story,\"stop\":null,\"n\":null,\"logit_bias\":null}" "$told"
check 'logit_bias bans' 200 /v1/completions "{$story,\"logit_bias\":{\"261\":-100}}" '!upon a time, there was a '
check 'a strategy by name' 200 /v1/completions \
  '{"prompt":"One night, a","max_tokens":60,"seed":3,"strategy":"gentle"}' '"text":"' '!scared'
check 'as much as there is room for' 200 /v1/completions \
  '{"prompt":"Once","max_tokens":-1,"seed":7}' '!"completion_tokens":16,' '"finish_reason":'
check 'top_k -1 is off' 200 /v1/completions "{$story,\"top_k\":-1}" '"finish_reason":"length"'
check 'which model told it' 200 /v1/completions "{$story}" '"system_fingerprint":"fp_'
check 'one token' 200 /v1/completions "{$story,\"max_tokens\":0}" '"text":""' '"completion_tokens":0'
check 'JSON by schema' 200 /v1/chat/completions \
  "{$turn,\"max_tokens\":60,\"seed\":1,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"x\",\"schema\":{\"type\":\"object\",\"properties\":{\"ok\":{\"type\":\"boolean\"}},\"required\":[\"ok\"],\"additionalProperties\":false}}}}" \
  '\"ok\"' '"finish_reason":"stop"'
check chat 200 /v1/chat/completions "{$turn,\"max_completion_tokens\":12,\"seed\":7}" \
  '"object":"chat.completion"' "\"message\":{\"role\":\"assistant\",\"content\":\"$told\""
check 'parts of a message' 200 /v1/chat/completions \
  '{"messages":[{"role":"user","content":[{"type":"text","text":"Once upon"},{"type":"text","text":" a time"}]}],"max_tokens":12,"seed":7}' "$told"
check 'log-probabilities of a chat' 200 /v1/chat/completions \
  "{$turn,\"max_tokens\":2,\"seed\":7,\"logprobs\":true,\"top_logprobs\":2}" \
  '"logprobs":{"content":[{"token":",","logprob":-0.128' '"bytes":[44],"top_logprobs":[{"token":","'
check generate 200 /api/generate "{$ask,\"prompt\":\"Once upon a time\",\"stream\":false}" \
  "\"response\":\"$told\"" '"done":true,"done_reason":"length"' '"eval_count":12' '"context":[1,423,431,261,399'
check 'generate streams' 200 /api/generate "{$ask,\"prompt\":\"Once upon a time\"}" '"done":false}'
check 'generate goes on' 200 /api/generate "{$ask,\"prompt\":\"\",\"context\":[1,423,431,261,399],\"stream\":false}" \
  "\"response\":\"$told\""
check 'chat in Ollama' 200 /api/chat "{$ask,$turn,\"stream\":false}" \
  "\"message\":{\"role\":\"assistant\",\"content\":\"$told\"}"
check 'loading' 200 /api/generate '{"model":"lullaby"}' '"done_reason":"load"'
check 'unknown fields to Ollama' 200 /api/chat "{$ask,$turn,\"stream\":false,\"keep_alive\":\"5m\",\"think\":false}" "$told"

# ---- scoring, as the Language Model Evaluation Harness asks for it

check scoring 200 /v1/completions \
  '{"model":"lullaby","prompt":[[1,423,431,261,399,1996],[1,423]],"max_tokens":1,"logprobs":1,"echo":true,"temperature":0,"seed":1234}' \
  '"tokens":["",' '"token_logprobs":[null,' '"top_logprobs":[null,{' '"index":1'
check 'echo of the prompt' 200 /v1/completions "{$story,\"echo\":true}" "\"text\":\"Once upon a time$told"
check tokenize 200 /tokenize '{"prompt":"Once upon a time"}' '"tokens":[1,423,431,261,399]' '"max_model_len":512'
check 'without BOS' 200 /tokenize '{"prompt":"Once upon","add_special_tokens":false}' '"tokens":[423,431]'
check 'which token BOS is' 200 /tokenize '{"prompt":"\n<s>\n","add_special_tokens":false}' '"tokens":[1]'
check detokenize 200 /detokenize '{"tokens":[1,423,431,261,399]}' '"prompt":"Once upon a time"'
check 'detokenize without BOS' 200 /detokenize '{"tokens":[423,431]}' '"prompt":"Once upon"'
check 'BOS before ids' 200 /v1/completions \
  '{"prompt":[423,431,261,399],"add_special_tokens":true,"max_tokens":12,"seed":7}' "\"text\":\"$told\""
check 'an echo is of what was sent' 200 /v1/completions "{$story,\"echo\":true,\"logprobs\":0}" \
  '"tokens":[" Once"," upon"," a"," time",","' '"token_logprobs":[-0.43' '"text_offset":[0,4,9,11,16,' \
  '"prompt_tokens":5'
check tokenizer_info 200 /tokenizer_info '' '"vocab_size":2048' '"bos_token":"' '"eos_token":"' '"chat_template":null'

# ---- what is here

check models 200 /v1/models '' '{"object":"list","data":[{"id":"lullaby","object":"model"' '"max_model_len":512'
check 'one model' 200 /v1/models/lullaby '' '{"id":"lullaby"'
check tags 200 /api/tags '' '"models":[{"name":"lullaby:latest"' '"digest":"' '"quantization_level":"Q8"'
check ps 200 /api/ps '' '"context_length":512'
check version 200 /api/version '' '{"version":"'
check show 200 /api/show '{"model":"lullaby"}' '"llama.context_length":512' '"capabilities":["completion"]'
check health 200 /health '' '{"status":"ok","telling":0,"waiting":0}'
check metrics 200 /metrics '' 'lull_generated_tokens_total ' 'lull_step_seconds_bucket{le="+Inf"} ' \
  'lull_requests_total{path="/v1/completions",status="200"} ' 'lull_texts_telling{worker="0"} 0'
check 'what probes look for' 200 / '' 'Ollama is running'
options='-H Accept:text/html' check 'the page' 200 / '' '<title>lull</title>'

# ---- mistakes, to OpenAI's endpoints

bad() { # bad NAME BODY TEXT...
  what=$1 sent=$2
  shift 2
  check "$what" 400 /v1/completions "$sent" '{"error":{"message":"' '"type":"invalid_request_error"' "$@"
}
bad 'an infinite number' '{"prompt":"x","temperature":1e999}' '"param":"temperature"' 'got inf'
bad 'a negative count' '{"prompt":"x","max_tokens":-2}' '"param":"max_tokens"'
bad 'a broken seed' '{"prompt":"x","seed":1.5}' '"param":"seed"'
bad 'a seed too large' '{"prompt":"x","seed":18446744073709551615}' '"param":"seed"'
bad 'ids and texts' '{"prompt":["a",1]}' '"param":"prompt"'
bad 'a negative token' '{"prompt":[-1]}' '"param":"prompt"'
bad 'no token' '{"prompt":[[1],[]]}' '"param":"prompt"'
bad 'more ids than fit' "{\"prompt\":[$(printf '%01000d' 0 | sed 's/0/1,/g')1]}" '"code":"context_length_exceeded"'
bad 'a list of biases' '{"prompt":"x","logit_bias":[1,2]}' '"param":"logit_bias"'
bad 'many stop strings' "{\"prompt\":\"x\",\"stop\":[$(printf '%0999d' 0 | sed 's/0/"a",/g')\"a\"]}" '"param":"stop"'
bad 'an empty stop among others' '{"prompt":"x","stop":["a",""]}' '"param":"stop"'
bad 'a lone surrogate' '{"prompt":"\ud800"}' '"code":"invalid_json"'
bad 'more than an object' '{"prompt":"x"}{}' '"code":"invalid_json"'
bad 'a long name of a field' "{\"$(printf '%070000d' 0)\":1}" "unknown field '000"
check 'bytes that are no text' 200 /v1/completions "$(printf '{"prompt":"a\377","max_tokens":1,"echo":true}')" \
  '"text":"a�'
check 'a zero byte' 200 /v1/completions '{"prompt":"a\u0000b","max_tokens":1,"echo":true,"stop":"\u0000"}' \
  '"text":"a\u0000b'
check 'a field twice: the last one' 200 /v1/completions '{"prompt":"x","prompt":"Once upon a time","max_tokens":12,"seed":7}' \
  "\"text\":\"$told\""
bad 'no JSON' '{"prompt":' '"code":"invalid_json"'
bad 'a list' '[1]' '"code":"invalid_json"'
bad 'nested too deep' "$(printf '%0100d' 0 | sed 's/0/[/g')" '"code":"invalid_json"'
bad 'NaN' '{"prompt":"x","temperature":NaN}' '"code":"invalid_json"'
bad 'an unknown field' '{"promt":"x"}' "unknown field 'promt' (did you mean 'prompt'?)" '"param":"promt"'
bad 'a wrong type' '{"prompt":"x","temperature":"hot"}' '"param":"temperature"' "got 'hot'"
bad 'out of range' '{"prompt":"x","top_p":2}' '"param":"top_p"'
bad 'no integer' '{"prompt":"x","max_tokens":1.5}' '"param":"max_tokens"'
bad 'a wrong prompt' '{"prompt":{"a":1}}' '"param":"prompt"'
bad 'a token that is none' '{"prompt":[1,99999]}' 'token ids in 0..2047'
bad 'a bias for no token' '{"prompt":"x","logit_bias":{"9999":1}}' '"param":"logit_bias"'
bad 'too many texts' '{"prompt":["a","b"],"n":100}' '"param":"n"'
bad 'an empty stop' '{"prompt":"x","stop":""}' '"param":"stop"'
bad 'a strategy that is not there' '{"prompt":"x","strategy":"../gentle"}' '"code":"unknown_strategy"'
bad 'a pattern among phrases' '{"prompt":"x","ban_phrases":[{"pattern":".*"}]}' '"param":"ban_phrases"'
long=$(printf '%0600d' 0 | sed 's/0/ boat/g')
bad 'a long prompt' "{\"prompt\":\"$long\"}" '"code":"context_length_exceeded"' '"param":"prompt"'
bad 'a huge prompt' "{\"prompt\":\"$(printf '%090000d' 0)\"}" '"code":"context_length_exceeded"'
options='-X POST' check 'no body' 400 /v1/completions '' 'there is none'
options='-d @/dev/null' check 'an empty body' 400 /api/chat '' '{"error":"a JSON object is expected'
options='-H Transfer-Encoding:chunked' check 'a body in chunks' 200 /v1/completions "{$story}" "$told"
options=-0 check 'HTTP/1.0' 200 /v1/completions "{$story}" "$told"
options=-0 check 'HTTP/1.0 streams' 200 /v1/completions "{$story,\"stream\":true}" '"finish_reason":"length"' 'data: [DONE]'
options=-I check 'HEAD' 200 /v1/models '' 'Content-Type: application/json' 'content-length: ' '!lullaby'
options=-I check 'HEAD of a POST' 405 /v1/completions '' 'allow: POST'
options='-X TRACE' check 'what nginx refuses' 405 /v1/models '' '{"error":{"message":"the method'
check 'an empty message' 200 /v1/chat/completions '{"messages":[{"role":"user","content":""}],"max_tokens":1}' \
  '"prompt_tokens":1'
check 'parts that are no list' 400 /v1/chat/completions '{"messages":[{"role":"user","content":{"type":"text"}}]}' \
  '"param":"messages[0].content"'
check 'images that are a number' 400 /v1/chat/completions '{"messages":[{"role":"user","content":"x","images":7}]}' \
  'sees no images'
check 'a model that is named twice' 404 '/tokenizer_info?model=a&model=b' '' '"code":"model_not_found"'
check 'no messages' 400 /v1/chat/completions '{"messages":[]}' '"param":"messages"'
check 'a role that is none' 400 /v1/chat/completions '{"messages":[{"role":"cat","content":"x"}]}' \
  '"param":"messages[0].role"'
check 'an image' 400 /v1/chat/completions \
  '{"messages":[{"role":"user","content":[{"type":"image_url","image_url":{"url":"data:"}}]}]}' 'text only'
check 'tools' 400 /v1/chat/completions "{$turn,\"tools\":[{\"type\":\"function\"}]}" '"param":"tools"'
check 'a schema that is none' 400 /v1/chat/completions \
  "{$turn,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"schema\":{\"type\":\"cat\"}}}}" \
  '"code":"invalid_schema"'
check 'no such model' 404 /v1/completions '{"model":"gpt-7","prompt":"x"}' '"code":"model_not_found"'
check 'no such path' 404 /v1/nothing '' '"error":{"message":"' '"code":"not_found"'
check 'the wrong method' 405 /v1/completions '' '"code":"method_not_allowed"'
head -c 1100000 /dev/zero | tr '\0' a > "$work/large"
options="--data-binary @$work/large" check 'a body too large' 413 /v1/completions '' '{"error":{"message":"the body is too large"'
options="-H Transfer-Encoding:chunked --data-binary @$work/large" check 'many chunks' 413 /v1/completions '' \
  '{"error":{"message":"the body is too large"'
options="--data-binary @$work/large" check 'a body too large for Ollama' 413 /api/chat '' '{"error":"the body is too large"}'

# ---- mistakes, to Ollama's

check 'no JSON for Ollama' 400 /api/generate '{' '{"error":"the body is no JSON'
check 'a wrong type for Ollama' 400 /api/generate '{"model":"lullaby","options":{"top_k":"x"}}' \
  "{\"error\":\"'options.top_k' must be"
check 'no such model for Ollama' 404 /api/chat '{"model":"llama3","messages":[]}' \
  "{\"error\":\"model 'llama3' not found\"}"
check 'no model for Ollama' 400 /api/chat '{}' "{\"error\":\"'model' is missing\"}"
check 'an empty context for Ollama' 200 /api/generate "{$ask,\"prompt\":\"Once upon a time\",\"context\":[],\"stream\":false}" "$told"
check 'a context that is none' 400 /api/generate "{$ask,\"prompt\":\"x\",\"context\":{\"a\":1}}" "{\"error\":\"'context' must be"
check 'tokens that are none' 400 /detokenize '{"tokens":{"a":1}}' '"param":"tokens"'
check 'what Ollama has and this not' 404 /api/pull '{"model":"x"}' '{"error":"there is no /api/pull"}'

# ---- who may ask

options='-H Host:evil.example' check 'a rebound name' 403 /health '' '"code":"foreign_host"'
options='-H Origin:https://evil.example' check 'a foreign page' 403 /v1/models '' '"code":"foreign_origin"'
options='-H Origin:null' check 'a page of nowhere' 403 /v1/models '' '"code":"foreign_origin"'
options='-X OPTIONS -H Origin:https://evil.example' check 'a foreign page asks before' 403 /v1/models '' '"code":"foreign_origin"'
options='-i -X OPTIONS -H Origin:http://localhost:3000 -H Access-Control-Request-Headers:x-client' \
  check 'a page of this machine asks before' 204 /v1/completions '' \
  'access-control-allow-origin: http://localhost:3000' 'access-control-allow-headers: x-client'
options='-i -H Origin:http://127.0.0.1:3000' check 'a page of this machine' 200 /v1/models '' \
  'access-control-allow-origin: http://127.0.0.1:3000'
options='-H Origin:http://127.0.0.1.evil.example' check 'a page that looks like one' 403 /v1/models '' '"code":"foreign_origin"'
options='-H Host:LOCALHOST:80' check 'a name in capitals' 200 /health '' '"status":"ok"'
options="-H Origin:$url" check 'the own page' 200 /v1/models '' '"id":"lullaby"'
quiet
kill "$pid"

LULL_API_KEY=correct-horse serve keyed 'config.origins = {"https://good.example"}'
check 'no key' 401 /v1/models '' '"type":"authentication_error"' '"code":"missing_api_key"'
options='-H Authorization:Bearer\tcorrect-house' check 'a wrong key' 401 /v1/models '' '"code":'
options='-H @-' check 'health needs none' 200 /health '' '"status":"ok"' < /dev/null
printf 'Authorization: Bearer correct-horse\n' > "$work/key"
options="-H @$work/key" check 'the key' 200 /v1/models '' '"id":"lullaby"'
options='-i -H Origin:https://good.example -X OPTIONS' check 'a page that may' 204 /v1/models '' \
  'access-control-allow-origin: https://good.example' 'access-control-allow-headers: Authorization'
quiet
kill "$pid"

# ---- a format of conversations that is made of text

mkdir "$work/strategies"
cat > "$work/strategies/speak.lua" <<'END'
return function(model)
  local ids, i = assert(model:encode("Hello, Tom. USER: Hi!", {start = false})), 0
  return {sampler = function()
    i = i + 1
    return ids[i] or model:eos()
  end}
end
END
serve vicuna "config.models[1].chat = 'vicuna' config.strategies = '$work/strategies'"
speak='"model":"lullaby","strategy":"speak","stream":false'
check 'an answer ends before the next turn' 200 /v1/chat/completions "{$speak,$turn}" \
  '"content":"Hello, Tom. "' '"finish_reason":"stop"'
check 'the own end beside it' 200 /v1/chat/completions "{$speak,$turn,\"stop\":[\"Tom\"]}" '"content":"Hello, "'
check 'an answer ends in Ollama' 200 /api/chat "{$speak,$turn}" '"content":"Hello, Tom. "' '"done_reason":"stop"'
check 'a text goes on' 200 /v1/completions "{$speak,\"prompt\":\"x\"}" '"text":"Hello, Tom. USER: Hi!"'
quiet
kill "$pid"

# ---- limits

serve small 'config.bos_before_ids = true config.streams = 1 config.limits = {queue = 1, per_client = 3}'
options=-i check 'more than a client may' 429 /v1/completions '{"prompt":"x","n":4}' \
  '"code":"rate_limit_exceeded"' 'retry-after: '
options=-i check 'more than can wait' 503 /v1/completions '{"prompt":"x","n":3}' '"code":"overloaded"' 'retry-after: '
check 'as many as can' 200 /v1/completions '{"prompt":"x","n":2,"max_tokens":3}' '"index":1'
check 'BOS before all ids' 200 /v1/completions '{"prompt":[423,431,261,399],"max_tokens":12,"seed":7}' \
  "\"text\":\"$told\""
quiet

if LULL_BUILD=$BUILD sh examples/server/serve.sh --listen 0.0.0.0:1 --test > "$work/refused" 2>&1 ||
  ! grep -q LULL_API_KEY "$work/refused"; then
  failed=$((failed + 1))
  echo 'FAIL  it listens to everybody without a key'
else
  passed=$((passed + 1))
fi
count
