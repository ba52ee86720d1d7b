require "tests.spec.helper"
local cases = require "tests.spec.scripts.template_cases"
local template = require "lull.template"

local function render(source, vars, options)
  return assert(template.render(source, vars, options))
end

-- The message and code of a template that fails.
local function fails(source, vars, options)
  local text, message, code = template.render(source, vars, options)
  assert.is_nil(text, source)
  return message, code
end

describe("template.compile and render", function()
  it("render again with other variables", function()
    local hello = template.compile("Hello {{ name }}!")
    assert.are.equal("Hello Lily!", hello:render {name = "Lily"})
    assert.are.equal("Hello Tom!", hello:render {name = "Tom"})
    assert.are.equal("Hello !", hello:render())
  end)

  it("parse at the first use, or when told to", function()
    local broken = template.compile("{% if %}")
    assert.are.equal("lull.template (template, 8 bytes)", tostring(broken))
    local ok, message, code = broken:check()
    assert.is_nil(ok)
    assert.are.equal("EFORMAT", code)
    assert.are.same({nil, message, code}, {broken:render {}})
    assert.is_true(template.compile("{{ x }}"):check())
  end)

  it("have the white space options of jinja2", function()
    local source = "a\n  {% if true %}\n  b\n  {% endif %}\nc\n"
    assert.are.equal("a\n  b\nc", render(source))
    assert.are.equal("a\n    b\n  c", render(source, {}, {lstrip_blocks = false}))
    assert.are.equal("a\n\n  b\n\nc", render(source, {}, {trim_blocks = false}))
    assert.are.equal("a\n  b\nc\n", render(source, {}, {keep_trailing_newline = true}))
  end)

  it("raise on what the program does wrong", function()
    assert.has_error(function() template.compile(5) end)
    assert.has_error(function() template.render("x", "y") end)
    assert.has_error(function() template.render("x", {y = coroutine.create(print)}) end)
    assert.has_error(function() template.compile("x", {globals = {5}}) end)
    assert.has_error(function() template.compile("x", {max_steps = 0}) end)
    local loop = {}
    loop.again = loop
    assert.has_error(function() template.render("x", {loop = loop}) end)
    local _, message = pcall(template.compile, "x", {trim_block = true})
    assert.is_truthy(message:find("did you mean 'trim_blocks'?", 1, true))
    _, message = pcall(template.render, "x", {a = {b = {io.stdout}}})
    assert.is_truthy(message:find("a.b[1]", 1, true), message)
  end)

  it("never run a template as Lua", function()
    assert.are.equal("\27Lua", render("\27Lua"))
    fails("{{ os.exit() }}")
    fails("{{ print('x') }}")
  end)
end)

describe("variables", function()
  it("are Python's values", function()
    assert.are.equal("1 1.5 True None [1, 'a'] {'a': 1}",
      render("{{ i }} {{ f }} {{ t }} {{ n }} {{ l }} {{ d }}",
        {i = 1, f = 1.5, t = true, n = template.null, l = {1, "a"}, d = {a = 1}}))
    assert.are.equal("1 -3 9007199254740991 1e+100",
      render("{{ a }} {{ b }} {{ c }} {{ d }}", {a = 3 / 3, b = -3, c = 2 ^ 53 - 1, d = 1e100}))
  end)

  it("sort the keys of a table, or keep the order they were given in", function()
    local shuffled = {b = 1, a = 2, c = 3, [10] = 4, [9] = 5}
    assert.are.equal("{9: 5, 10: 4, 'a': 2, 'b': 1, 'c': 3}", render("{{ d }}", {d = shuffled}))
    local kept = template.ordered {{"b", 1}, {"a", {template.ordered {{"z", 0}, {"y", false}}}}}
    assert.are.equal("{'b': 1, 'a': [{'z': 0, 'y': False}]}", render("{{ d }}", {d = kept}))
    assert.are.equal("[]{}", render("{{ l }}{{ d }}", {l = {}, d = template.ordered {}}))
  end)

  it("may be floats without a fraction", function()
    assert.are.equal("1.0 2.5", render("{{ x }} {{ x * 2.5 }}", {x = template.float(1)}))
  end)

  it("come from JSON with order and kinds", function()
    local source = '{"b": {}, "a": [], "x": [1, 1.0, -2e3, true, null, "\\u00e9\\ud83d\\ude00\\n"]}'
    local vars = template.json(source)
    assert.are.equal("{}[][1, 1.0, -2000.0, True, None, 'é😀\\n']",
      template.render("{{ b }}{{ a }}{{ x }}", vars))
    assert.are.equal('{"b": {}, "a": [], "x": [1, 1.0, -2000.0, true, null, "é😀\\n"]}',
      render("{{ v | tojson }}", {v = vars}))
  end)

  for _, text in ipairs {"", "{", "[1,]", "01", '"a', '{"a" 1}', '{"a": 1,}', "1.", "[1] x", "nul",
    '"\\x"', "{1: 2}", '"a\nb"', "-", "1e", ("["):rep(200)} do
    it("refuse as JSON " .. text:sub(1, 20):gsub("%c", "?"), function()
      local value, message, code = template.json(text)
      assert.is_nil(value)
      assert.are.equal("EFORMAT", code)
      assert.is_truthy(message:find("at byte", 1, true))
    end)
  end

  it("may be functions, with keyword arguments in a table at the end", function()
    local seen
    local vars = {
      f = function(...)
        seen = {n = select("#", ...), ...}
        return {1, "x", {a = 2.5}}
      end,
    }
    assert.are.equal("[1, 'x', {'a': 2.5}]",
      render("{{ f(1.0, none, [1, {'k': 'v'}], z=2) }}", vars))
    assert.are.same({n = 4, 1, nil, {1, {k = "v"}}, {z = 2}}, seen)
    assert.are.equal("None", render("{{ f() }}", {f = function() end}))
  end)

  it("may be functions that fail, raise or yield", function()
    local message, code = fails("a{{ f() }}", {f = function() return nil, "not today" end})
    assert.are.equal("template:1:6: not today", message)
    assert.are.equal("EFORMAT", code)
    local problem = {}
    local ok, raised = pcall(template.render, "{{ f() }}", {f = function() error(problem) end})
    assert.is_false(ok)
    assert.are.equal(problem, raised)
    local thread = coroutine.wrap(function()
      return template.render("<{{ f(1) }}>", {f = function(x) return coroutine.yield(x + 1) end})
    end)
    assert.are.equal(2, thread())
    assert.are.equal("<x>", thread("x"))
  end)

  it("of all renderings are globals, which variables hide", function()
    local t = template.compile("{{ a }}{{ b }}", {globals = {a = 1, b = 2}})
    assert.are.equal("13", t:render {b = 3})
    assert.are.equal("12", t:render())
  end)

  it("are not changed", function()
    local vars = {l = {1, 2}, d = {a = {}}}
    render("{% set l = l + [3] %}{% set ns = namespace(d) %}{% set ns.b = 1 %}{{ l }}", vars)
    assert.are.same({l = {1, 2}, d = {a = {}}}, vars)
  end)
end)

describe("strftime_now", function()
  it("takes its time from the clock that is given", function()
    local function clock()
      return os.time {year = 2024, month = 2, day = 5, hour = 15, min = 4, sec = 9}
    end
    assert.are.equal("05 Feb 2024, Monday 15:04:09 03 PM 036 %",
      render("{{ strftime_now('%d %b %Y, %A %H:%M:%S %I %p %j %%') }}", {}, {clock = clock}))
    assert.are.equal("5 2 %Q", render("{{ strftime_now('%-d %-m %Q') }}", {}, {clock = clock}))
  end)
end)

describe("messages", function()
  local wrong = {
    {"a\n{{ x.y }}", "2:5", "'x' is undefined"},
    {"{{ d.a.b }}", "1:7", "'dict object' has no attribute 'a'"},
    {"é日本{{ 1 + 'a' }}", "1:9", "unsupported operand types for +: 'int' and 'str'"},
    {"{% if x %}\n  {{ x }", "2:8", "unexpected '}'"},
    {"\n\n{% for a in b %}", "3:4", "'for' is not closed"},
    {"{% frob %}", "1:4", "unknown tag 'frob'"},
    {"{% include 'x' %}", "1:4", "the tag 'include' is not supported: a template stands alone"},
    {"{{ 1 + }}", "1:8", "unexpected '}}'"},
    {"{{ a b }}", "1:6", "expected '}}', got 'b'"},
    {"{% set x 5 %}", "1:10", "expected '%}', got an integer"},
    {"{% set | %}", "1:8", "unexpected '|'"},
    {"{% for x of y %}", "1:10", "expected 'in', got 'of'"},
    {"{% macro 5() %}", "1:10", "expected a name, got an integer"},
    {"{{ x | 'y' }}", "1:8", "expected a name, got a string"},
    {"x {# y", "1:3", "this comment does not end with '#}'"},
    {"x {{ 'y }}", "1:6", "a string that does not end"},
    {"{{ x|frob }}", "1:6", "no filter named 'frob'"},
    {"{{ x is frob }}", "1:6", "no test named 'frob'"},
    {"{{ [1, 2] | join(a=1) }}", "1:13", "join() has no argument 'a'"},
    {"{{ 'x' | replace('a') }}", "1:10", "replace() misses its argument 'new'"},
    {"{{ 'x'.upper(1) }}", "1:13", "upper() takes at most 0 arguments, got 1"},
    {"{{ raise_exception('roles!') }}", "1:19", "roles!"},
    {"{% break %}", "1:4", "'break' outside of a loop"},
    {"{{ 9007199254740993 * 2 }}", "1:4", "an integer of more than 53 bits"},
    {"{% macro f() %}{{ 1 / 0 }}{% endmacro %}\n{{ f() }}", "1:21", "division by zero"},
  }
  for _, case in ipairs(wrong) do
    it("say where: " .. case[1]:gsub("\n", " "), function()
      local message, code = fails(case[1], {d = template.ordered {}}, {name = "chat"})
      assert.are.equal("chat:" .. case[2] .. ": " .. case[3], message)
      assert.are.equal("EFORMAT", code)
    end)
  end
end)

describe("limits", function()
  local hostile = {
    ["loops"] = "{% for a in range(99999) %}{% for b in range(99999) %}{% endfor %}{% endfor %}",
    ["output"] = "{% for a in range(99999) %}{{ 'x' * 1000 }}{% endfor %}",
    ["long texts"] = "{{ 'x' * 999999999999 }}",
    ["padding"] = "{{ 'x'.ljust(9999999999) }}",
    ["wide fields"] = "{{ '%99999999999s' % 'x' }}",
    ["wide indentation"] = "{{ 'x' | indent(99999999999) }}",
    ["doubled texts"] = "{% set ns = namespace(x='xx') %}{% for i in range(99) %}"
      .. "{% set ns.x = ns.x ~ ns.x %}{% endfor %}",
    ["doubled lists"] = "{% set ns = namespace(x=[1, 2]) %}{% for i in range(99) %}"
      .. "{% set ns.x = ns.x + ns.x %}{% endfor %}",
    ["shared lists"] = "{% set ns = namespace(x=[1, 2]) %}{% for i in range(99) %}"
      .. "{% set ns.x = [ns.x, ns.x] %}{% endfor %}{{ ns.x }}",
    ["shared dicts as JSON"] = "{% set ns = namespace(x={}) %}{% for i in range(90) %}"
      .. "{% set ns.x = {'a': ns.x, 'b': ns.x} %}{% endfor %}{{ ns.x | tojson }}",
    ["shared lists compared"] = "{% set ns = namespace(x=[1], y=[1]) %}{% for i in range(90) %}"
      .. "{% set ns.x = [ns.x, ns.x] %}{% set ns.y = [ns.y, ns.y] %}{% endfor %}{{ ns.x == ns.y }}",
    ["replacing"] = "{{ ('x' * 1000000) | replace('x', 'x' * 1000000) }}",
    ["replacing nothing"] = "{{ ('x' * 1000000) | replace('', 'x' * 1000000) }}",
    ["joining"] = "{{ range(99999) | join('x' * 1000000) }}",
    ["searching"] = "{% set a = 'a' * 2000000 %}{% for i in range(99) %}{{ (a ~ 'b') in (a ~ a) }}"
      .. "{% endfor %}",
    ["recursion"] = "{% macro f(x) %}{{ f([x]) }}{% endmacro %}{{ f(1) }}",
    ["recursive loops"] = "{% for a in [1] recursive %}{{ loop([1]) }}{% endfor %}",
    ["brackets"] = "{{ " .. ("("):rep(10000) .. "1" .. (")"):rep(10000) .. " }}",
    ["minus signs"] = "{{ " .. ("-"):rep(10000) .. "1 }}",
    ["nots"] = "{{ " .. ("not "):rep(10000) .. "1 }}",
    ["conditions"] = "{{ " .. ("1 if 1 else "):rep(10000) .. "1 }}",
    ["blocks"] = ("{% if 1 %}"):rep(10000),
    ["sums"] = "{{ 1" .. (" + 1"):rep(10000) .. " }}",
    ["attributes"] = "{{ x" .. (".a"):rep(10000) .. " }}",
    ["nested lists printed"] = "{% set ns = namespace(x=[]) %}{% for i in range(9999) %}"
      .. "{% set ns.x = [ns.x] %}{% endfor %}{{ ns.x }}",
    ["nested tuples as keys"] = "{% set ns = namespace(x=()) %}{% for i in range(9999) %}"
      .. "{% set ns.x = (ns.x,) %}{% endfor %}{{ {ns.x: 1} }}",
    ["batches"] = "{{ [1] | batch(99999999999, 0) | list }}",
    ["slices"] = "{{ [1] | slice(99999999999) | list }}",
    ["ranges"] = "{{ range(99999999999) | list }}",
    ["centred texts"] = "{{ 'x' | center(99999999999) }}",
  }
  for name, source in pairs(hostile) do
    it("stop " .. name, function()
      local message, code = fails(source, {x = template.ordered {}}, {max_steps = 1e6})
      assert.is_true(code == "ELIMIT" or message:find("wider than", 1, true) ~= nil, message)
    end)
  end

  it("are options", function()
    assert.are.equal("ELIMIT", select(2, fails("{{ 'x' * 11 }}", {}, {max_bytes = 10})))
    assert.are.equal("xxxxxxxxxx", render("{{ 'x' * 10 }}", {}, {max_bytes = 10}))
    assert.are.equal("ELIMIT", select(2, fails("{{ 1 + 1 }}", {}, {max_steps = 2})))
    assert.are.equal("ELIMIT", select(2, fails("{{ [[[1]]] }}", {}, {max_depth = 3})))
  end)

  it("leave room for long conversations", function()
    local messages = {}
    for i = 1, 2000 do
      messages[i] = {role = i % 2 == 1 and "user" or "assistant", content = ("word "):rep(100)}
    end
    local text = render("{% for m in messages %}{{ '<|' ~ m['role'] ~ '|>' }}"
      .. "{% if loop.index0 % 2 == 0 and not loop.last %}{{ m.content | trim + eos_token }}"
      .. "{% else %}{{ m.content.strip() }}{% endif %}{% endfor %}",
      {messages = messages, eos_token = "</s>"})
    assert.is_true(#text > 1000000)
  end)

  it("let a macro recurse a hundred times", function()
    local source = "{% macro f(n) %}{% if n %}{{ f(n - 1) }}.{% endif %}{% endmacro %}{{ f(100) }}"
    assert.are.equal(("."):rep(100), render(source))
  end)
end)

describe("garbage", function()
  -- Whatever bytes a template has, it gives a text or a message; anything else would raise here.
  local function survive(source)
    local text, message, code = template.render(source, {x = {1, 2}, s = "text"},
      {max_steps = 20000})
    assert.is_true(type(text) == "string" or type(message) == "string" and code ~= nil)
    assert.is_true(text ~= nil or message:find("^template:%d+:%d+: .") ~= nil, message)
  end

  local state = 12345
  local function random(n)
    state = state * 48271 % 2147483647
    return state % n + 1
  end

  it("of all bytes and of cut tags is no trouble", function()
    for byte = 0, 255 do
      survive(string.char(byte))
      survive("{{ " .. string.char(byte) .. " }}")
      survive("{{ x" .. string.char(byte) .. "s }}")
    end
    local whole = cases.sources[random(#cases.sources)]
    for i = 1, #whole, 5 do
      survive(whole:sub(1, i))
    end
  end)

  it("made from templates is no trouble", function()
    local sources = cases.generate(150, 77)
    for _, source in ipairs(cases.sources) do
      sources[#sources + 1] = source
    end
    for _, source in ipairs(sources) do
      for _ = 1, 4 do
        local i, n = random(#source), random(4) - 1
        local kind = random(3)
        local middle = kind == 1 and "" or kind == 2 and string.char(random(256) - 1)
          or source:sub(random(#source), random(#source)):sub(1, 40)
        survive(source:sub(1, i) .. middle .. source:sub(i + n))
      end
    end
  end)
end)
