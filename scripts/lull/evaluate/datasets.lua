--- Data sets in the forms their authors publish, as documents of one form.
--
-- A document is a table; what it has says what can be asked:
--
--     {id, context, choices, label}        which choice follows the context? label counts from 0
--     {id, contexts, choices, label, target}  which context does the target follow best?
--     {id, context, target}                how probable is the target? (or: is it what is told?)
--     {id, text}                           how well is the whole text predicted?
--
-- JSON lines of the first, third and fourth form are read as they are ("documents"), so any data
-- set can be brought along with a few lines of any language.
-- @module lull.evaluate.datasets
local json = require "lull.json"

local datasets = {}

-------------------------------------------------------------------------------- fields

local function is_text_list(value)
  if type(value) ~= "table" or #value == 0 then
    return false
  end
  for i = 1, #value do
    if type(value[i]) ~= "string" then
      return false
    end
  end
  return true
end

local KINDS = {
  text = {"a string", function(value) return type(value) == "string" end},
  texts = {"a list of strings", is_text_list},
  object = {"an object", function(value) return type(value) == "table" end},
  label = {"an integer or a string", function(value)
    return type(value) == "string" or type(value) == "number" and value % 1 == 0
  end},
  number = {"an integer", function(value)
    return type(value) == "number" and value % 1 == 0 or type(value) == "string"
      and value:find "^%d+$" ~= nil
  end},
}

local function shown(value)
  if value == json.null then
    return "null"
  elseif type(value) == "table" then
    return #value > 0 and "a list" or "an object or an empty list"
  elseif type(value) == "string" then
    return "'" .. value:sub(1, 30):gsub("%c", "?") .. "'"
  end
  return value == nil and "nothing" or tostring(value)
end

-- What is wrong with a record, or nil. wanted: {{name, kind}, ...}.
local function wrong(record, wanted)
  if type(record) ~= "table" then
    return "an object expected, got " .. shown(record)
  end
  for _, field in ipairs(wanted) do
    local kind = KINDS[field[2]]
    if not kind[2](record[field[1]]) then
      return "field '" .. field[1] .. "': " .. kind[1] .. " expected, got "
        .. shown(record[field[1]])
    end
  end
end

local function label_in(label, n, name)
  label = tonumber(label)
  if not label or label < 0 or label >= n or label % 1 ~= 0 then
    return nil, "field '" .. name .. "': a number of a choice, 0.." .. n - 1 .. ", expected"
  end
  return label
end

-------------------------------------------------------------------------------- the formats
-- Each makes a document of a record, or returns nil and what is wrong with it.

local formats = {}

--- Documents as above. label is a number from 0 or the choice itself.
function formats.documents(record)
  local wanted = {{"context", "text"}}
  if record.text ~= nil then
    wanted = {{"text", "text"}}
  elseif record.choices ~= nil or record.label ~= nil then
    wanted = {{"context", "text"}, {"choices", "texts"}, {"label", "label"}}
  end
  local problem = wrong(record, wanted)
  if problem then
    return nil, problem
  end
  local doc = {
    id = record.id, text = record.text, context = record.context, choices = record.choices,
    target = record.target,
  }
  if type(doc.target) ~= "string" and doc.target ~= nil and not is_text_list(doc.target) then
    return nil, "field 'target': a string or a list of strings expected, got "
      .. shown(doc.target)
  elseif doc.text == nil and doc.choices == nil and doc.target == nil then
    return nil, "a document has 'text', or 'context' with 'target' or with 'choices' and 'label'"
  elseif doc.choices then
    doc.label = record.label
    for i, choice in ipairs(doc.choices) do
      if choice == record.label then
        doc.label = i - 1
      end
    end
    doc.label, problem = label_in(doc.label, #doc.choices, "label")
    if not doc.label then
      return nil, problem
    end
  end
  return doc
end

-- The corpus took part of its text from WikiHow; the brackets are left of that.
local function without_brackets(text)
  return (text:match "^%s*(.-)%s*$":gsub(" %[title%]", ". "):gsub("%[.-%]", ""):gsub("  ", " "))
end

-- As Python's capitalize, for ASCII: the first letter large and all others small.
local function capitalize(text)
  return text:sub(1, 1):upper() .. text:sub(2):lower()
end

--- HellaSwag (Zellers et al. 2019): {"ind", "activity_label", "ctx_a", "ctx_b", "endings",
-- "label"}.
function formats.hellaswag(record)
  local problem = wrong(record, {
    {"activity_label", "text"}, {"ctx_a", "text"}, {"ctx_b", "text"}, {"endings", "texts"},
    {"label", "number"},
  })
  local label
  if not problem then
    label, problem = label_in(record.label, #record.endings, "label")
  end
  if problem then
    return nil, problem
  end
  local choices = {}
  for i, ending in ipairs(record.endings) do
    choices[i] = without_brackets(ending)
  end
  return {
    id = record.ind, choices = choices, label = label,
    context = without_brackets(record.activity_label .. ": " .. record.ctx_a .. " "
      .. capitalize(record.ctx_b)),
  }
end

--- ARC (Clark et al. 2018): {"id", "question": {"stem", "choices": [{"text", "label"}]},
-- "answerKey"}, and the same data set's later form {"id", "question": "...",
-- "choices": {"text": [], "label": []}, "answerKey"}.
function formats.arc(record)
  local problem = wrong(record, {
    {"question", type(record.question) == "string" and "text" or "object"},
    {"answerKey", "label"},
  })
  if problem then
    return nil, problem
  end
  local stem, texts, labels = record.question, {}, {}
  if type(stem) == "string" then
    problem = wrong(record, {{"choices", "object"}})
      or wrong(record.choices, {{"text", "texts"}, {"label", "texts"}})
    if problem then
      return nil, problem
    end
    texts, labels = record.choices.text, record.choices.label
  else
    problem = wrong(stem, {{"stem", "text"}, {"choices", "object"}})
    for i, choice in ipairs(not problem and stem.choices or {}) do
      problem = problem or wrong(choice, {{"text", "text"}, {"label", "label"}})
      texts[i] = not problem and choice.text
      labels[i] = not problem and choice.label
    end
    stem = stem.stem
  end
  local label
  for i in ipairs(texts) do
    if tostring(labels[i]) == tostring(record.answerKey) then
      label = i - 1
    end
  end
  if problem or not label then
    return nil, problem or "field 'answerKey': the label of a choice expected, got "
      .. shown(record.answerKey)
  end
  return {
    id = record.id, context = "Question: " .. stem .. "\nAnswer:", choices = texts, label = label,
  }
end

--- PIQA (Bisk et al. 2020): {"id", "goal", "sol1", "sol2"}; the labels, 0 or 1 a line, are a second
-- file.
function formats.piqa(record, answer)
  local problem = wrong(record, {{"goal", "text"}, {"sol1", "text"}, {"sol2", "text"}})
  if problem then
    return nil, problem
  end
  local label
  label, problem = label_in(answer or record.label, 2, "label")
  if not label then
    return nil, problem
  end
  return {
    id = record.id, context = "Question: " .. record.goal .. "\nAnswer:",
    choices = {record.sol1, record.sol2}, label = label,
  }
end

--- Winogrande (Sakaguchi et al. 2019): {"qID", "sentence" with one _, "option1", "option2",
-- "answer": "1" or "2"}. Partial evaluation (Trinh & Le 2018, arXiv:1806.02847): either option is
-- put in place of the _, and what counts is how probable the rest of the sentence is then.
function formats.winogrande(record)
  local problem = wrong(record, {
    {"sentence", "text"}, {"option1", "text"}, {"option2", "text"}, {"answer", "number"},
  })
  if problem then
    return nil, problem
  end
  local before, after = record.sentence:match "^([^_]*)_(.*)$"
  local label = label_in(tonumber(record.answer) - 1, 2, "answer")
  if not before or not label then
    return nil, before and "field 'answer': 1 or 2 expected, got " .. shown(record.answer)
      or "field 'sentence': has no '_'"
  end
  local choices = {record.option1, record.option2}
  return {
    id = record.qID, label = label, choices = choices, target = after:match "^%s*(.-)%s*$",
    contexts = {before .. choices[1], before .. choices[2]},
  }
end

--- LAMBADA (Paperno et al. 2016, arXiv:1606.06031): {"text"}; its last word is to be told.
function formats.lambada(record)
  if type(record) == "string" then
    record = {text = record}
  end
  local problem = wrong(record, {{"text", "text"}})
  local context, target
  if not problem then
    context, target = record.text:match "^(.*) ([^ ]+)$"
    problem = not context and "field 'text': two words and more expected" or nil
  end
  if problem then
    return nil, problem
  end
  return {id = record.id, context = context, target = target}
end

datasets.formats = formats

-------------------------------------------------------------------------------- files

-- The lines of a file with their numbers, empty ones left out; or nil, message, code.
local function lines_of(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message, "EIO"
  end
  local list, number = {}, 0
  local text = file:read "*a"
  file:close()
  if not text then
    return nil, path .. ": cannot be read", "EIO"
  end
  text = text:gsub("^\239\187\191", "")
  for line in (text:sub(-1) == "\n" and text or text .. "\n"):gmatch "([^\n]*)\n" do
    number = number + 1
    line = line:gsub("\r$", "")
    if line:find "%S" then
      list[#list + 1] = {text = line, number = number}
    end
  end
  return list
end

local function fault(path, line, message)
  return nil, path .. ":" .. line.number .. ": " .. message, "EFORMAT"
end

-- A line as a record without nulls: a JSON object, or for formats of plain text the line itself.
-- Or nil and what is wrong.
local function record_of(line, plain)
  if plain and not line.text:find "^%s*{" then
    return line.text
  end
  local record, problem = json.decode(line.text)
  if record == nil then
    return nil, problem
  elseif not json.is_object(record) then
    return nil, "an object expected, got " .. shown(record)
  end
  for key, value in pairs(record) do
    if value == json.null then
      record[key] = nil
    end
  end
  return record
end

-- Give documents ids: their own, as text, or their line's number. Two of one name are an error.
local function name(docs, path, lines)
  local seen = {}
  for i, doc in ipairs(docs) do
    local id = doc.id
    if type(id) == "number" then
      id = id % 1 == 0 and string.format("%.0f", id) or tostring(id)
    end
    doc.id = id ~= nil and tostring(id) or tostring(lines[i].number)
    if seen[doc.id] then
      return fault(path, lines[i], "the id '" .. doc.id .. "' is that of line " .. seen[doc.id]
        .. " too")
    end
    seen[doc.id] = lines[i].number
  end
  return docs
end

--- The texts of plain text: lines `<|endoftext|>` separate them, space around them is dropped.
function datasets.texts(text)
  local list, lines = {}, {}
  local function finish()
    local part = table.concat(lines, "\n"):match "^%s*(.-)%s*$"
    lines = {}
    if part ~= "" then
      list[#list + 1] = part
    end
  end
  for line in (text .. "\n"):gmatch "([^\n]*)\n" do
    line = line:gsub("\r$", "")
    if line == "<|endoftext|>" then
      finish()
    else
      lines[#lines + 1] = line
    end
  end
  finish()
  return list
end

local function read_texts(path)
  local file, message = io.open(path, "rb")
  if not file then
    return nil, message, "EIO"
  end
  local text = file:read "*a"
  file:close()
  if text and text:find "^%s*{" and json.is_object((json.decode(text:match "[^\n]+"))) then
    return datasets.read("documents", path)
  end
  local docs = {}
  for i, part in ipairs(datasets.texts(text or "")) do
    docs[i] = {id = tostring(i), text = part}
  end
  if #docs == 0 then
    return nil, path .. ": there is no text in it", "EFORMAT"
  end
  return docs
end

--- Read JSON lines, each an object.
-- @param path the file
-- @param problem_of function(record) -> what is wrong with it, or nil
-- @return a list of records; or nil, message with file and line, code
function datasets.records(path, problem_of)
  local lines, message, code = lines_of(path)
  if not lines then
    return nil, message, code
  end
  local records = {}
  for i, line in ipairs(lines) do
    local record, problem = record_of(line)
    problem = record and problem_of(record) or problem
    if problem then
      return fault(path, line, problem)
    end
    records[i] = record
  end
  return records
end

--- Read a data set.
-- @param format a name among formats (documents, hellaswag, arc, piqa, winogrande, lambada), or
--   "text": plain text, of which lines `<|endoftext|>` separate documents, or JSON lines {id, text}
-- @param path the file
-- @param answers for piqa: the file of labels
-- @return a list of documents; or nil, message, code. Messages begin with the file and the line
function datasets.read(format, path, answers)
  if format == "text" then
    return read_texts(path)
  end
  local lines, message, code = lines_of(path)
  local labels
  if lines and answers then
    labels, message, code = lines_of(answers)
    if labels and #labels ~= #lines then
      return nil, answers .. ": has " .. #labels .. " labels for the " .. #lines .. " lines of "
        .. path, "EFORMAT"
    end
  end
  if not lines or (answers and not labels) then
    return nil, message, code
  elseif #lines == 0 then
    return nil, path .. ": the data set is empty", "EFORMAT"
  end
  local docs = {}
  for i, line in ipairs(lines) do
    local record, problem = record_of(line, format == "lambada")
    if record == nil then
      return fault(path, line, problem)
    end
    docs[i], problem = formats[format](record, labels and labels[i].text)
    if not docs[i] then
      return fault(path, line, problem)
    end
  end
  return name(docs, path, lines)
end

-------------------------------------------------------------------------------- stories

-- Text and reason of a line of OpenAI's batch interface, or nil.
local function openai_story(record)
  local response = record.response
  local body = json.is_object(response) and response.body
  local choice = json.is_object(body) and type(body.choices) == "table" and body.choices[1]
  if not choice then
    return nil
  end
  local own = json.is_object(body.lull) and body.lull or choice
  return choice.text or choice.message and choice.message.content, own.finish_reason
end

-- The words in labels.
local function required_words(record, labels)
  local list, from = {}, json.is_object(record.labels) and record.labels or record
  for _, label in ipairs(labels) do
    local value = from[label]
    for _, word in ipairs(type(value) == "table" and value or {value}) do
      list[#list + 1] = type(word) == "string" and word or nil
    end
  end
  return list
end

--- Read stories: the output of lull batch, other JSON lines with a field "text", or plain text.
-- Lines of the output that say why there is no story are left out.
-- @param path the file
-- @param given optional {labels = names of labels whose words a story must have; with_prompt =
--   true: the prompt is part of the story}
-- @return a list of {id, text, finish_reason, required} for evaluate.stories; or nil, message, code
function datasets.stories(path, given)
  given = given or {}
  local lines, message, code = lines_of(path)
  if not lines then
    return nil, message, code
  elseif lines[1] and not lines[1].text:find "^%s*{" then
    return read_texts(path)
  end
  local list = {}
  for _, line in ipairs(lines) do
    local record, problem = record_of(line)
    if not record then
      return fault(path, line, problem)
    elseif not json.is_object(record.error) then
      local text, reason = record.text, record.finish_reason
      if text == nil then
        text, reason = openai_story(record)
      end
      if type(text) ~= "string" then
        return fault(path, line, "field 'text': a string expected, got " .. shown(text))
      end
      if given.with_prompt and type(record.prompt) == "string" then
        text = record.prompt .. text
      end
      list[#list + 1] = {
        id = record.id, text = text, finish_reason = type(reason) == "string" and reason or nil,
        required = given.labels and required_words(record, given.labels),
      }
    end
  end
  if #list == 0 then
    return nil, path .. ": there is no story in it", "EFORMAT"
  end
  return list
end

return datasets
