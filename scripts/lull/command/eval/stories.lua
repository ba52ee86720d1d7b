--- lull eval stories: what can be counted of stories, file beside file.
-- @module lull.command.eval.stories
local columns = require "lull.command.columns"
local console = require "lull.command.console"
local evaluate = require "lull.evaluate"
local json = require "lull.json"
local lull = require "lull"
local vocabulary = require "lull.evaluate.vocabulary"

local stories = {summary = "Count variety, repetition, endings and words of stories."}

local EPILOG = [[
Each FILE is the output of lull batch, other JSON lines with a field "text", or
plain text with lines <|endoftext|> between stories. Several are compared.

Examples:
  lull eval stories out.jsonl
  lull eval stories greedy.jsonl warm.jsonl hot.jsonl
  lull eval stories out.jsonl --vocabulary children --required verb,noun

--required LABELS counts which of the words in these labels are in the story;
inflected forms count. --vocabulary is "children" (about 1,500 words of stories
for small children) or a file of words.
distinct-n and self-BLEU depend on how much text there is: compare files of
equal size.]]

function stories.define(parser)
  parser:epilog(EPILOG)
  parser:argument("files", "Stories."):argname("FILE"):args("+")
  parser:option("--vocabulary", "Words that stories should keep to.")
    :argname "WORDS"
  parser:option("--required", "Labels that name words a story must have.")
    :argname "LABEL,..."
  parser:flag("--with-prompt", "The prompt is part of the story.")
  parser:option("--limit", "Only the first N stories of each file.")
    :argname("N"):convert(console.integer("--limit", 1))
  parser:option("--sample", "Self-BLEU of so many stories (default 500).")
    :argname("N"):convert(console.integer("--sample", 2))
  parser:option("--near", "Similarity of near duplicates (default 0.7).")
    :argname("J"):convert(console.by_rule("--near", {type = "number", min = 0.1, max = 1}))
  parser:option("--opening", "Words that are an opening (default 3).")
    :argname("N"):convert(console.integer("--opening", 1, 20))
  parser:option("--top", "Openings and strange words that are listed (default 5).")
    :argname("N"):convert(console.integer("--top", 0, 1000))
  console.option(parser, "-s", "--seed", "Of samples (default 0).")
    :argname("N"):convert(console.integer("--seed", 0))
  parser:flag("--json", "One line for each file, for programs.")
end

local function labels_of(args)
  local list = {}
  for name in (args.required or ""):gmatch "[^,]+" do
    list[#list + 1] = name
  end
  return list
end

local function read(args, path)
  local list, message, code = evaluate.read_stories(path, {
    labels = labels_of(args), with_prompt = args.with_prompt,
  })
  console.check(list, message, code)
  if args.limit then
    for i = #list, args.limit + 1, -1 do
      list[i] = nil
    end
  end
  return list
end

local function words_of(args)
  if not args.vocabulary then
    return nil
  elseif args.vocabulary == "children" then
    return vocabulary.children()
  end
  return vocabulary.read(console.read_text(args.vocabulary))
end

-------------------------------------------------------------------------------- showing

-- Name, key, digits; means over stories have an error.
local ROWS = {
  {"stories", "stories", 0}, {"words", "words", 0}, {"words of a story", "length", 1},
  {"distinct-1", "distinct_1", 4}, {"distinct-2", "distinct_2", 4},
  {"distinct-3", "distinct_3", 4}, {"self-BLEU-4", "self_bleu", 4},
  {"compression", "compression", 3}, {"repetition-4", "repetition_4", 4},
  {"longest repeat, words", "longest_repeat", 2}, {"duplicates", "duplicates", 4},
  {"near duplicates", "near_duplicates", 4}, {"ended (EOS)", "ended", 3},
  {"ends in a sentence", "ended_in_sentence", 3}, {"dialogue", "dialogue", 3},
  {"outside vocabulary", "outside_vocabulary", 4}, {"required words", "required", 3},
  {"all required", "all_required", 3}, {"different openings", "different_openings", 0},
}

local function cells(value, digits)
  if value == nil then
    return "n/a", ""
  elseif type(value) == "table" then
    return console.fixed(value.value, digits),
      value.stderr and "+- " .. console.fixed(value.stderr, digits) or ""
  end
  return digits == 0 and console.thousands(value) or console.fixed(value, digits), ""
end

-- At most so many bytes of words, on a line of its own.
local function shortened(text)
  if #text <= 76 then
    return text
  end
  return text:sub(1, 73):gsub(" [^ ]*$", "") .. " ..."
end

local function print_lists(names, results)
  for i, r in ipairs(results) do
    local lines = {}
    for _, opening in ipairs(r.openings) do
      lines[#lines + 1] = {console.fixed(100 * opening.share, 1) .. " %", opening.text .. " ..."}
    end
    console.out("\n" .. names[i] .. ", openings\n" .. columns.format(lines, "rl", "  "))
    if r.longest then
      console.out("longest repeat, " .. console.count(r.longest.words, "word") .. " of story "
        .. console.fixed(r.longest.story, 0) .. "\n  " .. shortened(r.longest.text) .. "\n")
    end
    if r.strange and #r.strange > 0 then
      lines = {}
      for k, word in ipairs(r.strange) do
        lines[k] = {console.thousands(word.count), word.text}
      end
      console.out("outside the vocabulary, " .. console.count(r.strange_words, "different word")
        .. "\n" .. columns.format(lines, "rl", "  "))
    end
  end
end

local function print_text(names, results)
  local rows, align = {{""}}, "l"
  for i, name in ipairs(names) do
    rows[1][2 * i], rows[1][2 * i + 1] = name, ""
    align = align .. "rl"
  end
  for _, metric in ipairs(ROWS) do
    local row, any = {metric[1]}, false
    for i, r in ipairs(results) do
      row[2 * i], row[2 * i + 1] = cells(r[metric[2]], metric[3])
      any = any or r[metric[2]] ~= nil
    end
    rows[#rows + 1] = any and row or nil
  end
  console.out(columns.format(rows, align))
  print_lists(names, results)
end

local function json_value(value)
  if type(value) == "table" and value.value ~= nil then
    return json.object {{"value", value.value}, {"stderr", value.stderr}, {"n", value.n}}
  end
  return value
end

local function json_list(list, names)
  if not list then
    return nil
  end
  local out = {}
  for i, item in ipairs(list) do
    local pairs_list = {}
    for k, name in ipairs(names) do
      pairs_list[k] = {name, item[name]}
    end
    out[i] = json.object(pairs_list)
  end
  return out
end

local function print_json(paths, results)
  for i, r in ipairs(results) do
    local list = {{"lull", lull.version}, {"file", paths[i]}, {"bytes", r.bytes}}
    for _, metric in ipairs(ROWS) do
      list[#list + 1] = {metric[2], json_value(r[metric[2]])}
    end
    list[#list + 1] = {"openings", json_list(r.openings, {"text", "count", "share"})}
    list[#list + 1] = {"longest", r.longest and json.object {{"words", r.longest.words},
      {"story", r.longest.story}, {"text", r.longest.text}}}
    list[#list + 1] = {"strange", json_list(r.strange, {"text", "count"})}
    console.out(json.encode(json.object(list)) .. "\n")
  end
end

function stories.run(args)
  local results, names = {}, {}
  local words = words_of(args)
  for i, path in ipairs(args.files) do
    console.progress("reading " .. path)
    local list = read(args, path)
    console.progress("counting " .. path)
    results[i] = evaluate.stories(list, {
      vocabulary = words, sample = args.sample, near = args.near, opening = args.opening,
      top = args.top, seed = args.seed,
    })
    names[i] = path:match "[^/]*$"
  end
  console.progress("")
  if args.json then
    print_json(args.files, results)
  else
    print_text(names, results)
  end
  return console.DONE
end

return stories
