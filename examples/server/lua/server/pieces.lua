--- Tokens as the APIs show them.
-- @module server.pieces
local utf8 = require "lull.utf8"

local pieces = {}

--- A piece as a string of its own: text, or "bytes:\xE2\x80" where it is not whole characters, as
-- OpenAI writes it, so that two pieces never look the same.
function pieces.shown(piece)
  if not utf8.first_bad(piece) then
    return piece
  end
  return "bytes:" .. piece:gsub(".", function(byte)
    return string.format("\\x%02x", byte:byte())
  end)
end

--- A piece as it stands in the text: the space that follows BOS is no part of it.
-- @param begins is it the first after BOS?
function pieces.told(piece, begins)
  return begins and piece:gsub("^ ", "", 1) or piece
end

--- Its bytes, as numbers.
function pieces.bytes(piece)
  return {piece:byte(1, -1)}
end

--- How many characters a text has; a byte that is no UTF-8 counts as one.
function pieces.characters(text)
  local count, i = 0, 1
  while i <= #text do
    i = i + (utf8.length(text, i) or 1)
    count = count + 1
  end
  return count
end

return pieces
