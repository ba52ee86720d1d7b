-- Constraints in the loop: what is told obeys, and is drawn from exactly the masked distribution.
local helper = require "tests.spec.helper"
local lull = require "lull"
local chi_square = require "tests.spec.chi_square"
local constrain, sampling = lull.constrain, lull.sampling

local model = helper.model()

local function tell(prompt, given)
  return assert(model:generate(prompt, given))
end

describe("a constraint", function()
  it("is obeyed, whatever the sampler", function()
    local samplers = {
      {}, {temperature = 0}, {temperature = 2, top_k = 0, top_p = 1, min_p = 0},
      {mirostat = 2, mirostat_tau = 3}, {xtc_probability = 1},
      {sampler = function(logits, _, draw) return logits:top_k(5):sample(draw()) end},
    }
    local constraint = constrain.regex("( [a-m]+)+ and [0-9]{2,4}!")
    for seed = 1, 10 do
      for _, given in ipairs(samplers) do
        local options = {constraint = constraint, seed = seed, max_tokens = 80}
        for key, value in pairs(given) do
          options[key] = value
        end
        local text, facts = tell("Lily saw", options)
        if facts.finish_reason == "stop" then
          assert.is_true(constraint:test(text), text)
        else
          assert.is_truthy(text:find("^[ %l%d!]*$"), text)
        end
      end
    end
  end)

  it("ends the text where it can only end", function()
    local text, facts = tell("Tom has", {constraint = constrain.regex(" [0-9]{3} cats"), seed = 1})
    assert.is_truthy(text:find("^ %d%d%d cats$"), text)
    assert.are.equal("stop", facts.finish_reason)
  end)

  it("counts from the text that is told at the start of one", function()
    for seed = 1, 10 do
      local text = tell("", {constraint = constrain.regex("[A-Z][a-z]+ ate\\."), seed = seed})
      assert.is_truthy(text:find("^%u%l+ ate%.$"), text)
    end
  end)

  it("leaves exactly the masked distribution, drawn twice or not", function()
    local allowed = {" red", " big", " dog", " cat", " ball", " green", " house", " toy"}
    local constraint = constrain.choice(allowed)
    local prompt = "Tom had a"
    local context = assert(model:context {length = 32})
    local seq = assert(context:sequence())
    assert(seq:feed(prompt))
    assert(context:step())
    for name, sampler in pairs {
      plain = {sampling.sample()},
      chain = {sampling.top_k(60), sampling.temperature(1.5), sampling.sample()},
      narrow = {sampling.top_k(1), sampling.temperature(1.5), sampling.sample()},
    } do
      -- The reference: the chain's own values, masked; or, where they hold nothing allowed, the
      -- chain on masked logits.
      local matcher = assert(constraint:matcher(model))
      local logits = seq:logits():reset()
      for i = 1, #sampler - 1 do
        sampler[i]:apply(logits, seq)
      end
      matcher:mask(logits)
      if not logits:argmax() then
        matcher:mask(logits:reset())
        for i = 1, #sampler - 1 do
          sampler[i]:apply(logits, seq)
        end
      end
      local expected = {}
      for id, p in logits:candidates(100) do
        expected[id] = p
      end
      local counts, n = {}, 2000
      for seed = 1, n do
        local _, facts = tell(prompt, {
          constraint = constraint, sampler = sampling.chain(sampler), seed = seed,
          max_tokens = 1, logprobs = 0,
        })
        local id = facts.logprobs[1].id
        counts[id] = (counts[id] or 0) + 1
      end
      local fits, why = chi_square.fits(counts, expected, n)
      assert.is_true(fits, name .. ": " .. tostring(why))
    end
    context:close()
  end)

  it("and banned phrases go together", function()
    local constraint = constrain.regex("( (red|big|small|green|blue))+\\.")
    for seed = 1, 20 do
      local text = tell("Tom had balls:", {
        constraint = constraint, seed = seed, ban_phrases = {"red", "ue ", "n g"}, max_tokens = 30,
        temperature = 1.5,
      })
      assert.is_nil(text:find("red"))
      assert.is_nil(text:find("ue "))
      assert.is_nil(text:find("n g"))
      assert.is_truthy((text .. "."):find("^[%l ]+%.+$"), text)
    end
  end)

  it("and drafts go together", function()
    for seed = 1, 10 do
      local given = {constraint = constrain.regex("( [a-t]+){3,20}\\."), seed = seed,
        max_tokens = 40}
      local text = tell("The", given)
      for _, draft in ipairs {lull.decode.draft_model(model), lull.decode.draft_lookup()} do
        given.draft = draft
        assert.are.equal(text, tell("The", given))
      end
    end
  end)

  it("with nothing that is allowed fails by name", function()
    local text, message, code = model:generate("Tom", {
      constraint = constrain.regex(" dog"), allow_only = {" cat"},
    })
    assert.is_nil(text)
    assert.are.equal("EINVAL", code)
    assert.is_truthy(message:find("no token is allowed") or message:find("allows no token"),
      message)
  end)

  it("works on a sequence, which goes on after it", function()
    local context = assert(model:context {length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed("Tom is"))
    local age = assert(seq:generate {constraint = constrain.regex(" [3-9] years old"), seed = 1})
    assert.is_truthy(age:find("^ [3-9] years old$"))
    assert(seq:generate {seed = 1, max_tokens = 10})
    assert.is_truthy(seq:text():find("^Tom is [3-9] years old.+"))
    context:close()
  end)
end)

describe("token healing", function()
  it("begins the text anew within its last token", function()
    local prompt = "Once upon a ti"
    local healed = 0
    for seed = 1, 20 do
      local text, facts = tell(prompt, {heal = true, seed = seed, max_tokens = 12})
      assert.is_truthy((prompt .. text):find("^Once upon a ti%l+"), text)
      assert.is_true(facts.tokens > 0)
      healed = healed + (text:find("^me") and 1 or 0)
    end
    assert.is_true(healed >= 19, healed)
  end)

  it("tells what a whole prompt tells, mostly, and never its text again", function()
    for seed = 1, 10 do
      for _, prompt in ipairs {"Once upon a time", "Tom", "One day, L", "Lily"} do
        local text = tell(prompt, {heal = true, seed = seed, max_tokens = 20})
        local pieces = {}
        for piece in model:stream(prompt, {heal = true, seed = seed, max_tokens = 20}) do
          pieces[#pieces + 1] = piece
        end
        assert.are.equal(text, table.concat(pieces))
      end
    end
  end)

  it("excludes a constraint", function()
    assert.has_error(function()
      model:generate("a", {heal = true, constraint = constrain.regex("a")})
    end, "bad option 'constraint' to 'generate' ('heal' is given, which has its own)")
  end)
end)
