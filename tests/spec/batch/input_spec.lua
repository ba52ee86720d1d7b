-- What batches are told from: lines, rows, records, recipes.
dofile "tests/spec/helper.lua"
local csv = require "lull.batch.csv"
local json = require "lull.json"
local lines = require "lull.batch.lines"
local recipes = require "lull.batch.recipes"
local records = require "lull.batch.records"

local function all_lines(reader)
  local found = {}
  local line = reader:next()
  while line ~= nil do
    found[#found + 1] = line
    line = reader:next()
  end
  return found
end

describe("lines", function()
  it("end in LF, CR LF or not at all", function()
    assert.are.same({"a", "", "b", "c"}, all_lines(lines.text "a\r\n\nb\nc"))
    assert.are.same({"a"}, all_lines(lines.text "a\n"))
    assert.are.same({}, all_lines(lines.text ""))
    assert.are.same({"\0x"}, all_lines(lines.text "\239\187\191\0x"))
  end)

  it("may be cut anywhere by blocks", function()
    for length = 65530, 65540 do
      local first = ("x"):rep(length)
      assert.are.same({first, "y"}, all_lines(lines.text(first .. "\r\ny")))
    end
  end)

  it("that are too long are passed over", function()
    assert.are.same({"a", false, "b"}, all_lines(lines.text("a\n" .. ("x"):rep(2 ^ 24 + 1)
      .. "\nb")))
    assert.are.same({"a", false}, all_lines(lines.text("a\n" .. ("x"):rep(2 ^ 24 + 1))))
  end)

  it("hash to what they hold, again and again", function()
    local reader = lines.text "a\nb"
    all_lines(reader)
    local hash = reader.hash
    reader:rewind()
    all_lines(reader)
    assert.are.equal(hash, reader.hash)
    local other = lines.text "a\nc"
    all_lines(other)
    assert.are_not.equal(hash, other.hash)
  end)
end)

describe("rows", function()
  local function rows(text, separator)
    local source, found = csv.rows(lines.text(text), separator), {}
    local row, problem = source:next()
    while row ~= nil do
      found[#found + 1] = row or problem
      row, problem = source:next()
    end
    return found
  end

  it("are tables of their columns", function()
    assert.are.same({{a = "1", b = ""}, {a = "x, y", b = 'he said "no"\nand left'}},
      rows('a,b\n1,\n"x, y","he said ""no""\nand left"\n'))
    assert.are.same({{a = "1,5", b = "2"}}, rows("a;b\n1,5;2", ";"))
    assert.are.same({{["a"] = "a\r"}}, rows('a\n"a\r"'))
  end)

  it("say what is wrong with them", function()
    assert.are.same({"1 values, and there are 2 columns", {a = "3", b = "4"},
      "text after a closing quote", "a quote that is not closed"},
      rows('a,b\n1\n3,4\n"5"x,6\n"7,8'))
  end)
end)

-- Of a text whose lines go on where they are indented.
local function records_of(text, run)
  text = text:gsub("\n +", " ")
  local source, found = records.json_lines(lines.text(text), run or {}), {}
  local record = source()
  while record do
    found[#found + 1] = record
    record = source()
  end
  return found
end

describe("a record", function()
  it("takes from the run what it does not say", function()
    local record = records_of('{"id":7,"vars":{"a":1},"params":{"top_k":3}}',
      {template = "{{ a }}", params = {top_k = 9, min_p = 0.1}})[1]
    assert.are.equal("7", record.key)
    assert.are.equal("{{ a }}", record.template)
    assert.are.same({top_k = 3, min_p = 0.1, max_tokens = 256}, record.params)
  end)

  it("in OpenAI's form means the same", function()
    local record = records_of([[{"custom_id":"a","method":"POST","url":"/v1/completions","body":
      {"model":"m","prompt":"x","max_completion_tokens":5,"stream":false,"user":"u","seed":3,
      "temperature":null,"top_p":0.5}}]])[1]
    assert.is_nil(record.failure)
    assert.are.same({"openai", "x", 3, "m"},
      {record.form, record.prompt, record.seed, record.model})
    assert.are.same({max_tokens = 5, top_p = 0.5}, record.params)
  end)

  it("may be a conversation", function()
    local record = records_of([[{"custom_id":"a","url":"/v1/chat/completions","body":{"messages":
      [{"role":"user","content":"x"}]}}]])[1]
    assert.is_nil(record.failure)
    assert.is_true(record.chat)
    assert.is_truthy(records_of([[{"custom_id":"a","url":"/v1/completions","body":{"messages":
      [{"role":"user","content":"x"}]}}]])[1].failure)
  end)

  it("names strategies and never carries them", function()
    local text = '{"id":1,"prompt":"x","params":{"strategy":"mine"}}'
    assert.is_truthy(records_of(text)[1].failure.message:find("no strategy 'mine'", 1, true))
    local made = 0
    local record = records_of(text, {strategies = {mine = function()
      made = made + 1
      return function() return 5 end
    end}})[1]
    assert.is_nil(record.failure)
    assert.are.equal(1, made)
    assert.are.equal("function", type(record.given.sampler))
  end)
end)

describe("a recipe", function()
  it("keeps every word it draws, and draws the same by the same id", function()
    for _, name in ipairs(recipes.NAMES) do
      for _, form in ipairs {"opening", "request"} do
        local recipe = assert(recipes.new(name, form))
        local different = {}
        for i = 1, 30 do
          local labels, prompt = recipe:draw("s" .. i, 1)
          local again, same = recipe:draw("s" .. i, 1)
          assert.are.equal(json.encode(labels), json.encode(again))
          assert.are.equal(prompt, same)
          assert.is_nil(prompt:find("{{", 1, true))
          for _, pair in ipairs(labels) do
            if type(pair[2]) == "string" and pair[1] ~= "form" then
              assert.is_truthy(prompt:find(pair[2], 1, true), prompt .. ": " .. pair[1])
            elseif type(pair[2]) == "table" then
              assert.is_truthy(prompt:find(table.concat(pair[2], ", "), 1, true))
            end
          end
          different[prompt] = true
        end
        local n = 0
        for _ in pairs(different) do n = n + 1 end
        assert.is_true(n > 20, name .. " " .. form .. ": " .. n)
        assert.are_not.equal(select(2, recipe:draw("s1", 1)), select(2, recipe:draw("s1", 2)))
      end
    end
  end)

  it("has words by the hundred, each once", function()
    local total = 0
    for _, name in ipairs(recipes.NAMES) do
      for _, slot in ipairs(require("lull.recipes." .. name).slots) do
        local words = assert(recipes.new {name = "x", slots = {slot}, form = "f",
          forms = {f = slot.name}}).slots[1].words
        local seen = {}
        for _, word in ipairs(words) do
          assert.is_nil(seen[word], slot.name .. ": " .. word)
          seen[word] = true
        end
        total = total + #words
      end
    end
    assert.is_true(total > 800, total)
  end)

  it("is data that is checked", function()
    local form = {f = "{{ a_x }} and {{ x }}"}
    local recipe = assert(recipes.new {name = "n", slots = {{name = "x", words = "owl"}},
      form = "f", forms = form})
    assert.are.equal("an owl and owl", select(2, recipe:draw("1", 1)))
    recipe.slots[1].words = {"useful unicorn"}
    assert.is_truthy(select(2, recipe:draw("1", 1)):find("^a useful"))
    for _, bad in ipairs {
      {}, {name = "n"}, {name = "n", slots = {{}}, forms = form, form = "f"},
      {name = "n", slots = {{name = "x", words = {}}}, forms = form, form = "f"},
      {name = "n", slots = {{name = "x", words = "a"}}, forms = form, form = "g"},
      {name = "n", slots = {{name = "x y", words = "a"}}, forms = form, form = "f"},
      {name = "n", slots = {}, forms = {f = 1}, form = "f"},
    } do
      local made, message, code = recipes.new(bad)
      assert.is_nil(made)
      assert.are.equal("EFORMAT", code)
      assert.is_truthy(message:find("^recipe: "))
    end
  end)
end)
