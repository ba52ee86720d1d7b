-- What README.md promises: its Lua runs, its verbs exist, its commands are right.
local helper = require "tests.spec.helper"
local lull = require "lull"

local load = loadstring or load
local README = helper.read("README.md")

describe("README.md", function()
  it("has Lua that runs", function()
    local source = {}
    for block in README:gmatch("\n```lua\n(.-)\n```") do
      source[#source + 1] = block
    end
    assert.is_true(#source >= 2)
    local printed = {}
    local script = "local print, io = ...\n" .. table.concat(source, "\n")
    local chunk = assert(load(script, "=README"))
    chunk(function(...)
      printed[#printed + 1] = table.concat({...}, " ")
    end, {write = function(piece) printed[#printed + 1] = piece end, flush = function() end})
    local text = table.concat(printed)
    assert.is_true(#text > 500)
    assert.is_truthy(text:find("tokens, seed %d+"))
  end)

  it("names only verbs that exist, and all of them", function()
    local table_of_verbs = README:match("## Lua in one page(.-)\n## ")
    local object, named = nil, {}
    for line in table_of_verbs:gmatch("[^\n]+") do
      if line:sub(1, 1) == "|" then
        object = line:match("%*%*([%w_]+)%*%*") or object
        for verb in line:gmatch("`:([%w_]+)") do
          local methods = assert(lull.core.methods[object], "no object " .. tostring(object))
          assert.are.equal("function", type(methods[verb]), object .. ":" .. verb)
          named[object .. ":" .. verb] = true
        end
        for name in line:gmatch("`lull%.([%w_]+)") do
          assert.is_not_nil(lull[name], "lull." .. name)
        end
      end
    end
    for _, kind in ipairs {"model", "context", "sequence", "logits", "token_set"} do
      for verb in pairs(lull.core.methods[kind]) do
        assert.is_true(named[kind .. ":" .. verb] or verb:sub(1, 2) == "__" or verb == "close",
          kind .. ":" .. verb .. " is not in the README")
      end
    end
  end)

  it("shows commands whose options there are", function()
    local commands = README:match("## The command.-```\n(.-)```")
    local n = 0
    for name, rest in commands:gmatch("lull (%w+)([^\n]*)") do
      local _, help = helper.lull(name .. " --help")
      for option in rest:gmatch("%-%-[%w-]+") do
        assert.is_truthy(help:find(option, 1, true), name .. " " .. option)
      end
      n = n + 1
    end
    assert.is_true(n >= 5)
  end)
end)
