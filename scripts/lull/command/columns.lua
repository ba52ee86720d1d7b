--- Tables for people: aligned columns of text.
-- @module lull.command.columns
local columns = {}

-- Columns that a text takes: bytes that begin a character of UTF-8.
local function width(text)
  return select(2, text:gsub("[^\128-\191]", ""))
end

--- Lines of aligned columns, two spaces between them.
-- @param rows a list of lists of texts; nil or "" is an empty cell
-- @param align "lr...": how each column is aligned
-- @param indent text before each line
function columns.format(rows, align, indent)
  local widths = {}
  for _, row in ipairs(rows) do
    for i = 1, #align do
      widths[i] = math.max(widths[i] or 0, width(row[i] or ""))
    end
  end
  local lines = {}
  for k, row in ipairs(rows) do
    local cells = {}
    for i = 1, #align do
      local text = row[i] or ""
      local space = (" "):rep(widths[i] - width(text))
      cells[i] = align:sub(i, i) == "r" and space .. text or text .. space
    end
    lines[k] = ((indent or "") .. table.concat(cells, "  ")):gsub(" +$", "") .. "\n"
  end
  return table.concat(lines)
end

return columns
