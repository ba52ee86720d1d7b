-- The engine against jinja2: the same bytes, and faults where it has exceptions.
require "tests.spec.helper"
local cases = require "tests.spec.scripts.template_cases"
local jinja2 = require "tests.spec.scripts.jinja2"
local template = require "lull.template"

local RANDOM_CASES, SEED = 500, 5

local python = jinja2.python()

-- One template against what jinja2 made of it.
local function check(case)
  local text, message, code = template.render(case.template, case.decoded, {clock = jinja2.clock})
  if case.want then
    assert.are.equal(case.want, text, tostring(message) .. "\nof " .. case.template)
  else
    assert.is_nil(text, "should fail (" .. case.fails .. "): " .. case.template)
    assert.is_true(code == "EFORMAT" or code == "ELIMIT", message)
  end
end

describe("the template engine and jinja2", function()
  if not python then
    pending("python3-jinja2 is not installed")
    return
  end

  local random = {}
  for i, source in ipairs(cases.generate(RANDOM_CASES, SEED)) do
    random[i] = {template = source, vars = cases.variables}
  end

  setup(function()
    local all = {}
    for _, list in ipairs {cases.chats, cases.constructs, random} do
      for _, case in ipairs(list) do
        case.decoded = assert(template.json(case.vars))
        all[#all + 1] = case
      end
    end
    jinja2.render(python, all)
  end)

  for _, list in ipairs {cases.chats, cases.constructs} do
    for _, case in ipairs(list) do
      it("agree on " .. case.name, function() check(case) end)
    end
  end

  it("agree on " .. RANDOM_CASES .. " random templates", function()
    local rendered = 0
    for _, case in ipairs(random) do
      check(case)
      rendered = rendered + (case.want and 1 or 0)
    end
    assert.is_true(rendered > RANDOM_CASES / 2, "most must succeed in jinja2")
    assert.is_true(rendered < RANDOM_CASES, "some must fail in jinja2")
  end)
end)
