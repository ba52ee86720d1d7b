-- Grammars in GBNF: what they match, what is wrong with them and where.
require "tests.spec.helper"
local cjson = require "cjson"
local constrain = require "lull.constrain"
local constrained = require "tests.spec.scripts.constrained"
local load_text = loadstring or load -- luacheck: ignore

local function refuses(expected, text, given)
  local ok, message = pcall(constrain.grammar, text, given)
  assert.is_false(ok, text)
  assert.is_truthy(tostring(message):find("bad grammar (" .. expected, 1, true),
    "expected " .. expected .. "\nthe error is: " .. tostring(message))
end

local function check(text, right, wrong)
  local constraint = constrain.grammar(text)
  for _, sample in ipairs(right) do
    assert.is_true(constraint:test(sample), text .. "\ndoes not match " .. sample)
  end
  for _, sample in ipairs(wrong) do
    assert.is_false(constraint:test(sample), text .. "\nmatches " .. sample)
  end
end

local ARITHMETIC = [[
# sums of products
root    ::= sum
sum     ::= product ([-+] product)*
product ::= factor ([*/] factor)*
factor  ::= number | "(" sum ")"
number  ::= "0" | [1-9] [0-9]{0,2} ("." [0-9]{1,2})?
]]

local JSON = [==[
root   ::= object
value  ::= object | array | string | number | ("true" | "false" | "null") ws
object ::= "{" ws ( string ":" ws value ("," ws string ":" ws value)* )? "}" ws
array  ::= "[" ws (
    # items
    value ("," ws value)*
  )? "]" ws
string ::= "\"" (
    [^"\\\x7F\x00-\x1F] |
    "\\" (["\\/bfnrt] | "u" [0-9a-cA-Ce-fE-F] [0-9a-fA-F]{3})
  ){0,12} "\"" ws
number ::= ("-"? ([0-9] | [1-9] [0-9]{0,15})) ("." [0-9]+)? ws
ws     ::= | " " | "\n" [ \t]{0,2}
]==]

describe("a grammar", function()
  it("has strings, classes, groups, alternatives and repeats", function()
    check('root ::= "a" "b" | "c"', {"ab", "c"}, {"a", "abc", ""})
    check('root ::= ("a" | "b")* [c-e] [^c-e]', {"cx", "abaeé"}, {"cc", "a", "xx"})
    check('root ::= "ab"{2} "c"{1,} "d"{0,2} "e"? .', {"ababcx", "ababcccdde\n"},
      {"abbc", "ababcdddx"})
    check('root ::= "" | "x" |', {"", "x"}, {"xx"})
    check('root ::= ("a"*)+ "b"', {"b", "aab"}, {"a"})
    check('root ::= "a" *', {"", "aa"}, {"b"})
    check("root ::= [a\\]\\-^-]+", {"a]-^"}, {"b", "\\"})
    check("root ::= [^]", {"a", "é", "\n"}, {"", "ab"})
  end)

  it("has escapes, which are characters", function()
    check([[root ::= "\n\r\t\\\"\[\]\x41\xe9\u00e9\U0001F600"]], {"\n\r\t\\\"[]Aéé😀"}, {"A"})
    check([==[root ::= [\n\t\x41-\x43\u3041-\u3096]+]==], {"\nBぁ\t"}, {"D", "カ"})
    check('root ::= "é" [ぁ-ゟ]', {"éひ"}, {"e", "é"})
  end)

  it("has rules, comments and lines", function()
    check("# a list\n\nroot ::= item more* # all\n\n  more::=\",\" item\nitem ::=\n  [a-z]\n  ",
      {"a", "a,b,c"}, {"", "a,"})
    check('root ::= "a" |\n  "b" |\n# still\n "c"\n', {"a", "b", "c"}, {"ab"})
    check('root ::= (\n "a"\n\n "b" # both\n | "c" )\r\nx ::= root', {"ab", "c"}, {"a"})
    check('root ::= Some-rule_2\nSome-rule_2 ::= "x"', {"x"}, {"y"})
    assert.is_true(constrain.grammar('a ::= "x"\nb ::= a a', {root = "b"}):test "xx")
  end)

  it("may contain itself", function()
    check('root ::= "a" root "b" | "c"', {"c", "aacbb"}, {"aacb", "acbb"})
    check('root ::= "(" root ")" root | ""', {"", "()", "(())()"}, {"(", ")("})
    check(ARITHMETIC, {"1", "1+2*(3-4.5)/0"}, {"", "01", "1+", "(1", "1.234"})
    check(JSON, {"{}", '{"a": [1, -2.5, {"b":\n null}], "c":"\\u00e9\\n"}'},
      {"[]", '{"a":}', '{"a":"\n"}'})
  end)

  it("makes texts that are right", function()
    local arithmetic, json = constrain.grammar(ARITHMETIC), constrain.grammar(JSON)
    local sums, objects = 0, 0
    for seed = 1, 150 do
      local text, ended = constrained.text(arithmetic, seed, {tokens = 20, temperature = 6})
      if ended then
        assert.is_truthy(load_text("return " .. text), text)
        sums = sums + (text:find "[-+*/(]" and 1 or 0)
      end
      text, ended = constrained.text(json, seed, {tokens = 30, at_start = true})
      if ended then
        assert.are.equal("table", type(cjson.decode(text)))
        objects = objects + (#text > 10 and 1 or 0)
      end
    end
    assert.is_true(sums > 60, sums)
    assert.is_true(objects > 60, objects)
  end)

  it("is masked by the definition", function()
    for i, text in ipairs {ARITHMETIC, JSON, 'root ::= "(" root ")" root | " a" | ""'} do
      local constraint = constrain.grammar(text)
      constrained.text(constraint, i, {tokens = 10, check = constrained.check_mask(constraint)})
    end
  end)
end)

describe("a wrong grammar", function()
  it("is told by rule, line and column", function()
    refuses("there is no rule 'root', which is to match the whole text", "")
    refuses("there is no rule 'root'", 'rot ::= "x"')
    refuses("rule 'root': there is no rule 'item', at line 2, column 12", '\nroot ::= ( item )*')
    refuses("rule 'list': there is no rule 'item', at line 2, column 14",
      'root ::= "x"\nlist ::= "é" item')
    refuses("rule 'root': it is there already, at line 3, column 1",
      'root ::= "x"\na ::= "y"\nroot ::= "z"')
    refuses("rule 'root': the string has no end, at line 1, column 14", 'root ::= "abc\nx')
    refuses("rule 'root': the class has no end, at line 1, column 13", "root ::= [ab")
    refuses("rule 'root': the group has no end here, at line 2, column 3",
      'root ::= ("a"\na ::= "b")')
    refuses("rule 'a': an element, '|' or the end of the line expected, at line 2, column 11",
      'root ::= a\na ::= "b" ) ')
    refuses("rule 'root': '::=' expected after the name, at line 1, column 6", 'root = "a"')
    refuses("a rule expected, name ::= ..., at line 1, column 1", '"a"')
    refuses("rule 'root': unknown escape, at line 1, column 12", [[root ::= "\q"]])
    refuses("rule 'root': unknown escape, at line 1, column 12", [[root ::= "\x4"]])
    refuses("rule 'root': there is no such character", [[root ::= "\ud800"]])
    refuses("rule 'root': the range is empty, at line 1, column 11", "root ::= [z-a]")
    refuses("rule 'root': no character can be matched here, at line 1, column 10", "root ::= []")
    refuses("rule 'root': repeats go up to 10000", 'root ::= "a"{0,100000}')
    refuses("rule 'root': the repeat ends before it begins", 'root ::= "a"{3,2}')
    refuses("rule 'root': a repeat is {m}, {m,} or {m,n}, at line 1, column 14",
      'root ::= "a"{,3}')
    refuses("the grammar is not valid UTF-8, at line 1, column 12", 'root ::= "é\255"')
    refuses("rule 'root': groups are nested deeper than 100", "root ::= " .. ("("):rep(200))
    refuses("the grammar is too large (the limit is 200000 elements)",
      "root ::= " .. ("x{9999} "):rep(30) .. '\nx ::= "x"')
  end)

  it("is told by rule where it cannot work", function()
    refuses("rule 'root' is left-recursive: it can begin with itself, at line 1, column 1",
      'root ::= root "a" | "b"')
    refuses("rule 'root' is left-recursive", 'root ::= root | "b"')
    refuses("rule 'a' is left-recursive: it can begin with itself, at line 2, column 1",
      'root ::= "x" | a\na ::= b "x" | "y"\nb ::= a')
    refuses("rule 'a' is left-recursive", 'root ::= a\na ::= ws* a "x" | "y"\nws ::= " "?')
    refuses("rule 'root' is left-recursive", 'root ::= (root | "a")*')
    refuses("rule 'a' is left-recursive", 'root ::= "x"\na ::= a? "x"') -- though nobody asks for a
    refuses("rule 'a' can never match a finite text, at line 2, column 1",
      'root ::= "x" | "y" a\na ::= "z" a')
    refuses("rule 'root' can never match a finite text", "root ::= root")
  end)

  it("is not one whose repeats may match nothing", function()
    check('root ::= ("a"?)* ("b"*)* (("c"?){2,3})+', {"", "aabbcc"}, {"ba"})
  end)

  it("never crashes or hangs", function()
    local understood = 0
    for seed = 1, 1200 do
      local text = constrained.garbage({ARITHMETIC, JSON, 'root ::= [^a-z] | "x"{2,3}'}, seed,
        '()[]{}|*+?"\\^-:=#\n0a\0\128\255')
      local ok, result = pcall(constrain.grammar, text)
      if ok then
        understood = understood + 1
        result:test "1+1"
      else
        assert.is_truthy(tostring(result):find("bad grammar (", 1, true), tostring(result))
      end
    end
    assert.is_true(understood > 50 and understood < 1100, understood)
  end)
end)
