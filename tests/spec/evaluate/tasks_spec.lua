-- Data sets in their authors' formats, few-shot prompts, and what bad files are told.
local helper = require "tests.spec.helper"
local evaluate = require "lull.evaluate"

local function written(text)
  return helper.write(helper.scratch(), text)
end

after_each(helper.clean)

describe("data sets", function()
  local function only(format, line, answers)
    local docs = assert(evaluate.read(format, written(line .. "\n"),
      answers and written(answers)))
    assert.are.equal(1, #docs)
    return docs[1]
  end

  it("HellaSwag", function()
    assert.are.same({
      id = "24", label = 3, context = "Roof shingle removal: A man is sitting. He starts",
      choices = {"is using. Next to it.", "is ripping.", "is holding a cube.", "starts pulling."},
    }, only("hellaswag", [[{"ind": 24, "activity_label": "Roof shingle removal", ]]
      .. [["ctx_a": "A man is sitting.", "ctx_b": "he  Starts", "ctx": "unused", "split": "val", ]]
      .. [["endings": ["is using [title] Next to  it.", "is ripping.", "is holding a [x] cube.", ]]
      .. [[" starts pulling. "], "label": "3"}]]))
  end)

  it("ARC in both of its forms", function()
    local wanted = {
      id = "Mercury_1", label = 1, context = "Question: Which is hot?\nAnswer:",
      choices = {"ice", "fire"},
    }
    assert.are.same(wanted, only("arc", [[{"id": "Mercury_1", "answerKey": "B", "question": ]]
      .. [[{"stem": "Which is hot?", "choices": [{"text": "ice", "label": "A"}, ]]
      .. [[{"text": "fire", "label": "B"}]}}]]))
    assert.are.same(wanted, only("arc", [[{"id": "Mercury_1", "answerKey": 2, "question": ]]
      .. [["Which is hot?", "choices": {"text": ["ice", "fire"], "label": ["1", "2"]}}]]))
  end)

  it("PIQA with its second file", function()
    assert.are.same({
      id = "1", label = 1, context = "Question: To sleep\nAnswer:", choices = {"jump", "lie down"},
    }, only("piqa", [[{"goal": "To sleep", "sol1": "jump", "sol2": "lie down"}]], "1\n"))
    local none, message = evaluate.read("piqa",
      written [[{"goal": "a", "sol1": "b", "sol2": "c"}]], written "1\n0\n")
    assert.is_nil(none)
    assert.matches("has 2 labels for the 1 lines of", message)
  end)

  it("Winogrande", function()
    assert.are.same({
      id = "w1", label = 1, choices = {"Sarah", "Maria"}, target = "was calm.",
      contexts = {"Sarah won, so Sarah", "Sarah won, so Maria"},
    }, only("winogrande", [[{"qID": "w1", "sentence": "Sarah won, so _ was calm.", ]]
      .. [["option1": "Sarah", "option2": "Maria", "answer": "2"}]]))
  end)

  it("LAMBADA as JSON and as plain lines", function()
    local wanted = {id = "1", context = "He took a deep", target = "breath."}
    assert.are.same(wanted, only("lambada", [[{"text": "He took a deep breath."}]]))
    assert.are.same(wanted, only("lambada", "He took a deep breath.\r"))
  end)

  it("documents of one's own", function()
    assert.are.same({id = "1", context = "a", choices = {"b", "c"}, label = 1},
      only("documents", [[{"context": "a", "choices": ["b", "c"], "label": 1}]]))
    assert.are.same({id = "x", context = "a", choices = {"b", "c"}, label = 0},
      only("documents", [[{"id": "x", "context": "a", "choices": ["b", "c"], "label": "b"}]]))
    assert.are.same({id = "7", context = "a", target = "b"},
      only("documents", [[{"id": 7, "context": "a", "target": "b", "label": null}]]))
  end)

  it("plain text with separators", function()
    local docs = assert(evaluate.read("text",
      written "\n one\n\nmore\n<|endoftext|>\r\n<|endoftext|>\ntwo  \n<|endoftext|>\n"))
    assert.are.same({{id = "1", text = "one\n\nmore"}, {id = "2", text = "two"}}, docs)
    docs = assert(evaluate.read("text", written '{"id": "a", "text": "one"}\n{"text": "two"}'))
    assert.are.same({{id = "a", text = "one"}, {id = "2", text = "two"}}, docs)
    assert.are.equal("{not JSON", evaluate.read("text", written "{not JSON\n")[1].text)
  end)
end)

describe("bad data sets", function()
  local good = [[{"context": "a", "choices": ["b", "c"], "label": 1}]]
  local cases = {
    {"documents", good .. "\n\n{\"context\": \"a\",\n", ":3: no JSON at byte 1"},
    {"documents", good .. "\n[1]", ":2: an object expected, got a list"},
    {"documents", "{}", ":1: field 'context': a string expected, got nothing"},
    {"documents", [[{"context": "a"}]], ":1: a document has"},
    {"documents", [[{"context": "a", "choices": "b", "label": 0}]],
      ":1: field 'choices': a list of strings expected, got 'b'"},
    {"documents", [[{"context": "a", "choices": ["b"], "label": 1}]], ":1: field 'label'.*0%.%.0"},
    {"documents", [[{"context": "a", "choices": ["b"], "label": "z"}]], ":1: field 'label'"},
    {"documents", [[{"context": null, "target": "b"}]], ":1: field 'context'.*got nothing"},
    {"documents", [[{"context": "a", "target": 3}]], ":1: field 'target'"},
    {"documents", [[{"id": 1, "text": "a"}]] .. "\n" .. [[{"id": "1", "text": "b"}]],
      ":2: the id '1' is that of line 1 too"},
    {"documents", "", ": the data set is empty"},
    {"documents", "\n \n", ": the data set is empty"},
    {"documents", "{\"text\": \"\255\"}", ":1: .*no UTF%-8"},
    {"hellaswag", [[{"ctx": "a", "endings": ["b"], "label": 0}]], ":1: field 'activity_label'"},
    {"hellaswag", [[{"activity_label": "a", "ctx_a": "b", "ctx_b": "c", "endings": ["d"], ]]
      .. [["label": ""}]], ":1: field 'label'"},
    {"arc", [[{"question": {"stem": "a", "choices": [{"text": "b"}]}, "answerKey": "A"}]],
      ":1: field 'label'"},
    {"arc", [[{"question": {"stem": "a", "choices": []}, "answerKey": "A"}]],
      ":1: field 'answerKey'"},
    {"arc", [[{"question": 3, "answerKey": "A"}]], ":1: field 'question'"},
    {"piqa", [[{"goal": "a", "sol1": "b", "sol2": "c"}]], ":1: field 'label'"},
    {"winogrande", [[{"sentence": "a", "option1": "b", "option2": "c", "answer": "1"}]],
      ":1: field 'sentence': has no '_'"},
    {"winogrande", [[{"sentence": "a _", "option1": "b", "option2": "c", "answer": "3"}]],
      ":1: field 'answer'"},
    {"winogrande", [[{"sentence": "a _", "option1": "b", "option2": "c", "answer": "x"}]],
      ":1: field 'answer'"},
    {"lambada", "one", ":1: field 'text': two words"},
    {"text", " \n<|endoftext|>\n", ": there is no text in it"},
  }
  for i, case in ipairs(cases) do
    it("name the file and the line, " .. i, function()
      local path = written(case[2])
      local none, message, code = evaluate.read(case[1], path)
      assert.is_nil(none)
      assert.are.equal(path, message:sub(1, #path))
      assert.matches(case[3], message)
      assert.are.equal("EFORMAT", code)
    end)
  end

  it("that are not there", function()
    local none, message, code = evaluate.read("text", "/no/such/file")
    assert.is_nil(none)
    assert.matches("/no/such/file", message)
    assert.are.equal("EIO", code)
  end)
end)

describe("requests", function()
  local docs = {}
  for i = 1, 6 do
    docs[i] = {id = tostring(i), context = "Q" .. i, choices = {"x" .. i, "y" .. i}, label = i % 2}
  end

  it("join question and answer as the harness does", function()
    local requests = assert(evaluate.requests("multiple_choice", docs))
    assert.are.same({
      id = "1", task = "multiple_choice", kind = "multiple_choice", context = "Q1",
      continuations = {" x1", " y1"}, choices = {"x1", "y1"}, label = 1, normalized = true,
    }, requests[1])
  end)

  it("begin with solved examples, never the question's own", function()
    for seed = 0, 3 do
      local requests = assert(evaluate.requests("multiple_choice", docs,
        {fewshot = 3, seed = seed}))
      for i, request in ipairs(requests) do
        local examples, last = request.context:match "^(.*)\n\n(.-)$"
        assert.are.equal("Q" .. i, last)
        local seen, count = {}, 0
        for example in (examples .. "\n\n"):gmatch "(.-)\n\n" do
          local k, letter, same = example:match "^Q(%d) (%a)(%d)$"
          assert.are.equal(k, same)
          assert.are.equal(tonumber(k) % 2 == 1 and "y" or "x", letter)
          assert.are_not.equal(tostring(i), k)
          assert.is_nil(seen[k])
          seen[k], count = true, count + 1
        end
        assert.are.equal(3, count)
      end
    end
  end)

  it("choose examples by seed and document, not by what else is asked", function()
    local given = {fewshot = 2, seed = 5}
    local all = assert(evaluate.requests("multiple_choice", docs, given))
    assert.are.same(all, assert(evaluate.requests("multiple_choice", docs, given)))
    given.limit = 2
    local some = assert(evaluate.requests("multiple_choice", docs, given))
    assert.are.same({all[1], all[2]}, some)
    given.seed, given.limit = 6, nil
    assert.are_not.same(all, assert(evaluate.requests("multiple_choice", docs, given)))
    local same = assert(evaluate.requests("multiple_choice", docs,
      {fewshot = 2, same_examples = true, examples = {docs[5], docs[6]}}))
    for i, request in ipairs(same) do
      assert.are.equal(same[1].context:gsub("Q1$", "Q" .. i), request.context)
    end
  end)

  it("take all examples where there are too few, and a description first", function()
    local task = evaluate.task {name = "t", kind = "loglikelihood", description = "Go. ",
      fewshot_delimiter = "|", target_delimiter = "="}
    local request = assert(evaluate.requests(task, {
      {id = "a", context = "1", target = "one"}, {id = "b", context = "2", target = "two"},
    }, {fewshot = 9}))[1]
    assert.are.equal("Go. 2=two|1", request.context)
    assert.are.same({"=one"}, request.continuations)
  end)

  it("put Winogrande's options into the context", function()
    local doc = {id = "1", contexts = {"A a", "A b"}, choices = {"a", "b"}, target = "c", label = 1}
    local request = assert(evaluate.requests("winogrande", {doc, {
      id = "2", contexts = {"B d", "B e"}, choices = {"d", "e"}, target = "f", label = 0,
    }}, {fewshot = 1}))[1]
    assert.are.same({"B d f\n\nA a", "B d f\n\nA b"}, request.contexts)
    assert.are.same({" c", " c"}, request.continuations)
  end)

  it("say which document lacks what the task needs", function()
    local none, message, code = evaluate.requests("perplexity", docs)
    assert.is_nil(none)
    assert.matches("document '1' has no 'text', which rolling needs", message)
    assert.are.equal("EFORMAT", code)
    assert.has_error(function() evaluate.requests("no such task", docs) end)
    assert.has_error(function() evaluate.requests("perplexity", docs, {few = 1}) end)
    assert.has_error(function() evaluate.task {name = "t"} end)
    assert.has_error(function() evaluate.task {name = "t", kind = "guess"} end)
  end)
end)
