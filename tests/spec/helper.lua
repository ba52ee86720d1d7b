--- What the specs share: where things are, models, and a way to run the command.
--
-- Specs run from the top of the tree: BUILD=build lua5.1 $(which busted) tests/spec
local helper = {}

local build = os.getenv("BUILD") or "build"
package.path = "./scripts/?.lua;./scripts/?/init.lua;" .. package.path
package.cpath = build .. "/?.so;" .. package.cpath

helper.build = build
helper.model_path = "examples/models/lullaby.bin"

--- A path of a larger or foreign model, or nil where this checkout has none beside it.
function helper.shared(name)
  local path = "../shared/models/" .. name
  local file = io.open(path, "rb")
  if file then
    file:close()
    return path
  end
end

--- The shipped model, loaded once for all specs of a process.
function helper.model()
  helper.loaded = helper.loaded or assert(require("lull").load(helper.model_path))
  return helper.loaded
end

--- All of a file.
function helper.read(path)
  local file = assert(io.open(path, "rb"))
  local text = file:read("*a")
  file:close()
  return text
end

--- Write a file; returns its path.
function helper.write(path, text)
  local file = assert(io.open(path, "wb"))
  assert(file:write(text))
  assert(file:close())
  return path
end

--- A fresh path for a scratch file; helper.clean removes them all.
local scratch = {}

function helper.scratch()
  scratch[#scratch + 1] = os.tmpname()
  return scratch[#scratch]
end

function helper.clean()
  for _, path in ipairs(scratch) do
    os.remove(path)
  end
  scratch = {}
end

--- Does a text have a part? For messages and output.
function helper.has(text, part)
  assert(text:find(part, 1, true), "no '" .. part .. "' in: " .. text)
end

--- An empty folder for each test of a file.
-- @param before_each, after_each busted's, which only a spec sees
-- @return a function that gives its path while a test runs
function helper.folder_for_each(before_each, after_each)
  local folder
  before_each(function()
    folder = os.tmpname()
    os.remove(folder)
    assert(helper.shell("mkdir " .. folder) == 0)
  end)
  after_each(function()
    helper.shell("rm -r " .. folder)
  end)
  return function() return folder end
end

--- For the shell.
function helper.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Run a shell command. Returns exit code, standard output, standard error.
function helper.shell(command)
  local names = {os.tmpname(), os.tmpname(), os.tmpname()}
  os.execute("(" .. command .. "\n) > " .. names[1] .. " 2> " .. names[2] .. "; echo $? > "
    .. names[3])
  local out, err, code = helper.read(names[1]), helper.read(names[2]), helper.read(names[3])
  for _, name in ipairs(names) do
    os.remove(name)
  end
  return tonumber(code), out, err
end

--- The words that start the command lull.
function helper.command()
  return "LULL_BUILD=" .. helper.quote(build) .. " " .. (os.getenv("LUA") or "lua5.1")
    .. " scripts/bin/lull"
end

--- Run `lull` with arguments as typed in a shell. Returns as helper.shell.
function helper.lull(arguments)
  return helper.shell(helper.command() .. " " .. arguments .. " < /dev/null")
end

--- Is all of text valid UTF-8?
function helper.is_utf8(text)
  local i = 1
  while i <= #text do
    local byte = text:byte(i)
    local length = byte < 0x80 and 1 or byte >= 0xF0 and 4 or byte >= 0xE0 and 3
      or byte >= 0xC2 and 2
    if not length or i + length - 1 > #text then
      return false
    end
    for k = i + 1, i + length - 1 do
      local follower = text:byte(k)
      if follower < 0x80 or follower > 0xBF then
        return false
      end
    end
    i = i + length
  end
  return true
end

return helper
