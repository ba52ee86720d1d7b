-- The boundary: every function, every argument, every wrong type; foreign objects; deep stacks.
local core = require "lull.core"
local common = dofile "tests/spec/core/common.lua"
local raises = common.raises
local unpack = unpack or table.unpack -- luacheck: ignore

local model = common.tiny_model()
local context = model:context {sequences = 8}
local seq = context:sequence():feed({1, 2, 3, 4})
context:step()
local function view()
  return seq:logits():reset()
end

-- What may stand at an argument: the type names that are right, a valid value, and for integers
-- the range. "absent" = the argument may be missing or nil.
local function text() return {"x", "string"} end
local function path() return {"no/such/file", "string"} end
local function integer(low, high, value) return {value or low, low = low, high = high} end
local function index() return integer(-2147483647, 2147483647, 1) end
local function number() return {0.5, "number"} end
local function options() return {{}, "table", "absent"} end
local function other() return {view():clone(), "lull.logits"} end
local function ids() return {{1, 2}, "table", low = 0, high = 299} end
local function tokens() return {{1, 2}, "table", "lull.token_set", low = 0, high = 299} end
local function set() return {core.token_set(300, {7}), "lull.token_set"} end
local function maybe(arg)
  arg[#arg + 1] = "absent"
  return arg
end
local SEED = {3, "string", low = 0, high = 2 ^ 53}
local PROGRAM = {rules = {{{1}}}, sets = {("\255"):rep(32)}}
local grammar = assert(core.grammar(model, PROGRAM))

-- Every function of the module and every method, with its arguments.
local FUNCTIONS = {
  load = {path(), options()},
  inspect = {path(), options()},
  quantize = {path(), {"no/such/output", "string"}, options()},
  cpus = {}, clock = {}, read_bandwidth = {integer(1, 2 ^ 40), options()},
  rng = {{{seed = 1}, "table"}},
  random = {SEED, SEED, integer(0, 2 ^ 32 - 1), maybe {0, "string", low = 0, high = 65535},
    maybe(integer(0, 65535))},
  file = {path(), options()}, file_id = {path()}, signals = {},
  hash = {text()}, utf8_complete = {text()},
  is_green = {SEED, integer(0, 2 ^ 31 - 1), number()},
  llama2c_state = {{3, "string", low = 1, high = 2 ^ 53}},
  token_set = {{300, "lull.model", low = 1, high = 2 ^ 31 - 1}, maybe(tokens())},
  grammar = {{model, "lull.model", "absent"}, {PROGRAM, "table"}, options()},
}
local METHODS = {
  model = {
    object = function() return model end,
    context = {options()},
    encode = {text(), options()}, decode = {ids()},
    token_text = {integer(0, 299)}, find_token = {text()}, chat_template = {},
    piece = {integer(0, 299)},
    info = {}, vocab_size = {}, bos = {}, eos = {}, close = {},
    fingerprint = {},
  },
  context = {
    object = function() return context end,
    sequence = {}, step = {options()}, cancel = {}, info = {}, times = {}, model = {}, close = {},
    start = {options()}, poll = {}, wait = {}, fd = {},
  },
  sequence = {
    object = function() return seq end,
    feed = {{{5}, "table", "string", low = 0, high = 299}, options()},
    score = {{{5}, "table", "string", low = 0, high = 299}},
    rewind = {integer(0, 4, 4)},
    tokens = {maybe(index()), maybe(index())}, text = {maybe(index()), maybe(index())},
    token = {index()},
    logits = {maybe(integer(-4, 4, 4)), maybe(integer(1, 4096))},
    hidden = {maybe(integer(-4, 4, 4))},
    guess = {ids()}, guesses = {},
    common = {{seq, "lull.sequence"}, maybe(integer(1, 2147483647)), maybe(integer(1, 2147483647))},
    similarity = {maybe(integer(-4, 4, 4)), maybe(integer(-4, 4, 1)), maybe(integer(-4, 4, 3))},
    fork = {}, scores = {}, length = {}, pending = {}, context = {}, model = {},
    close = {},
  },
  logits = {
    object = view,
    get = {integer(0, 299)}, set = {integer(0, 299), number()},
    add = {tokens(), number()}, ban = {tokens()}, allow = {tokens()},
    scale = {number()}, temperature = {number()}, top_k = {integer(1, 2 ^ 53)},
    top_p = {number()}, min_p = {number()}, top_a = {number()}, top_n_sigma = {number()},
    typical = {number()}, tail_free = {number()}, epsilon = {number()}, eta = {number()},
    xtc = {number(), maybe(ids())}, smooth = {number(), maybe {1.5, "number"}},
    dynamic_temperature = {number(), number(), maybe(number())}, toward = {number()},
    green = {SEED, number(), number()},
    add_scaled = {other(), number()}, copy = {other()}, divergence = {other()},
    kl = {other()},
    softmax = {}, log_softmax = {}, logsumexp = {}, entropy = {}, moments = {},
    argmax = {}, max = {}, reset = {}, clone = {}, size = {}, close = {},
    penalize = {{seq, "lull.sequence"}, options()}, dry = {{seq, "lull.sequence"}, options()},
    no_repeat = {{seq, "lull.sequence"}, integer(1, 2 ^ 53), options()},
    candidates = {integer(1, 2 ^ 53)},
    sample = {{0.5, "number", "table"}},
    llama2c = {{core.llama2c_state(1), "lull.llama2c_state"}, number(), number()},
    logprob = {integer(0, 299)}, current_logprob = {integer(0, 299)}, prob = {integer(0, 299)},
  },
  token_set = {
    object = function() return core.token_set(300, {5}) end,
    add = {tokens()}, remove = {tokens()},
    union = {set()}, intersect = {set()}, subtract = {set()}, complement = {},
    has = {integer(0, 299)}, count = {}, size = {}, ids = {}, clone = {}, close = {},
  },
  file = {
    object = function() return core.file("/dev/null") end,
    size = {}, regular = {}, read = {integer(0, 2 ^ 53), integer(1, 2 ^ 30)}, write = {text()},
    sync = {}, truncate = {integer(0, 2 ^ 53)}, close = {},
  },
  signals = {object = core.signals, poll = {}, close = {}},
  rng = {
    object = function() return core.rng {seed = 1} end,
    uniform = {integer(0, 2 ^ 32 - 1), maybe {0, "string", low = 0, high = 65535},
      maybe(integer(0, 65535))},
    seed = {}, stream = {},
  },
  grammar = {
    object = function() return assert(core.grammar(model, PROGRAM)) end,
    matcher = {options()}, info = {}, close = {},
  },
  matcher = {
    object = function() return assert(grammar:matcher()) end,
    allows = {integer(0, 299)}, accept = {integer(0, 299)}, accept_text = {text()},
    mask = {{(seq:logits()), "lull.logits"}}, complete = {}, forced = {}, clone = {}, reset = {},
    close = {},
  },
  llama2c_state = {
    object = function() return core.llama2c_state(1) end,
    value = {}, clone = {}, reset = {{3, "string", low = 1, high = 2 ^ 53}},
  },
}

local function kind_of(value)
  if type(value) == "userdata" then
    return tostring(value):match("^lull%.[%w_]+") or "userdata"
  end
  return type(value)
end

local WRONG = {
  true, 0.5, "12", {{}}, print, coroutine.create(function() end), io.stdout,
  model, context, core.rng {seed = 1}, core.llama2c_state(1), (seq:logits()), seq,
  core.token_set(300),
  setmetatable({}, {__index = seq}),
}
if newproxy then -- luacheck: ignore
  WRONG[#WRONG + 1] = newproxy(true) -- luacheck: ignore
end

local function accepts(arg, value)
  for i = 2, #arg do
    if arg[i] == kind_of(value) then
      return true
    end
  end
  return false
end

--- Call f with object (or none) and args, of which argument i is wrong.
local function expect_bad(name, f, object, args, n, i)
  local given = {}
  local offset = 0
  if object ~= nil then
    given[1], offset = object, 1
  end
  for k = 1, n do
    given[k + offset] = args[k]
  end
  local ok, message = pcall(f, unpack(given, 1, n + offset))
  assert.is_false(ok, name .. " took " .. tostring(args[i]) .. " as argument " .. i)
  assert.is_truthy(message:find("bad argument #", 1, true), name .. ": " .. message)
end

local function try_arguments(name, f, object, specs)
  local valid = {}
  for i, spec in ipairs(specs) do
    valid[i] = spec[1]
  end
  for i, spec in ipairs(specs) do
    local function with(value)
      local args = {unpack(valid, 1, #specs)}
      args[i] = value
      return args
    end
    for _, value in ipairs(WRONG) do
      if not accepts(spec, value) then
        expect_bad(name, f, object and object(), with(value), #specs, i)
      end
    end
    if not accepts(spec, nil) and spec[#spec] ~= "absent" then
      expect_bad(name, f, object and object(), with(nil), #specs, i)
      expect_bad(name, f, object and object(), valid, i - 1, i)
    end
    if spec.low then
      for _, value in ipairs {spec.low - 1, spec.high + 2, 3.7, 0 / 0, math.huge, -math.huge} do
        expect_bad(name, f, object and object(), with(value), #specs, i)
      end
      if not accepts(spec, "12") then
        expect_bad(name, f, object and object(), with("12"), #specs, i)
        expect_bad(name, f, object and object(), with("0x10"), #specs, i)
      end
    end
    if accepts(spec, {}) and spec[#spec] == "absent" and not spec.low then -- options
      local called = object and object()
      local cycle = {}
      cycle.cycle = cycle
      for key, value in pairs {temprature = 1, [1] = 1, [true] = 1, cycle = cycle} do
        local ok, message = pcall(f, unpack({called or valid[1], unpack(with({[key] = value}),
          called and 1 or 2, #specs)}, 1, #specs + (called and 1 or 0)))
        assert.is_false(ok)
        assert.is_truthy(message:find("unknown option", 1, true), name .. ": " .. message)
      end
    end
  end
end

describe("every argument of", function()
  after_each(function()
    context:wait() -- for what start was called with
    seq:rewind(4)
    context:step()
  end)
  teardown(common.clean)

  for name, specs in pairs(FUNCTIONS) do
    it("core." .. name, function()
      assert.are.equal("function", type(core[name]))
      try_arguments("core." .. name, core[name], nil, specs)
    end)
  end

  for class, methods in pairs(METHODS) do
    for name, specs in pairs(methods) do
      if name ~= "object" then
        it(class .. ":" .. name, function()
          local f = core.methods[class][name]
          assert.are.equal("function", type(f))
          try_arguments(class .. ":" .. name, f, methods.object, specs)
          -- A wrong self, or none.
          local own = kind_of(methods.object())
          for _, value in ipairs(WRONG) do
            if kind_of(value) ~= own then
              expect_bad(class .. "." .. name, f, nil, {value, 1, 1}, 3, 1)
            end
          end
          expect_bad(class .. "." .. name, f, nil, {}, 0, 1)
        end)
      end
    end
  end

  it("every function there is", function()
    for name, value in pairs(core) do
      assert.is_true(type(value) ~= "function" or FUNCTIONS[name] ~= nil, name)
    end
    for class, methods in pairs(core.methods) do
      for name, f in pairs(methods) do
        assert.is_true(METHODS[class][name] ~= nil or debug.getinfo(f).what == "Lua",
          class .. ":" .. name)
      end
    end
  end)
end)

describe("foreign objects", function()
  -- Each of our metatables on userdata that is not ours.
  local function foreign()
    local list = {io.tmpfile()}
    if newproxy then -- luacheck: ignore
      list[2] = newproxy(true) -- luacheck: ignore
    end
    return list
  end

  it("under our metatable are not taken for ours", function()
    for class, methods in pairs(METHODS) do
      local object = methods.object()
      local ours = debug.getmetatable(object)
      for _, value in ipairs(foreign()) do
        local theirs = debug.getmetatable(value)
        debug.setmetatable(value, ours)
        for name in pairs(methods) do
          if name ~= "object" then
            local ok, message = pcall(core.methods[class][name], value, 1, 1, 1)
            assert.is_false(ok)
            assert.is_truthy(message:find("expected, got userdata", 1, true), message)
          end
        end
        for event, f in pairs(ours) do
          if type(f) == "function" then
            assert.is_false((pcall(f, value)), event)
          end
        end
        debug.setmetatable(value, theirs)
      end
    end
  end)

  it("of our own other classes are not mixed up", function()
    for _, methods in pairs(METHODS) do
      local ours = debug.getmetatable(methods.object())
      for _, others in pairs(METHODS) do
        local object = others.object()
        local theirs = debug.getmetatable(object)
        if theirs ~= ours then
          debug.setmetatable(object, ours)
          for event, f in pairs(ours) do
            if type(f) == "function" then
              assert.is_false((pcall(f, object)), event)
            end
          end
          debug.setmetatable(object, theirs)
        end
      end
    end
  end)

  it("cannot be finalized through our finalizers", function()
    for _, methods in pairs(METHODS) do
      local gc = debug.getmetatable(methods.object()).__gc
      if gc then
        for _, value in ipairs {io.stdout, {}, 1, "x", print} do
          assert.is_false((pcall(gc, value)))
        end
      end
    end
  end)

  it("can be finalized by hand, once and again", function()
    local s = context:sequence()
    local gc = debug.getmetatable(s).__gc
    gc(s)
    gc(s)
    assert.is_true(s:close())
    assert.are.equal("lull.sequence (closed)", tostring(s))
  end)
end)

describe("the stack", function()
  it("takes thousands of arguments", function()
    local many = {}
    for i = 1, 7900 do
      many[i] = {}
    end
    assert.is_false((pcall(seq.feed, unpack(many))))
    assert.are.equal(300, model.vocab_size(model, unpack(many)))
    raises("bad argument #2", model.context, model, 1, unpack(many))
    raises("unknown option 'x'", model.context, model, {x = 1}, unpack(many))
    assert.are.equal(1, #seq:tokens(1, 1, unpack(many)))
    assert.are.equal(300, view():clone(unpack(many)):size())
  end)

  it("may be as deep as Lua allows", function()
    if rawget(_G, "jit") then return end -- string.gsub alone, so deep, crashes LuaJIT 2.1.0-beta3
    local deepest = 0
    local function dive(n)
      deepest = n
      return (("x"):gsub("x", function()
        assert(#seq:tokens() == 4 and view():argmax())
        dive(n + 1)
      end))
    end
    local ok, message = pcall(dive, 1)
    assert.is_false(ok)
    assert.is_truthy(tostring(message):find("overflow"))
    assert.is_true(deepest > 50)
    assert.are.equal(4, #seq)
  end)

  it("may be a sort, a metamethod, a coroutine", function()
    local list = {3, 1, 2}
    table.sort(list, function(a, b) return view():get(a) < view():get(b) end)
    local proxy = setmetatable({}, {__index = function(_, id) return view():get(id) end})
    assert.are.equal(view():get(7), proxy[7])
    assert.are.equal(4, coroutine.wrap(function() return #seq end)())
    assert.is_true((xpcall(function() return seq:tokens() end, print)))
  end)
end)
