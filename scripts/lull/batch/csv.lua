--- Comma-separated values (RFC 4180), row by row: variables for a template.
--
-- The first row names the columns. A value in quotes may hold commas, line ends and quotes ("");
-- CR LF inside one becomes LF.
-- @module lull.batch.csv
local csv = {}

local Rows = {}
Rows.__index = Rows

--- The rows that a reader (lull.batch.lines) reads.
-- @param separator "," or another character
function csv.rows(reader, separator)
  return setmetatable({reader = reader, separator = separator or ","}, Rows)
end

function Rows:rewind()
  self.columns = nil
  return self.reader:rewind()
end

-- The value that begins at i, and where the next one does (nil: there is none).
local function read_value(text, i, separator)
  if text:sub(i, i) ~= '"' then
    local stop = text:find(separator, i, true)
    return text:sub(i, (stop or #text + 1) - 1), stop and stop + 1
  end
  local parts, from = {}, i + 1
  while true do
    local quote = text:find('"', from, true)
    if not quote then
      return nil, "a quote that is not closed"
    end
    parts[#parts + 1] = text:sub(from, quote - 1)
    if text:sub(quote + 1, quote + 1) ~= '"' then
      local after = text:sub(quote + 1, quote + 1)
      if after ~= "" and after ~= separator then
        return nil, "text after a closing quote"
      end
      return table.concat(parts), after ~= "" and quote + 2 or nil
    end
    parts[#parts + 1] = '"'
    from = quote + 2
  end
end

local function split(text, separator)
  local values, i = {}, 1
  while i do
    local value, after = read_value(text, i, separator)
    if not value then
      return nil, after
    end
    values[#values + 1], i = value, after
  end
  return values
end

-- Does an odd number of quotes stand in the text: does a value go on in the next line?
local function is_open(text)
  local _, quotes = text:gsub('"', "")
  return quotes % 2 == 1
end

-- The values of the next row that is not blank, and the line it begins at; false and what is
-- wrong; nil at the end; nil, message, code.
function Rows:values()
  local line, message, code
  repeat
    line, message, code = self.reader:next()
    self.line = self.reader.number
  until line ~= ""
  if line == nil then
    return nil, message, code
  end
  while line and is_open(line) do
    local more
    more, message, code = self.reader:next()
    if more == nil and message then
      return nil, message, code
    elseif more == nil then
      return false, "a quote that is not closed"
    end
    line = more and line .. "\n" .. more
  end
  if not line then
    return false, "a line of more than 16 MB"
  end
  local values, problem = split(line, self.separator)
  if not values then
    return false, problem
  end
  return values
end

--- The next row as a table of columns' names to texts, and its line; false, what is wrong; nil at
-- the end; nil, message, code.
function Rows:next()
  if not self.columns then
    local columns, message, code = self:values()
    if columns == false then
      return nil, self.reader.name .. ": the names of the columns: " .. message, "EFORMAT"
    elseif not columns then
      return nil, message, code
    end
    self.columns = columns
  end
  local values, message, code = self:values()
  if not values then
    return values, message, code
  elseif #values ~= #self.columns then
    return false, #values .. " values, and there are " .. #self.columns .. " columns"
  end
  local row = {}
  for i, column in ipairs(self.columns) do
    row[column] = values[i]
  end
  return row
end

return csv
