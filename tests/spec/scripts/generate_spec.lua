local helper = require "tests.spec.helper"
local lull = require "lull"
local sampling = lull.sampling

local model = helper.model()
local PROMPT = "Once upon a time"

-- All pieces of a stream, and its facts.
local function pieces_of(prompt, given)
  local next_piece, facts = assert(model:stream(prompt, given))
  local pieces = {}
  for piece in next_piece do
    pieces[#pieces + 1] = piece
  end
  return pieces, facts
end

-- A sampler that tells these ids and then ends the story.
local function scripted(ids)
  local i = 0
  return function()
    i = i + 1
    return ids[i] or model:bos()
  end
end

describe("generate and stream", function()
  it("agree for many seeds, and the seed decides", function()
    local seen, different = {}, 0
    for seed = 1, 12 do
      local given = {max_tokens = 60, seed = seed, temperature = 1}
      local text, facts = assert(model:generate(PROMPT, given))
      local pieces, stream_facts = pieces_of(PROMPT, given)
      assert.are.equal(text, table.concat(pieces))
      for _, key in ipairs {"tokens", "prompt_tokens", "finish_reason", "seed", "kernel"} do
        assert.are.equal(facts[key], stream_facts[key])
      end
      different = different + (seen[text] and 0 or 1)
      seen[text] = true
    end
    assert.are.equal(12, different)
  end)

  it("return the continuation without the prompt", function()
    local text, facts = assert(model:generate(PROMPT, {max_tokens = 8, seed = 1}))
    assert.is_nil(text:find(PROMPT, 1, true))
    assert.are.equal(8, facts.tokens)
    assert.are.equal(#assert(model:encode(PROMPT, {start = true})), facts.prompt_tokens)
  end)

  it("begin a text from an empty prompt, without a space in front", function()
    local text, facts = assert(model:generate("", {max_tokens = 20, seed = 1}))
    assert.are.equal(1, facts.prompt_tokens)
    assert.is_truthy(text:find("^%u"), text)
    assert.are.equal(text, table.concat((pieces_of("", {max_tokens = 20, seed = 1}))))
  end)

  it("take a list of ids as it is", function()
    local ids = assert(model:encode(PROMPT, {start = true}))
    local given = {max_tokens = 30, seed = 9}
    assert.are.equal(model:generate(PROMPT, given), (model:generate(ids, given)))
  end)

  it("equal the loop written by hand", function()
    local context = assert(model:context {length = 64})
    local seq = assert(context:sequence())
    assert(seq:feed(PROMPT))
    local start = #seq
    for _ = 1, 25 do
      assert(context:step())
      local logits = assert(seq:logits())
      logits:top_k(40):top_p(0.95):min_p(0.05):temperature(0.8)
      assert(seq:feed(logits:sample {seed = 11, stream = 0, position = #seq}))
    end
    local by_hand = model:decode(seq:tokens(start + 1, -1))
    assert.are.equal(by_hand, (model:generate(PROMPT, {max_tokens = 25, seed = 11})))
  end)
end)

describe("the end of a text", function()
  it("is 'length' after max_tokens", function()
    for _, n in ipairs {1, 2, 17} do
      local _, facts = assert(model:generate(PROMPT, {max_tokens = n, seed = 1}))
      assert.are.equal("length", facts.finish_reason)
      assert.are.equal(n, facts.tokens)
    end
  end)

  it("is at once for max_tokens = 0, which computes nothing", function()
    local text, facts = assert(model:generate(PROMPT, {max_tokens = 0, seed = 4}))
    assert.are.equal("", text)
    assert.are.equal("length", facts.finish_reason)
    assert.are.equal(0, facts.tokens)
    assert.are.equal(4, facts.seed)
    assert.is_nil(facts.kernel)
    assert.are.same({}, (pieces_of(PROMPT, {max_tokens = 0})))
  end)

  it("is 'stop' at BOS and at EOS, which are no part of it", function()
    for _, last in ipairs {model:bos(), model:eos()} do
      local ids = model:encode(" and then", {start = false})
      local n = #ids
      ids[n + 1] = last
      local text, facts = assert(model:generate(PROMPT, {sampler = scripted(ids)}))
      assert.are.equal("stop", facts.finish_reason)
      assert.are.equal(n, facts.tokens)
      assert.are.equal(model:decode(model:encode(" and then", {start = false})), text)
    end
  end)

  it("is 'context' when the context is full", function()
    local ids = model:encode(PROMPT, {start = true})
    for _, room in ipairs {0, 1, 5} do
      local text, facts = assert(model:generate(PROMPT, {
        length = #ids + room, max_tokens = 100, sampler = function() return 300 end,
      }))
      assert.are.equal("context", facts.finish_reason)
      assert.are.equal(room + 1, facts.tokens) -- the last is told and has no place
      assert.are.equal(model:piece(300):rep(room + 1), text)
    end
  end)

  it("reaches the model's own limit", function()
    local seq_len = model:info().seq_len
    local ids = {model:bos()}
    for i = 2, seq_len do
      ids[i] = 300
    end
    local _, facts = assert(model:generate(ids, {max_tokens = 10, sampler = function()
      return 301
    end}))
    assert.are.equal("context", facts.finish_reason)
    assert.are.equal(1, facts.tokens)
    ids[seq_len + 1] = 300
    local text, message, code = model:generate(ids, {max_tokens = 10})
    assert.is_nil(text)
    assert.are.equal("ECONTEXT", code)
    assert.is_truthy(message:find(tostring(seq_len), 1, true), message)
  end)

  it("stays the end", function()
    local next_piece = assert(model:stream(PROMPT, {max_tokens = 1, seed = 1}))
    assert.are.equal("string", type(next_piece()))
    assert.is_nil(next_piece())
    assert.is_nil(next_piece())
  end)
end)

describe("seeds", function()
  it("are drawn and reported, and tell the same story again", function()
    local text, facts = assert(model:generate(PROMPT, {max_tokens = 40}))
    assert.are.equal("number", type(facts.seed))
    assert.are.equal(text, (model:generate(PROMPT, {max_tokens = 40, seed = facts.seed})))
    local _, other = assert(model:generate(PROMPT, {max_tokens = 1}))
    assert.are_not.equal(facts.seed, other.seed)
  end)

  it("may be 0, 2^53 or 64 bits in hexadecimal", function()
    local seen = {}
    for _, seed in ipairs {0, 2 ^ 53, "0xffffffffffffffff"} do
      local text = assert(model:generate(PROMPT, {max_tokens = 40, seed = seed}))
      assert.is_nil(seen[text])
      seen[text] = true
    end
  end)

  it("tell another story in another stream", function()
    local a = assert(model:generate(PROMPT, {max_tokens = 40, seed = 1, stream = "a"}))
    local b = assert(model:generate(PROMPT, {max_tokens = 40, seed = 1, stream = "b"}))
    assert.are_not.equal(a, b)
    assert.are.equal(a, (model:generate(PROMPT, {max_tokens = 40, seed = 1, stream = "a"})))
  end)

  it("do not matter at temperature 0, which is greedy, which is argmax", function()
    local text = assert(model:generate(PROMPT, {max_tokens = 40, temperature = 0, seed = 1}))
    assert.are.equal(text, (model:generate(PROMPT, {max_tokens = 40, temperature = 0})))
    for _, sampler in ipairs {
      sampling.greedy(),
      {sampling.top_k(3), sampling.greedy()},
      function(logits) return logits:argmax() end,
    } do
      assert.are.equal(text, (model:generate(PROMPT, {max_tokens = 40, sampler = sampler})))
    end
  end)
end)

describe("how it is run", function()
  local reference = model:generate(PROMPT, {max_tokens = 40, seed = 2})

  it("does not change the story", function()
    for _, given in ipairs {{threads = 2}, {batch = 1}, {batch = 7}, {length = 64},
      {cpu = "portable"}} do
      given.max_tokens, given.seed = 40, 2
      assert.are.equal(reference, (model:generate(PROMPT, given)))
    end
  end)

  it("may be in a context of the caller's, whose place is given back", function()
    local context = assert(model:context {length = 128, sequences = 1})
    for _ = 1, 3 do
      local given = {context = context, max_tokens = 40, seed = 2}
      local text = assert(model:generate(PROMPT, given))
      assert.are.equal(reference, text)
      assert.are.equal(0, context:info().open_sequences)
    end
    local seq = assert(context:sequence())
    local text, _, code = model:generate(PROMPT, {context = context})
    assert.is_nil(text)
    assert.are.equal("ELIMIT", code)
    seq:close()
    _, _, code = model:generate(("the dog "):rep(100), {context = context})
    assert.are.equal("ECONTEXT", code)
    assert.are.equal(0, context:info().open_sequences)
    context:close()
  end)

  it("reports the facts", function()
    local given = {max_tokens = 40, seed = 2, cpu = "portable"}
    local _, facts = assert(model:generate(PROMPT, given))
    assert.are.equal("portable", facts.kernel)
    assert.are.equal(1, facts.threads)
    assert.is_true(facts.seconds >= facts.prompt_seconds and facts.prompt_seconds >= 0)
    assert.are.equal("top_k(40) -> top_p(0.95) -> min_p(0.05) -> temperature(0.8) -> sample",
      facts.sampler)
  end)

  it("ends with an account of it when it is cancelled", function()
    local context = assert(model:context {length = 128})
    local next_piece, facts = assert(model:stream(PROMPT, {context = context, seed = 2}))
    assert(next_piece())
    context:cancel()
    local piece, message, code
    repeat
      piece, message, code = next_piece()
    until not piece
    assert.are.equal("string", type(message))
    assert.are.equal("ECANCELED", code)
    assert.are.equal("error", facts.finish_reason)
    assert.are.equal("ECANCELED", facts.code)
    assert.are.equal(reference, (model:generate(PROMPT, {
      context = context, max_tokens = 40, seed = 2,
    })))
  end)
end)

describe("pieces", function()
  local function byte_tokens(text)
    local ids = {}
    local of = {}
    for id = 0, model:vocab_size() - 1 do
      local piece = model:piece(id)
      if #piece == 1 and not of[piece] then
        of[piece] = id
      end
    end
    for i = 1, #text do
      ids[i] = assert(of[text:sub(i, i)])
    end
    return ids
  end

  it("never split a character", function()
    local text = "caf\195\169 \230\151\165\230\156\172 \240\159\152\128!"
    local ids = byte_tokens(text)
    assert.are.equal(#text, #ids)
    local pieces = pieces_of(PROMPT, {sampler = scripted(ids)})
    for _, piece in ipairs(pieces) do
      assert.is_true(helper.is_utf8(piece))
      assert.is_true(#piece > 0)
    end
    assert.are.equal(text, table.concat(pieces))
    assert.are.equal(text, (model:generate(PROMPT, {sampler = scripted(ids)})))
  end)

  it("pass bytes that are no UTF-8, and an unfinished character at the end", function()
    for _, text in ipairs {"\255", "a\192\128b", "\237\160\128", "x\240\159\152", "\226",
      "\128\128", "\240\159a\152\128"} do
      local ids = byte_tokens(text)
      assert.are.equal(text, table.concat((pieces_of(PROMPT, {sampler = scripted(ids)}))))
      assert.are.equal(text, (model:generate(PROMPT, {sampler = scripted(ids)})))
    end
  end)

  it("hold back nothing that is whole", function()
    local ids = byte_tokens("abc")
    assert.are.same({"a", "b", "c"}, (pieces_of(PROMPT, {sampler = scripted(ids)})))
  end)
end)

describe("a sampler", function()
  it("sees the text so far and the logits of its next token", function()
    local lengths = {}
    local ids = model:encode(PROMPT, {start = true})
    assert(model:generate(PROMPT, {max_tokens = 3, sampler = function(logits, seq, draw)
      lengths[#lengths + 1] = #seq
      assert.are.equal(model:vocab_size(), logits:size())
      assert.are.equal(draw(), draw("select"))
      return logits:argmax()
    end}))
    assert.are.same({#ids, #ids + 1, #ids + 2}, lengths)
  end)

  it("is reset before and told of each token of the text", function()
    local told, resets = {}, 0
    local ids = model:encode(" one two", {start = false})
    local play = scripted(ids)
    local strategy = {
      name = "watcher",
      apply = function() return play() end,
      accept = function(_, id) told[#told + 1] = id end,
      reset = function() resets = resets + 1 end,
    }
    assert(model:generate(PROMPT, {sampler = strategy}))
    assert.are.same(ids, told)
    assert.are.equal(1, resets)
  end)

  it("that raises leaves model and iterator usable", function()
    local reference = model:generate(PROMPT, {max_tokens = 20, seed = 3})
    local chain = sampling.from {}
    local calls = 0
    local next_piece = assert(model:stream(PROMPT, {
      max_tokens = 20, seed = 3,
      sampler = function(logits, seq, draw)
        calls = calls + 1
        if calls % 3 == 0 then
          logits:top_k(1) -- what it did before is undone
          error({reason = "no mood"})
        end
        return chain:apply(logits, seq, draw)
      end,
    }))
    local text, failures = "", 0
    while true do
      local ok, piece = pcall(next_piece)
      if not ok then
        assert.are.equal("no mood", piece.reason)
        failures = failures + 1
      elseif piece then
        text = text .. piece
      else
        break
      end
    end
    assert.is_true(failures >= 9)
    assert.are.equal(reference, text)
    assert.has_error(function()
      model:generate(PROMPT, {sampler = function() error("stop") end})
    end)
    assert.are.equal(reference, (model:generate(PROMPT, {max_tokens = 20, seed = 3})))
  end)

  it("may yield", function()
    local reference = model:generate(PROMPT, {max_tokens = 12, seed = 3})
    local chain = sampling.from {}
    local function sampler(logits, seq, draw)
      coroutine.yield("thinking")
      return chain:apply(logits, seq, draw)
    end
    local given = {max_tokens = 12, seed = 3, sampler = sampler}
    local thread = coroutine.create(function()
      return "text", (model:generate(PROMPT, given))
    end)
    local yields = 0
    local _, kind, text = coroutine.resume(thread)
    while kind == "thinking" do
      yields = yields + 1
      _, kind, text = coroutine.resume(thread)
    end
    assert.are.equal("text", kind)
    assert.are.equal(12, yields)
    assert.are.equal(reference, text)
  end)

  it("dropped in the middle of a thought leaves the model usable", function()
    local thread = coroutine.create(function()
      model:generate(PROMPT, {sampler = function() coroutine.yield() end})
    end)
    assert(coroutine.resume(thread))
    thread = nil -- luacheck: ignore
    collectgarbage()
    collectgarbage()
    assert(model:generate(PROMPT, {max_tokens = 2}))
  end)

  it("may use the model and collect garbage meanwhile", function()
    local reference = model:generate(PROMPT, {max_tokens = 8, seed = 3})
    local chain = sampling.from {}
    local text = assert(model:generate(PROMPT, {max_tokens = 8, seed = 3,
      sampler = function(logits, seq, draw)
        assert(model:generate("Tom", {max_tokens = 2}))
        collectgarbage()
        return chain:apply(logits, seq, draw)
      end}))
    assert.are.equal(reference, text)
  end)

  it("must choose a token of the vocabulary", function()
    for _, choice in ipairs {-1, model:vocab_size(), 1.5, 0 / 0, "300", {}, true, 1e300} do
      local ok, message = pcall(model.generate, model, PROMPT, {sampler = function()
        return choice
      end})
      assert.is_false(ok)
      assert.is_truthy(message:find("the sampler chose", 1, true), message)
    end
    assert.has_error(function() model:generate(PROMPT, {sampler = function() end}) end)
    local mute = {name = "mute", apply = function() end}
    local _, message = pcall(model.generate, model, PROMPT, {sampler = mute})
    assert.are.equal("the sampler chose no token: mute returned nil", message)
  end)

  it("can give up with a message and a code", function()
    local text, message, code = model:generate(PROMPT, {sampler = function()
      return nil, "nothing fits", "EINVAL"
    end})
    assert.is_nil(text)
    assert.are.equal("nothing fits", message)
    assert.are.equal("EINVAL", code)
  end)

  it("may be a list of strategies", function()
    assert.are.equal(
      model:generate(PROMPT, {max_tokens = 20, temperature = 0.8, seed = 5}),
      (model:generate(PROMPT, {max_tokens = 20, seed = 5, sampler = {
        sampling.top_k(40), sampling.top_p(0.95), sampling.min_p(0.05),
        sampling.temperature(0.8), sampling.sample(),
      }})))
  end)
end)

describe("mistakes", function()
  local wrong = {
    {{temprature = 1}, "did you mean 'temperature'?"},
    {{max_tokens = -1}, "max_tokens"}, {{max_tokens = 1.5}, "max_tokens"},
    {{max_tokens = 0 / 0}, "max_tokens"}, {{max_tokens = "9"}, "max_tokens"},
    {{temperature = -1}, "temperature"}, {{temperature = 0 / 0}, "temperature"},
    {{temperature = 1 / 0}, "temperature"}, {{temperature = 1e-45}, "temperature"},
    {{top_k = -1}, "top_k"}, {{top_k = 1.5}, "top_k"},
    {{top_p = 2}, "top_p"}, {{top_p = 0 / 0}, "top_p"}, {{min_p = -0.5}, "min_p"},
    {{seed = -1}, "seed"}, {{seed = 1.5}, "seed"}, {{seed = 2 ^ 54}, "seed"},
    {{seed = "lucky"}, "seed"}, {{stream = {}}, "stream"},
    {{sampler = 5}, "sampler"}, {{sampler = {}}, "strategy"},
    {{sampler = {sampling.top_k(4)}}, "chooses no token"},
    {{sampler = sampling.greedy(), temperature = 1}, "temperature"},
    {{context = 5}, "context"}, {{context = io.stdout}, "a context expected"},
    {{threads = 257}, "threads"}, {{threads = -1}, "threads"},
    {{kv = "f16"}, "kv"}, {{length = 0}, "length"}, {{length = 100000}, "length"},
    {{batch = 0}, "batch"}, {{cpu = 5}, "cpu"},
  }
  for i, case in ipairs(wrong) do
    it("raise: " .. i .. " (" .. case[2] .. ")", function()
      for _, verb in ipairs {"generate", "stream"} do
        local line = debug.getinfo(1, "l").currentline + 2
        local ok, message = pcall(function()
          local result = model[verb](model, PROMPT, case[1])
          return result
        end)
        assert.is_false(ok)
        assert.is_truthy(message:find(case[2], 1, true), message)
        assert.is_truthy(message:find("generate_spec.lua:" .. line .. ":", 1, true), message)
      end
    end)
  end

  it("raise for a context of another model", function()
    local other = assert(lull.load(helper.model_path, {cache = false}))
    local context = assert(other:context {length = 16})
    local ok, message = pcall(model.generate, model, PROMPT, {context = context})
    assert.is_false(ok)
    assert.is_truthy(message:find("another model", 1, true), message)
    context:close()
    other:close()
  end)

  it("raise for prompts that are none", function()
    local line = debug.getinfo(1, "l").currentline + 2
    local _, message = pcall(function()
      local result = model:generate({1, "300"})
      return result
    end)
    assert.is_truthy(message:find("generate_spec.lua:" .. line .. ": bad argument #1 to "
      .. "'generate' (token 2: an integer in 0..2047 expected, got '300')", 1, true), message)
    for _, prompt in ipairs {5, true, {}, print, model} do
      assert.has_error(function() model:generate(prompt) end)
      assert.has_error(function() model:stream(prompt) end)
    end
    assert.has_error(function() model:generate() end)
    assert.has_error(function() model:generate({1, -1}) end)
    assert.has_error(function() model:generate({1, model:vocab_size()}) end)
    assert.has_error(function() model.generate(PROMPT) end)
    assert.has_error(function() model:generate(PROMPT, 7) end)
  end)

  it("name the kernels when there is none of that name", function()
    local ok, message = pcall(model.generate, model, PROMPT, {cpu = "abacus"})
    local text = tostring(message)
    if ok then
      text = tostring(select(2, model:generate(PROMPT, {cpu = "abacus"})))
    end
    assert.is_truthy(text:find("portable", 1, true), text)
  end)

  it("raise for a closed model", function()
    local other = assert(lull.load(helper.model_path, {cache = false}))
    other:close()
    local ok, message = pcall(other.generate, other, PROMPT)
    assert.is_false(ok)
    assert.is_truthy(message:find("closed model", 1, true), message)
  end)

  it("of the world come back: no tokenizer", function()
    local mute = assert(lull.load(helper.model_path, {tokenizer = false}))
    local text, message, code = mute:generate(PROMPT)
    assert.is_nil(text)
    assert.are.equal("ESTATE", code)
    assert.are.equal("string", type(message))
    local next_piece
    next_piece, message, code = mute:stream(PROMPT)
    assert.is_nil(next_piece)
    assert.are.equal("ESTATE", code)
    assert.are.equal("string", type(message))
    text, message, code = mute:generate({1, 300}, {max_tokens = 2})
    assert.is_nil(text)
    assert.are.equal("ESTATE", code)
    assert.are.equal("string", type(message))
  end)
end)

describe("the collector", function()
  it("running after every instruction changes nothing", function()
    local given = {max_tokens = 5, seed = 6}
    local expected = model:generate(PROMPT, given)
    collectgarbage()
    debug.sethook(function() collectgarbage("step", 1000) end, "", 1)
    local ok, text = pcall(model.generate, model, PROMPT, given)
    debug.sethook()
    assert.is_true(ok, text)
    assert.are.equal(expected, text)
  end)
end)

describe("a loop that is left", function()
  it("gives its memory back", function()
    for _ = 1, 50 do
      local next_piece = assert(model:stream(PROMPT, {seed = 1}))
      assert(next_piece())
    end
    collectgarbage()
    collectgarbage()
    assert.is_true(collectgarbage("count") < 50000)
    assert(model:generate(PROMPT, {max_tokens = 2}))
  end)
end)

describe("the package", function()
  it("leaves the host alone", function()
    local command = (os.getenv("LUA") or "lua5.1") .. [[ -e '
      local path, cpath, locale = package.path, package.cpath, os.setlocale()
      setmetatable(_G, {__newindex = function(_, name) error("global " .. name) end})
      local before = {}
      for name in pairs(string) do before[name] = string[name] end
      local lull = require "lull"
      assert(assert(lull.load("examples/models/lullaby.bin")):generate("Tom", {max_tokens = 3}))
      assert(package.path == path and package.cpath == cpath and os.setlocale() == locale)
      for name in pairs(string) do assert(before[name] == string[name]) end
      assert(2 ^ -1022 / 2 ~= 0)
      assert(lull._VERSION == "lull " .. lull.version)
      io.write("fine")' ]]
    local code, out, err = helper.shell("LUA_PATH='./scripts/?.lua;./scripts/?/init.lua;;' "
      .. "LUA_CPATH='" .. helper.build .. "/?.so;;' " .. command)
    assert.are.equal("", err)
    assert.are.equal("fine", out)
    assert.are.equal(0, code)
  end)

  it("chooses kernels by LULL_CPU where no option does", function()
    local script = [[ -e '
      local lull = require "lull"
      local model = assert(lull.load("examples/models/lullaby.bin"))
      local _, facts = assert(model:generate("Tom", {max_tokens = 1}))
      io.write(facts.kernel, " ", assert(model:context{length = 8}):info().kernel)' ]]
    local code, out = helper.shell("LULL_CPU=portable LUA_PATH='./scripts/?.lua;"
      .. "./scripts/?/init.lua;;' LUA_CPATH='" .. helper.build .. "/?.so;;' "
      .. (os.getenv("LUA") or "lua5.1") .. script)
    assert.are.equal(0, code)
    assert.are.equal("portable portable", out)
  end)
end)
