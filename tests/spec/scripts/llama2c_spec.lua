-- The texts of llama2.c's run.c, token for token. tests/expected/llama2c.sh made them.
local helper = require "tests.spec.helper"
local lull = require "lull"

local unpack = unpack or table.unpack -- luacheck: compat
local STEPS = 256 -- run -n counts positions, the prompt's included

-- A list of {temperature, top_p, seed, prompt, text}.
local function read_cases(path)
  local cases = {}
  for line in helper.read(path):gmatch("([^\n]*)\n") do
    local t, p, s, prompt = line:match("^== (%S+) (%S+) (%d+) (.*)$")
    if t then
      cases[#cases + 1] = {tonumber(t), tonumber(p), tonumber(s), prompt, ""}
    else
      cases[#cases][5] = cases[#cases][5] .. line .. "\n"
    end
  end
  return cases
end

local function tell(model, case)
  local prompt_tokens = #assert(model:encode(case[4], {start = true}))
  local text = assert(model:generate(case[4], {
    max_tokens = STEPS - prompt_tokens + 1, kv = "f32",
    sampler = lull.sampling.llama2c {temperature = case[1], top_p = case[2], seed = case[3]},
  }))
  return case[4] .. text .. "\n"
end

-- Where a coin falls so close to the border between two tokens that the last bit of a sum
-- decides, and run.c's order of summation decides otherwise: the bytes that agree before it.
--   lullaby-f32: coin 0.989606261, border 0.989606142 (one step of float32 is 0.00000006)
local TIES = {["lullaby-f32 1 1 6"] = 421}

local function compare(name, model_file, tokenizer_file)
  local path = helper.shared(model_file)
  describe("llama2.c's text by " .. name, function()
    if not path then
      pending(model_file .. " is not beside this checkout")
      return
    end
    local model = assert(lull.load(path, {
      precision = "f32", tokenizer = helper.shared(tokenizer_file),
    }))
    for _, case in ipairs(read_cases("tests/expected/" .. name .. ".txt")) do
      local tie = TIES[("%s %g %g %g"):format(name, unpack(case, 1, 3))]
      it(("-t %g -p %g -s %g -i '%s'"):format(unpack(case, 1, 4)), function()
        local text = tell(model, case)
        if tie and text ~= case[5] then
          assert.are.equal(case[5]:sub(1, tie), text:sub(1, tie))
        else
          assert.are.equal(case[5], text)
        end
      end)
    end
  end)
end

compare("stories260K", "stories260K.bin", "tok512.bin")
compare("lullaby-f32", "lullaby/lullaby-f32.bin", "lullaby/tokenizer.bin")

describe("the llama2c sampler", function()
  local model = helper.model()

  it("tells the same again, and as its clone does", function()
    local sampler = lull.sampling.llama2c {temperature = 1, top_p = 0.9, seed = 5}
    local given = {max_tokens = 30, sampler = sampler}
    local text = assert(model:generate("Tom", given))
    assert.are.equal(text, (model:generate("Tom", given)))
    given.sampler = lull.sampling.clone(sampler)
    assert.are.equal(text, (model:generate("Tom", given)))
    assert.are.equal("llama2c(1, 0.9, 5)", tostring(sampler))
  end)

  it("draws from a state that a clone shares no more", function()
    local context = assert(model:context {length = 8})
    local seq = assert(context:sequence())
    assert(seq:feed("Tom"))
    assert(context:step())
    local function draws(strategy, n)
      local ids = {}
      for i = 1, n do
        ids[i] = strategy:apply(seq:logits():reset(), seq)
      end
      return table.concat(ids, " ")
    end
    local sampler = lull.sampling.llama2c {temperature = 2, top_p = 1, seed = 5}
    draws(sampler, 3)
    local copy = sampler:clone()
    assert.are.equal(draws(sampler, 20), draws(copy, 20))
    sampler:reset()
    assert.are_not.equal(draws(sampler, 20), draws(copy, 20))
  end)

  it("goes on past EOS, as run.c does", function()
    local sampler = lull.sampling.llama2c {temperature = 0}
    local n = 0
    sampler.apply = function()
      n = n + 1
      return n == 2 and model:eos() or n == 4 and model:bos() or 300
    end
    local _, facts = assert(model:generate("Tom", {sampler = sampler}))
    assert.are.equal(3, facts.tokens)
    assert.are.equal("stop", facts.finish_reason)
  end)

  it("refuses what run.c has no meaning for", function()
    for _, given in ipairs {{seed = 0}, {seed = -1}, {seed = 1.5}, {temperature = -1},
      {top_p = 2}, {tempreature = 1}, {temperature = 0 / 0}} do
      assert.has_error(function() lull.sampling.llama2c(given) end)
    end
  end)
end)
