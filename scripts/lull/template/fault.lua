--- What goes wrong in a template, and the budget that keeps a hostile one from hanging its host.
--
-- A template is data from a file, so its mistakes are not the program's: they are raised inside
-- the engine as faults, and compile and render turn them into `nil, message, code`.
-- @module lull.template.fault
local fault = {}

local Fault = {__tostring = function(self) return self.message end}

--- Give up. `at` is the byte in the source; without it render takes the node it was at.
function fault.raise(message, at, code)
  error(setmetatable({message = message, at = at, code = code or "EFORMAT"}, Fault), 0)
end

--- Is this caught value a fault, and not an error of the program?
function fault.is(value)
  return getmetatable(value) == Fault
end

local function pass(thread, ok, ...)
  if ok and coroutine.status(thread) ~= "dead" then
    return pass(thread, coroutine.resume(thread, coroutine.yield(...)))
  end
  return ok, ...
end

--- pcall for code in which a user's function may yield, which Lua 5.1's own forbids.
function fault.protect(body, ...)
  local thread = coroutine.create(body)
  return pass(thread, coroutine.resume(thread, ...))
end

local Budget = {}
Budget.__index = Budget

--- What one rendering may use up.
-- @param limits steps: operations, where 32 bytes of text count as one; bytes: the output, and
-- any one text; depth: nested calls, loops and expressions
function fault.budget(limits)
  return setmetatable({left = limits.steps, bytes = limits.bytes, depth = limits.depth}, Budget)
end

--- Account for n operations.
function Budget:spend(n)
  self.left = self.left - n
  if self.left < 0 then
    fault.raise("the template takes too many steps", nil, "ELIMIT")
  end
end

--- Account for looking for a text of m bytes in one of n, which compares up to n * m of them.
function Budget:search(n, m)
  self:spend(1 + n / 32 + n * m / 8192)
end

--- Account for a text of n bytes before it is made.
function Budget:text(n)
  if n > self.bytes then
    fault.raise("a text of more than " .. string.format("%.0f", self.bytes) .. " bytes", nil,
      "ELIMIT")
  end
  self:spend(1 + n / 32)
end

function Budget:enter()
  self.depth = self.depth - 1
  if self.depth < 0 then
    fault.raise("nested too deeply", nil, "ELIMIT")
  end
end

function Budget:leave()
  self.depth = self.depth + 1
end

return fault
