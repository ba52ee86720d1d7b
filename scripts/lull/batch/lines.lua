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
    block = "",       -- what was read last
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
  self.number, self.hash, self.block, self.at = 0, "", "", 1
  local ok, message = self.rewind_source()
  if not ok then
    return nil, "cannot read the input twice: " .. tostring(message), "EIO"
  end
  return true
end

-- One more block, in place of the one that is used up. false at the end; nil, message, code.
function Reader:more()
  local block, message = self.read()
  if message then
    return nil, "cannot read the input: " .. message, "EIO"
  elseif not block then
    return false
  elseif self.hash == "" then
    block = block:gsub("^\239\187\191", "") -- a byte order mark
  end
  self.hash = core.hash(self.hash .. block)
  self.block, self.at = block, 1
  return true
end

--- The next line, without its end (LF or CR LF); false where it is too long; nil at the end; nil,
-- message, code. The last line need not have an end.
function Reader:next()
  local parts, bytes = {}, 0
  local stop
  repeat
    stop = self.block:find("\n", self.at, true)
    local piece = self.block:sub(self.at, (stop or #self.block + 1) - 1)
    self.at = (stop or #self.block) + 1
    bytes = bytes + #piece
    if bytes <= LONGEST then
      parts[#parts + 1] = piece
    end
    if not stop then
      local more, message, code = self:more()
      if more == nil or (not more and bytes == 0) then
        return nil, message, code
      elseif not more then
        break
      end
    end
  until stop
  self.number = self.number + 1
  if bytes > LONGEST then
    return false
  end
  local line = table.concat(parts)
  return line:byte(-1) == 13 and line:sub(1, -2) or line
end

return lines
