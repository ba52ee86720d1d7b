-- jinja2 itself, as the judge of what a template means.
local cjson = require "cjson"
local helper = require "tests.spec.helper"

local jinja2 = {}

local TOOL = "tests/support/tools/jinja2_render.py"

--- The time that strftime_now tells there, for the option `clock`.
function jinja2.clock()
  return os.time {year = 2024, month = 7, day = 26, hour = 9, min = 5, sec = 3}
end

--- The interpreter to use, or nil where none has jinja2.
function jinja2.python()
  for _, python in ipairs {"python3", "/usr/bin/python3"} do
    if helper.shell(python .. " " .. TOOL .. " --version") == 0 then
      return python
    end
  end
end

--- Render cases {template =, vars = JSON} with it; each gets a field `want`, or `fails` with the
-- exception.
function jinja2.render(python, cases)
  local lines = {}
  for i, case in ipairs(cases) do
    lines[i] = '{"template":' .. cjson.encode(case.template) .. ',"vars":'
      .. case.vars:gsub("\n", " ") .. "}\n"
  end
  local input = helper.write(helper.scratch(), table.concat(lines))
  local code, out, err = helper.shell(python .. " -W ignore " .. TOOL .. " < " .. input)
  helper.clean()
  assert(code == 0, err)
  local n = 0
  for line in out:gmatch("[^\n]+") do
    n = n + 1
    local answer = cjson.decode(line)
    cases[n].want, cases[n].fails = answer.text, answer.error
  end
  assert(n == #cases)
end

return jinja2
