--- Reading an input line by line: a file of any size, or text in memory.
--
-- io.lines of Lua 5.1 ends a line at a zero byte and keeps one of any length in memory; this
-- reader does neither. It also hashes what it reads, so that a later run can tell whether the
-- input is the same.
-- @module lull.batch.lines
local core = require "lull.core"

local lines = {}

local BLOCK = 65536
local LONGEST = 2 ^ 24 -- bytes; a line that is longer is passed over

local Reader = {}
Reader.__index = Reader

local function new_reader(name, read, rewind, close)
  return setmetatable({
    name = name, read = read, rewind_source = rewind, close = close,
    number = 0,       -- of the line that was read last
    hash = "",        -- of all blocks that were read, each hashed after the hash before it
    left = "",        -- what was read and not yet told
    at = 1,           -- where in it the next line begins
  }, Reader)
end

--- A reader of a file.
-- @return reader, or nil, message, "EIO"
function lines.file(path)
  local file, problem = io.open(path, "rb")
  if not file then
    return nil, "cannot read the input: " .. problem, "EIO"
  end
  local function read()
    local block, message = file:read(BLOCK)
    if not block and message then
      return nil, path .. ": " .. message
    end
    return block
  end
  return new_reader(path, read, function() return file:seek("set", 0) end,
    function() file:close() end)
end

--- A reader of text that is in memory.
function lines.text(text, name)
  local at = 1
  local function read()
    local block = text:sub(at, at + BLOCK - 1)
    at = at + #block
    return block ~= "" and block or nil
  end
  return new_reader(name or "text", read, function()
    at = 1
    return true
  end, function() end)
end

--- Go back to the first line.
function Reader:rewind()
  self.number, self.hash, self.left, self.at, self.ended = 0, "", "", 1, nil
  local ok, message = self.rewind_source()
  if not ok then
    return nil, "cannot read the input twice: " .. tostring(message), "EIO"
  end
  return true
end

-- One more block into what is left. false at the end; nil, message, code.
function Reader:more()
  if self.ended then
    return false
  end
  local block, message = self.read()
  if block then
    if self.hash == "" then
      block = block:gsub("^\239\187\191", "") -- a byte order mark
    end
    self.hash = core.hash(self.hash .. block)
    self.left, self.at = self.left:sub(self.at) .. block, 1
    return true
  elseif message then
    return nil, "cannot read the input: " .. message, "EIO"
  end
  self.ended = true
  return false
end

-- A line whose end is not in sight: pass over it.
function Reader:skip_long()
  local more, message, code
  repeat
    self.left, self.at = "", 1
    more, message, code = self:more()
    local stop = more and self.left:find("\n", 1, true)
    if stop then
      self.at = stop + 1
      return false
    end
  until not more
  if message then
    return nil, message, code
  end
  return false
end

--- The next line, without its end (LF or CR LF); false where it is too long; nil at the end; nil,
-- message, code. The last line need not have an end.
function Reader:next()
  local from = self.at
  local stop = self.left:find("\n", from, true)
  while not stop do
    local searched = #self.left - self.at + 1
    local more, message, code = self:more()
    if more == nil then
      return nil, message, code
    elseif not more then
      if self.at > #self.left then
        return nil
      end
      stop = #self.left + 1
    else
      stop = self.left:find("\n", searched + 1, true)
      if not stop and #self.left > LONGEST then
        self.number = self.number + 1
        return self:skip_long()
      end
    end
  end
  local line = self.left:sub(self.at, stop - 1)
  self.at, self.number = stop + 1, self.number + 1
  if line:byte(-1) == 13 then
    line = line:sub(1, -2)
  end
  return line
end

return lines
