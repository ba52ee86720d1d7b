-- Runs inside Neovim: :Lull to the end with a timer beside it, then :Lull and <C-c>.
-- Writes to the folder $WORK: told, stopped, measured.
local work = os.getenv "WORK"
local PROMPT = "Once upon a time"

local function write(name, text)
  local file = assert(io.open(work .. "/" .. name, "w"))
  file:write(text)
  file:close()
end

local done = false
vim.api.nvim_create_autocmd("User", {pattern = "LullDone", callback = function() done = true end})

local function begin(seed)
  vim.g.lull = {options = {seed = seed, max_tokens = 300}}
  vim.api.nvim_buf_set_lines(0, 0, -1, true, {PROMPT, "", "The end."})
  vim.api.nvim_win_set_cursor(0, {1, #PROMPT})
  done = false
  vim.cmd "Lull"
end

local function told()
  local lines = vim.api.nvim_buf_get_lines(0, 0, -1, true)
  assert(lines[#lines] == "The end." and lines[#lines - 1] == "")
  return table.concat(lines, "\n", 1, #lines - 2):sub(#PROMPT + 1)
end

local function finish()
  assert(vim.wait(60000, function() return done end, 1), "it did not come to its end")
end

begin(7)
assert(told() == "", "it blocked")
finish()
write("told", told())

-- A timer is what keys and screen are: it runs in the same loop.
local add, text = dofile "tests/support/delays.lua" ()
local before
local timer = vim.loop.new_timer()
timer:start(0, 2, function()
  local now = vim.loop.hrtime()
  add(before and (now - before) / 1e6 - 2 or 0)
  before = now
end)
for seed = 1, 8 do
  begin(seed)
  finish()
end
timer:stop()
write("measured", "a timer of 2 ms is late by " .. text())

begin(7)
vim.wait(60000, function() return #told() > 20 end, 1)
vim.api.nvim_feedkeys(vim.api.nvim_replace_termcodes("<C-c>", true, false, true), "mx", false)
finish()
write("stopped", told())
vim.cmd "qa!"
