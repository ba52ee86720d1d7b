-- lull eval, and the three stages as files.
local helper = require "tests.spec.helper"
local evaluate = require "lull.evaluate"
local json = require "lull.json"
local lull = require "lull"

local model = helper.model()
local folder

setup(function()
  folder = os.tmpname()
  os.remove(folder)
  assert(os.execute("mkdir " .. helper.quote(folder)))
end)

teardown(function()
  os.execute("rm -r " .. helper.quote(folder))
  helper.clean()
end)

local count = 0

-- A fresh name for files of stages, without anything a pattern would take for magic.
local function name()
  count = count + 1
  return folder .. "/n" .. count
end

local function file(text)
  return helper.write(name() .. ".txt", text)
end

local function choices(n)
  local lines = {}
  for i = 1, n do
    lines[i] = ('{"id": "q%d", "context": "One day, %s went to the", "choices": ["park", '
      .. '"big zoo", "moon"], "label": %d}\n'):format(i, i % 2 == 0 and "Lily" or "Tom", i % 3)
  end
  return file(table.concat(lines))
end

local function sorted_lines(path)
  local lines = {}
  for line in helper.read(path):gmatch "[^\n]+" do
    lines[#lines + 1] = line
  end
  table.sort(lines)
  return table.concat(lines, "\n")
end

describe("lull eval run", function()
  it("prints a table, or JSON with the same numbers", function()
    local data = choices(12)
    local code, out, err = helper.lull("eval run --task multiple_choice --data " .. data)
    assert.are.equal(0, code, err)
    assert.matches("^task +n +metric +value +stderr\n", out)
    assert.matches("multiple_choice +12 +acc +%d%.%d+ +%d%.%d+\n", out)
    code, out = helper.lull("eval run lullaby --json --mutual-information --task multiple_choice "
      .. "--fewshot 1 --data " .. data)
    assert.are.equal(0, code)
    local metrics = assert(json.decode(out)).tasks[1].metrics
    assert.are.equal(4, #metrics)
    local task = evaluate.task {name = "multiple_choice", kind = "multiple_choice",
      mutual_information = true}
    local result = assert(evaluate.run(model, task, assert(evaluate.read("documents", data)),
      {fewshot = 1}))
    for i, metric in ipairs(result.tasks[1].metrics) do
      assert.are.equal(metric.name, metrics[i].name)
      assert.is_true(math.abs(metric.value - metrics[i].value) < 1e-12)
      assert.is_true(math.abs(metric.stderr - metrics[i].stderr) < 1e-12)
    end
  end)

  it("does one stage at a time, and the last without a model", function()
    local n, data = name(), choices(5)
    local code, _, err = helper.lull("eval run --stage requests --task multiple_choice --data "
      .. data .. " -o " .. n)
    assert.are.equal(0, code, err)
    assert.matches("5 requests", err)
    code, _, err = helper.lull("eval run --stage scores -o " .. n)
    assert.are.equal(3, code)
    assert.matches("n%d+%.responses%.jsonl", err)
    assert.are.equal(0, (helper.lull("eval run lullaby --stage responses -o " .. n)))
    local out
    code, out, err = helper.lull("eval run no-such-model --stage scores -o " .. n)
    assert.are.equal(0, code, err)
    assert.matches("multiple_choice +5 +acc", out)
    assert.are.equal(5, select(2, helper.read(n .. ".scores.jsonl"):gsub('"acc_norm":', "")))
    -- And all of it again: nothing is left to do.
    local before = helper.read(n .. ".responses.jsonl")
    assert.are.equal(0, (helper.lull("eval run --task multiple_choice --data " .. data .. " -o "
      .. n)))
    assert.are.equal(before, helper.read(n .. ".responses.jsonl"))
  end)

  it("scores stored answers in another way", function()
    local n = name()
    local data = file '{"id": "1", "context": "Once upon a time", "target": "there"}\n'
    local code, out, err = helper.lull("eval run --task generate -n 8 --data " .. data .. " -o "
      .. n)
    assert.are.equal(0, code, err)
    assert.matches("exact_match +0%.0000", out)
    code, out, err = helper.lull("eval run --stage scores --pattern '%a+' -o " .. n)
    assert.are.equal(0, code, err)
    assert.matches("exact_match +1%.0000", out)
    assert.matches('"answer":"there"', helper.read(n .. ".scores.jsonl"))
  end)

  it("goes on after kill -9, to the same answers", function()
    local data, whole = choices(300), name()
    local command = "eval run --stage responses -o "
    assert.are.equal(0, (helper.lull("eval run --task multiple_choice --data " .. data .. " -o "
      .. whole)))
    for _, delay in ipairs {"0.02", "0.05", "0.1", "0.15"} do
      local n = name()
      assert(os.execute("cp " .. whole .. ".requests.jsonl " .. n .. ".requests.jsonl"))
      helper.shell(helper.command() .. " " .. command .. n .. " --parallel 1 & sleep " .. delay
        .. "; kill -9 $! 2> /dev/null")
      local code, _, err = helper.lull(command .. n .. " --parallel 5")
      assert.are.equal(0, code, err)
      assert.are.equal(sorted_lines(whole .. ".responses.jsonl"),
        sorted_lines(n .. ".responses.jsonl"))
    end
  end)

  it("goes on from any byte a file may be cut at", function()
    local n = name()
    local requests = assert(evaluate.requests("multiple_choice",
      assert(evaluate.read("documents", choices(6)))))
    assert.are.equal(6, (assert(evaluate.stages.respond(model, n, requests))))
    local path = evaluate.stages.path(n, "responses")
    local whole = helper.read(path)
    for cut = 0, #whole, 37 do
      os.remove(path .. ".run.jsonl")
      helper.write(path, whole:sub(1, cut))
      local now, there = assert(evaluate.stages.respond(model, n, requests))
      assert.are.equal(6, now + there)
      assert.are.equal(select(2, whole:sub(1, cut):gsub("\n", "")), there)
      assert.are.equal(#whole, #helper.read(path))
    end
  end)

  it("keeps what it has when the disk is full", function()
    local n = name()
    assert.are.equal(0, (helper.lull("eval run --task multiple_choice --stage requests --data "
      .. choices(60) .. " -o " .. n)))
    local command = helper.command() .. " eval run --stage responses -o " .. n
    local code, _, err = helper.shell("ulimit -f 8; " .. command)
    assert.are.equal(3, code, err)
    assert.matches("responses%.jsonl: File too large", err)
    local before = helper.read(n .. ".responses.jsonl")
    assert.matches("\n$", before)
    assert.are.equal(0, (helper.shell(command)))
    local after = helper.read(n .. ".responses.jsonl")
    assert.are.equal(before, after:sub(1, #before))
    assert.are.equal(60, select(2, after:gsub("\n", "")))
  end)

  it("does not mix answers of two models, options or questions", function()
    local n, data = name(), choices(3)
    local command = "eval run --task multiple_choice --data " .. data .. " -o " .. n
    assert.are.equal(0, (helper.lull(command)))
    for _, options in ipairs {" --precision q4", " --kv f32", " --length 100"} do
      local code, _, err = helper.lull(command .. options)
      assert.are.equal(1, code)
      assert.matches("answered by another model.*%-%-force", err)
    end
    local code, _, err = helper.lull(command .. " --fewshot 1")
    assert.are.equal(1, code)
    assert.matches("asks something else\n%-%-force", err)
    assert.are.equal(0, (helper.lull(command .. " --fewshot 1 --force")))
    helper.write(n .. ".responses.jsonl", "{}\n")
    code, _, err = helper.lull(command .. " --fewshot 1")
    assert.are_not.equal(0, code)
    assert.matches("line 1 is damaged", err)
  end)

  it("names the file and the line of what it cannot read", function()
    local bad = file '{"context": "a", "choices": ["b"], "label": 0}\n{"context": 1}\n'
    local code, out, err = helper.lull("eval run --task multiple_choice --data " .. bad)
    assert.are.equal(1, code)
    assert.are.equal("", out)
    assert.matches("n%d+%.txt:2: field 'context': a string expected, got 1", err)
    local n = name()
    helper.write(n .. ".requests.jsonl", '{"id":"1","task":"t","kind":"guess"}\n')
    code, out, err = helper.lull("eval run --stage responses -o " .. n)
    assert.are.equal(1, code)
    assert.are.equal("", out)
    assert.matches("requests%.jsonl:1: there is no kind of request 'guess'", err)
  end)

  it("refuses what makes no sense", function()
    for _, case in ipairs {
      {"--data x", "%-%-task is needed"}, {"--task hellaswag", "%-%-data is needed"},
      {"--stage scores", "goes with files"}, {"--task what --data x", "must be one of"},
      {"--task perplexity --data README.md --length 9999", "holds at most 512"},
      {"--task perplexity --data README.md --overlap 9999", "at most the context"},
      {"--task generate --pattern '(' --data " .. file '{"context":"a","target":"b"}',
        "%-%-pattern: "},
    } do
      local code, _, err = helper.lull("eval run " .. case[1])
      assert.are.equal(2, code, err)
      assert.matches(case[2], err)
    end
    assert.are.equal(3, (helper.lull "eval run --task arc --data /no/such/file"))
    assert.are.equal(2, (helper.lull "eval"))
    for _, command in ipairs {"eval", "eval run", "eval kl", "eval stories"} do
      local code, out = helper.lull(command .. " --help")
      assert.are.equal(0, code)
      for line in out:gmatch "[^\n]+" do
        assert.is_true(#line <= 80, line)
      end
    end
  end)
end)

describe("lull eval kl", function()
  it("compares two settings", function()
    local text = file "One day, a cat sat on a mat.\n<|endoftext|>\nTom had a ball.\n"
    local code, out, err = helper.lull("eval kl q8 q4 --text " .. text)
    assert.are.equal(0, code, err)
    assert.matches("A  q8: .*lullaby.bin, q8 g32", out)
    assert.matches("KL divergence, mean +0%.%d+ +0%.%d+\n", out)
    assert.matches("same likeliest token, %% +%d+%.%d+", out)
    code, out = helper.lull("eval kl portable threads=2 --json --text " .. text)
    assert.are.equal(0, code)
    local r = assert(json.decode(out))
    assert.are.equal(0, r.kl.value)
    assert.are.equal(1, r.same_top.value)
    assert.are.equal(lull.version, r.lull)
    code, out = helper.lull("eval kl " .. helper.model_path .. ",q8 kv=f32 --limit 4 --json --text "
      .. text)
    assert.are.equal(0, code)
    assert.are.equal(4, json.decode(out).tokens)
  end)

  it("refuses what makes no sense", function()
    for _, case in ipairs {{"q8 q4", "%-%-text is needed"},
      {"q8 q5 --text README.md", "B: 'q5' is no setting"},
      {"q8 threads=x --text README.md", "B: threads"}} do
      local code, _, err = helper.lull("eval kl " .. case[1])
      assert.are.equal(2, code)
      assert.matches(case[2], err)
    end
    assert.are.equal(2, (helper.lull("eval kl q8 q4 --text " .. file "\n")))
  end)
end)

describe("lull eval stories", function()
  it("compares files", function()
    local a = file "Once upon a time, a dog ran.\n<|endoftext|>\nOnce upon a time, a cat sat."
    local b = file ('{"text":"One day, Tom ran.","finish_reason":"stop","labels":{"verb":"run"}}\n')
    local code, out, err = helper.lull("eval stories --required verb --vocabulary children " .. a
      .. " " .. b)
    assert.are.equal(0, code, err)
    assert.matches("stories +2 +1\n", out)
    assert.matches("ended %(EOS%) +n/a +1%.000", out)
    assert.matches("required words +n/a +1%.000", out)
    assert.matches("100%.0 %%  once upon a %.%.%.", out)
    code, out = helper.lull("eval stories --json " .. a .. " " .. b)
    assert.are.equal(0, code)
    local first = assert(json.decode(out:match "^[^\n]+"))
    assert.are.equal(2, first.stories)
    assert.are.equal(1, first.different_openings)
    local list = assert(evaluate.read_stories(a))
    assert.is_true(math.abs(first.distinct_2 - evaluate.stories(list).distinct_2) < 1e-12)
  end)

  it("refuses what makes no sense", function()
    assert.are.equal(2, (helper.lull "eval stories"))
    assert.are.equal(3, (helper.lull "eval stories /no/such/file"))
    local code, _, err = helper.lull("eval stories " .. file '{"text": "a"}\n{"txt": 1}\n')
    assert.are.equal(1, code)
    assert.matches(":2: field 'text'", err)
  end)
end)
