local helper = require "tests.spec.helper"
local lull = require "lull"
local cjson = require "cjson"
local common = dofile "tests/spec/core/common.lua"

local run, shell = helper.lull, helper.shell
local SUBCOMMANDS = {"tell", "explore", "inspect", "tokenize", "quantize", "bench", "eval",
  "compare"}
local STORY = "tell -p 'Once upon a time' -n 30 --seed 7"
local has = helper.has

local function lines_fit(text, columns)
  for line in text:gmatch("[^\n]+") do
    assert.is_true(#line <= columns, #line .. " columns: " .. line)
  end
end

describe("lull --help", function()
  it("lists the subcommands and teaches", function()
    local code, out, err = run("--help")
    assert.are.equal(0, code)
    assert.are.equal("", err)
    for _, name in ipairs(SUBCOMMANDS) do
      has(out, name)
    end
    has(out, "Examples:")
    has(out, "Exit codes:")
    lines_fit(out, 80)
  end)

  for _, name in ipairs(SUBCOMMANDS) do
    it("of " .. name .. " has examples and fits a terminal", function()
      local code, out = run(name .. " --help")
      assert.are.equal(0, code)
      local examples = select(2, out:gsub("\n  [^\n]*lull " .. name, ""))
      assert.is_true(examples >= 2 and examples <= 5, examples .. " examples")
      lines_fit(out, 80)
      assert.are.equal(out, (select(2, run(name .. " -h"))))
    end)
  end

  it("fails when it cannot be read", function()
    local code, _, err = shell(helper.command() .. " --help > /dev/full")
    assert.are.equal(3, code)
    has(err, "cannot write to standard output")
  end)
end)

describe("lull --version", function()
  it("tells the version", function()
    local code, out = run("--version")
    assert.are.equal(0, code)
    assert.are.equal("lull " .. lull.version .. "\n", out)
  end)
end)

describe("wrong usage", function()
  local cases = {
    "", "sing", "tell --frequency 3", "tell -n -1", "tell -n 1.5", "tell -n x", "tell -n",
    "tell --temperature -1", "tell --temperature nan", "tell --top-p 2", "tell --top-k 0.5",
    "tell --min-p -1", "tell --seed -1", "tell --seed 1.5", "tell --threads 257",
    "tell --precision f16", "tell --kv f16", "tell -p a -f b", "tell a b",
    "inspect a b", "tokenize", "tokenize lullaby", "tokenize lullaby --decode 'x'",
    "tokenize lullaby --decode 2048", "tokenize lullaby --ids --json x", "quantize",
    "quantize a", "quantize a b --to q5", "quantize a b --group 0",
    "quantize a b --format elf", "bench -n 0",
    "bench -n 10000", "bench --runs x", "bench --prefill 0", "bench --prefill 4,100000",
    "bench --widths 1,,2", "bench --compare q8", "bench --depth 100000",
    "tell --cpu abacus", "bench --cpu abacus", "tell --length 100000",
    "explore --alternatives -1", "explore --json --html x", "explore -p a --text b",
    "explore --text", "explore -v --json", "explore --html", "explore --length 100000",
  }
  for _, arguments in ipairs(cases) do
    it("exits with 2: lull " .. arguments, function()
      local code, out, err = run(arguments)
      assert.are.equal(2, code, err)
      assert.are.equal("", out)
      has(err, "lull")
      assert.is_nil(err:find("traceback", 1, true), err)
    end)
  end

  it("says what was expected, and where help is", function()
    local _, _, err = run("tell --top-p 2")
    has(err, "lull tell:")
    has(err, "--top-p: a number in 0..1")
    has(err, "'2'")
    has(err, "See: lull tell --help")
  end)

  it("names the kernels there are", function()
    local _, _, err = run("tell --cpu abacus")
    has(err, "portable")
  end)
end)

describe("bad files", function()
  it("exit with 3 when they are not there", function()
    for _, arguments in ipairs {"tell nowhere.bin", "inspect nowhere.bin", "bench nowhere.bin",
      "tokenize nowhere.bin x", "quantize nowhere.bin out.bin", "tell -f nowhere.txt",
      "tell lullaby --tokenizer nowhere.bin", "tell examples", "tell -f examples",
      "explore nowhere.bin", "explore --text examples"} do
      local code, out, err = run(arguments)
      assert.are.equal(3, code, arguments .. ": " .. err)
      assert.are.equal("", out)
      assert.is_truthy(err:find("nowhere", 1, true) or err:find("examples", 1, true), err)
    end
  end)

  it("exit with 1 and a next step when they are no models", function()
    for _, text in ipairs {"", "<!DOCTYPE html><html>" .. ("x"):rep(100), "\0\0\0"} do
      local path = helper.write(helper.scratch(), text)
      for _, name in ipairs {"tell", "explore", "inspect", "bench"} do
        local code, out, err = run(name .. " " .. path)
        assert.are.equal(1, code, err)
        assert.are.equal("", out)
        has(err, "lull " .. name .. ": ")
        has(err, path)
        assert.is_true(select(2, err:gsub("\n", "")) >= 2, err)
      end
      helper.clean()
    end
  end)

  it("exit with 1 when cut", function()
    local whole = helper.read(helper.model_path)
    local path = helper.write(helper.scratch(), whole:sub(1, #whole - 1))
    local code, _, err = shell(helper.command() .. " inspect " .. path)
    helper.clean()
    assert.are.equal(1, code)
    has(err, "lull inspect: ")
  end)
end)

describe("lull tell", function()
  local model = helper.model()

  it("prints prompt and story and ends the line", function()
    local code, out, err = run(STORY)
    local text = assert(model:generate("Once upon a time", {max_tokens = 30, seed = 7}))
    assert.are.equal(0, code)
    assert.are.equal("", err)
    assert.are.equal("Once upon a time" .. text .. "\n", out)
    assert.are.equal(out, (select(2, run("tell lullaby -p 'Once upon a time' -n 30 -s 7"))))
    assert.are.equal(text .. "\n", (select(2, run(STORY .. " --no-prompt"))))
  end)

  it("passes its options on", function()
    local text = assert(model:generate("Tom", {
      max_tokens = 20, seed = 1, temperature = 1.5, top_k = 5, top_p = 0.5, min_p = 0.01,
    }))
    assert.are.equal("Tom" .. text .. "\n", (select(2, run("tell -p Tom -n 20 -s 1 "
      .. "--temperature 1.5 --top-k 5 --top-p 0.5 --min-p 0.01"))))
    text = assert(model:generate("Tom", {max_tokens = 20, temperature = 0}))
    assert.are.equal("Tom" .. text .. "\n", (select(2, run("tell -p Tom -n 20 -t 0 --threads 2 "
      .. "--cpu portable --precision q8 --length 64"))))
  end)

  it("reads the prompt from a file and from standard input", function()
    local expected = select(2, run(STORY))
    local path = helper.write(helper.scratch(), "Once upon a time\n")
    local _, from_file = shell(helper.command() .. " tell -n 30 --seed 7 -f " .. path)
    assert.are.equal(expected, from_file)
    for _, where in ipairs {"-f -", "-p -"} do
      local _, from_stdin = shell("printf 'Once upon a time' | " .. helper.command()
        .. " tell -n 30 --seed 7 " .. where)
      assert.are.equal(expected, from_stdin)
    end
  end)

  it("treats a file of Lua bytecode, zeros or nothing as text", function()
    for _, text in ipairs {"\27Lua", "a\0b", ""} do
      local path = helper.write(helper.scratch(), text)
      local code, out = shell(helper.command() .. " tell -n 3 --seed 7 -f " .. path)
      assert.are.equal(0, code)
      assert.are.equal(text, out:sub(1, #text))
    end
  end)

  it("ends with a line of facts on standard error", function()
    local _, out, err = run(STORY .. " --stats --cpu portable")
    assert.are.equal(select(2, run(STORY)), out)
    assert.is_truthy(err:find("^30 tokens, [%d.]+ tokens/s, q8, portable, 1 thread, seed 7, "
      .. "length\n$"), err)
    lines_fit(err, 80)
    out, err = select(2, run("tell -n 0 --seed 5 --stats -p Tom"))
    assert.are.equal("Tom\n", out)
    has(err, "0 tokens, n/a tokens/s")
    assert.is_nil(err:find("inf", 1, true) or err:find("nan", 1, true))
  end)

  it("draws a seed and shows it, and the seed tells the same story", function()
    local _, out, err = run("tell -n 30 --stats")
    local seed = err:match("seed (%d+)")
    assert.are.equal(out, (select(2, run("tell -n 30 --seed " .. seed))))
  end)

  it("refuses a prompt that is too long, before it prints anything", function()
    local path = helper.write(helper.scratch(), ("the dog "):rep(2000))
    local code, out, err = shell(helper.command() .. " tell -f " .. path)
    assert.are.equal(1, code)
    assert.are.equal("", out)
    has(err, "512")
    assert.is_true(select(2, err:gsub("\n", "")) >= 2)
  end)

  it("fails when its output cannot be written", function()
    local code, _, err = shell(helper.command() .. " " .. STORY .. " > /dev/full")
    assert.are.equal(3, code)
    has(err, "lull tell: cannot write to standard output: No space left on device")
    code, _, err = shell(helper.command() .. " " .. STORY .. " >&-")
    assert.are.equal(3, code)
    has(err, "cannot write to standard output")
  end)

  it("ends quietly when nobody reads on", function()
    local code, out, err = shell("sh -c '{ " .. helper.command()
      .. " tell -n 300 --seed 7; echo $? >&3; } | head -c 10' 3>&2")
    assert.are.equal(0, code)
    assert.are.equal(10, #out)
    assert.are.equal("141\n", err)
    err = select(3, shell("sh -c 'trap \"\" PIPE; { " .. helper.command()
      .. " tell -n 300 --seed 7; echo $? >&3; } | head -c 10' 3>&2"))
    assert.are.equal("141\n", err)
  end)

  it("survives closed standard input and error", function()
    local code, out = shell(helper.command() .. " " .. STORY .. " --stats <&- 2>&-")
    assert.are.equal(0, code)
    assert.are.equal(select(2, run(STORY)), out)
    code = shell(helper.command() .. " tell -f - <&-")
    assert.are.equal(3, code)
  end)

  it("does not depend on the locale", function()
    local expected = select(2, run(STORY .. " --temperature 0.7"))
    for _, locale in ipairs {"C", "POSIX", "tr_TR.UTF-8", "de_DE.UTF-8"} do
      local code, out = shell("LC_ALL=" .. locale .. " " .. helper.command() .. " " .. STORY
        .. " --temperature 0.7 < /dev/null")
      assert.are.equal(0, code)
      assert.are.equal(expected, out)
    end
  end)

  it("reads and writes points where the locale has commas", function()
    local folder = os.tmpname()
    os.remove(folder)
    local lua = (os.getenv("LUA") or "lua5.1") .. [[ -e 'assert(os.setlocale("de_DE.UTF-8"))]]
      .. [[ assert(jit or ("%.1f"):format(0.5) == "0,5")' scripts/bin/lull ]]
    local code, out, err = shell("mkdir " .. folder .. "; trap 'rm -r " .. folder .. "' EXIT; "
      .. "LD_PRELOAD= localedef -i de_DE -f UTF-8 " .. folder .. "/de_DE.UTF-8 || exit 77; "
      .. "export LOCPATH=" .. folder .. " LULL_BUILD=" .. helper.quote(helper.build)
      .. "; set -e; "
      .. lua .. STORY .. " --temperature 0.7 --top-p 0.9 --stats; "
      .. lua .. "bench --json -n 4 --prefill 4 --runs 1; "
      .. lua .. "inspect; " .. lua .. "tell --top-p 1.5")
    if code == 77 then
      pending("no German locale can be made here (package locales)")
      return
    end
    assert.are.equal(2, code, err)
    local story = select(2, run(STORY .. " --temperature 0.7 --top-p 0.9"))
    assert.are.equal(story, out:sub(1, #story))
    assert.is_true(cjson.decode(out:match("{.*}")).load_seconds < 100)
    has(out, "1.55 MB")
    has(err, "expected, got '1.5'")
    has(err, "30 tokens, ")
  end)

  it("obeys LULL_CPU, which --cpu overrides", function()
    local command = "LULL_CPU=portable " .. helper.command() .. " " .. STORY .. " --stats"
    has((select(3, shell(command))), ", portable,")
    local code, _, err = shell("LULL_CPU=abacus " .. helper.command() .. " " .. STORY)
    assert.are.equal(2, code)
    has(err, "portable")
    code = shell("LULL_CPU=abacus " .. helper.command() .. " " .. STORY .. " --cpu portable")
    assert.are.equal(0, code)
  end)

  it("is interrupted quietly, with the line ended", function()
    -- In the foreground timeout signals once, as a terminal does; else its whole group, too.
    local interrupt = "timeout --foreground --preserve-status -s INT 0.3 env "
      .. helper.command()
    local code, _, err = shell(interrupt .. " bench --runs 1000 -n 200 --cpu portable")
    assert.are.equal(130, code)
    assert.are.equal("", err)
    -- A model that goes on and on.
    local long, tokenizer = common.tiny {seq = 20000}, common.tokenizer()
    local out
    code, out, err = shell(interrupt .. " tell " .. long .. " --tokenizer " .. tokenizer
      .. " -n 19000 --cpu portable --temperature 0 -p x")
    common.clean()
    assert.are.equal("", err)
    assert.are.equal(130, code)
    assert.is_true(out == "" or out:sub(-1) == "\n")
  end)
end)

describe("lull inspect", function()
  it("shows what a file is", function()
    local code, out, err = run("inspect " .. helper.model_path)
    assert.are.equal(0, code)
    assert.are.equal("", err)
    for _, part in ipairs {"llama2.c v2, little-endian", "1,369,728 parameters", "6 layers",
      "512 tokens", "q8, a scale for every 32 weights", "2,048 tokens of at most"} do
      has(out, part)
    end
    assert.is_nil(out:find("!", 1, true), "nothing is odd about the shipped model")
    lines_fit(out, 80)
  end)

  it("is JSON on one line", function()
    local code, out = run("inspect lullaby --json")
    assert.are.equal(0, code)
    assert.are.equal(1, select(2, out:gsub("\n", "")))
    local info = cjson.decode(out)
    local expected = lull.inspect(helper.model_path)
    for key, value in pairs(expected) do
      assert.are.same(value, info[key], key)
    end
    assert.are.equal(1369728, info.n_parameters)
  end)

  it("warns of what is odd", function()
    local folder = os.tmpname()
    os.remove(folder)
    local file = folder .. "/m.bin"
    local code, out = shell("mkdir " .. folder .. " && cp " .. helper.model_path .. " " .. file
      .. " && " .. helper.command() .. " inspect " .. file .. "; e=$?; rm -r " .. folder
      .. "; exit $e")
    assert.are.equal(0, code)
    has(out, "! no tokenizer.bin")
  end)

  it("shows the model beside a tokenizer that is not its own", function()
    local folder = os.tmpname()
    os.remove(folder)
    local file = folder .. "/m.bin"
    local commands = {"mkdir " .. folder, "cp " .. helper.model_path .. " " .. file,
      "head -c 1000 examples/models/tokenizer.bin > " .. folder .. "/tokenizer.bin",
      helper.command() .. " inspect " .. file, helper.command() .. " inspect --json " .. file,
      helper.command() .. " tell " .. file, "e=$?", "rm -r " .. folder, "exit $e"}
    local code, out, err = shell(table.concat(commands, "; "))
    assert.are.equal(1, code)
    has(err, "--tokenizer FILE")
    has(out, "1,369,728 parameters")
    has(out, "! " .. folder .. "/tokenizer.bin")
    has(out, "! name the tokenizer")
    local json = cjson.decode(out:match("{.*}"))
    has(json.tokenizer_problem, "tokenizer.bin")
    assert.are.equal(0, json.n_tokenizer)
  end)
end)

describe("lull tokenize", function()
  local model = helper.model()
  local TEXT = "Tom said, \"hi\195\169\"\n"

  it("shows ids and pieces", function()
    local code, out = run("tokenize lullaby 'Once upon a time'")
    assert.are.equal(0, code)
    local ids = model:encode("Once upon a time", {start = true})
    assert.are.equal(#ids + 1, select(2, out:gsub("\n", "")))
    has(out, "(begin)")
    has(out, #ids .. " tokens for 16 bytes")
  end)

  it("gives ids that decode to the text", function()
    local path = helper.write(helper.scratch(), TEXT .. "\n")
    local _, ids = shell(helper.command() .. " tokenize lullaby --ids -f " .. path)
    assert.are.equal(table.concat(model:encode(TEXT, {start = true}), " ") .. "\n", ids)
    local code, out = shell("printf '%s' '" .. ids .. "' | " .. helper.command()
      .. " tokenize lullaby --decode -")
    assert.are.equal(0, code)
    assert.are.equal(TEXT, out)
  end)

  it("is JSON on one line, with bytes that are no UTF-8 replaced", function()
    local path = helper.write(helper.scratch(), "a\255\"\\\1\195\169")
    local _, out = shell(helper.command() .. " tokenize lullaby --no-start --json -f " .. path)
    assert.is_true(helper.is_utf8(out))
    local decoded = cjson.decode(out)
    assert.are.equal(7, decoded.bytes)
    assert.are.same(model:encode("a\255\"\\\1\195\169", {start = false}),
      (function()
        local ids = {}
        for i, token in ipairs(decoded.tokens) do
          ids[i] = token.id
        end
        return ids
      end)())
  end)
end)

describe("lull quantize", function()
  local float_path = helper.shared("lullaby/lullaby-f32.bin")

  it("writes a file that tells what it says it will", function()
    if not float_path then
      pending("lullaby-f32.bin is not beside this checkout")
      return
    end
    local out_path = os.tmpname()
    local quantize = "quantize " .. float_path .. " " .. out_path
    local code, out, err = run(quantize)
    assert.are.equal(1, code) -- os.tmpname has made the file
    assert.are.equal("", out)
    has(err, "--force")
    code, out = run(quantize .. " --force --group 32")
    assert.are.equal(0, code)
    has(out, out_path)
    local arguments = assert(out:match("lull (tell [^\n]+)"))
    local tokenizer = " --tokenizer examples/models/tokenizer.bin"
    local _, told = run(arguments .. tokenizer .. " -p Tom -n 40 --seed 3")
    local _, told_by_file = run("tell " .. out_path .. tokenizer .. " -p Tom -n 40 --seed 3")
    assert.are.equal(told, told_by_file)
    assert.is_true(#told > 40)
    code, out = run(quantize .. " --force --byte-order big")
    assert.are.equal(0, code, out)
    has((select(2, run("inspect " .. out_path))), "big-endian")
    os.remove(out_path)
  end)

  it("writes GGUF where the output's name says so, in every precision", function()
    if not float_path then
      pending("lullaby-f32.bin is not beside this checkout")
      return
    end
    local folder = os.tmpname()
    os.remove(folder)
    assert.are.equal(0, (shell("mkdir " .. folder)))
    local out_path = folder .. "/out.gguf" -- and no tokenizer.bin beside it
    for _, case in ipairs {{"", "q8"}, {" --to q4", "q4"}, {" --to f16", "f16"},
      {" --to f32 --byte-order big", "f32"}} do
      local code, out, err = run("quantize " .. float_path .. " " .. out_path .. " --force"
        .. case[1])
      assert.are.equal(0, code, err)
      has(out, ", " .. case[2])
      local inspected = select(2, run("inspect " .. out_path))
      has(inspected, "GGUF v3, " .. (case[2] == "f32" and "big" or "little") .. "-endian")
      has(inspected, "2,048 tokens of at most")
      local tell = " -p Tom -n 40 --seed 3"
      local quantised = case[2]:sub(1, 1) == "q"
      local same = out:match("lull (tell [^\n]+)")
      assert.are.equal(quantised, same ~= nil)
      local told = select(2, run((same or "tell " .. float_path .. " --precision f32") .. tell))
      local told_by_file = select(2, run("tell " .. out_path
        .. (quantised and "" or " --precision f32") .. tell))
      assert.is_true(#told_by_file > 40)
      if case[2] ~= "f16" then
        assert.are.equal(told, told_by_file)
      end
    end
    local code, out = run("quantize " .. float_path .. " " .. folder .. "/x.gguf --format llama2c")
    assert.are.equal(0, code, out)
    has((select(2, run("inspect " .. folder .. "/x.gguf"))), "llama2.c v2")
    code, out = run("quantize " .. out_path .. " " .. folder .. "/y.bin --group 16")
    assert.are.equal(0, code, out)
    has((select(2, run("inspect " .. folder .. "/y.bin"))), "q8, a scale for every 16 weights")
    shell("rm -r " .. folder)
  end)

  it("says what goes together, and what to do instead", function()
    if not float_path then
      pending("lullaby-f32.bin is not beside this checkout")
      return
    end
    local cases = {
      {"out.bin --to q4", "llama2.c version 2 holds 8 bits only", "--format gguf"},
      {"out.bin --to f16 --format llama2c", "q4, f16 and f32 are written as GGUF", "--format gguf"},
      {"out.gguf --group 64", "GGUF's Q8_0 has groups of 32", "Without --group"},
      {"out.gguf --to f32 --group 32", "floats have no groups", "Without --group"},
    }
    for _, case in ipairs(cases) do
      local code, out, err = run("quantize " .. float_path .. " /nowhere/" .. case[1])
      assert.are.equal(2, code, err)
      assert.are.equal("", out)
      has(err, case[2])
      has(err, case[3])
    end
    local code, _, err = run("quantize " .. float_path
      .. " /nowhere/out.gguf --tokenizer nowhere.bin")
    assert.are.equal(3, code, err)
    has(err, "nowhere.bin")
    has(err, "--tokenizer FILE")
  end)

  it("refuses a group that does not divide every row", function()
    if not float_path then
      pending("lullaby-f32.bin is not beside this checkout")
      return
    end
    local out_path = os.tmpname()
    local code, _, err = run("quantize " .. float_path .. " " .. out_path
      .. " --force --group 7")
    assert.are.equal(2, code)
    has(err, "7")
    os.remove(out_path)
  end)

  it("leaves nothing behind where it cannot write", function()
    local code, _, err = run("quantize " .. helper.model_path .. " /nowhere/out.bin")
    assert.is_true(code == 3 or code == 1, err)
    assert.is_true(#err > 0)
  end)
end)

describe("lull bench", function()
  local QUICK = "bench -n 4 --prefill 4,8 --runs 1 "

  it("shows rates, phases, the roof and sizes", function()
    local code, out, err = run(QUICK .. "--cpu portable --batched --widths 1,3")
    assert.are.equal(0, code, err)
    assert.are.equal("", err)
    for _, part in ipairs {"4 tokens", "8 tokens", "depth 8", "1 stream ", "3 streams", "tokens/s",
      "portable", "q8", "matmul", "attention", "sampling", "Lua", "roof", "of weights",
      "for the model"} do
      has(out, part)
    end
    lines_fit(out, 80)
  end)

  it("is JSON on one line", function()
    local code, out, err = run("bench -n 8 --prefill 8 --runs 3 --json --threads 2 --batch 4 "
      .. "--depth 5 --widths 2")
    assert.are.equal(0, code, err)
    assert.are.equal("", err)
    assert.are.equal(1, select(2, out:gsub("\n", "")))
    local facts = cjson.decode(out)
    assert.are.equal("lullaby.bin", facts.model)
    assert.are.same({2, 4, 3, 8, 5}, {facts.threads, facts.batch, facts.runs, facts.tokens,
      facts.depth})
    assert.is_true(facts.decode_tokens_per_second > 0)
    assert.are.equal(8, facts.prefill[1].tokens)
    assert.is_true(facts.prefill[1].tokens_per_second > 0)
    assert.are.equal(2, facts.batched[1].streams)
    assert.is_true(facts.batched[1].tokens_per_second > 0)
    assert.is_true(facts.read_bytes_per_second > 0)
    assert.is_true(facts.roof_tokens_per_second > 0)
    assert.is_true(facts.load_seconds >= 0)
    local sum, phases = 0, facts.seconds_per_token
    for _, name in ipairs {"matmul", "attention", "other", "sampling", "lua"} do
      assert.is_true(phases[name] >= 0)
      sum = sum + phases[name]
    end
    assert.is_true(phases.matmul > 0 and phases.sampling > 0)
    assert.is_true(sum >= 0.999 * phases.total)
  end)

  it("compares two settings in turns", function()
    local code, out, err = run(QUICK .. "--compare q8 q4,kv=f32")
    assert.are.equal(0, code, err)
    assert.are.equal("", err)
    for _, part in ipairs {"q8: q8", "q4,kv=f32: q4", "KV bf16", "KV f32", "B / A", "4 tokens",
      "depth 8", "1 round in turns"} do
      has(out, part)
    end
    lines_fit(out, 80)
    code, out = run(QUICK .. "--json --compare portable threads=2,group=32")
    assert.are.equal(0, code)
    local facts = cjson.decode(out)
    assert.are.equal("portable", facts.a.kernel)
    assert.are.equal(2, facts.b.threads)
    assert.are.same({"prefill", "prefill", "decode"}, {facts.compared[1].what,
      facts.compared[2].what, facts.compared[3].what})
    for _, row in ipairs(facts.compared) do
      assert.is_true(row.a_tokens_per_second > 0 and row.b_tokens_per_second > 0 and row.ratio > 0)
    end
  end)

  it("says what may be compared", function()
    for _, word in ipairs {"q5", "kv=f16", "threads=x", "sing", "colour=red", "=", "q8,,=1"} do
      local code, out, err = run(QUICK .. "--compare q8 '" .. word .. "'")
      assert.are.equal(2, code, word .. ": " .. err)
      assert.are.equal("", out)
      has(err, "expected")
    end
  end)

  it("needs no tokenizer", function()
    local path = os.tmpname()
    local code = shell("cp " .. helper.model_path .. " " .. path .. " && " .. helper.command()
      .. " " .. QUICK .. path)
    os.remove(path)
    assert.are.equal(0, code)
  end)

  it("shows progress on a terminal only", function()
    if shell("command -v script") ~= 0 then
      pending("no program 'script' here")
      return
    end
    local code, out = shell("script -qec " .. helper.quote(helper.command() .. " " .. QUICK
      .. "> /dev/null") .. " /dev/null < /dev/null")
    assert.are.equal(0, code, out)
    has(out, "\rprefill, 4 tokens: run 1 of 1")
    assert.is_truthy(out:find("\r +\b+$"), "the progress line is left there")
  end)
end)

describe("an installation", function()
  it("finds its own files under its prefix", function()
    local prefix = os.tmpname()
    os.remove(prefix)
    local version = _VERSION:match("%d%.%d")
    local lua_folder = prefix .. "/share/lua/" .. version
    local c_folder = prefix .. "/lib/lua/" .. version .. "/lull"
    local code, out, err = shell(table.concat({
      "set -e", "mkdir -p " .. prefix .. "/bin " .. prefix .. "/share/lull",
      "mkdir -p " .. lua_folder .. " " .. c_folder,
      "cp scripts/bin/lull " .. prefix .. "/bin", "cp -r scripts/lull " .. lua_folder,
      "cp " .. helper.build .. "/lull/core.so " .. c_folder,
      "cp -r examples/models " .. prefix .. "/share/lull",
      "set +e", "cd /", "unset LUA_PATH LUA_CPATH LULL_BUILD",
      (os.getenv("LUA") or "lua5.1") .. " " .. prefix .. "/bin/lull " .. STORY,
      "e=$?", "rm -r " .. prefix, "exit $e",
    }, "; "))
    assert.are.equal("", err)
    assert.are.equal(0, code)
    assert.are.equal(select(2, run(STORY)), out)
  end)

  it("without argparse says how to get it", function()
    local block = [[ -e 'package.preload.argparse = function() error("module ]]
      .. [['"'argparse'"' not found:") end' ]]
    local code, out, err = shell("LULL_BUILD=" .. helper.quote(helper.build) .. " "
      .. (os.getenv("LUA") or "lua5.1") .. block .. "scripts/bin/lull --version")
    assert.are.equal(3, code)
    assert.are.equal("", out)
    has(err, "apt-get install lua-argparse")
  end)

  it("that is not whole says so", function()
    local code, _, err = shell("unset LUA_PATH LUA_CPATH; LULL_BUILD=/nowhere "
      .. (os.getenv("LUA") or "lua5.1") .. " scripts/bin/lull --version")
    assert.are.equal(3, code)
    has(err, "make")
  end)
end)
