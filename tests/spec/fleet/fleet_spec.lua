-- What of a fleet needs no server: addresses, and jobs and results as text.
-- tests/faults/fleet.sh has the rest.
local helper = require "tests.spec.helper"
local address = require "lull.fleet.address"
local batch = require "lull.batch"
local fleet = require "lull.fleet"
local jobs = require "lull.fleet.jobs"
local json = require "lull.json"
local queue = require "lull.fleet.queue"
local records = require "lull.batch.records"

local model = helper.model()

local function anything()
  return setmetatable({}, {__index = function()
    return function() return function() end end
  end})
end

-- A record of a line, as a batch reads it.
local function record_of(line, run)
  run = run or {}
  run.strategies = anything()
  local record = records.read(line, 1, run)
  assert.is_nil(record.failure and record.failure.message)
  return record
end

describe("an address", function()
  it("is taken apart", function()
    for text, expected in pairs {
      ["redis://server"] = {"server", 6379, "0"},
      ["redis://server/"] = {"server", 6379, "0"},
      ["redis://10.0.0.2:1/15"] = {"10.0.0.2", 1, "15"},
      ["redis://:a%40b%3A@server:7"] = {"server", 7, "0", nil, "a@b:"},
      ["redis://ann:x:y@z@server"] = {"server", 6379, "0", "ann", "x:y@z"},
      ["redis://[::1]:7/2"] = {"::1", 7, "2"},
    } do
      local to = assert(address.parse(text))
      assert.are.same(expected, {to.host, to.port, to.database, to.user, to.password})
    end
  end)

  it("is shown without its password", function()
    assert.are.equal("redis://server:6379/3", address.parse("redis://a:b@server/3").shown)
    assert.are.equal("redis://[::1]:6379/0", address.parse("redis://:b@[::1]").shown)
  end)

  it("that is none is refused", function()
    for _, text in ipairs {
      "", "server", "http://server", "rediss://server", "redis://", "redis://:6379",
      "redis://server:0", "redis://server:65536", "redis://server:x", "redis://server/x",
      "redis://server/1/2", "redis://secret@server", "redis://::1", "redis://[x]",
    } do
      local to, message, code = address.parse(text)
      assert.is_nil(to, text)
      assert.are.equal("EINVAL", code)
      assert.is_string(message)
    end
  end)
end)

describe("a job", function()
  local LINES = {
    '{"id":"a","prompt":"One day"}',
    '{"id":7,"prompt":[1,2,3],"seed":"0xffffffffffffffff"}',
    '{"id":"v","template":"{{ a.b[0] }}","vars":{"a":{"b":[1.5,null,{}],"c":[]}},"seed":3}',
    '{"id":"p","prompt":"\\u0000\\"\\u00e9","params":{"temperature":0.30000000000000004,'
      .. '"stop":["x","y"],"logit_bias":{"17":-0.1},"dry_breakers":["."]}}',
    '{"id":"s","prompt":"Tom","params":{"strategy":"mine","ban_phrases":["a b"]}}',
    '{"custom_id":"c","body":{"messages":[{"role":"user","content":"Tom"}],"top_p":0.1}}',
    '{"custom_id":"t","url":"/v1/completions","body":{"prompt":"Tom","stop":"."}}',
  }

  it("is read as the record it was made from", function()
    for _, line in ipairs(LINES) do
      local record = record_of(line, {params = {max_tokens = 7}})
      local job = jobs.decode(jobs.encode(record, 5), anything())
      assert.is_nil(job.failure)
      assert.are.equal(record.key, job.key)
      assert.are.equal(record.seed or 5, job.seed)
      for _, name in ipairs {"prompt", "template", "vars", "messages", "params"} do
        assert.are.same(record[name], job[name])
      end
      record.given.sampler, job.given.sampler = nil, nil
      assert.are.same(record.given, job.given)
      assert.are.equal(json.encode(record.vars), json.encode(job.vars))
    end
  end)

  it("is the same text each time", function()
    for _, line in ipairs(LINES) do
      local text = jobs.encode(record_of(line), 5)
      assert.are.equal(text, jobs.encode(jobs.decode(text, anything()), 6))
    end
  end)

  it("is data: no Lua, no paths, no objects of the host", function()
    for _, line in ipairs {
      "", "{", "[]", "return 1", '{"id":"x"}', '{"id":"x","prompt":"y","code":"os.exit()"}',
      '{"id":"x","prompt":"y","params":{"sampler":"x"}}',
      '{"id":"x","prompt":"y","params":{"strategy":"../x"}}',
      '{"id":"x","prompt":"y","params":{"strategy":"x.lua"}}',
      '{"id":"x","prompt":"y","params":{"strategy":"a/b"}}',
      '{"id":"x","prompt":"y","params":{"strategy":""}}',
      '{"id":"x","prompt":"y","params":{"constraint":"x"}}',
    } do
      assert.are.equal("EINVAL", jobs.decode(line, anything()).failure.code, line)
    end
  end)

  it("with a strategy that is not there is none", function()
    local text = jobs.encode(record_of(LINES[5]), 5)
    assert.truthy(jobs.decode(text, {}).failure.message:find("no strategy 'mine'", 1, true))
  end)
end)

describe("a demand", function()
  local own = jobs.demand(model)

  it("is for the model, its length and its cache", function()
    local text = jobs.demand_text(own)
    assert.is_nil(jobs.misfit(text, own))
    assert.is_nil(jobs.misfit(text, jobs.demand(model, nil, "bf16")))
    assert.truthy(jobs.misfit(text, jobs.demand(model, 64)):find("a context of ", 1, true))
    assert.truthy(jobs.misfit(text, jobs.demand(model, nil, "f32")):find("bf16", 1, true))
    local other = {}
    for name, value in pairs(own) do
      other[name] = value
    end
    other.model = "0x0"
    assert.truthy(jobs.misfit(text, other):find(model:fingerprint(), 1, true))
    for _, bad in ipairs {"", "[]", "{}", '{"model":[]}'} do
      assert.is_string(jobs.misfit(bad, own))
    end
  end)

  it("is for a strategy, where one is named", function()
    local text = jobs.demand_text(own, "mine")
    assert.are.equal('the strategy "mine"', jobs.misfit(text, own))
    assert.is_string(jobs.misfit(text, own, {}))
    assert.is_nil(jobs.misfit(text, own, {mine = function() end}))
    assert.is_string(jobs.misfit(jobs.demand_text(own, "../mine"), own, anything()))
    assert.are_not.equal(queue.jobs_key(text), queue.jobs_key(jobs.demand_text(own)))
  end)
end)

describe("a result", function()
  local FACTS = {finish_reason = "length", prompt_tokens = 2, tokens = 3, logprob = -1 / 3,
    seed = "0xff"}

  it("says all that a line needs", function()
    local record = {}
    local text, facts = jobs.decode_result(jobs.encode_result({}, "a\0\255", FACTS), record)
    assert.are.equal("a\0\239\191\189", text)
    for name, value in pairs(FACTS) do
      assert.are.equal(value, facts[name])
    end
    assert.is_nil(record.failure)
  end)

  it("has the prompt that a template makes", function()
    local record = {template = "x", prompt = "y"}
    local text = jobs.encode_result(record, "t", FACTS)
    record.prompt = nil
    jobs.decode_result(text, record)
    assert.are.equal("y", record.prompt)
  end)

  it("may be a failure", function()
    local record = {}
    local text = jobs.encode_result({failure = {code = "ECONTEXT", message = "m"}})
    assert.is_false(jobs.decode_result(text, record))
    assert.are.same({code = "ECONTEXT", message = "m"}, record.failure)
  end)

  it("that is none is seen", function()
    for _, text in ipairs {"", "{}", "[]", "null", '{"text":"x"}', '{"error":"x"}',
        '{"text":1,"finish_reason":"stop","prompt_tokens":1,"tokens":1}',
        '{"text":"","finish_reason":"stop","prompt_tokens":1,"tokens":"1"}'} do
      assert.is_nil((jobs.decode_result(text, {})))
    end
  end)
end)

describe("a link", function()
  local paths = {package.path, package.cpath, package.loaded.redis, package.loaded.socket}

  after_each(function()
    package.path, package.cpath, package.loaded.redis, package.loaded.socket =
      paths[1], paths[2], paths[3], paths[4]
  end)

  it("says which package it misses", function()
    package.path, package.cpath = "./scripts/?.lua", "./?.so"
    package.loaded.redis, package.loaded.socket = nil, nil
    local link, message, code = fleet.connect "redis://localhost"
    assert.is_nil(link)
    assert.are.equal("EUNSUPPORTED", code)
    assert.truthy(message:find("apt-get install lua-socket", 1, true))
    package.loaded.socket = {}
    message = select(2, fleet.connect "redis://localhost")
    assert.truthy(message:find("apt-get install lua-redis", 1, true))
  end)

  it("is what a batch takes for a queue", function()
    assert.has_error(function()
      batch.run(model, {text = "", output = function() return true end, queue = "redis://x"})
    end, "bad option 'queue' to 'run' (what lull.fleet.connect returns expected, got 'redis://x')")
  end)
end)
