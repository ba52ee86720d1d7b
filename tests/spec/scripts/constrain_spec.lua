-- Constraints: regular expressions against a matcher of its own kind; choices; prefixes.
local helper = require "tests.spec.helper"
local constrain = require "lull.constrain"
local constrained = require "tests.spec.scripts.constrained"
local core = require "lull.core"
local pick = constrained.pick
local model = constrained.model

local function refuses(expected, f, ...)
  local ok, message = pcall(f, ...)
  assert.is_false(ok)
  assert.is_truthy(tostring(message):find(expected, 1, true), "the error is: " .. tostring(message))
end

-- Which texts an expression matches, and which it does not.
local function check(expression, right, wrong, given)
  local constraint = constrain.regex(expression, given)
  for _, text in ipairs(right) do
    assert.is_true(constraint:test(text), expression .. " does not match " .. text)
  end
  for _, text in ipairs(wrong) do
    assert.is_false(constraint:test(text), expression .. " matches " .. text)
  end
end

describe("a regular expression", function()
  it("matches whole texts", function()
    check("", {""}, {"a"})
    check("abc", {"abc"}, {"", "ab", "abcd", "xabc"})
    check("a|bc|", {"a", "bc", ""}, {"abc", "b"})
    check("^a$|^b$", {"a", "b"}, {"^a"})
    check("(a|b)(c|d)", {"ac", "bd"}, {"ab", "a"})
    check("(?:a|(b))(?<name>c)(?P<n>d)", {"acd", "bcd"}, {"cd"})
    check("()|x", {"", "x"}, {"()"})
  end)

  it("repeats", function()
    check("a*", {"", "a", "aaaa"}, {"b", "ab"})
    check("a+b?", {"a", "aab"}, {"", "b", "abb"})
    check("a{3}", {"aaa"}, {"aa", "aaaa"})
    check("a{0}b{1}", {"b"}, {"ab"})
    check("(ab){2,}", {"abab", "ababab"}, {"ab", "aba"})
    check("(a|bc){1,3}", {"a", "bc", "bcabc"}, {"", "aaaa"})
    check("(a*)*", {"", "aaa"}, {"b"})
    check("(a?){5}", {"", "aaaaa"}, {"aaaaaa"})
    check("((a|){2,3}b)+", {"b", "aaab", "bb"}, {"aaaab", ""})
    check("(a{100}){100}", {("a"):rep(10000)}, {("a"):rep(9999), ("a"):rep(10001)})
  end)

  it("has classes", function()
    check("[abx-z]", {"a", "y"}, {"c", "ab"})
    check("[^abx-z\n]", {"c", "é", " ", "\0"}, {"a", "y", "\n", "\255", ""})
    check("[]a]", {"]", "a"}, {"b"})
    check("[^]a]", {"b"}, {"]"})
    check("[a-]", {"a", "-"}, {"b"})
    check("[-a]", {"a", "-"}, {"b"})
    check([=[[\]\\\-^\x41]]=], {"]", "\\", "-", "^", "A"}, {"x", "B"})
    check([[\d\D]], {"1a", "1é"}, {"11", "aa"})
    check([[\w+\W\s\S]], {"a_9- é", "Z.\tx"}, {"é- x", "ab x"})
    check([=[[\d\s.]+]=], {"1 .", "\n"}, {"a"})
    check([=[[^\d\s]+]=], {"ab"}, {"a b", "1"})
    check(".", {"a", "é", "\r", "😀"}, {"\n", "\195", "ab", ""})
  end)

  it("has characters, which are not bytes", function()
    check("é", {"é"}, {"e", "\195", "\233"})
    check("[à-ÿ]{2}", {"éü"}, {"é", "éx", "éé\169"})
    check([[\xe9\u00e9\u{1F600}]], {"éé😀"}, {"\233\195\169"})
    check("[ぁ-ゟ一-龯]+", {"ひらがな漢字"}, {"カ", "a", "\227\129"})
    check("[^ぁ-ゟ]", {"カ", "a", "\239\191\191", "\244\143\191\191"},
      {"ひ", "\237\160\128", "\244\144\128\128", "\192\128", "\224\128\128"})
    check([=[[\x00-\x7f]]=], {"\0", "\127"}, {"\128", "é"})
    check([=[[\u{80}-\u{7ff}]]=], {"\194\128", "\223\191"}, {"\127", "\224\160\128"})
    check([=[[\u{700}-\u{10fff}]]=], {"\220\128", "\224\160\128", "\240\144\191\191"},
      {"\219\191", "\240\145\128\128", "\237\160\128"})
  end)

  it("can be about bytes", function()
    check("[\128-\255]x.", {"\200x\255"}, {"é", "axa", "\200x\n"}, {bytes = true})
    check([[\xe9[^\xe9]\W]], {"\233\0\255"}, {"\233\233a", "é"}, {bytes = true})
  end)

  it("has escapes", function()
    check([[\n\r\t\f\v\0]], {"\n\r\t\f\11\0"}, {"nrtfv0"})
    check([[\.\*\(\)\[\]\{\}\|\\\^\$\/\-\"]], {[[.*()[]{}|\^$/-"]]}, {"x"})
    check([[}]\}]], {"}]}"}, {"}"})
  end)

  it("says what is not supported, and where", function()
    for expression, message in pairs {
      ["a(?=b)"] = "lookaround is not supported, at byte 2",
      ["a(?!b)"] = "lookaround is not supported, at byte 2",
      ["(?<=b)a"] = "lookaround is not supported, at byte 1",
      ["(?<!b)a"] = "lookaround is not supported, at byte 1",
      ["(?i)a"] = "a flag is not supported, at byte 1",
      ["(?i:a)"] = "a flag is not supported, at byte 1",
      ["(?>a)"] = "an atomic group is not supported, at byte 1",
      ["(?#a)"] = "a comment is not supported, at byte 1",
      ["(?x"] = "unknown kind of group, at byte 1",
      ["(a)\\1"] = "a backreference is not supported, at byte 4",
      ["\\k<a>"] = "a backreference is not supported, at byte 1",
      ["(?P=a)"] = "a backreference is not supported, at byte 1",
      ["\\bword"] = "a word boundary is not supported, at byte 1",
      ["\\Aa"] = "an anchor other than ^ and $ is not supported, at byte 1",
      ["\\pL"] = "a Unicode property is not supported, at byte 1",
      ["a*?"] = "a lazy repeat is not supported: all texts that match are allowed, at byte 3",
      ["a{2}?"] = "a lazy repeat is not supported",
      ["a++"] = "a possessive repeat is not supported",
      ["a**"] = "a repeat cannot be repeated without a group, at byte 3",
      ["*a"] = "there is nothing to repeat before '*', at byte 1",
      ["a|+"] = "there is nothing to repeat before '+', at byte 3",
      ["a{,3}"] = "a repeat is {m}, {m,} or {m,n}; the character is written \\{, at byte 2",
      ["a{3"] = "a repeat is {m}, {m,} or {m,n}",
      ["a{4,2}"] = "the repeat ends before it begins, at byte 2",
      ["a{0,100000}"] = "repeats go up to 10000, at byte 2",
      ["a{99999999999999999999}"] = "repeats go up to 10000, at byte 2",
      ["[[:alpha:]]"] = "a POSIX class is not supported, at byte 2",
      ["[a-\\d]"] = "a range goes from one character to another, at byte 2",
      ["[z-a]"] = "the range is empty, at byte 2",
      ["x[ab"] = "the class has no end, at byte 2",
      ["[a-"] = "the class has no end, at byte 1",
      ["[^\\x00-\\u{10ffff}]"] = "no character can be matched here, at byte 1",
      ["[^\\s\\S]"] = "no character can be matched here, at byte 1",
      ["(a"] = "the group has no end, at byte 1",
      ["a)"] = "there is no group that ends here, at byte 2",
      ["a^b"] = "'^' is only supported at the start of the whole expression, at byte 2",
      ["(^a)"] = "'^' is only supported at the start of the whole expression, at byte 2",
      ["a$b"] = "'$' is only supported at the end of the whole expression, at byte 2",
      ["\\q"] = "unknown escape '\\q', at byte 1",
      ["a\\"] = "nothing follows the backslash, at byte 2",
      ["\\ud800"] = "there is no such character, at byte 1",
      ["\\u{110000}"] = "there is no such character, at byte 1",
      ["a\255"] = "the pattern is not valid UTF-8 here, at byte 2",
      [("("):rep(300)] = "groups are nested deeper than 200, at byte 201",
    } do
      refuses("bad regex (" .. message, constrain.regex, expression)
    end
    refuses("bad regex (the grammar is too large (the limit is 200000 elements)",
      constrain.regex, ("(abc){9000}"):rep(25) .. ("x{9999}y{9998}"):rep(20))
    refuses("bad argument #1 to 'regex' (a string expected, got 5)", constrain.regex, 5)
    refuses("unknown option 'byte' to 'regex' (did you mean 'bytes'?)", constrain.regex, "a",
      {byte = true})
  end)
end)

-- Random expressions, each as text and as a function from (text, place) to the set of places
-- where a match may end: a matcher that shares nothing with the one that is tested.
local LETTERS = {"a", "b", "é", "\n"}

local function expression(depth, seed, counter)
  counter.n = counter.n + 1
  local kind = pick(depth > 0 and 8 or 3, seed, counter.n)
  local function one_of(text, members)
    return text, function(subject, at)
      for _, letter in ipairs(members) do
        if subject:sub(at, at + #letter - 1) == letter then
          return {[at + #letter] = true}
        end
      end
      return {}
    end
  end
  if kind <= 2 then
    counter.n = counter.n + 1
    local letter = LETTERS[pick(3, seed, counter.n)]
    return one_of(letter, {letter})
  elseif kind == 3 then
    counter.n = counter.n + 1
    local forms = {{"[ab]", {"a", "b"}}, {"[^a]", {"b", "é", "\n"}}, {".", {"a", "b", "é"}}}
    local form = forms[pick(3, seed, counter.n)]
    return one_of(form[1], form[2])
  end
  local text, ends = expression(depth - 1, seed, counter)
  if kind <= 5 then
    local other_text, other_ends = expression(depth - 1, seed, counter)
    return text .. other_text, function(subject, at)
      local found = {}
      for place in pairs(ends(subject, at)) do
        for last in pairs(other_ends(subject, place)) do
          found[last] = true
        end
      end
      return found
    end
  elseif kind == 6 then
    local other_text, other_ends = expression(depth - 1, seed, counter)
    return "(" .. text .. "|" .. other_text .. ")", function(subject, at)
      local found = ends(subject, at)
      for place in pairs(other_ends(subject, at)) do
        found[place] = true
      end
      return found
    end
  end
  counter.n = counter.n + 1
  local forms = {{"*", 0, 20}, {"+", 1, 20}, {"?", 0, 1}, {"{2}", 2, 2}, {"{1,3}", 1, 3}}
  local form = forms[pick(5, seed, counter.n)]
  return "(" .. text .. ")" .. form[1], function(subject, at)
    local found, now = {}, {[at] = true}
    for count = 0, form[3] do
      if count >= form[2] then
        for place in pairs(now) do
          found[place] = true
        end
      end
      local after = {}
      for place in pairs(now) do
        for last in pairs(ends(subject, place)) do
          after[last] = true
        end
      end
      now = after
    end
    return found
  end
end

describe("random expressions", function()
  it("match what a plain matcher matches", function()
    local matched = 0
    for seed = 1, 250 do
      local text, ends = expression(4, seed, {n = 0})
      local constraint = constrain.regex(text)
      for sample = 1, 25 do
        local subject = ""
        for i = 1, pick(7, seed, 1000 * sample) - 1 do
          subject = subject .. LETTERS[pick(4, seed, 1000 * sample + i)]
        end
        local expected = ends(subject, 1)[#subject + 1] or false
        matched = matched + (expected and 1 or 0)
        assert.are.equal(expected, constraint:test(subject), text .. " on " .. subject)
      end
    end
    assert.is_true(matched > 300)
  end)

  it("generate what a plain matcher matches", function()
    for seed = 1, 60 do
      local text, ends = expression(4, seed, {n = 0})
      local made = constrained.bytes(constrain.regex(text), seed, "ab\195\169\n")
      if made and #made < 60 then
        assert.is_true(ends(made, 1)[#made + 1], text .. " on " .. made)
      end
    end
  end)
end)

describe("tokens under an expression", function()
  it("make texts that match", function()
    local sentence = constrain.regex [[[A-Z][a-z]{1,9}( [a-z]{1,9}){2,6}(, [a-zéü ]{1,20})?[.!?]"?]]
    local long, last = 0, nil
    for seed = 1, 60 do
      local text, ended = constrained.text(sentence, seed, {at_start = seed % 2 == 0})
      assert.is_true(ended)
      assert.is_true(sentence:test(text), text)
      assert.is_truthy(text:find "^%u%l+ [%l,é-ü ]+[.!?]\"?$", text)
      long = long + (#text > 20 and 1 or 0)
      assert.are_not.equal(last, text)
      last = text
    end
    assert.is_true(long > 30)
  end)

  it("are masked by the definition", function()
    for i, text in ipairs {
      [["([^"\\]|\\.){0,12}"]], "[a-z]+( [a-z]+)*", [[(é|ü|[ぁ-ゟ]){2}x]], ".{3}|.{7}", "a?b?c?",
      "(Once|There) (upon|was|were) .*",
    } do
      local constraint = constrain.regex(text)
      constrained.text(constraint, i, {tokens = 8, check = constrained.check_mask(constraint)})
    end
  end)

  it("may be the bytes of characters", function()
    local matcher = constrain.regex("[é-ü]x"):matcher(model)
    local function byte(value)
      return 3 + value
    end
    assert.are.equal("\195", model:piece(byte(0xC3)))
    assert.is_false(matcher:allows(byte(0xC2)))
    assert.is_true(matcher:accept(byte(0xC3)))
    assert.is_false(matcher:complete())
    assert.is_false(matcher:allows(byte(0xA8))) -- è
    assert.is_true(matcher:accept(byte(0xA9)))
    assert.is_true(matcher:accept(byte(("x"):byte())))
    assert.is_true(matcher:complete())
  end)
end)

describe("a choice", function()
  it("is one of its texts", function()
    local choice = constrain.choice {"girl", "boy", "dog", "dragon", "do", "", "chat"}
    for _, text in ipairs {"girl", "boy", "dog", "dragon", "do", "", "chat"} do
      assert.is_true(choice:test(text), text)
    end
    for _, text in ipairs {"g", "boys", "dr", "dogdog", "drago", "chat\0"} do
      assert.is_false(choice:test(text), text)
    end
    local seen = {}
    for seed = 1, 80 do
      local text = constrained.text(choice, seed, {temperature = 20})
      seen[text] = true
      assert.is_true(choice:test(text), text)
    end
    assert.is_true(seen.girl and seen.dragon and seen["do"])
    assert.is_true(constrain.choice({"\0\255", "x"}):test "\0\255")
  end)

  it("may be large", function()
    local texts = {}
    for i = 1, 3000 do
      texts[i] = core.hash("word" .. i)
    end
    local choice = constrain.choice(texts)
    assert.is_true(choice:test(texts[777]))
    assert.is_false(choice:test(texts[777]:sub(1, -2)))
    refuses("the grammar is too large", constrain.choice, {("x"):rep(300000)})
  end)

  it("is a list of strings", function()
    refuses("a list of strings expected, got a table", constrain.choice, {})
    refuses("a list of strings expected, got 'a'", constrain.choice, "a")
    refuses("a list of strings expected, got 5 at 2", constrain.choice, {"a", 5})
  end)
end)

describe("a prefix", function()
  it("is followed by anything", function()
    local prefix = constrain.prefix " th"
    assert.is_true(prefix:test " th")
    assert.is_true(prefix:test " the\n\255\0")
    assert.is_false(prefix:test " t")
    assert.is_true(constrain.prefix(""):test "")
    local matcher = prefix:matcher(model)
    assert.are.equal(" th", (matcher:forced()))
    for id = 0, model:vocab_size() - 1 do
      local piece = model:piece(id)
      local healed = piece:sub(1, 3) == (" th"):sub(1, #piece) and piece ~= ""
      assert.are.equal(healed and id > 2, matcher:allows(id), piece)
    end
    assert(matcher:accept_text " th")
    assert.is_true(matcher:allows(model:eos()))
    assert.is_true(matcher:allows(model:encode(" x", {start = false})[1]))
  end)
end)

describe("a constraint", function()
  it("is made once for a model", function()
    local constraint = constrain.regex "a+"
    assert.are.equal("constrain.regex('a+')", tostring(constraint))
    assert.are.equal(constraint:on(model), constraint:on(model))
    assert.are.equal("lull.matcher (not complete)", tostring(constraint:matcher(model)))
    local own = assert(core.load(helper.model_path))
    assert.are_not.equal(constraint:on(model), constraint:on(own))
    own:close()
    own = assert(core.load(helper.model_path, {tokenizer = false}))
    local grammar, message, code = constraint:on(own)
    assert.is_nil(grammar)
    assert.are.equal("the model has no tokenizer", message)
    assert.are.equal("ESTATE", code)
    assert.are.equal("ESTATE", select(3, constraint:matcher(own)))
    own:close()
  end)

  it("lets go of models", function()
    local constraint = constrain.regex "a+"
    local own = assert(core.load(helper.model_path))
    constraint:on(own)
    local watched = setmetatable({own}, {__mode = "v"})
    own = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert.is_nil(watched[1])
  end)

  it("tells when a test needs too much", function()
    local constraint = constrain.regex(("(a?){100}"):rep(40))
    assert.is_true(constraint:test(("a"):rep(1000)))
    local result, message, code = constrain.regex("((a?){5000}b?){5000}"):test "ab"
    assert.is_nil(result)
    assert.is_truthy(message:find("more than 65536 ways to go on", 1, true))
    assert.are.equal("ELIMIT", code)
  end)
end)

describe("garbage", function()
  it("is refused as an expression, or understood", function()
    local samples = {
      "(a|b)*c+[^x-z]{2,3}", "\\d{4}-\\d\\d", "[\\w.]+@[a-z]+\\.(com|org)", "^(?:é|[ぁ-ゟ])$",
      "\\u{1F600}\\x41.", "((a?)*b{3,}|c)+",
    }
    local understood = 0
    for seed = 1, 1500 do
      local text = constrained.garbage(samples, seed, "()[]{}|*+?\\^$.-,0a\0\128\255")
      local ok, result = pcall(constrain.regex, text, {bytes = seed % 3 == 0})
      if ok then
        understood = understood + 1
        result:test "abc"
      else
        assert.is_truthy(tostring(result):find("bad regex (", 1, true), tostring(result))
      end
    end
    assert.is_true(understood > 200 and understood < 1300)
  end)
end)
