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

--- A fresh path for a scratch file, with this ending; helper.clean removes them all.
local scratch = {}

function helper.scratch(ending)
  local base = os.tmpname()
  local path = base .. (ending or "")
  scratch[#scratch + 1] = base
  scratch[#scratch + 1] = path
  return path
end

function helper.clean()
  for _, path in ipairs(scratch) do
    os.remove(path)
  end
  scratch = {}
end

--- For the shell.
function helper.quote(text)
  return "'" .. text:gsub("'", "'\\''") .. "'"
end

--- Run a shell command. Returns exit code, standard output, standard error.
function helper.shell(command)
  local out, err, code = helper.scratch(), helper.scratch(), helper.scratch()
  os.execute("{ " .. command .. "\n} > " .. out .. " 2> " .. err .. "; echo $? > " .. code)
  local results = {tonumber(helper.read(code)), helper.read(out), helper.read(err)}
  helper.clean()
  return results[1], results[2], results[3]
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
