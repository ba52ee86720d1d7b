-- A model's pieces, and sets of tokens chosen by them.
local helper = dofile "tests/spec/helper.lua"
local lull = require "lull"
local vocabulary = lull.vocabulary

describe("the vocabulary", function()
  local model = helper.model()

  it("is a table of pieces by id, made once", function()
    local pieces = assert(vocabulary.pieces(model))
    for id = 0, model:vocab_size() - 1 do
      assert.are.equal(model:piece(id), pieces[id])
    end
    assert.is_nil(pieces[model:vocab_size()])
    assert.are.equal(pieces, vocabulary.pieces(model))
  end)

  it("is forgotten with its model", function()
    local weak = setmetatable({}, {__mode = "v"})
    weak.pieces = vocabulary.pieces(assert(lull.load(helper.model_path)))
    for _ = 1, 4 do -- to finalize the model, to forget it, to free what belonged to it
      collectgarbage()
    end
    assert.is_nil(weak.pieces)
  end)

  it("gives the tokens a function chooses", function()
    local set = vocabulary.set(model, function(piece) return piece:find("^ ?%u%l*$") end)
    for id = 0, model:vocab_size() - 1 do
      local chosen = id > 2 and model:piece(id):find("^ ?%u%l*$") ~= nil
      assert.are.equal(chosen, set:has(id))
    end
    assert.are.equal(2, #vocabulary.set(model, function(_, id) return id == 5 or id == 9 end))
  end)

  it("leaves special tokens out unless told otherwise", function()
    local function all() return true end
    local n = model:vocab_size()
    local text, whole = vocabulary.set(model, all), vocabulary.set(model, all, {special = true})
    assert.are.equal(n, #whole)
    assert.is_false(text:has(model:bos()) or text:has(model:eos()) or text:has(0))
    assert.are.equal(n - 3, #text)
  end)

  it("finds the tokens that contain a text, taken literally", function()
    local set = vocabulary.containing(model, {"\n", ":", '"', "*"})
    for id = 3, model:vocab_size() - 1 do
      assert.are.equal(model:piece(id):find('[\n:"*]') ~= nil, set:has(id))
    end
    assert.are.equal(0, #vocabulary.containing(model, {}))
    assert.are.equal(0, #vocabulary.containing(model, {"%a"}))
  end)

  it("lets the function yield and raise", function()
    local yielding = coroutine.wrap(function()
      return vocabulary.set(model, function(_, id)
        if id == 100 then
          coroutine.yield("a hundred")
        end
        return id < 10
      end)
    end)
    assert.are.equal("a hundred", yielding())
    assert.are.equal(7, #yielding())
    local thrown = {}
    local ok, caught = pcall(vocabulary.set, model, function() error(thrown) end)
    assert.is_false(ok)
    assert.are.equal(thrown, caught)
  end)

  it("needs a model with a tokenizer, and names what is wrong", function()
    local bare = assert(lull.load(helper.model_path, {tokenizer = false}))
    for _, f in ipairs {vocabulary.pieces, vocabulary.set, vocabulary.containing} do
      local argument = f == vocabulary.containing and {"x"} or print
      local set, message, code = f(bare, argument)
      assert.is_nil(set)
      assert.is_truthy(message:find("without a tokenizer", 1, true))
      assert.are.equal("ESTATE", code)
      assert.has_error(function() f(12, argument) end)
    end
    local function message_of(...)
      return select(2, pcall(...))
    end
    assert.is_truthy(message_of(vocabulary.set, model):find("#2 to 'set' (a function", 1, true))
    assert.is_truthy(message_of(vocabulary.set, model, print, {specials = true}):find(
      "did you mean 'special'?", 1, true))
    for _, texts in ipairs {"x", {1}, {""}} do
      assert.is_truthy(message_of(vocabulary.containing, model, texts):find("a list of strings"))
    end
    local closed = assert(lull.load(helper.model_path))
    closed:close()
    assert.is_truthy(message_of(vocabulary.pieces, closed):find("closed model"))
  end)
end)
