--- What the subcommands share: checked output, failures with exit codes, numbers for people.
--
-- A subcommand that cannot go on raises a table {status, message} with console.fail; the
-- command turns it into a line on stderr and the exit code:
--
--     0 done   1 the work failed   2 wrong usage   3 the environment   130 interrupted
-- @module lull.command.console
local options = require "lull.options"

local console = {
  DONE = 0, FAILED = 1, USAGE = 2, ENVIRONMENT = 3, INTERRUPTED = 130, BROKEN_PIPE = 141,
}

local STATUS_OF_CODE = {
  EINVAL = console.USAGE, EIO = console.ENVIRONMENT, ENOMEM = console.ENVIRONMENT,
  ECANCELED = console.INTERRUPTED,
}

local EPIPE = 32 -- the same number on Linux, the BSDs and Mac OS X

--- An option with a value and a short name. argparse would show the two on lines of their own, so
-- the long one is shown and the short one told.
function console.option(parser, short, long, description)
  return parser:option(long, "(" .. short .. ") " .. description):hidden_name(short)
end

--- Add --help. argparse's own prints without checking and exits; this one does neither.
function console.add_help(parser)
  parser:flag("-h --help", "Show this help and exit."):action(function()
    error({help = parser:get_help() .. "\n"}, 0)
  end)
end

--- A flag with a short name, shown likewise.
function console.flag(parser, short, long, description)
  return parser:flag(long, "(" .. short .. ") " .. description):hidden_name(short)
end

--- Give up. `message` may have several lines; nil stays quiet.
function console.fail(status, message)
  error({status = status, message = message}, 0)
end

--- assert for what returns nil, message, code; `hint` is the next step: a table of them by
-- code, or a function of message and code.
function console.check(value, message, code, hint)
  if value ~= nil then
    return value
  end
  local step
  if type(hint) == "function" then
    step = hint(message, code)
  elseif hint then
    step = hint[code]
  end
  console.fail(STATUS_OF_CODE[code] or console.FAILED, message .. (step and "\n" .. step or ""))
end

local function write(file, text)
  local ok, message, errno = file:write(text)
  if ok then
    ok, message, errno = file:flush()
  end
  return ok, message, errno
end

--- Is the last thing that was printed a finished line?
console.at_line_start = true

--- Does a shell command succeed?
function console.succeeds(command)
  local status = os.execute(command)
  return status == true or status == 0
end

--- A word as a shell takes it.
function console.shell_word(text)
  return text:find("^[%w_./=-]+$") and text or "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Is a descriptor a terminal? Lua cannot ask; the shell can, about those it inherits.
function console.is_terminal(descriptor)
  return console.succeeds("test -t " .. descriptor)
end

local NARROWEST, WIDEST, USUAL = 40, 1000, 80

--- How many columns there are to print in: COLUMNS, or what the terminal says, or 80.
function console.columns()
  local columns = tonumber(os.getenv("COLUMNS"))
  if not columns and console.is_terminal(1) then
    local answer = io.popen("stty size < /dev/tty 2> /dev/null")
    columns = answer and tonumber((answer:read("*a"):match("^%d+ (%d+)")))
    if answer then
      answer:close()
    end
  end
  if not columns or columns % 1 ~= 0 or columns < 1 then
    return USUAL
  end
  return math.max(NARROWEST, math.min(WIDEST, columns))
end

local has_terminal -- is standard error one? nil: not yet asked
local progress = ""

--- Is standard error a terminal, where progress can be shown?
function console.has_terminal()
  if has_terminal == nil then
    has_terminal = console.is_terminal(2)
  end
  return has_terminal
end

--- Show what is being done, in place of what was shown before; "" takes it away. Only on a
-- terminal, on standard error.
function console.progress(text)
  if text == progress then
    return
  end
  if console.has_terminal() then
    write(io.stderr, "\r" .. text .. (" "):rep(#progress - #text)
      .. ("\b"):rep(#progress - #text))
  end
  progress = text
end

--- Print at once, and fail when that cannot be done: to a full disk print() would seem to work.
function console.out(text)
  if text == "" then
    return
  end
  console.progress("")
  console.at_line_start = false -- an interrupt may come at any time
  local ok, message, errno = write(io.stdout, text)
  if not ok then
    console.at_line_start = true
    if errno == EPIPE then
      console.fail(console.BROKEN_PIPE)
    end
    console.fail(console.ENVIRONMENT, "cannot write to standard output: " .. tostring(message))
  end
  console.at_line_start = text:sub(-1) == "\n"
end

--- A line for people, beside the output.
function console.note(text)
  console.progress("")
  write(io.stderr, text .. "\n")
end

--- All of a file, or of standard input for "-".
function console.read(path)
  local file, problem = io.stdin
  if path ~= "-" then
    file, problem = io.open(path, "rb")
    if not file then
      console.fail(console.ENVIRONMENT, "cannot read the text: " .. problem)
    end
  end
  local text, message = file:read("*a")
  if path ~= "-" then
    file:close()
  end
  if not text or (text == "" and message) then
    console.fail(console.ENVIRONMENT, "cannot read the text: "
      .. (path == "-" and "standard input" or path) .. ": " .. tostring(message))
  end
  return text
end

--- The same without one line end at the very end: editors and echo put it there, and a prompt
-- does not mean it.
function console.read_text(path)
  return (console.read(path):gsub("\r?\n$", ""))
end

-------------------------------------------------------------------------------- numbers

--- A number from the command line, in any locale; nil when it is none.
function console.number(text)
  return tonumber(text) or tonumber((text:gsub("%.", ",")))
end

--- What a word of the command line means under one of the library's option rules: a number, true
-- or false, or the word itself; nil where the rule allows none of them.
function console.value(text, rule)
  local truth
  if text == "true" or text == "false" then
    truth = text == "true"
  end
  local meanings = {console.number(text), truth, text}
  for i = 1, 3 do
    if meanings[i] ~= nil and options.allows(rule, meanings[i]) then
      return meanings[i]
    end
  end
  return nil
end

--- A converter for argparse that obeys one of the library's option rules; `name` is what the
-- message calls the option.
function console.by_rule(name, rule)
  return function(text)
    local value = console.value(text, rule)
    if value ~= nil then
      return value
    end
    return nil, name .. ": " .. options.expected(rule) .. " expected, got '" .. text .. "'"
  end
end

--- A converter for argparse: an integer in min..max.
function console.integer(name, min, max)
  return console.by_rule(name, {type = "integer", min = min, max = max})
end

--- `value` with so many digits after a point, whatever the locale.
function console.fixed(value, digits)
  return (string.format("%." .. digits .. "f", value):gsub(",", "."))
end

--- 1545984 -> "1.5 MB" (decimal units, as disks and ls count).
function console.bytes(n)
  local units = {"bytes", "kB", "MB", "GB", "TB"}
  local unit = 1
  while n >= 1000 and unit < #units do
    n, unit = n / 1000, unit + 1
  end
  return unit == 1 and console.fixed(n, 0) .. " bytes"
    or console.fixed(n, n < 10 and 2 or n < 100 and 1 or 0) .. " " .. units[unit]
end

--- 1369728 -> "1,369,728".
function console.thousands(n)
  local text = console.fixed(n, 0)
  local grouped
  repeat
    text, grouped = text:gsub("^(%d+)(%d%d%d)", "%1,%2")
  until grouped == 0
  return text
end

--- "1 token", "2 tokens".
function console.count(n, noun)
  return console.thousands(n) .. " " .. noun .. (n == 1 and "" or "s")
end

--- Events per second, or nil where the time is too short (or ran backwards) to mean anything.
function console.rate(n, seconds)
  if n > 0 and seconds >= 0.001 then
    return n / seconds
  end
  return nil
end

--- The same for people, in three digits or more: "0.77", "12.3", "1234", or "n/a".
function console.rate_text(rate)
  return rate and console.fixed(rate, rate < 10 and 2 or rate < 100 and 1 or 0) or "n/a"
end

--- The same with thousands set apart, for columns.
function console.rate_thousands(rate)
  return rate and rate >= 1000 and console.thousands(rate) or console.rate_text(rate)
end

return console
