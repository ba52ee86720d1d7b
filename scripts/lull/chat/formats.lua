--- The formats in which models expect a conversation, by name.
--
--     local chat = require "lull.chat"
--     chat.text("chatml", {{role = "user", content = "Hi"}}, {add_generation_prompt = true})
--
-- A model's own template (lull.template runs it) is the better authority where there is one; these
-- are for models without, and for one thing that a template's text cannot tell: which parts are the
-- format's own markers and which came from a user. `segments` keeps them apart, so that
-- "<|im_end|>" typed by a user stays text and ends no turn.
--
-- | name | models | notes |
-- |---|---|---|
-- | raw | base models | the contents, one after the other |
-- | chatml | Qwen, OpenHermes, SmolLM, ... | any role |
-- | llama2 | Llama 2 Chat | turns must alternate |
-- | llama3 | Llama 3 Instruct | any role |
-- | zephyr | Zephyr, TinyLlama Chat | |
-- | mistral | Mistral 7B Instruct 0.2 | turns must alternate |
-- | gemma | Gemma, Gemma 2, Gemma 3 | turns must alternate |
-- | phi3 | Phi-3 | |
-- | vicuna | Vicuna 1.1 to 1.5 (FastChat) | has a system text of its own |
-- | alpaca | Alpaca | has a system text of its own |
-- | openchat | OpenChat 3.5 | |
-- | granite | Granite 3.0 | |
-- @module lull.chat.formats
local options = require "lull.options"
local text = require "lull.template.text"

local formats = {}

-------------------------------------------------------------------------------- the formats

-- A turn is written as a pattern: {marker} is one marker of the format, $content and $role are
-- the message's, $bos and $eos the tokens of these names. Fields of a format:
--     bos, eos       the default texts of these tokens
--     begin          a pattern before everything
--     system, user, assistant, any    patterns of turns by role
--     fold           how a system text goes into the first message, where there is no such turn:
--                    $system and $content
--     trim           "content": every content; "whole": after folding
--     alternate      the roles must be user, assistant, user, ...
--     default_system what the model was trained to begin with
--     prompt         how an assistant's turn begins
--     finish         a pattern after everything, if no prompt is asked for
local FORMATS = {
  raw = {any = "$content"},
  chatml = {
    eos = "<|im_end|>",
    any = "{<|im_start|>}$role\n$content{<|im_end|>}\n",
    prompt = "{<|im_start|>}assistant\n",
  },
  llama2 = {
    bos = "<s>", eos = "</s>", alternate = true, trim = "whole",
    fold = "<<SYS>>\n$system\n<</SYS>>\n\n$content",
    user = "$bos{[INST]} $content {[/INST]}",
    assistant = " $content $eos",
  },
  llama3 = {
    bos = "<|begin_of_text|>", eos = "<|eot_id|>", trim = "content", begin = "$bos",
    any = "{<|start_header_id|>}$role{<|end_header_id|>}\n\n$content{<|eot_id|>}",
    prompt = "{<|start_header_id|>}assistant{<|end_header_id|>}\n\n",
  },
  zephyr = {
    bos = "<s>", eos = "</s>",
    system = "{<|system|>}\n$content$eos\n",
    user = "{<|user|>}\n$content$eos\n",
    assistant = "{<|assistant|>}\n$content$eos\n",
    prompt = "{<|assistant|>}\n",
  },
  mistral = {
    bos = "<s>", eos = "</s>", alternate = true, begin = "$bos",
    fold = "$system\n\n$content",
    user = "{[INST]} $content {[/INST]}",
    assistant = "$content$eos",
  },
  gemma = {
    bos = "<bos>", eos = "<eos>", alternate = true, trim = "content", begin = "$bos",
    fold = "$system\n\n$content",
    user = "{<start_of_turn>}user\n$content{<end_of_turn>}\n",
    assistant = "{<start_of_turn>}model\n$content{<end_of_turn>}\n",
    prompt = "{<start_of_turn>}model\n",
  },
  phi3 = {
    bos = "<s>", eos = "<|endoftext|>",
    system = "{<|system|>}\n$content{<|end|>}\n",
    user = "{<|user|>}\n$content{<|end|>}\n",
    assistant = "{<|assistant|>}\n$content{<|end|>}\n",
    prompt = "{<|assistant|>}\n",
    finish = "$eos",
  },
  vicuna = {
    bos = "<s>", eos = "</s>", begin = "$bos",
    default_system = "A chat between a curious user and an artificial intelligence assistant. "
      .. "The assistant gives helpful, detailed, and polite answers to the user's questions.",
    system = "$content ",
    user = "USER: $content ",
    assistant = "ASSISTANT: $content$eos",
    prompt = "ASSISTANT:",
  },
  alpaca = {
    bos = "<s>", eos = "</s>", begin = "$bos",
    default_system = "Below is an instruction that describes a task. Write a response that "
      .. "appropriately completes the request.",
    system = "$content\n\n",
    user = "### Instruction:\n$content\n\n",
    assistant = "### Response:\n$content$eos\n\n",
    prompt = "### Response:\n",
  },
  openchat = {
    bos = "<s>", eos = "<|end_of_turn|>", begin = "$bos",
    system = "$content{<|end_of_turn|>}",
    user = "GPT4 Correct User: $content{<|end_of_turn|>}",
    assistant = "GPT4 Correct Assistant: $content{<|end_of_turn|>}",
    prompt = "GPT4 Correct Assistant:",
  },
  granite = {
    eos = "<|end_of_text|>",
    system = "{<|start_of_role|>}system{<|end_of_role|>}$content{<|end_of_text|>}\n",
    user = "{<|start_of_role|>}user{<|end_of_role|>}$content{<|end_of_text|>}\n",
    assistant = "{<|start_of_role|>}assistant{<|end_of_role|>}$content{<|end_of_text|>}\n",
    prompt = "{<|start_of_role|>}assistant{<|end_of_role|>}",
  },
}

-- The format of a name. `level` is where the caller's mistake is told.
local function find(where, name, level)
  local format = FORMATS[name]
  if not format then
    local near = type(name) == "string" and options.nearest(name, FORMATS)
    error("bad argument #1 to '" .. where .. "' (a chat format expected, got "
      .. options.show(name) .. (near and "; did you mean '" .. near .. "'?" or "") .. ")", level)
  end
  return format
end

--- The strings at which an assistant's answer ends, whatever else ends it: the marker after it,
-- and the beginning of another turn, which a model may go on to write ("USER:"). A marker that is a
-- token of the model is no text and ends nothing here: see lull.chat.ending.
-- @param name of a format
-- @return a list, empty for "raw"
-- @raise on an unknown format
function formats.stops(name)
  local format, list, seen = find("stops", name, 3), {}, {}
  local function add(pattern)
    local stop = text.strip(pattern:gsub("[{}]", ""), nil, true, true)
    if stop ~= "" and not seen[stop] then
      seen[stop], list[#list + 1] = true, stop
    end
  end
  for _, role in ipairs {"any", "user", "assistant"} do
    local pattern = (format[role] or ""):gsub("%$[be]os", "")
    add(pattern:match "^[^$]*")
    add(role ~= "user" and pattern:match "%$content(.*)" or "")
  end
  return list
end

--- The names of all formats, sorted.
function formats.names()
  local names = {}
  for name in pairs(FORMATS) do
    names[#names + 1] = name
  end
  table.sort(names)
  return names
end

-- What gives a format away in a template, the telling ones first.
local SIGNS = {
  {"<|im_start|>", "chatml"}, {"<|start_header_id|>", "llama3"}, {"<|start_of_role|>", "granite"},
  {"<start_of_turn>", "gemma"}, {"<<SYS>>", "llama2"}, {"[INST]", "mistral"},
  {"GPT4 Correct", "openchat"}, {"### Instruction:", "alpaca"}, {"USER: ", "vicuna"},
}

--- Guess which format a chat template writes, by the markers in it.
-- @param source the template
-- @return a name, or nil
function formats.detect(source)
  options.argument("detect", 1, source, {type = "string"})
  for _, sign in ipairs(SIGNS) do
    if source:find(sign[1], 1, true) then
      return sign[2]
    end
  end
  if source:find("<|assistant|>", 1, true) then
    return source:find("<|end|>", 1, true) and "phi3" or "zephyr"
  end
end

-------------------------------------------------------------------------------- writing

-- Append text; what is plain joins the plain text before it, a marker stands alone.
local function append(segments, piece, special)
  local last = segments[#segments]
  if piece == "" then
    return
  elseif last and not last.special and not special then
    last.text = last.text .. piece
  else
    segments[#segments + 1] = {text = piece, special = special}
  end
end

-- Write a pattern with the values of its names.
local function write(segments, pattern, names)
  local i = 1
  while i <= #pattern do
    local marker, after = pattern:match("^{([^}]*)}()", i)
    local name, after_name = pattern:match("^%$(%l+)()", i)
    if marker then
      append(segments, marker, true)
    elseif name then
      append(segments, names[name], name == "bos" or name == "eos")
      after = after_name
    else
      after = pattern:find("[{$]", i + 1) or #pattern + 1
      append(segments, pattern:sub(i, after - 1), false)
    end
    i = after
  end
end

local function bad(message)
  return nil, message, "EINVAL"
end

-- The system text and the messages after it. A format's own is taken where neither the messages
-- nor the options have one.
local function split_system(format, messages, system)
  if messages[1] and messages[1].role == "system" then
    return messages[1].content, 2
  elseif system == nil then
    system = format.default_system
  end
  return system ~= "" and system or nil, 1
end

local function check_messages(where, messages)
  options.argument(where, 2, messages, {type = "table", text = "a list of messages"}, 4)
  for i, message in ipairs(messages) do
    for _, field in ipairs {"role", "content"} do
      if type(message) ~= "table" or type(message[field]) ~= "string" then
        error("bad argument #2 to '" .. where .. "' (message " .. i .. " needs a string '" .. field
          .. "')", 4)
      end
    end
  end
end

local RULES = {
  add_generation_prompt = {type = "boolean", default = false},
  system = {type = "string"},
  bos_token = {type = "string"},
  eos_token = {type = "string"},
}

local function build(where, name, messages, given)
  local format = find(where, name, 4)
  check_messages(where, messages)
  local checked = options.check(where, given, RULES, 3)
  local system, first = split_system(format, messages, checked.system)
  local segments = {}
  local names = {
    bos = checked.bos_token or format.bos or "", eos = checked.eos_token or format.eos or "",
  }
  local function turn(role, content)
    names.role, names.content = role, content
    write(segments, format[role] or format.any, names)
  end

  write(segments, format.begin or "", names)
  if system and not format.fold then
    turn("system", format.trim and text.strip(system, nil, true, true) or system)
  end
  for i = first, #messages do
    local role, content = messages[i].role, messages[i].content
    local is_users = (i - first) % 2 == 0
    if not (format.any or format[role]) then
      return bad("message " .. i .. ": the format '" .. name .. "' has no role '" .. role .. "'")
    elseif format.alternate and (role == "user") ~= is_users then
      return bad("message " .. i .. ": the roles of '" .. name .. "' must alternate, user first")
    end
    if format.trim == "content" then
      content = text.strip(content, nil, true, true)
    end
    if i == first and system and format.fold then
      local values = {system = system, content = content}
      content = format.fold:gsub("%$(%l+)", values)
    end
    if format.trim == "whole" then
      content = text.strip(content, nil, true, true)
    end
    turn(role, content)
  end
  write(segments, checked.add_generation_prompt and format.prompt
    or not checked.add_generation_prompt and format.finish or "", names)
  return segments
end

--- A conversation as segments, each either a marker of the format or other text.
-- A marker is one token where the model's vocabulary has it as such, and plain text where not
-- ("[INST]" is a token for some models and text for others). All else must be encoded as plain
-- text, whatever it looks like.
-- @param format a name: see the table above
-- @param messages a list of {role =, content =}, the system's first if there is one
-- @param given add_generation_prompt: begin the assistant's turn (false); system: the system text
-- of a conversation without (the format's own; "" for none); bos_token, eos_token: instead of the
-- format's, "" to leave them out, for example where the encoder sets BOS itself
-- @return a list of {text =, special = true | false}; or nil, message, "EINVAL" for messages that
-- the format cannot have
-- @raise on an unknown format or option, and messages without a role or content
function formats.segments(format, messages, given)
  local segments, message, code = build("segments", format, messages, given)
  return segments, message, code
end

--- The same as one string.
function formats.text(format, messages, given)
  local segments, message, code = build("text", format, messages, given)
  if not segments then
    return nil, message, code
  end
  local parts = {}
  for i, segment in ipairs(segments) do
    parts[i] = segment.text
  end
  return table.concat(parts)
end

return formats
