-- Templates for comparing the engine with jinja2. In the folder templates there are
--
--     *.jinja               chat templates in the manner of those that models ship: the formats are
--                           theirs, the wording is ours; together they use what real ones use
--     conversations.jsonl   what they are rendered with
--     constructs.jsonl      the language, piece by piece
--     variables.json        the variables of these and of the random templates
--
-- Random templates are typed expressions that mostly make sense, now and then with an operand of
-- another type, in statements with odd white space.
local cjson = require "cjson"
local helper = require "tests.spec.helper"

local cases = {}

local FOLDER = "tests/spec/scripts/templates/"

local function lines_of(name)
  local lines = {}
  for line in helper.read(FOLDER .. name):gmatch("[^\n]+") do
    lines[#lines + 1] = line
  end
  return lines
end

cases.variables = helper.read(FOLDER .. "variables.json")

--- Each chat template with each conversation: {name =, template =, vars = JSON}.
cases.chats = {}

--- The chat templates alone.
cases.sources = {}

local conversations = lines_of "conversations.jsonl"
local _, listing = helper.shell("ls " .. FOLDER .. " | grep jinja$")
for name in listing:gmatch("([^\n]+)%.jinja\n") do
  local source = helper.read(FOLDER .. name .. ".jinja")
  cases.sources[#cases.sources + 1] = source
  for i, conversation in ipairs(conversations) do
    cases.chats[#cases.chats + 1] = {
      name = name .. " on conversation " .. i, template = source, vars = conversation,
    }
  end
end

--- The language piece by piece, in the same form.
cases.constructs = {}

for i, line in ipairs(lines_of "constructs.jsonl") do
  -- In brackets, because cjson decodes no text that is all.
  local source = cjson.decode("[" .. line .. "]")[1]
  cases.constructs[i] = {
    name = i .. ": " .. source:gsub("%c", " "):sub(1, 60), template = source,
    vars = cases.variables,
  }
end

-------------------------------------------------------------------------------- random templates

-- A small generator of its own (Lehmer's), so that cases are the same on every Lua.
local Random = {}
Random.__index = Random

function Random:next(n)
  self.state = self.state * 48271 % 2147483647
  return math.floor(self.state / 2147483647 * n) + 1
end

function Random:of(list)
  return list[self:next(#list)]
end

-- What stands in braces in a form is replaced by an expression of that type; other parts stay.
local FORMS = {
  int = {
    "0", "1", "2", "3", "7", "10", "n", "100", "-1", "n", "xs[0]", "d.a", "true", "0x1F", "1_000",
    "{int} + {int}", "{int} - {int}", "{int} * {int}", "{int} // {int}", "{int} % {int}",
    "{int} ** 2", "-{int}", "+{int}", "({int})", "{list} | length", "{str} | length",
    "{str}|count", "{str} | int", "{float} | int", "{num} | int(9)",
    "'{digit}{digit}' | int(base=16)", "{int} | abs", "xs | sum", "{str}.find({str})",
    "{str}.count('a')", "{list} | first", "{list}.index({any})", "{int} | round",
    "words | map('length') | sum", "{str} | wordcount", "{list}.count(2)", "{str}.rfind('l')",
    "{int} if {bool} else {int}", "range({int})|length", "{dict} | length", "xs | max", "xs|min",
  },
  float = {
    "0.5", "1.0", "2.5", "1e3", "ratio", "1.5e-7", "3.14159", "{int} / {int}", "{num} + {float}",
    "{float} * {num}", "{float} - {num}", "{float} // {num}", "{float} % {num}", "{int} ** -1",
    "{num} | float", "{str} | float(2.5)", "{float} | round(2)", "{float} | round",
    "{float} | round(1, 'floor')", "{float}|round(1, 'ceil')", "{float} | abs", "-{float}",
    "{float} | round(method='ceil')",
  },
  num = {"{int}", "{float}", "{int}", "{bool}"},
  str = {
    "'a'", "''", "' pad '", "\"it's\"", "name", "s", "'a,b,,c'", "'日本語'", "'x' 'y'", "'\\n'",
    "'é\\t\\x41\\u00e9'", "d.b", "messages[0].content", "messages[1]['role']", "words[-1]",
    "{str} + {str}", "{str} ~ {any}", "{any} ~ {int}", "{str} * {int}", "{str}[{int}]",
    "{str}[{int}:]", "{str}[:{int}]", "{str}[::-1]", "{str}[{int}:{int}:{int}]", "{str} | upper",
    "{str} | lower", "{str} | title", "{str} | capitalize", "{str} | trim", "{str}|trim('a ')",
    "{str} | replace({str}, {str})", "{str} | replace('a', 'b', 1)", "{list} | join",
    "{list} | join({str})", "{any} | string", "{any} | tojson", "{data} | tojson",
    "{data} | tojson(indent=2)", "{data}|tojson(ensure_ascii=true)",
    "{data} | tojson(separators=(',', ':'))", "{data}|tojson(sort_keys=true)", "{str} | indent",
    "{str} | indent(2, true)", "{str} | indent(width='> ', blank=true)", "{str} | truncate(8)",
    "{str} | truncate(6, true, '')", "{str} | center(12)", "{str}.upper()", "{str}.strip()",
    "{str}.lstrip('a')", "{str}.rstrip()", "{str}.title()", "{str}.capitalize()",
    "{str}.replace({str}, {str})", "{str}.join({strs})", "{str}.center(9, '*')", "{str}.zfill(6)",
    "{str}.ljust(7) ~ '|'", "{str}.rjust({int})", "{str} | reverse", "{str} | default({str})",
    "missing | default({str})", "{any} | d('dflt', true)", "'%s-%s' % ({any}, {any})",
    "'%d|%5.1f|%-4s|%03d' % ({int}, {num}, {str}, {int})", "'%r' % {data}", "'%x' % {int}",
    "'{}|{}'.format({any}, {any})", "'{0}{1}{0}'.format({str}, {int})",
    "'{:>5}|{:<4}|{:^6}'.format({str}, {str}, {str})",
    "'{:05d}|{:.2f}|{:,}'.format({int}, {num}, {int})", "'{x!r:*^12}'.format(x={str})",
    "{str} if {bool}", "{strs} | join(', ')", "{strs}|first", "{str}.removeprefix('a')",
    "{str} | urlencode", "{str} | format({any})", "{strs} | max", "{str}.swapcase()",
    "strftime_now('%Y-%m-%d %H:%M')", "strftime_now('%-d %B %y, %A %j %I%p')",
    "{str}.splitlines() | join('/')", "words | sort | join(',')", "{any} ~ ''",
  },
  strs = {
    "words", "['x', 'y']", "{str}.split()", "{str}.split(',')", "{str}.rsplit(' ', 1)",
    "{strs} | sort", "{strs} | map('upper') | list", "{strs} | unique | list", "{str} | list",
    "messages | map(attribute='role') | list", "{str}.split('a', {int})", "{str}.splitlines()",
    "{strs} | reject('equalto', 'fig') | list",
    "{strs} | sort(case_sensitive=true, reverse=true)", "{str}.partition({str}) | list",
    "{dict} | list", "{strs} | select('in', words) | list", "{list} | map('string') | list",
    "{strs}[1:]", "{strs} | reverse | list",
  },
  list = {
    "xs", "[]", "[1, 2, 3]", "empty", "words", "[{any}, {any}]", "[{any}]", "({any}, {any})",
    "{list} + {list}", "{list} * 2", "{list}[{int}:]", "{list}[::{int}]", "{list}[:{int}]",
    "range({int}) | list", "range(1, {int}, 2) | list", "{list} | list",
    "{list} | reverse | list", "{list} | sort", "{list} | sort(reverse=true)",
    "{list} | unique | list", "{strs}", "{list} | select | list",
    "{list} | reject('none') | list", "{list} | select('number') | list",
    "{list} | map('string') | list", "{list} | batch(2) | list", "{list} | batch(3, 0) | list",
    "{list} | slice(2) | list", "{dict} | dictsort", "{dict}.items() | list",
    "{dict} | items | list", "{dict}.values() | list",
    "{dict} | dictsort(by='value', reverse=true)", "messages",
    "messages | selectattr('role', 'equalto', 'user') | list",
    "messages | rejectattr('tool_calls', 'defined') | map(attribute='content') | list",
    "messages | map(attribute='content.0') | list", "messages | groupby('role') | list",
    "messages | sort(attribute='role,content') | map(attribute='role') | list",
    "messages | map(attribute='tool_calls', default=[]) | list", "{list} if {bool} else {list}",
    "xs | select('odd') | list", "xs | select('gt', {int}) | list",
    "xs|reject('divisibleby', 2)|list", "{list} | default([])", "[{any},]", "({any},)",
    "xs[{int}]",
  },
  dict = {
    "d", "{}", "{'b': 1, 'a': {any}}", "{{str_key}: {any}}", "dict(x={any}, y=2)", "messages[0]",
    "messages[{int}]", "{1: 'one', {any}: 2}", "dict([('k', {any})])", "d.copy()", "dict(d, z=1)",
    "messages[2].tool_calls[0].function", "namespace(x={any}).x",
  },
  bool = {
    "true", "false", "flag", "{int} == {int}", "{any} == {any}", "{any} != {any}",
    "{num} < {num}", "{num} >= {num}", "{str} < {str}", "{list} <= {list}",
    "{int} < {int} <= {int}", "not {any}", "{any} in {list}", "{str} in {str}",
    "{any} not in {list}", "{str} in {dict}", "{any} is defined", "missing is defined",
    "missing is undefined", "{any} is none", "{any} is not none", "{any} is string",
    "{any} is number", "{any} is integer", "{any} is float", "{any} is boolean", "{any} is true",
    "{any} is false", "{any} is mapping", "{any} is sequence", "{any} is iterable",
    "{int} is odd", "{int} is even", "{int} is divisibleby 3", "{int} is divisibleby({int})",
    "{any} is equalto {any}", "{any} is eq({any})", "{num} is lt {num}", "{num} is ge(2)",
    "{any} is in [1, 2, 'a']", "{str} is lower", "{str} is upper", "{any} is sameas true",
    "{str}.startswith({str})", "{str}.endswith('a')", "{str}.startswith(('a', 'L'))",
    "{str}.isdigit()", "{str}.isalpha()", "{str}.isupper()", "{str}.isspace()", "{any} and {any}",
    "{any} or {any}", "({bool}) and not ({bool})", "'x' is filter", "'trim' is filter",
    "{any} == {any} == {any}", "1 in xs and 'a' in name", "{any} is callable",
    "messages[0].role == 'user'", "name", "xs",
  },
  data = {"{dict}", "{list}", "{str}", "{num}", "{bool}", "none", "messages", "d"},
  any = {
    "{int}", "{float}", "{str}", "{str}", "{list}", "{dict}", "{bool}", "none", "nothing",
    "missing", "{strs}", "d['{letter}']", "d.get('{letter}')", "d.get({str}, {any})",
    "messages[0].missing", "{list}[{int}]", "{list} | last", "{list} | first",
    "{any} if {bool} else {any}", "{any} or {any}", "{any} and {any}", "d.c[{int}]",
    "{dict}[{str}]", "{list} | min", "{list}|max", "{dict}.items()", "range({int})",
    "{dict}.keys()", "xs.append", "{rare}", "name.missing", "xs | sum", "d|attr('a')", "item",
    "none", "{bool}",
  },
  rare = {"missing", "missing.x", "(x for", "x y", "[1", "loop.last", "'a' + 1", "1 / 0",
    "xs.sort()"},
  digit = {"1", "9", "0", "a", "7"},
  letter = {"a", "b", "c", "zz", "d"},
  str_key = {"'k'", "name", "1", "none", "1.5", "(1, 2)"},
}
local TYPES = {"int", "float", "str", "list", "dict", "bool", "any", "strs"}

local function expression(random, kind, depth)
  if random:next(80) == 1 then
    kind = random:of(TYPES)
  end
  local forms = FORMS[kind]
  local form
  repeat
    form = random:of(forms)
    -- Deep down only what has no parts, if there is such.
  until depth > 0 or not form:find("{%l+}") or random:next(12) == 1
  return (form:gsub("{(%l+_?%l*)}([.%[]?)", function(part, follower)
    if not FORMS[part] then
      return nil
    end
    local inner = expression(random, part, depth - 1)
    local wrapped = follower ~= "" and inner:find("[ |+-]") and random:next(20) > 1
    if (wrapped or random:next(3) == 1) and part ~= "digit" and part ~= "letter" then
      inner = "(" .. inner .. ")"
    end
    return inner .. follower
  end))
end

local STATEMENTS = {
  "{{{S} {any} {E}}}", "{{{S} {any} {E}}}", "{{{S} {any} {E}}}", "{text}", "{text}",
  "{%{S} if {bool} {E}%}{body}{%{S} endif {E}%}",
  "{%{S} if {bool} {E}%}{body}{%{S} elif {any} {E}%}{body}{%{S} else {E}%}{body}{%{S} endif {E}%}",
  "{%{S} for item in {list} {E}%}{loop}{%{S} endfor {E}%}",
  "{%{S} for m in messages {E}%}{{ loop.index0 }}{{ m.role }}{loop}{%{S} endfor {E}%}",
  "{%{S} for k, v in {dict}.items() {E}%}{{ k }}={{ v }}{loop}"
    .. "{%{S} else {E}%}none{%{S} endfor {E}%}",
  "{%{S} for item in {list} if item is {test} {E}%}{loop}{%{S} else {E}%}{body}{%{S} endfor {E}%}",
  "{%{S} for item in [[1, [2]], 3] recursive {E}%}{{ loop.depth }}"
    .. "{{ loop(item) if item is iterable else item }}{%{S} endfor {E}%}",
  "{%{S} set v = {any} {E}%}{{ v }}", "{%{S} set a, b = {any}, {any} {E}%}{{ a }}{{ b }}",
  "{%{S} set v {E}%}{body}{%{S} endset {E}%}{{ v | length }}{{ v }}",
  "{%{S} set v | upper {E}%}{body}{%{S} endset {E}%}{{ v }}",
  "{%{S} set ns = namespace(x={any}, n=0) {E}%}{% for item in xs %}{% set ns.n = ns.n + item %}"
    .. "{% set ns.x = item %}{% endfor %}{{ ns.n }}{{ ns.x }}",
  "{%{S} macro f(a, b={any}) {E}%}{{ a }},{{ b }}{body}{%{S} endmacro {E}%}"
    .. "{{ f({any}) }}{{ f(1, b=2) }}",
  "{%{S} macro g(x) {E}%}<{{ caller(x) }}>{{ varargs }}{{ kwargs }}{%{S} endmacro {E}%}"
    .. "{%{S} call(y) g({any}) {E}%}{{ y }}{body}{%{S} endcall {E}%}",
  "{%{S} filter upper {E}%}{body}{%{S} endfilter {E}%}",
  "{%{S} with v = {any}, w = 2 {E}%}{{ v }}{{ w }}{body}{%{S} endwith {E}%}{{ w }}",
  "{%{S} raw {E2}%}{{ x }}{% if %}{%{S} endraw {E}%}", "{#{S} a comment {E}#}",
  "{%{S} generation {E}%}{body}{%{S} endgeneration {E}%}", "{%{S} print {any}, {any} {E}%}",
  "{%{S} if {any} is {test} {E}%}yes{%{S} endif {E}%}",
}

local LOOP = {
  "{{ item }}", "{{ loop.index }}/{{ loop.length }}", "{{ loop.first }}{{ loop.last }}", "{body}",
  "{% if loop.index > 2 %}{% break %}{% endif %}", "{% if item == 2 %}{% continue %}{% endif %}.",
  "{{ loop.cycle('a', 'b') }}", "{% if loop.changed(item) %}!{% endif %}", "{{ loop.revindex }}",
  "{{ loop.nextitem }}|{{ loop.previtem }}", "{% set v = loop.index %}{{ v }}", "{{ item.role }}",
  "{% if not loop.last %}, {% endif %}", "{{ loop.revindex0 }}",
}

local TESTS = {"defined", "none", "string", "number", "odd", "mapping", "iterable", "equalto(2)",
  "in xs", "sequence", "integer", "true", "lower", "boolean", "gt(1)"}
local TEXT = {"a", "\n", "  ", "\n\n", " x\n  ", "<|im_start|>", "\t", "é", "}", "{", "\n    ", ".",
  "'"}

local function statement(random, depth)
  local form = random:of(STATEMENTS)
  return (form:gsub("{(%u%d?)}", function(mark)
    if mark == "E2" then
      return random:of {"", "-"}
    elseif mark == "E" then
      return random:of {"", "", "-"}
    end
    return random:of {"", "", "-", mark == "S" and "+" or ""}
  end):gsub("{(%l+)}", function(part)
    if part == "text" then
      return random:of(TEXT)
    elseif part == "test" then
      return random:of(TESTS)
    elseif part == "body" or part == "loop" then
      local parts = {}
      for i = 1, depth > 0 and random:next(3) or 1 do
        parts[i] = part == "loop" and random:of(LOOP) or random:of(TEXT)
        parts[i] = parts[i]:gsub("{body}", function()
          return depth > 0 and statement(random, depth - 1) or "-"
        end)
        if part == "body" and depth > 0 and random:next(2) == 1 then
          parts[i] = statement(random, depth - 1)
        end
      end
      return table.concat(parts)
    end
    return FORMS[part] and expression(random, part, 2) or nil
  end))
end

--- n random templates; each seed has its own.
function cases.generate(n, seed)
  local random, list = setmetatable({state = seed}, Random), {}
  for i = 1, n do
    local parts = {}
    if random:next(3) == 1 then
      parts[1] = "{{ " .. expression(random, random:of(TYPES), 3) .. " }}"
    else
      for k = 1, random:next(4) do
        parts[k] = statement(random, 2)
      end
    end
    list[i] = table.concat(parts)
  end
  return list
end

return cases
