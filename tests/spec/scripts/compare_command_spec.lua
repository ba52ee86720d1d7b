-- lull compare: what it prints and writes. The numbers are compare_spec.lua's concern.
local helper = require "tests.spec.helper"
local evaluate = require "lull.evaluate"
local json = require "lull.json"
local page = require "lull.command.compare.page"
local records = require "lull.command.compare.json"

local run, shell = helper.lull, helper.shell
local model = helper.model()
local GRID = "compare --strategy cool:temperature=0.5 --strategy warm:temperature=1,min_p=0.1 "
  .. "-p 'One day, Tom' -p 'Once' --seeds 2 -n 12 --bootstrap 100 "
-- What a text must not do to a terminal or a page.
local ODD = "</script><b>hi</b> &amp; <!-- \27[31m \226\128\174 end"
local has = helper.has

local function occurrences(text, part)
  local n, at = 0, 1
  while true do
    local first, last = text:find(part, at, true)
    if not first then
      return n
    end
    n, at = n + 1, last + 1
  end
end

-- What a page's script reads.
local function data_of(html)
  return assert(json.decode(html:match '<script type="application/json" id="data">(.-)</script>'))
end

local folder = helper.folder_for_each(before_each, after_each)

describe("lull compare", function()
  it("prints a table that fits a terminal", function()
    local code, out, err = run(GRID)
    assert.are.equal(0, code, err)
    assert.are.equal("", err)
    has(out, "lullaby: 2 prompts, 2 seeds, 12 tokens at most\n")
    assert.matches("\nquality +log p +whole end +EOS +repetition%-4\n", out)
    assert.matches("\ndiversity +distinct%-2 +self%-BLEU +tokens\n", out)
    assert.matches("\ncool +%-%d%.%d%d%d %+%- %d%.%d%d%d ", out)
    for line in out:gmatch "[^\n]+" do
      assert.is_true(#line <= 80, line)
    end
  end)

  it("prints JSON with the library's numbers", function()
    local code, out, err = run(GRID .. "--json --parallel 1")
    assert.are.equal(0, code, err)
    local expected = records.encode(assert(evaluate.compare {
      models = {{name = "lullaby", model = model}},
      strategies = {
        {name = "cool", options = {temperature = 0.5}},
        {name = "warm", options = {temperature = 1, min_p = 0.1}},
      },
      prompts = {"One day, Tom", "Once"}, seeds = {1, 2}, max_tokens = 12, bootstrap = 100,
    }))
    assert.are.equal(expected .. "\n", out)
  end)

  it("takes models and settings, a judge, and prompts from a file", function()
    local prompts = helper.write(folder() .. "/prompts.txt", "One day\r\n\nOnce\nTom\n")
    local code, out, err = run("compare " .. helper.model_path .. ",q4 kv=f32 --judge q8 "
      .. "--seeds 1 -n 8 --json --prompts " .. prompts)
    assert.are.equal(0, code, err)
    local r = assert(json.decode(out))
    assert.are.same({"lullaby.bin,q4", "kv=f32"}, {r.models[1].name, r.models[2].name})
    assert.are.same({"q4", "q8"}, {r.models[1].precision, r.models[2].precision})
    assert.are.equal("q8", r.judge.name)
    assert.are.same({"One day", "Once", "Tom"}, r.prompts)
    assert.are.same({"lullaby.bin,q4", "kv=f32"}, {r.arms[1].name, r.arms[2].name})
    code, out = shell("printf 'One day\\n' | " .. helper.command()
      .. " compare --prompts - --seeds 1 -n 4")
    assert.are.equal(0, code)
    has(out, "1 prompt, 1 seed, 4 tokens at most")
  end)

  it("shows names without what a terminal would obey", function()
    local code, out = run "compare --seeds 1 -n 4 --strategy '\27[31mred:top_k=3'"
    assert.are.equal(0, code)
    assert.is_nil(out:find "[%z\1-\9\11-\31]")
    has(out, "\\x1B[31mred")
  end)

  it("says what is wrong, and exits with 2", function()
    for arguments, problem in pairs {
      ["--strategy a:tempe=1"] = "there is no option 'tempe'",
      ["--strategy a:temperatur=1"] = "did you mean 'temperature'",
      ["--strategy a:temperature"] = "--strategy a: NAME=VALUE expected",
      ["--strategy a:temperature=x"] = "temperature: 0 (greedy) or a number",
      ["--strategy a:max_tokens=3"] = "there is no option 'max_tokens'",
      ["--strategy :top_k=1"] = "NAME:OPTIONS expected",
      ["--strategy ''"] = "NAME:OPTIONS expected",
      ["--strategy a --strategy a:top_k=1"] = "'a' is given twice",
      ["q8 q8"] = "'q8' is given twice",
      ["q8 q5"] = "'q5' is no setting",
      ["--judge q5"] = "--judge: 'q5' is no setting",
      ["--seeds 0"] = "--seeds: an integer",
      ["-n 0"] = "--max-tokens: an integer",
      ["--prompts /dev/null"] = "there is no line",
      ["--json --html -"] = "both want standard output",
      ["--html ''"] = "needs a name",
    } do
      local code, out, err = run("compare " .. arguments)
      assert.are.equal(2, code, arguments .. ": " .. err)
      assert.are.equal("", out)
      has(err, problem)
    end
  end)

  it("exits with 3 or 1 where a file is missing or none, and a prompt too long", function()
    for arguments, wanted in pairs {
      ["nowhere.bin"] = {3, "nowhere.bin"}, ["--judge nowhere.bin"] = {3, "nowhere.bin"},
      ["--prompts nowhere.txt"] = {3, "nowhere.txt"}, ["README.md"] = {1, "README.md"},
      ["-p '" .. ("One day, Tom ran. "):rep(200) .. "'"] = {1, "Shorten the text"},
    } do
      local code, out, err = run("compare --seeds 1 -n 4 " .. arguments)
      assert.are.equal(wanted[1], code, err)
      assert.are.equal("", out)
      has(err, wanted[2])
    end
  end)

  it("notices a full disk", function()
    for _, arguments in ipairs {"", "--json", "--html -"} do
      local code, _, err = shell(helper.command() .. " compare --seeds 1 -n 4 " .. arguments
        .. " > /dev/full")
      assert.are.equal(3, code)
      has(err, "No space left on device")
    end
  end)

  it("has help in 80 columns", function()
    local code, out = run "compare --help"
    assert.are.equal(0, code)
    for line in out:gmatch "[^\n]+" do
      assert.is_true(#line <= 80, line)
    end
  end)
end)

describe("lull compare --html", function()
  it("writes the same bytes for the same grid, and no other way out of the page", function()
    local one, two = folder() .. "/one.html", folder() .. "/two.html"
    local code, out, err = run(GRID .. "--html " .. one)
    assert.are.equal(0, code, err)
    has(out, one)
    assert.are.equal(0, (run(GRID .. "--threads 2 --parallel 3 --html " .. two)))
    local html = helper.read(one)
    assert.are.equal(html, helper.read(two))
    assert.are.equal(html, select(2, run(GRID .. "--html -")))
    has(html, "default-src 'none'")
    assert.is_nil(html:find "https?://[^w]") -- the names of SVG and XHTML are no places
    assert.is_nil(html:find " src=")
  end)

  it("keeps markup in texts and names from becoming any", function()
    local path = folder() .. "/odd.html"
    local code, _, err = run("compare --seeds 1 -n 4 --strategy " .. helper.quote(ODD .. ":top_k=3")
      .. " -p " .. helper.quote(ODD .. "\255") .. " --html " .. path)
    assert.are.equal(0, code, err)
    local html = helper.read(path)
    assert.is_true(helper.is_utf8(html))
    assert.are.equal(2, occurrences(html, "</script>")) -- of the data and of the script
    assert.is_nil(html:find("<b>hi", 1, true))
    assert.is_nil(html:find("<!--", 1, true))
    local r = data_of(html)
    assert.are.equal(ODD, r.strategies[1].name)
    assert.are.equal(ODD .. "\239\191\189", r.prompts[1])
  end)

  it("keeps what a model tells from becoming markup", function()
    local result = assert(evaluate.compare {
      models = {{name = "lullaby", model = model}}, strategies = {{name = "a"}}, prompts = {""},
      seeds = {1}, max_tokens = 2, bootstrap = 0,
    })
    result.arms[1].texts[1].text = ODD .. "\0\255"
    local html = page.of(result)
    assert.are.equal(2, occurrences(html, "</script>"))
    assert.is_nil(html:find("<b>hi", 1, true))
    local r = data_of(html)
    assert.are.equal(ODD .. "\0\239\191\189", r.arms[1].texts[1].text)
  end)

  it("replaces a page only when told to, and leaves none where it fails", function()
    local path = helper.write(folder() .. "/page.html", "mine")
    local code, out, err = run("compare --seeds 1 -n 4 --html " .. path)
    assert.are.equal(1, code)
    assert.are.equal("", out)
    has(err, "--force replaces it")
    assert.are.equal("mine", helper.read(path))
    assert.are.equal(0, (run("compare --seeds 1 -n 4 --force --html " .. path)))
    has(helper.read(path), "<!DOCTYPE html>")
    assert.are.equal(3, (run("compare --seeds 1 -n 4 --html " .. folder() .. "/no/page.html")))
    assert.are.equal(1, (run("compare --seeds 1 -n 4 --html /dev/full")))
    -- A limit on the size of files stands for a full disk.
    code, out = shell("trap '' XFSZ; ulimit -f 8; " .. helper.command()
      .. " compare --seeds 1 -n 4 --force --html " .. path)
    assert.are.same({3, ""}, {code, out})
    has(helper.read(path), "</html>")
    assert.are.equal("page.html\n", (select(2, shell("ls -A " .. folder()))))
  end)
end)
