--- lull tokenize: text to tokens and back.
-- @module lull.command.tokenize
local console = require "lull.command.console"
local json = require "lull.json"
local model = require "lull.command.model"

local tokenize = {summary = "Show the tokens of a text, or the text of tokens."}

local EPILOG = [[
Examples:
  lull tokenize lullaby "Once upon a time"
  lull tokenize lullaby -f story.txt --ids
  lull tokenize lullaby --decode "1 423 431 261 399"
  echo "One day" | lull tokenize lullaby - --json]]

function tokenize.define(parser)
  parser:epilog(EPILOG)
  model.argument(parser, true)
  parser:mutex(
    parser:argument("text", "The text ('-': from standard input)."):args("?"),
    console.option(parser, "-f", "--file", "Read the text from a file ('-': standard input)."))
  parser:flag("--decode", "The text is token ids; print what they stand for.")
  parser:flag("--no-start", "Without the token that begins a text.")
  parser:mutex(
    parser:flag("--ids", "Only the ids, on one line."),
    parser:flag("--json", "Ids and pieces on one line, for programs."))
  parser:option("--tokenizer", "Default: tokenizer.bin beside the model.")
    :argname "FILE"
end

local NAMES = {["\n"] = "\\n", ["\t"] = "\\t", ["\r"] = "\\r", ['"'] = '\\"', ["\\"] = "\\\\"}

-- A piece as it can be shown: quoted, with what would not print as an escape.
local function quoted(piece)
  local shown = piece:gsub('[%c"\\\127]', function(c)
    return NAMES[c] or string.format("\\x%02X", c:byte())
  end)
  if #piece == 1 and piece:byte() >= 0x80 then -- part of a character
    shown = string.format("\\x%02X", piece:byte())
  end
  return '"' .. shown .. '"'
end

local function print_tokens(loaded, ids, bytes)
  local lines = {}
  for i, id in ipairs(ids) do
    local name = id == loaded:bos() and "(begin)" or id == loaded:eos() and "(end)"
      or quoted(loaded:piece(id))
    lines[i] = string.format("%6.0f  %s", id, name)
  end
  lines[#lines + 1] = console.count(#ids, "token") .. " for " .. console.count(bytes, "byte")
  console.out(table.concat(lines, "\n") .. "\n")
end

local function print_json(loaded, ids, bytes)
  local tokens = {}
  for i, id in ipairs(ids) do
    tokens[i] = json.object {{"id", id}, {"piece", loaded:piece(id)}}
  end
  console.out(json.encode(json.object {{"bytes", bytes}, {"tokens", tokens}}) .. "\n")
end

local function ids_in(text, vocab_size)
  local ids = {}
  for word in text:gmatch("[^%s,%[%]]+") do
    local id = word:find("^%d+$") and tonumber(word)
    if not id or id >= vocab_size then
      console.fail(console.USAGE, "'" .. word:sub(1, 40) .. "' is no token id in 0.."
        .. vocab_size - 1)
    end
    ids[#ids + 1] = id
  end
  return ids
end

function tokenize.run(args)
  local text = args.text
  if args.file or text == "-" then
    text = console.read_text(args.file or "-")
  elseif not text then
    console.fail(console.USAGE, "a text is expected: TEXT, '-' or -f FILE")
  end
  local loaded = model.load(args)
  local hint = {ESTATE = "Name the tokenizer: --tokenizer FILE"}
  if args.decode then
    local decoded, message, code = loaded:decode(ids_in(text, loaded:vocab_size()))
    console.out(console.check(decoded, message, code, hint))
    if not console.at_line_start then
      console.out("\n")
    end
    return console.DONE
  end
  local ids, message, code = loaded:encode(text, {start = not args.no_start})
  console.check(ids, message, code, hint)
  if args.ids then
    local words = {}
    for i, id in ipairs(ids) do
      words[i] = console.fixed(id, 0)
    end
    console.out(table.concat(words, " ") .. "\n")
  elseif args.json then
    print_json(loaded, ids, #text)
  else
    print_tokens(loaded, ids, #text)
  end
  return console.DONE
end

return tokenize
