-- Waiting in a host's own way: the same texts, and the host goes on meanwhile.
local helper = require "tests.spec.helper"
local lull = require "lull"
local async, decode = lull.async, lull.decode

local model = helper.model()
local GIVEN = {seed = 5, max_tokens = 40, length = 128}

local function tell()
  return model:generate("Once upon a time", GIVEN)
end

local expected = assert(tell())

-- The i-th of several texts.
local function tale(i)
  return (assert(model:generate("Tom", {seed = i, max_tokens = 20, length = 64})))
end

-- A context that has enough to do for a step to be seen running.
local function busy_context()
  local context = assert(model:context {sequences = 2, length = 256, batch = 256})
  local ids = {}
  for i = 1, 250 do
    ids[i] = i
  end
  local seq = assert(context:sequence():feed(ids))
  return context, seq
end

describe("a coroutine that waits by yielding", function()
  it("tells what is told without, and others go on", function()
    local yields, text = 0, nil
    local thread = coroutine.create(function()
      async.use(async.by_yield())
      text = tell()
    end)
    repeat
      assert(coroutine.resume(thread))
      yields = yields + 1
    until coroutine.status(thread) == "dead"
    assert.are.equal(expected, text)
    assert.is_true(yields > 40)
  end)

  it("is one coroutine: others block as ever, and so does it again", function()
    local thread = coroutine.create(function()
      async.use(async.by_yield())
      local inner = coroutine.wrap(tell)()
      async.use(nil)
      return inner, tell()
    end)
    local ok, inner, again = coroutine.resume(thread)
    assert.is_true(ok)
    assert.are.equal("dead", coroutine.status(thread)) -- it never yielded
    assert.are.equal(expected, inner)
    assert.are.equal(expected, again)
  end)

  it("may be no coroutine at all", function()
    local looked, before = 0, coroutine.running()
    async.use(function(context)
      assert.are.equal(before, coroutine.running())
      looked = looked + 1
      local ready = context:poll() -- and comes back at once
      return ready
    end)
    local text = tell()
    async.use(nil)
    assert.are.equal(expected, text)
    assert.is_true(looked > 0)
  end)

  it("serves decode.run, and is overruled by its option", function()
    local context = assert(model:context {sequences = 4, length = 128})
    local texts, yields = nil, 0
    local thread = coroutine.create(function()
      async.use(async.by_yield())
      local tasks = {}
      for i = 1, 4 do
        tasks[i] = function()
          return model:generate("Tom", {context = context, seed = i, max_tokens = 20})
        end
      end
      texts = decode.run(tasks)
      local before = yields
      decode.run({tasks[1]}, {step = context.step})
      assert.are.equal(before, yields)
    end)
    repeat
      assert(coroutine.resume(thread))
      yields = yields + 1
    until coroutine.status(thread) == "dead"
    for i = 1, 4 do
      assert.are.equal(tale(i), texts[i][1])
    end
  end)

  it("cancels when it says so", function()
    local context, seq = busy_context()
    local step = async.step(function() return "cancel" end)
    local ok, message, code = step(context)
    if ok then -- it came too late
      seq:feed(1)
      ok, message, code = step(context)
    end
    assert.is_nil(ok)
    assert.are.equal("ECANCELED", code)
    assert.is_string(message)
    assert.are.equal(0, context:step())
    assert.are.equal(0, seq:pending())
    context:close()
  end)

  it("sees that the context was closed", function()
    local context = busy_context()
    local ok, _, code = async.step(function() context:close() end)(context)
    assert.is_nil(ok)
    assert.are.equal("ESTATE", code)
  end)

  it("gets what start refuses", function()
    local context = busy_context()
    local step = async.step(function()
      local ok, _, code = context:step()
      assert.is_nil(ok)
      assert.are.equal("ESTATE", code)
      ok, _, code = async.step(function() end)(context)
      assert.is_nil(ok)
      assert.are.equal("ESTATE", code)
    end)
    assert.are.equal(0, step(context))
    context:close()
  end)

  it("sleeps as it is told", function()
    local slept = {}
    local context = busy_context()
    local wait = async.by_sleep(function(amount) slept[#slept + 1] = amount end, 3)
    assert.are.equal(0, async.step(wait)(context))
    assert.is_true(#slept > 0)
    assert.are.equal(3, slept[1])
    assert.has_error(function() async.by_sleep() end)
    assert.has_error(function() async.use(3) end)
    context:close()
  end)
end)

describe("a job", function()
  it("goes on when it is polled, and ends with what it returned", function()
    local job = async.job(tell)
    assert.is_false(job.ended)
    local polls = 0
    while not job:poll() do
      polls = polls + 1
    end
    assert.is_true(polls >= 39) -- a token at a time
    assert.is_true(job:poll())
    assert.are.equal(2, job.result.n)
    assert.are.equal(expected, job.result[1])
    assert.are.equal(40, job.result[2].tokens)
    assert.is_nil(job:getfd())
    assert.is_false(job:dirty())
  end)

  it("takes arguments, and several steps a poll", function()
    local job = async.job(model.generate, model, "Once upon a time", GIVEN)
    local polls = 1
    while not job:poll(1) do
      polls = polls + 1
    end
    assert.is_true(polls < 20)
    assert.are.equal(expected, job.result[1])
    assert.are.equal(expected, (async.job(tell):finish()))
    assert.has_error(function() async.job() end)
    assert.has_error(function() job:poll(-1) end)
  end)

  it("streams", function()
    local pieces = {}
    local job = async.job(function()
      local next_piece = assert(model:stream("Once upon a time", GIVEN))
      local piece = next_piece()
      while piece do
        pieces[#pieces + 1] = piece
        piece = next_piece()
      end
    end)
    local seen = 0
    while not job:poll() do
      seen = math.max(seen, #pieces)
    end
    assert.are.equal(expected, table.concat(pieces))
    assert.is_true(seen > 10)
  end)

  it("that is one of several tells what it tells alone", function()
    local jobs, left = {}, 6
    for i = 1, left do
      jobs[i] = async.job(function() return (tale(i)) end)
    end
    while left > 0 do
      for i = 1, #jobs do
        if not jobs[i].ended and jobs[i]:poll() then
          left = left - 1
        end
      end
    end
    for i = 1, #jobs do
      assert.are.equal(tale(i), jobs[i].result[1])
    end
  end)

  it("goes on at the next poll after a yield of its own", function()
    local job = async.job(function()
      coroutine.yield("anything")
      coroutine.yield()
      return tell()
    end)
    assert.is_true(job:dirty())
    assert.is_nil(job:getfd())
    assert.is_false(job:poll())
    assert.are.equal(expected, (job:finish()))
  end)

  it("raises what is raised in it, where it is polled", function()
    local reason = {"a table"}
    local ok, raised = pcall(async.job, function() error(reason) end)
    assert.is_false(ok)
    assert.are.equal(reason, raised)
    local job = async.job(function()
      tell()
      error(reason)
    end)
    ok, raised = pcall(job.finish, job)
    assert.is_false(ok)
    assert.are.equal(reason, raised)
    assert.is_true(job:poll())
    assert.are.equal(0, job.result.n)
  end)

  it("is canceled", function()
    local job = async.job(tell)
    job:poll()
    assert.are.equal(job, job:cancel())
    local text, _, code = job:finish()
    assert.is_nil(text)
    assert.are.equal("ECANCELED", code)
    job = async.job(function() return coroutine.yield() end)
    assert.are.equal("cancel", (job:cancel():finish()))
  end)

  it("that is let go of is collected, steps and all", function()
    local context = assert(model:context {sequences = 1, length = 64})
    local jobs = setmetatable({}, {__mode = "k"})
    for _ = 1, 20 do
      jobs[async.job(tell)] = true
    end
    jobs[async.job(function()
      return model:generate("Tom", {context = context})
    end)] = true
    assert.are.equal(1, context:info().open_sequences)
    collectgarbage()
    collectgarbage()
    collectgarbage()
    assert.is_nil(next(jobs))
    if not context:poll() then
      context:wait()
    end
  end)

  it("is what the tutorial for embedding makes it", function()
    local code = helper.read("examples/embed/README.md"):match("\n```lua\n(.-)\n```")
    local game = setmetatable({}, {__index = _G})
    local source = code:gsub("lullaby.bin", helper.model_path)
    local chunk = assert((loadstring or load)("local _ENV = ...\n" .. source))
    if setfenv then -- luacheck: ignore 113
      setfenv(chunk, game) -- luacheck: ignore 113
    end
    chunk(game)
    assert.is_nil(game.tick())
    game.ask("Once upon a time")
    local text
    repeat
      text = game.tick()
    until text
    assert.is_true(#text > 100)
    assert.is_nil(game.tick())
  end)

  it("has a descriptor to watch", function()
    local found, socket = pcall(require, "socket")
    if not found then
      pending("LuaSocket is not installed for " .. _VERSION)
      return
    end
    local job = async.job(tell)
    local waited = 0
    while not job.ended do
      local ready = socket.select({job}, nil, 10)
      assert.are.equal(job, ready[1])
      waited = waited + 1
      job:poll()
    end
    assert.is_true(waited > 20)
    assert.are.equal(expected, job.result[1])
  end)
end)

describe("an event loop", function()
  it("of libuv keeps its timers", function()
    local found, uv = pcall(require, "luv")
    if not found then
      pending("luv is not installed for " .. _VERSION)
      return
    end
    for _, schedule in ipairs {false, function(f)
      local idle = uv.new_timer()
      idle:start(0, 0, function() idle:close() f() end)
    end} do
      local text, ticks = nil, 0
      local timer = uv.new_timer()
      coroutine.wrap(function()
        async.use(async.by_uv(uv, schedule or nil))
        for _ = 1, 5 do
          text = (tell())
        end
        timer:close()
      end)()
      assert.is_nil(text)
      timer:start(0, 1, function() ticks = ticks + 1 end)
      uv.run()
      assert.are.equal(expected, text)
      assert.is_true(ticks > 2)
    end
  end)

  it("of copas serves others meanwhile", function()
    local found, copas = pcall(require, "copas")
    if not found then
      pending("copas is not installed for " .. _VERSION)
      return
    end
    local texts, first, left = {}, {}, 3
    for i = 1, 3 do
      copas.addthread(function()
        async.use(async.by_copas(copas))
        local next_piece = assert(model:stream("Tom", {seed = i, max_tokens = 20, length = 64}))
        local piece = next_piece()
        first[#first + 1] = left -- how many texts were unfinished when this one began to be told
        texts[i] = ""
        while piece do
          texts[i] = texts[i] .. piece
          piece = next_piece()
        end
        left = left - 1
      end)
    end
    while left > 0 do
      copas.step(10)
    end
    assert.are.equal(3, first[2]) -- others began before anyone ended
    for i = 1, 3 do
      assert.are.equal(tale(i), texts[i])
    end
  end)
end)
