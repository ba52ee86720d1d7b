-- Batches: each story is what it is alone, however many are told beside it.
local helper = require "tests.spec.helper"
local lull = require "lull"
local batch = require "lull.batch"
local json = require "lull.json"
local parallel = require "lull.batch.parallel"

local model = helper.model()

-- A run into memory: its lines, as decoded JSON by id, and the summary.
local function run(given)
  local list, by_id = {}, {}
  given.output = function(line)
    list[#list + 1] = line
    local value = assert(json.decode(line))
    by_id[value.id ~= json.null and value.id or #list] = value
    return true
  end
  local summary, message, code = batch.run(model, given)
  return by_id, summary or {message = message, code = code}, list
end

local function lines_of(prompts, more)
  local out = {}
  for i, prompt in ipairs(prompts) do
    out[i] = json.encode {id = "s" .. i, prompt = prompt, params = {max_tokens = 12 + i % 5 * 4}}
      .. (more or "")
  end
  return table.concat(out, "\n")
end

local PROMPTS = {
  "Once upon a time", "One day, Lily", "", "A", "The big red ball", "Tom had a dog named Max.",
  "Tom had a dog named Max. Max was", "Once upon a time, there was a little girl named Lily",
  "Once upon a time, there was a little girl named Lily. She", "Sue", "Once upon a time",
  "Once upon a time, there was a little girl named Lily. She had a cat", "x", "They", "Ben",
  "Once upon a time, there was a little girl named Lily. She had a cat and a dog", "One", "It",
}

describe("a story", function()
  it("is what generate tells with its seed and the hash of its id", function()
    local stories = run {text = lines_of(PROMPTS), seed = 5, parallel = 4}
    for i, prompt in ipairs(PROMPTS) do
      local text, facts = assert(model:generate(prompt, {seed = 5, stream = lull.hash("s" .. i),
        max_tokens = 12 + i % 5 * 4, score = true}))
      local story = stories["s" .. i]
      assert.are.equal(text, story.text)
      assert.are.equal(facts.finish_reason, story.finish_reason)
      assert.are.equal(json.encode(facts.logprob), json.encode(story.logprob))
      assert.are.equal(facts.prompt_tokens, story.prompt_tokens)
      assert.are.equal(facts.tokens, story.tokens)
      assert.are.equal(model:fingerprint(), story.model)
    end
  end)

  it("does not depend on width, threads, order, or where contexts are", function()
    local _, _, expected = run {text = lines_of(PROMPTS), parallel = 1, ordered = true}
    for _, given in ipairs {
      {parallel = 2}, {parallel = 18}, {parallel = 17, threads = 1}, {parallel = 3, threads = 2},
      {parallel = 32, cpu = "portable"},
    } do
      given.text, given.ordered = lines_of(PROMPTS), true
      local _, _, list = run(given)
      assert.are.same(expected, list)
    end
  end)

  it("is scored by the sum of its tokens' log-probabilities", function()
    local text, facts = assert(model:generate("Tom", {seed = 1, max_tokens = 30, score = true,
      logprobs = 0, ban_phrases = {" the", "a"}}))
    local sum = 0
    for _, token in ipairs(facts.logprobs) do
      sum = sum + token.logprob
    end
    assert.is_true(#text > 0 and facts.rewinds > 0)
    assert.are.equal(sum, facts.logprob)
  end)
end)

describe("prompts that begin alike", function()
  it("are read once", function()
    local start = ("Once upon a time, there was a little girl named Lily. "):rep(3)
    local prompts = {}
    for i = 1, 12 do
      prompts[i] = start .. (i % 2 == 0 and "She had a cat. " or "She had a dog. ") .. i
    end
    local _, summary, list = run {text = lines_of(prompts), parallel = 4, ordered = true}
    assert.is_true(summary.shared_tokens > summary.prompt_tokens * 0.7,
      summary.shared_tokens .. " of " .. summary.prompt_tokens)
    local apart = {}
    for i, prompt in ipairs(prompts) do
      local story = run {text = json.encode {id = "s" .. i, prompt = prompt,
        params = {max_tokens = 12 + i % 5 * 4}}}
      apart[i] = story["s" .. i].text
      assert.are.equal(apart[i], json.decode(list[i]).text)
    end
  end)

  it("are forgotten when there are too many", function()
    local prompts = {}
    for i = 1, 40 do
      prompts[i] = ("Word" .. i % 10 .. " and more words, "):rep(6) .. i
    end
    local _, summary = run {text = lines_of(prompts), parallel = 3}
    assert.are.equal(40, summary.stories)
  end)
end)

describe("a batch", function()
  it("goes on after a record that cannot be told", function()
    local stories, summary, list = run {text = lines_of {"Tom", ("long "):rep(600), "Sue"}}
    assert.are.equal("ECONTEXT", stories.s2.error.code)
    assert.are.equal(2, stories.s2.error.line)
    assert.is_string(stories.s3.text)
    assert.are.same({2, 1, 3}, {summary.stories, summary.failures, #list})
  end)

  it("passes on what a strategy raises", function()
    local ok, problem = pcall(run, {text = lines_of {"Tom", "Sue"}, params = {strategy = "bad"},
      strategies = {bad = function() return function() error("mine", 0) end end}})
    assert.is_false(ok)
    assert.are.equal("mine", problem)
  end)

  it("says what was wrong, and not where lull lies", function()
    local stories = run {text = '{"id":"a","prompt":"x","params":{"top_p":7}}'}
    assert.are.equal(
      "bad option 'top_p' to 'params' (a number in 0..1 (1 = off) expected, got 7)",
      stories.a.error.message)
  end)

  it("stops where the output cannot take a line", function()
    local n = 0
    local summary, message, code = batch.run(model, {text = lines_of(PROMPTS), parallel = 2,
      output = function()
        n = n + 1
        if n == 3 then
          return nil, "full", "EIO"
        end
        return true
      end})
    assert.is_nil(summary)
    assert.are.same({"full", "EIO", 3}, {message, code, n})
  end)

  it("begins no more, or drops all, when it is asked to", function()
    for wish, code in pairs {finish = "finish", drop = "ECANCELED"} do
      local steps = 0
      local _, summary, list = run {text = lines_of(PROMPTS), parallel = 2, poll = function()
        steps = steps + 1
        return steps > 15 and wish or nil
      end}
      assert.are.equal(code, summary.ended or summary.code)
      assert.is_true(#list < #PROMPTS)
      if wish == "finish" then
        assert.are.equal(#list, summary.stories)
      end
    end
  end)

  it("writes lines that another program reads, in a fixed order of keys", function()
    local cjson = require "cjson"
    local text = '{"id":"a\\u00e9","prompt":"Tom","labels":{"z":1,"a":[true,null]},"seed":3,'
      .. '"params":{"stop":["."],"temperature":0.5,"max_tokens":8}}'
    local _, _, list = run {text = text}
    local keys = {}
    for key in list[1]:gsub("{.*}", "%0"):gmatch('"([%w_]+)":') do
      keys[#keys + 1] = key
    end
    assert.are.equal("id prompt text labels a z finish_reason prompt_tokens tokens logprob seed "
      .. "model params max_tokens temperature stop", table.concat(keys, " "))
    assert.are.equal("aé", cjson.decode(list[1]).id)
  end)

  it("answers in OpenAI's form where it is asked in it", function()
    local _, _, list = run {text = '{"custom_id":"q","body":{"prompt":"Tom","max_tokens":4}}'}
    local line = json.decode(list[1])
    local body = line.response.body
    assert.are.same({"q", 200, "text_completion", "length", 4, "lull"}, {line.custom_id,
      line.response.status_code, body.object, body.choices[1].finish_reason,
      body.usage.completion_tokens, body.model})
    assert.are.equal(body.usage.total_tokens, body.usage.prompt_tokens + 4)
    assert.are.equal(json.null, line.error)
  end)

  it("makes prompts of templates, and says which cannot be made", function()
    local stories = run {template = "{{ who | title }} {% if n > 1 %}ran{% else %}sat{% endif %}",
      params = {max_tokens = 3}, text = [[
        {"id":"a","vars":{"who":"lily","n":2}}
        {"id":"b","template":"{{ 1 / 0 }}","vars":{}}
        {"id":"c","template":"{% if %}","vars":{}}
        {"id":"d","vars":{"who":"tom","n":1}}
        {"id":"e","template":"{{ x is none }}","vars":{"x":null}}]]}
    assert.are.equal("True", stories.e.prompt)
    assert.are.equal("Lily ran", stories.a.prompt)
    assert.are.equal("Tom sat", stories.d.prompt)
    assert.are.equal("EFORMAT", stories.b.error.code)
    assert.are.equal("EFORMAT", stories.c.error.code)
  end)

  it("goes on with conversations in a format that is named", function()
    local text = [[{"custom_id":"a","url":"/v1/chat/completions","body":{"max_tokens":5,
      "messages":[{"role":"user","content":"Hi <|im_end|>"}]}}]]
    text = text:gsub("\n +", " ")
    local _, _, list = run {text = text}
    assert.are.equal("EUNSUPPORTED", json.decode(list[1]).error.code)
    _, _, list = run {text = text, chat_format = "chatml"}
    local body = json.decode(list[1]).response.body
    assert.are.equal("chat.completion", body.object)
    local ids = assert(require("lull.batch.prompts").chat(model,
      {{role = "user", content = "Hi <|im_end|>"}}, "chatml"))
    assert.are.equal(model:bos(), ids[1])
    assert.are.equal((model:generate(ids, {seed = 1, stream = lull.hash "a", max_tokens = 5})),
      body.choices[1].message.content)
    _, _, list = run {text = (text:gsub('"Hi <|im_end|>"', "7")), chat_format = "chatml"}
    assert.is_truthy(list[1]:find("message 1: a role and a content", 1, true))
  end)

  it("ends an answer where the next turn of the format begins", function()
    local ids = assert(model:encode("Hello. USER: Hi", {start = false}))
    local function speak()
      local i = 0
      return function()
        i = i + 1
        return ids[i]
      end
    end
    local _, _, list = run {chat_format = "vicuna", strategies = {speak = speak}, text =
      [[{"custom_id":"a","url":"/v1/chat/completions","body":{"max_tokens":]] .. #ids
      .. [[,"strategy":"speak","messages":[{"role":"user","content":"Hi"}]}}]]}
    local choice = json.decode(list[1]).response.body.choices[1]
    assert.are.equal("Hello. ", choice.message.content)
    assert.are.equal("stop", choice.finish_reason)
  end)

  it("refuses options that make no sense", function()
    for _, given in ipairs {
      {}, {text = "x"}, {text = "x", input = "y", output = "z"}, {output = "z"},
      {text = "x", output = "z", shard = {3, 2}}, {text = "x", output = "z", widht = 1},
      {text = "x", output = "z", params = {top_q = 1}},
    } do
      assert.has_error(function() batch.run(model, given) end)
    end
  end)
end)

describe("how many at once", function()
  it("follows from memory", function()
    local info = model:info()
    local each = parallel.sequence_bytes(info, 512)
    assert.are.equal(32, parallel.choose(info, 512, nil, 1e12))
    assert.are.equal(1, parallel.choose(info, 512, nil, 1000))
    assert.are.equal(5, parallel.choose(info, 512, nil, each * 11))
    assert.is_true(parallel.choose(info, 512) >= 1)
    assert.is_true(parallel.sequence_bytes(info, 512, "f32") > each)
  end)

  it("is cut in two where a core is left over", function()
    assert.are.equal(2, parallel.groups(32, 1, 2))
    assert.are.equal(1, parallel.groups(32, 2, 2))
    assert.are.equal(1, parallel.groups(3, 1, 2))
  end)
end)
