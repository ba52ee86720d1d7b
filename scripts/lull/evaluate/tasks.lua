--- Tasks: what is asked about documents, and how the question is put.
--
-- A task is a table, and one of your own is as good as those here:
--
--     {name = "moods", kind = "multiple_choice", format = "documents",
--      description = "", fewshot_delimiter = "\n\n", target_delimiter = " "}
--
--     kind   "multiple_choice"  which of given choices is most probable
--            "loglikelihood"    how probable a target is, and whether greedy decoding tells it
--            "rolling"          how well whole texts are predicted: perplexity, bits per byte
--            "generate"         text is told, filtered and compared with a target
--
-- Semantics are those of the Language Model Evaluation Harness (github.com/EleutherAI/
-- lm-evaluation-harness): a few-shot prompt is the description, then solved examples, each
-- followed by fewshot_delimiter, then the question; a question and its answer are joined by
-- target_delimiter.
-- @module lull.evaluate.tasks
local core = require "lull.core"
local options = require "lull.options"

local tasks = {}

local KINDS = {
  one_of = {"multiple_choice", "loglikelihood", "rolling", "generate"}, required = true,
}

local RULES = {
  name = {type = "string", required = true},
  kind = KINDS,
  format = {type = "string", default = "documents"},
  description = {type = "string", default = ""},
  fewshot_delimiter = {type = "string", default = "\n\n"},
  target_delimiter = {type = "string", default = " "},
  mutual_information = {type = "boolean", default = false},
  normalized = {type = "boolean", default = true},
  stop = {type = "table"},
  max_tokens = {type = "integer", min = 1, default = 64},
  sampling = {type = "table"},
  repeats = {type = "integer", min = 1, max = 1000, default = 1},
  filters = {type = "table"},
}

--- Make a task.
-- @param given {name, kind} and, each optional:
--   format              of its data sets (lull.evaluate.datasets), by default "documents"
--   description         what every prompt begins with
--   fewshot_delimiter   between examples, "\n\n"
--   target_delimiter    between a question and its answer, " "
--   mutual_information  multiple choice: also score the choices without their context, for
--                       acc_mutual_info (twice the work)
--   normalized          multiple choice: also acc_norm and acc_bytes
--   stop, max_tokens    generate: strings that end an answer ("\n" where left out), 64
--   sampling            generate: options of generate, by default {temperature = 0}
--   repeats             generate: so many answers to each question
--   filters             generate: see lull.evaluate.filters
function tasks.new(given)
  local task = options.check("task", given, RULES)
  task.stop = task.stop or {"\n"}
  task.sampling = task.sampling or {temperature = 0}
  return task
end

--- The tasks that there are by name. The first four take documents of your own; the others are
-- known data sets.
tasks.known = {
  multiple_choice = tasks.new {name = "multiple_choice", kind = "multiple_choice"},
  loglikelihood = tasks.new {name = "loglikelihood", kind = "loglikelihood"},
  generate = tasks.new {name = "generate", kind = "generate"},
  perplexity = tasks.new {name = "perplexity", kind = "rolling", format = "text"},
  hellaswag = tasks.new {name = "hellaswag", kind = "multiple_choice", format = "hellaswag"},
  arc = tasks.new {name = "arc", kind = "multiple_choice", format = "arc"},
  piqa = tasks.new {name = "piqa", kind = "multiple_choice", format = "piqa"},
  winogrande = tasks.new {
    name = "winogrande", kind = "multiple_choice", format = "winogrande", normalized = false,
  },
  lambada = tasks.new {name = "lambada", kind = "loglikelihood", format = "lambada"},
}

-------------------------------------------------------------------------------- few-shot

-- A document with its answer.
local function solved(task, doc)
  local question, answer = doc.context, doc.target
  if doc.contexts then
    question = doc.contexts[doc.label + 1]
  elseif doc.choices then
    answer = doc.choices[doc.label + 1]
  end
  return question .. task.target_delimiter .. (type(answer) == "table" and answer[1] or answer)
end

-- count numbers of 1..n without repetition, a function of seed and id; `without` is left out.
local function choose(n, count, seed, id, without)
  local pool, chosen = {}, {}
  for i = 1, n do
    if i ~= without then
      pool[#pool + 1] = i
    end
  end
  for i = 1, math.min(count, #pool) do
    local k = i + math.floor(core.random(seed, id, i, "fewshot") * (#pool - i + 1))
    pool[i], pool[k] = pool[k], pool[i]
    chosen[i] = pool[i]
  end
  return chosen
end

-- What stands before the question of a document.
local function preamble(task, docs, i, given)
  local parts = {task.description}
  if given.fewshot > 0 then
    local own = given.examples == nil
    local examples = given.examples or docs
    local id = given.same_examples and "all" or docs[i].id
    for _, k in ipairs(choose(#examples, given.fewshot, given.seed, id, own and i or nil)) do
      parts[#parts + 1] = solved(task, examples[k]) .. task.fewshot_delimiter
    end
  end
  return table.concat(parts)
end

-------------------------------------------------------------------------------- requests

local NEEDED = {
  multiple_choice = {"choices", "label"}, loglikelihood = {"target"}, rolling = {"text"},
  generate = {"context"},
}

local function fill(task, request, doc, before)
  if task.kind == "rolling" then
    request.text = doc.text
    return
  elseif doc.contexts then
    request.contexts = {}
    for i, context in ipairs(doc.contexts) do
      request.contexts[i] = before .. context
    end
  else
    request.context = before .. doc.context
  end
  if task.kind == "generate" then
    request.target = type(doc.target) == "string" and {doc.target} or doc.target or {}
    request.stop, request.max_tokens = task.stop, task.max_tokens
    request.sampling, request.repeats = task.sampling, task.repeats
    return
  end
  request.continuations = {}
  for i, answer in ipairs(doc.choices or {doc.target}) do
    request.continuations[i] = task.target_delimiter .. (doc.contexts and doc.target or answer)
  end
  if doc.choices then
    request.choices, request.label = doc.choices, doc.label
    request.mutual_information = task.mutual_information or nil
    request.normalized = task.normalized
  end
end

local REQUEST_RULES = {
  fewshot = {type = "integer", min = 0, max = 1000, default = 0},
  examples = {type = "table"},
  same_examples = {type = "boolean", default = false},
  seed = {type = "integer", min = 0, default = 0},
  limit = {type = "integer", min = 1},
}

--- The first stage: what is to be asked of a model, as a list of requests. No model is needed.
-- @param task a task, or the name of one
-- @param docs a list of documents
-- @param given optional {fewshot = 0: so many solved examples before each question; examples =
--   documents to take them from, by default the others of docs; same_examples = true: the same
--   before all questions; seed = 0: which are chosen; limit = only the first so many documents}
-- @return a list of requests; or nil, message, code where a document lacks what the task needs
function tasks.requests(task, docs, given)
  task = tasks.find(task)
  given = options.check("requests", given, REQUEST_RULES)
  local list = {}
  for i = 1, math.min(#docs, given.limit or #docs) do
    local doc = docs[i]
    for _, key in ipairs(NEEDED[task.kind]) do
      if doc[key] == nil then
        return nil, "document '" .. tostring(doc.id) .. "' has no '" .. key .. "', which "
          .. task.kind .. " needs", "EFORMAT"
      end
    end
    local request = {id = tostring(doc.id), task = task.name, kind = task.kind}
    fill(task, request, doc, task.kind == "rolling" and "" or preamble(task, docs, i, given))
    list[i] = request
  end
  return list
end

--- A task by its name, or itself. Raises where there is none.
function tasks.find(task)
  if type(task) == "table" then
    return task
  end
  return tasks.known[task] or error("there is no task '" .. tostring(task) .. "'", 3)
end

return tasks
