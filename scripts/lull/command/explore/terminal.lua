--- A record of lull.explore for a terminal: the text, coloured by how probable it was, and a
-- table of its tokens.
-- @module lull.command.explore.terminal
local console = require "lull.command.console"
local glyphs = require "lull.command.glyphs"

local terminal = {}

-------------------------------------------------------------------------------- colours

-- From the expected to the surprising: colours of the 256 that can be read on white and on black
-- (a contrast of 3 or more on both), and told apart by those who do not see red and green.
local LEVELS = {
  {0.8, 25, "80 %"}, {0.5, 31, "50 %"}, {0.25, 29, "25 %"}, {0.1, 100, "10 %"},
  {0.03, 136, "3 %"}, {0.01, 166, "1 %"}, {0, 160, "less"},
}

local function color_of(p)
  for _, level in ipairs(LEVELS) do
    if p >= level[1] then
      return level[2]
    end
  end
end

-- A pen writes in a colour, or faintly, or (without colours) plainly.
local function new_pen(colored)
  local pen = {colored = colored}
  function pen.color(color, text)
    return colored and color and "\27[38;5;" .. color .. "m" .. text .. "\27[0m" or text
  end
  function pen.faint(text)
    return colored and "\27[2m" .. text .. "\27[0m" or text
  end
  function pen.bold(text)
    return colored and "\27[1m" .. text .. "\27[0m" or text
  end
  return pen
end

-------------------------------------------------------------------------------- pieces of it

--- A probability in percent, in at most 5 columns.
local function percent(p)
  if p >= 0.9995 then
    return "100"
  elseif p >= 0.01 then
    return console.fixed(100 * p, 1)
  elseif p >= 0.00005 then
    return console.fixed(100 * p, 2)
  end
  return p > 0 and "<.01" or "0"
end

local BLOCKS = {"▏", "▎", "▍", "▌", "▋", "▊", "▉", "█"}
local HEIGHTS = {"▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"}

-- A bar of so many columns, filled to a share of them by eighths.
local function bar(share, columns)
  local eighths = math.floor(math.max(0, math.min(1, share)) * columns * 8 + 0.5)
  local full, rest = math.floor(eighths / 8), eighths % 8
  local drawn = BLOCKS[8]:rep(full) .. (rest > 0 and BLOCKS[rest] or "")
  return drawn .. (" "):rep(columns - full - (rest > 0 and 1 or 0))
end

local function height(share)
  return HEIGHTS[math.max(1, math.min(8, math.ceil(share * 8)))]
end

local function pad(shown, width, columns)
  return shown .. (" "):rep(columns - width)
end

-- Right-aligned.
local function right(text, columns)
  return (" "):rep(columns - #text) .. text
end

-- Words in lines that fit, each after an indent.
local function fold(text, columns, indent)
  local lines, line = {}, nil
  for word in text:gmatch("%S+") do
    if line and #line + 1 + #word > columns then
      lines[#lines + 1], line = line, nil
    end
    line = line and line .. " " .. word or indent .. word
  end
  lines[#lines + 1] = line
  return table.concat(lines, "\n")
end

local function piece_of(token, columns)
  if token.ending then
    return "(end)", 5
  end
  return glyphs.show_piece(token.piece, columns)
end

-------------------------------------------------------------------------------- the text

-- The bytes of all and what each is written in: a colour, or false for what was not told.
local function colored_bytes(record)
  local parts, colors = {record.prompt}, {}
  for i = 1, #record.prompt do
    colors[i] = false
  end
  for _, token in ipairs(record.tokens) do
    if not token.ending then
      parts[#parts + 1] = token.text
      for _ = 1, #token.text do
        colors[#colors + 1] = color_of(token.p)
      end
    end
  end
  for i = #colors - record.cut + 1, #colors do
    colors[i] = false
  end
  return table.concat(parts), colors
end

-- Writes words, each with the blank before it, on a new line where one does not fit.
local Wrapped = {}
Wrapped.__index = Wrapped

function Wrapped:flush()
  if self.column > 0 and self.column + self.word_width > self.columns then
    self.out[#self.out + 1], self.column = "\n", 0
    if self.blank then -- the line break is there in its place
      self.word[1], self.word_width = "", self.word_width - 1
    end
  end
  self.out[#self.out + 1] = table.concat(self.word)
  self.column = self.column + self.word_width
  self.word, self.word_width, self.blank = {}, 0, false
end

function Wrapped:add(shown, width, written)
  if shown == " " then
    self:flush()
    self.blank = true
  elseif self.word_width + width > self.columns then
    self:flush() -- a word longer than a line
  end
  self.word[#self.word + 1], self.word_width = written, self.word_width + width
end

local function write(pen, run, color)
  return color and pen.color(color, run) or pen.faint(run)
end

local function show_text(record, pen, columns)
  local text, colors = colored_bytes(record)
  local wrapped = setmetatable(
    {columns = columns, column = 0, word = {}, word_width = 0, out = {}}, Wrapped)
  local at = 1
  for _, glyph in ipairs(glyphs.list(text)) do
    local shown, width, bytes = glyph[1], glyph[2], glyph[3]
    wrapped:add(shown, width, write(pen, shown, colors[at]))
    if text:sub(at, at) == "\n" then
      wrapped:flush()
      wrapped.out[#wrapped.out + 1], wrapped.column = "\n", 0
    end
    at = at + bytes
  end
  wrapped:flush()
  return table.concat(wrapped.out) .. "\n"
end

local function legend(pen, columns)
  local out, width = {"likely to"}, 9
  for i, level in ipairs(LEVELS) do
    local needed = #level[3] + 4
    local fits = width + needed <= columns
    out[i + 1] = (fits and "  " or "\n") .. pen.color(level[2], "■ " .. level[3])
    width = fits and width + needed or needed - 2
  end
  return table.concat(out) .. "\n"
end

-------------------------------------------------------------------------------- a line a token

local WIDE_ENOUGH = 64 -- for all columns

local function left_of(token)
  local last = token.stages[#token.stages]
  return last and last.remaining or 0
end

-- The others that could have come, as many as fit.
local function alternatives_line(token, pen, columns)
  local parts, width = {}, 0
  for _, a in ipairs(token.alternatives) do
    if a.id ~= token.id then
      local shown, piece_width = glyphs.show_piece(a.piece, 16)
      local removed = a.removed_by ~= nil
      local number = percent(a.p)
      local needed = piece_width + #number + 5 + (removed and not pen.colored and 2 or 0)
      if width + needed - 2 > columns then -- 2: the blanks before the first
        break
      end
      local part = height(a.p) .. " " .. shown .. " " .. number
      if removed then
        part = pen.faint(pen.colored and part or "(" .. part .. ")")
      end
      parts[#parts + 1], width = part, width + needed
    end
  end
  return table.concat(parts, "  ")
end

local function line_of(token, number, most_bits, pen, columns)
  local shown, width = piece_of(token, 14)
  local wide = columns >= WIDE_ENOUGH
  local line = right(console.fixed(number, 0), 4) .. (token.removed_by and " × " or "   ")
    .. pen.color(color_of(token.p), pad(shown, width, 14))
    .. right(percent(token.p), 6)
    .. (wide and right(console.fixed(token.rank or 0, 0), 6) .. "  "
      .. bar(token.entropy_bits / most_bits, 5) or "")
    .. right(console.fixed(token.entropy_bits, 1), 5) .. right(console.fixed(left_of(token), 0), 6)
  local used = 4 + 3 + 14 + 6 + (wide and 13 or 0) + 5 + 6
  return (line .. "  " .. alternatives_line(token, pen, columns - used - 2)):gsub(" +$", "")
end

local function header(columns)
  local wide = columns >= WIDE_ENOUGH
  return "   #   token              %" .. (wide and "  rank       " or "") .. " bits  left"
    .. (columns >= 54 and "  others" or "")
end

local function most_bits(record)
  local most = 1
  for _, token in ipairs(record.tokens) do
    most = math.max(most, token.entropy_bits)
  end
  return most
end

local function show_lines(record, pen, columns)
  local lines, most = {pen.bold(header(columns))}, most_bits(record)
  for i, token in ipairs(record.tokens) do
    lines[i + 1] = line_of(token, i, most, pen, columns)
  end
  return table.concat(lines, "\n") .. "\n"
end

-------------------------------------------------------------------------------- all about a token

local BAR, INDENT = 12, "      "

local function alternative_line(a, is_chosen, pen, columns)
  local used = #INDENT + 5 + 7 + 2 + BAR + 2
  local shown, width = glyphs.show_piece(a.piece, math.min(16, columns - used))
  local line = (is_chosen and "    > " or INDENT) .. right(percent(a.p), 5)
    .. right(a.removed_by and "-" or percent(a.chain_p), 7) .. "  " .. bar(a.p, BAR) .. "  "
    .. shown
  if a.removed_by then
    local room = columns - used - width - 2
    return pen.faint(room < 8 and line or line .. "  " .. glyphs.show(a.removed_by, room))
  end
  return is_chosen and pen.color(color_of(a.p), line) or line
end

local function stage_line(stage, before_bits, columns)
  local facts = {console.thousands(stage.remaining) .. " left"}
  if stage.removed > 0 then
    facts[#facts + 1] = console.thousands(stage.removed) .. " removed, "
      .. percent(stage.mass) .. " %"
  elseif stage.removed < 0 then
    facts[#facts + 1] = console.thousands(-stage.removed) .. " brought back"
  end
  if stage.reshaped then
    facts[#facts + 1] = "reshaped, " .. console.fixed(before_bits, 2) .. " -> "
      .. console.fixed(stage.entropy_bits, 2) .. " bits"
  end
  local said = table.concat(facts, "; ")
  local shown, width = glyphs.show(stage.name, columns - #INDENT)
  local room = columns - #INDENT - 2 - #said
  if width > room then
    return INDENT .. shown .. "\n" .. fold(said, columns, INDENT .. "  ")
  end
  return INDENT .. pad(shown, width, math.max(width, math.min(room, 18))) .. "  " .. said
end

local function block_of(token, number, pen, columns)
  local shown, width = piece_of(token, columns - 30)
  local lines = {
    pen.bold(right(console.fixed(number, 0), 4)) .. "  "
      .. pen.color(color_of(token.p), pad(shown, width, 14)) .. "  id "
      .. console.fixed(token.id, 0),
    fold(percent(token.p) .. " %, rank " .. console.fixed(token.rank or 0, 0)
      .. (token.removed_by and ", removed" or ", " .. percent(token.chain_p)
        .. " % after the chain"), columns, INDENT),
    fold("surprise " .. console.fixed(token.surprise_bits, 2) .. " bits, entropy "
      .. console.fixed(token.entropy_bits, 2) .. ", "
      .. console.fixed(token.chain_entropy_bits, 2) .. " after it", columns, INDENT),
  }
  local function add(line)
    lines[#lines + 1] = line
  end
  for _, a in ipairs(token.alternatives) do
    add(alternative_line(a, a.id == token.id, pen, columns))
  end
  if token.rank and token.rank > #token.alternatives then
    add(alternative_line(token, true, pen, columns))
  end
  local bits = token.entropy_bits
  for _, stage in ipairs(token.stages) do
    if stage.removed ~= 0 or stage.reshaped then
      add(stage_line(stage, bits, columns))
    end
    bits = stage.entropy_bits
  end
  return table.concat(lines, "\n") .. "\n"
end

local function show_blocks(record, pen, columns)
  local blocks = {}
  for i, token in ipairs(record.tokens) do
    blocks[i] = block_of(token, i, pen, columns)
  end
  return table.concat(blocks, "\n")
end

-------------------------------------------------------------------------------- all of it

local function summary(record, columns)
  local parts = {
    console.count(#record.tokens, "token"),
    "surprise " .. console.fixed(record.surprise_bits, 2) .. " and entropy "
      .. console.fixed(record.entropy_bits, 2) .. " bits a token",
  }
  if record.seed then
    parts[#parts + 1] = "seed " .. (type(record.seed) == "string" and record.seed
      or console.fixed(record.seed, 0))
  end
  parts[#parts + 1] = record.finish_reason
  return fold(table.concat(parts, ", "), columns, "") .. "\n"
    .. fold((glyphs.show(record.sampler)), columns, "") .. "\n"
end

--- What to print.
-- @param given {color =, verbose =, columns =}
function terminal.show(record, given)
  local pen, columns = new_pen(given.color), given.columns
  local parts = {show_text(record, pen, columns)}
  if given.color then
    parts[#parts + 1] = legend(pen, columns)
  end
  if #record.tokens > 0 then
    parts[#parts + 1] = "\n" .. (given.verbose and show_blocks or show_lines)(record, pen, columns)
  end
  parts[#parts + 1] = "\n" .. summary(record, columns)
  return table.concat(parts)
end

return terminal
