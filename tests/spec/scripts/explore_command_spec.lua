-- lull explore: what it prints and writes. The numbers are explore_spec.lua's concern.
local helper = require "tests.spec.helper"
local lull = require "lull"
local cjson = require "cjson"
local common = dofile "tests/spec/core/common.lua"
local glyphs = require "lull.command.glyphs"

local run, shell = helper.lull, helper.shell
local model = helper.model()
local STORY = "explore -p 'Once upon a time' -n 12 --seed 7 "
-- What a text must not do to a terminal or a page.
local ODD = "Tom said: </script><b>hi</b> &amp; <!-- \195\169 \230\151\165 \27[31mred\r\n\ttab\255 "
  .. "\226\128\174 end"
local has = helper.has

-- The columns that a line takes, colours aside.
local function columns_of(line)
  local width = 0
  for _, glyph in ipairs(glyphs.list((line:gsub("\27%[[%d;]*m", "")))) do
    width = width + glyph[2]
  end
  return width
end

local function lines_fit(text, columns)
  for line in text:gmatch("[^\n]+") do
    assert.is_true(columns_of(line) <= columns, columns_of(line) .. " columns: " .. line)
  end
end

local folder = helper.folder_for_each(before_each, after_each)

local function odd_file()
  return helper.write(folder() .. "/odd.txt", ODD)
end

describe("lull explore", function()
  it("shows the text that lull tell tells, and a line for each token", function()
    local code, out, err = run(STORY)
    assert.are.equal(0, code)
    assert.are.equal("", err)
    local told = select(2, run("tell -p 'Once upon a time' -n 12 --seed 7"))
    assert.are.equal(told, out:sub(1, #told))
    for i = 1, 12 do
      assert.is_truthy(out:find("\n *" .. i .. "   [^ ]"), out)
    end
    has(out, "12 tokens, surprise ")
    has(out, "seed 7, length\ntop_k(40) -> top_p(0.95) -> ")
    assert.is_nil(out:find("\27", 1, true), "colours in a pipe")
  end)

  it("has all about a token with -v", function()
    local code, out = run(STORY .. "-v --alternatives 3 --temperature 1.1")
    assert.are.equal(0, code)
    for _, part in ipairs {"after the chain", "surprise ", "    > ", "  top_p(0.95)", " left; ",
      " removed, ", "temperature(1.1)", "reshaped, "} do
      has(out, part)
    end
    assert.are.equal(12, select(2, out:gsub("\n    > ", "")))
  end)

  it("fits the width there is", function()
    local path = odd_file()
    for _, columns in ipairs {40, 63, 100} do
      for _, arguments in ipairs {STORY, STORY .. "-v", "explore --text " .. path,
        "explore -v --text " .. path, STORY .. "-v --set repetition_penalty=1.25 --set "
        .. "dry_multiplier=1 --set xtc_probability=1"} do
        local code, out, err = shell("COLUMNS=" .. columns .. " " .. helper.command() .. " "
          .. arguments)
        assert.are.equal(0, code, err)
        lines_fit(out, columns)
      end
    end
    for _, columns in ipairs {"0", "x", "1e9"} do
      local code, out = shell("COLUMNS=" .. columns .. " " .. helper.command() .. " " .. STORY)
      assert.are.equal(0, code)
      lines_fit(out, 1000)
    end
  end)

  it("shows what must not reach a terminal by its code", function()
    local code, out = run("explore -v --text " .. odd_file())
    assert.are.equal(0, code)
    assert.is_nil(out:find("[%z\1-\9\11-\31\127]"), "a control byte")
    assert.is_true(helper.is_utf8(out))
    for _, part in ipairs {"é 日 \\x1B[31mred\\r↵\n\\ttab\\xFF", "\\u{202E} end", "</script>"} do
      has(out, part)
    end
  end)

  it("looks at a text from a file and from standard input", function()
    local path = helper.write(folder() .. "/text", "Tom ate a helicopter.\n")
    local code, out = run("explore --text " .. path)
    assert.are.equal(0, code)
    assert.are.equal("Tom ate a helicopter.\n", out:sub(1, 22))
    has(out, " × ")
    assert.is_nil(out:find("seed", 1, true))
    assert.are.equal(out, (select(2, shell("cat " .. path .. " | " .. helper.command()
      .. " explore --text -"))))
  end)

  it("passes every option on", function()
    local given = {
      max_tokens = 20, seed = 5, temperature = 1.2, top_k = 20, mirostat_tau = 4, mirostat = 2,
      ban_phrases = {" the", " was"}, stop = {"."}, dry_multiplier = 0.8, penalize_prompt = false,
    }
    local arguments = " -p 'One day' -n 20 -s 5 -t 1.2 --top-k 20 --set mirostat=2 "
      .. "--set mirostat_tau=4 --ban ' the' --ban ' was' --stop . --set dry_multiplier=0.8 "
      .. "--set penalize_prompt=false"
    local text = assert(model:generate("One day", given))
    assert.are.equal("One day" .. text .. "\n", (select(2, run("tell" .. arguments))))
    local record = cjson.decode((select(2, run("explore --json" .. arguments))))
    assert.are.equal(text, record.text)
  end)

  it("is JSON on one line", function()
    local code, out, err = run(STORY .. "--json --alternatives 4")
    assert.are.equal(0, code)
    assert.are.equal("", err)
    assert.are.equal(1, select(2, out:gsub("\n", "")))
    local decoded = cjson.decode(out)
    local record = assert(lull.explore.text(model, "Once upon a time",
      {max_tokens = 12, seed = 7, alternatives = 4}))
    assert.are.equal("lullaby.bin", decoded.model)
    for i, token in ipairs(record.tokens) do
      local shown = decoded.tokens[i]
      for _, name in ipairs {"position", "id", "piece", "text", "rank"} do
        assert.are.equal(token[name], shown[name], name)
      end
      for _, name in ipairs {"p", "surprise_bits", "entropy", "entropy_bits", "chain_p",
        "chain_entropy", "chain_entropy_bits"} do
        assert.is_true(math.abs(token[name] - shown[name]) < 1e-12, name)
      end
      assert.are.equal(4, #shown.alternatives)
      assert.are.equal(#token.stages, #shown.stages)
      assert.are.equal(token.stages[1].name, shown.stages[1].name)
      assert.are.equal(token.stages[1].reshaped, shown.stages[1].reshaped)
    end
  end)

  it("keeps characters that several tokens make whole, and shows the bytes of others", function()
    local code, out = run("explore --json --text " .. odd_file())
    assert.are.equal(0, code)
    assert.is_true(helper.is_utf8(out))
    local record = cjson.decode(out)
    local texts, hex = {}, {}
    for i, token in ipairs(record.tokens) do
      texts[i], hex[#hex + 1] = token.text, token.hex
    end
    assert.are.equal((ODD:gsub("\255", "\239\191\189")), table.concat(texts))
    assert.are.equal("C3 A9 E6 97 A5 FF E2 80 AE", table.concat(hex, " "))
  end)

  it("colours on a terminal only, and only if wanted", function()
    if shell("command -v script") ~= 0 then
      pending("no program 'script' here")
      return
    end
    local function on_terminal(prefix, arguments)
      return select(2, shell("script -qec " .. helper.quote("TERM=xterm " .. prefix .. " "
        .. helper.command() .. " " .. STORY .. arguments) .. " /dev/null < /dev/null"))
    end
    local colored = on_terminal("COLUMNS=60", "")
    has(colored, "\27[38;5;")
    has(colored, "■ 80 %")
    lines_fit(colored:gsub("\r+\n", "\n"):gsub("\r[^\n]*\r", ""):gsub("^[^\n]*\b", ""), 60)
    for _, case in ipairs {{"NO_COLOR=1", ""}, {"", "--no-color"}, {"TERM=dumb", ""}} do
      assert.is_nil(on_terminal(case[1], case[2]):find("\27", 1, true))
    end
    has(on_terminal("NO_COLOR=", ""), "\27[38;5;")
  end)

  it("fails as the other commands do", function()
    local code, out, err = run("explore --text nowhere.txt")
    assert.are.same({3, ""}, {code, out})
    has(err, "nowhere.txt")
    code, out, err = shell(helper.command() .. " " .. STORY .. " > /dev/full")
    assert.are.same({3, ""}, {code, out})
    has(err, "cannot write to standard output")
    local path = helper.write(folder() .. "/long", ("the dog "):rep(2000))
    for _, option in ipairs {"-f", "--text"} do
      code, out, err = run("explore " .. option .. " " .. path)
      assert.are.same({1, ""}, {code, out})
      has(err, "512")
      assert.is_true(select(2, err:gsub("\n", "")) >= 2)
    end
    local broken, tokenizer = common.tiny {bad = 0 / 0}, common.tokenizer()
    code, out, err = run("explore " .. broken .. " --tokenizer " .. tokenizer .. " -p x")
    common.clean()
    assert.are.same({2, ""}, {code, out})
    has(err, "not finite")
  end)
end)

-------------------------------------------------------------------------------- the page

local VOID = {meta = true, input = true, br = true}
local RAW = {script = true, style = true}

-- Read a page as a browser does, as far as it goes: {name, attributes, text} of every element,
-- where elements must be closed in order and scripts and styles end at the first end tag.
local function elements_of(page)
  local list, open, at = {}, {}, 1
  while true do
    local from, to, slash, name, attributes = page:find("<([/!]?)(%a%w*)([^>]*)>", at)
    local between = page:sub(at, (from or 0) - 1)
    assert.is_nil(between:find("[<>]"), "stray markup: " .. between:sub(1, 80))
    if #open > 0 then
      open[#open].text = open[#open].text .. between
    end
    if not from then
      break
    elseif slash == "/" then
      assert.are.equal(name, table.remove(open).name)
    elseif slash == "" then
      local element = {name = name, attributes = attributes, text = ""}
      list[#list + 1] = element
      if RAW[name] then
        local last = assert(page:find("</" .. name .. ">", to, true))
        element.text = page:sub(to + 1, last - 1)
        to = last + #name + 2
      elseif not VOID[name] then
        open[#open + 1] = element
      end
    end
    at = to + 1
  end
  assert.are.equal(0, #open)
  return list
end

local function scripts_in(elements)
  local scripts = {}
  for _, element in ipairs(elements) do
    if element.name == "script" then
      scripts[#scripts + 1] = element
    end
  end
  return scripts
end

describe("lull explore --html", function()
  it("writes one file with all that --json has", function()
    local path = folder() .. "/out.html"
    local code, out, err = run(STORY .. "--html " .. path)
    assert.are.equal(0, code, err)
    assert.are.equal("", err)
    assert.is_truthy(out:find("^" .. path:gsub("%p", "%%%0") .. "  [%d.]+ kB, 12 tokens\n$"), out)
    local page = helper.read(path)
    local scripts = scripts_in(elements_of(page))
    assert.are.equal(2, #scripts)
    has(scripts[1].attributes, 'type="application/json"')
    assert.are.same(cjson.decode((select(2, run(STORY .. "--json")))),
      cjson.decode(scripts[1].text))
    for address in page:gmatch("%a+://[%w./]*") do
      has(address, "http://www.w3.org/") -- the names of HTML and SVG, which nobody loads
    end
    for _, attribute in ipairs {"src", "href", "@import", "url("} do
      assert.is_nil(page:find("[ \n]" .. attribute:gsub("%p", "%%%0") .. " *[=(\"' ]"))
    end
    has(page, "default-src 'none'")
    assert.are.equal(page, (select(2, run(STORY .. "--html -"))))
  end)

  it("escapes every text and name", function()
    local name = folder() .. "/a<b>&\"c'$(d)</script>.bin"
    name = name:gsub("/script>", "script>")
    local code, _, err = shell("cp " .. helper.model_path .. " " .. helper.quote(name) .. "; "
      .. "cp examples/models/tokenizer.bin " .. folder())
    assert.are.equal(0, code, err)
    local page
    code, page, err = run("explore " .. helper.quote(name) .. " --html - --text " .. odd_file())
    assert.are.equal(0, code, err)
    assert.is_true(helper.is_utf8(page))
    local elements = elements_of(page)
    local scripts = scripts_in(elements)
    assert.are.equal(2, #scripts)
    assert.is_nil(scripts[1].text:find("[<%z\1-\9\11-\31]"))
    local record = cjson.decode(scripts[1].text)
    assert.are.equal((ODD:gsub("\255", "\239\191\189")), record.text)
    assert.are.equal(name:match("[^/]*$"), record.model)
    for _, element in ipairs(elements) do
      assert.is_true(element.name ~= "b" or element.attributes:find("class") ~= nil)
      if element.name == "title" then
        has(element.text, "a&lt;b&gt;&amp;&quot;c")
      end
    end
  end)

  it("replaces no file unless told to, and leaves none half written", function()
    local path = helper.write(folder() .. "/out.html", "mine")
    local code, out, err = run(STORY .. "--html " .. path)
    assert.are.same({1, ""}, {code, out})
    has(err, "out.html: exists already")
    has(err, "--force")
    assert.are.equal("mine", helper.read(path))
    code = run(STORY .. "--force --html " .. path)
    assert.are.equal(0, code)
    has(helper.read(path), "</html>")
    for where, expected in pairs {
      [folder()] = {1, "not a regular file"}, ["/dev/null"] = {1, "not a regular file"},
      ["/dev/full"] = {1, "not a regular file"}, ["''"] = {2, "needs a name"},
      [folder() .. "/nowhere/x.html"] = {3, "nowhere"},
    } do
      code, out, err = run(STORY .. "--force --html " .. where)
      assert.are.same({expected[1], ""}, {code, out}, where)
      has(err, expected[2])
    end
    code, out, err = shell(helper.command() .. " " .. STORY .. "--html - > /dev/full")
    assert.are.same({3, ""}, {code, out})
    has(err, "No space left on device")
    -- A limit on the size of files stands for a full disk.
    code, out = shell("trap '' XFSZ; ulimit -f 8; " .. helper.command() .. " " .. STORY
      .. "--force --html " .. path)
    assert.are.same({3, ""}, {code, out})
    has(helper.read(path), "</html>")
    assert.are.equal("out.html\n", (select(2, shell("ls -A " .. folder()))))
  end)

  it("takes names with blanks and quotes", function()
    local path = folder() .. "/-it's a $(page).html"
    local code, _, err = run(STORY .. "--html " .. helper.quote(path))
    assert.are.equal(0, code, err)
    has(helper.read(path), "</html>")
    code = run(STORY .. "--html " .. helper.quote(path))
    assert.are.equal(1, code)
  end)
end)

describe("options by name", function()
  it("are told apart from what there is not", function()
    for arguments, part in pairs {
      ["--set mirostta=2"] = "did you mean 'mirostat'?",
      ["--set mirostat"] = "NAME=VALUE expected",
      ["--set mirostat=3"] = "mirostat: 0 (off), 1 or 2 expected, got '3'",
      ["--set max_seconds=soon"] = "max_seconds: a number",
      ["--set heal=maybe"] = "heal: a boolean",
      ["--set sampler=x"] = "a function, a strategy", ["--set kv=f16"] = "'f32' or 'bf16'",
      ["-t 1 --set temperature=2"] = "'temperature' is given twice",
      ["--set top_k=3 --set top_k=4"] = "'top_k' is given twice", ["--stop ''"] = "'stop'",
      ["--ban ''"] = "'ban_phrases'", ["--set =3"] = "NAME=VALUE expected",
      ["--set mirostat=1 --set adaptive_target=0.5"] = "both choose the token",
    } do
      for _, name in ipairs {"tell", "explore"} do
        local code, out, err = run(name .. " " .. arguments)
        assert.are.same({2, ""}, {code, out}, err)
        has(err, "lull " .. name .. ": ")
        has(err, part)
        assert.is_nil(err:find("traceback", 1, true), err)
      end
    end
    local code, out, err = run("explore --text README.md --stop x")
    assert.are.equal("", out)
    assert.are.equal(2, code)
    has(err, "unknown option 'stop'")
  end)

  it("reach generate with their types", function()
    local text = assert(model:generate("Tom", {max_tokens = 9, seed = "0xFFFFFFFFFFFFFFFF",
      stream = "lily", heal = true}))
    local code, out, err = run("tell -p Tom -n 9 --set seed=0xFFFFFFFFFFFFFFFF --set stream=lily "
      .. "--set heal=true --stats")
    assert.are.equal(0, code)
    assert.are.equal("Tom" .. text .. "\n", out)
    has(err, "seed 0xFFFFFFFFFFFFFFFF")
  end)
end)
