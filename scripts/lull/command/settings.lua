--- Settings as words: "q4", "portable", "threads=2", several with commas between.
-- @module lull.command.settings
local lull = require "lull"
local console = require "lull.command.console"
local files = require "lull.files"
local model = require "lull.command.model"

local settings = {}

local CHOICES = {precision = {f32 = true, q8 = true, q4 = true}, kv = {f32 = true, bf16 = true}}
local NUMBERS = {
  threads = console.integer("threads", 0, 256), batch = console.integer("batch", 1, 1024),
  group = console.integer("group", 1, 65536),
}

local function kernels()
  local names = {}
  for i, cpu in ipairs(lull.cpus()) do
    names[i], names[cpu.name] = cpu.name, true
  end
  return names
end

-- One word -> the option it is, and its value; nil where it is none.
local function option_of(word, where)
  local cpus = kernels()
  local key, value = word:match("^(%w+)=(.+)$")
  if CHOICES.precision[word] then
    return "precision", word
  elseif cpus[word] then
    return "cpu", word
  elseif CHOICES[key] and CHOICES[key][value] or key == "cpu" and cpus[value] then
    return key, value
  elseif NUMBERS[key] then
    local number, problem = NUMBERS[key](value)
    if number then
      return key, number
    end
    console.fail(console.USAGE, where .. ": " .. problem)
  end
end

--- The options of a command line with those of one setting in their places.
-- @param where what messages call the setting
-- @param other function(word) -> key, value for a word that is no setting, or nil
function settings.apply(args, text, where, other)
  local changed = {}
  for key, value in pairs(args) do
    changed[key] = value
  end
  for word in text:gmatch("[^,]+") do
    local key, value = option_of(word, where)
    if not key and other then
      key, value = other(word)
    end
    if not key then
      console.fail(console.USAGE, where .. ": '" .. word .. "' is no setting: expected f32, q8 or "
        .. "q4, a kernel (" .. table.concat(kernels(), ", ") .. "),\nor kv=, threads=, batch= or "
        .. "group= with a value; several with commas between")
    end
    changed[key] = value
  end
  return changed
end

--- The model that a setting means, which may also name the file of one.
-- @return the model, the options of its context, and its path
function settings.open(args, text, where)
  local given = settings.apply(args, text, where, function(word)
    if word == model.SHIPPED or word:find("^[^=]*[./][^=]*$") or files.exists(word) then
      return "model", word
    end
  end)
  local options = model.options(given)
  options.cache = true
  local loaded, message, code = lull.load(model.path(given), options)
  console.check(loaded, message, code, model.hint)
  return loaded, {threads = given.threads, kv = given.kv, cpu = given.cpu}, model.path(given)
end

return settings
