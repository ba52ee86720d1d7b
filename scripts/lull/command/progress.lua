--- How far a long piece of work has come: a bar on a terminal, elsewhere now and then a line.
-- @module lull.command.progress
local console = require "lull.command.console"
local lull = require "lull"

local progress = {}

local BAR = 20
local ON_TERMINAL, IN_LOG = 0.2, 10 -- seconds between two

local Progress = {}
Progress.__index = Progress

--- Progress of `total` pieces of work.
-- @param nouns what they are: "stories"
function progress.new(total, nouns)
  return setmetatable({total = total, nouns = nouns, began = lull.clock(), shown = lull.clock()},
    Progress)
end

--- Seconds as h:mm:ss or m:ss.
function progress.duration(seconds)
  local whole = math.floor(seconds + 0.5)
  local hours, minutes = math.floor(whole / 3600), math.floor(whole / 60) % 60
  if hours > 0 then
    return string.format("%d:%02d:%02d", hours, minutes, whole % 60)
  end
  return string.format("%d:%02d", minutes, whole % 60)
end

local function bar(share)
  local n = math.floor(share * BAR)
  return "[" .. ("#"):rep(n) .. ("."):rep(BAR - n) .. "]"
end

--- Is it time to show something again?
function Progress:is_due()
  return lull.clock() - self.shown >= (console.has_terminal() and ON_TERMINAL or IN_LOG)
end

--- Show how far it is.
-- @param done so many are done
-- @param here of these in this run, which the time that is left follows from
-- @param tokens of this run
-- @param failures so many of these went wrong
function Progress:show(done, here, tokens, failures)
  local now = lull.clock()
  self.shown = now
  local seconds = math.max(0, now - self.began)
  local parts = {
    console.thousands(done) .. " of " .. console.thousands(self.total) .. " " .. self.nouns,
    console.rate_thousands(console.rate(tokens, seconds)) .. " tokens/s",
  }
  if here > 0 and done < self.total then
    parts[#parts + 1] = progress.duration(seconds * (self.total - done) / here) .. " left"
  end
  if failures > 0 then
    parts[#parts + 1] = console.count(failures, "failure")
  end
  local text = table.concat(parts, ", ")
  if console.has_terminal() then
    console.progress(bar(self.total > 0 and done / self.total or 1) .. " " .. text)
  else
    console.note(text)
  end
end

return progress
