--- What stands between the quotation marks of JSON strings, as patterns for lull.constrain.program.
-- @module lull.constrain.json_strings
local characters = require "lull.constrain.characters"
local json = require "lull.constrain.json"
local program = require "lull.constrain.program"
local regex = require "lull.constrain.regex"

local json_strings = {}

local alt, bytes, seq, text = program.alt, program.bytes, program.seq, program.text

--- The characters that may stand there as they are.
json_strings.PLAIN = characters.without {{0, 0x1F}, {0x22, 0x22}, {0x5C, 0x5C}}

local PLAIN = json_strings.PLAIN
local HEX = bytes {{0x30, 0x39}, {0x41, 0x46}, {0x61, 0x66}}

local function letters(list)
  local ranges = {}
  for i = 1, #list do
    ranges[i] = {list:byte(i), list:byte(i)}
  end
  return bytes(ranges)
end

local D = letters "dD"

--- One character of a string: itself, or an escape; \u with four digits, or two for a pair.
json_strings.CHARACTER = alt {
  characters.pattern(PLAIN),
  seq {text "\\", letters '"\\/bfnrt'},
  seq {text "\\u", letters "0123456789abcefABCEF", HEX, HEX, HEX},
  seq {text "\\u", D, letters "01234567", HEX, HEX},
  seq {text "\\u", D, letters "89abAB", HEX, HEX, text "\\u", D, letters "cdefCDEF", HEX, HEX},
}

-- One character of a set in the one way that it is written: as it is, or as its shortest escape.
local function written(ranges)
  local list = {characters.pattern(characters.both(ranges, PLAIN))}
  for _, range in ipairs(characters.both(ranges, {{0, 0x1F}, {0x22, 0x22}, {0x5C, 0x5C}})) do
    for code = range[1], range[2] do
      list[#list + 1] = text(json.character(string.char(code)))
    end
  end
  return list[1] and alt(list)
end

--- The alternatives of a regular expression, as regex.read gives them.
-- @raise as regex.read
function json_strings.expression(source)
  return regex.read(source, {encode = written})
end

local function whole(source)
  return regex.pattern(source, {encode = written})
end

local LEAP = "(\\d\\d(0[48]|[2468][048]|[13579][26])|([02468][048]|[13579][26])00)"
local DATE = "(\\d{4}-((0[13578]|1[02])-(0[1-9]|[12]\\d|3[01])|(0[469]|11)-(0[1-9]|[12]\\d|30)"
  .. "|02-(0[1-9]|1\\d|2[0-8]))|" .. LEAP .. "-02-29)"
local TIME = "([01]\\d|2[0-3]):[0-5]\\d:[0-5]\\d(\\.\\d{1,6})?(Z|[+\\-]([01]\\d|2[0-3]):[0-5]\\d)"

-- Within the lengths that RFC 1035 and RFC 5321 allow: 63 a label, 64 before the @.
local LABEL = "[A-Za-z0-9]{1,20}(-[A-Za-z0-9]{1,20}){0,2}"
local HOST = "(" .. LABEL .. "\\.){1,3}[A-Za-z]{2,20}"
local NAME = "[A-Za-z0-9_+\\-]{1,20}"
local BYTE = "(25[0-5]|2[0-4]\\d|1\\d\\d|[1-9]?\\d)"

--- Strings of each format: some, where a format allows more ways to write (email, uri).
json_strings.FORMATS = {
  date = whole(DATE), time = whole(TIME), ["date-time"] = whole(DATE .. "T" .. TIME),
  uuid = whole "[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}",
  email = whole(NAME .. "(\\." .. NAME .. "){0,2}@" .. HOST),
  ipv4 = whole("(" .. BYTE .. "\\.){3}" .. BYTE),
  uri = whole("https?://" .. HOST .. "(/[A-Za-z0-9._~\\-]*)*(\\?[A-Za-z0-9=&_\\-]*)?"),
}

return json_strings
