-- A plugin for Neovim: :Lull tells on from the text before the cursor, as it comes; <C-c> stops it.
--
--     let g:lull = {'model': '/path/to/lullaby.bin', 'options': {'temperature': 0.7}}
--
-- Keys and timers go on meanwhile: the model computes on a thread of its own, and libuv says when a
-- token is there.
local DEFAULT_MODEL = "/usr/local/share/lull/models/lullaby.bin"
local CONTEXT_LINES = 40 -- of the text before the cursor, as prompt

local telling -- the context of the text that is being told, or nil

local function prompt_at(buffer, row, column)
  local lines = vim.api.nvim_buf_get_lines(buffer, math.max(0, row - CONTEXT_LINES), row + 1, true)
  lines[#lines] = lines[#lines]:sub(1, column)
  return table.concat(lines, "\n")
end

-- Puts text where the mark is; the mark moves on behind it.
local function append(buffer, space, mark, text)
  if not vim.api.nvim_buf_is_valid(buffer) then
    return false
  end
  local row, column = unpack(vim.api.nvim_buf_get_extmark_by_id(buffer, space, mark, {}))
  vim.api.nvim_buf_set_text(buffer, row, column, row, column, vim.split(text, "\n"))
  return true
end

local function stop()
  if telling then
    telling:cancel()
  end
end

local function tell(buffer, row, column)
  local lull = require "lull"
  local settings = vim.g.lull or {}
  local model = assert(lull.load(settings.model or os.getenv "LULL_MODEL" or DEFAULT_MODEL))
  local given = vim.tbl_extend("force", {max_tokens = 200}, settings.options or {})
  local space = vim.api.nvim_create_namespace "lull"
  local mark = vim.api.nvim_buf_set_extmark(buffer, space, row, column, {})
  local prompt = prompt_at(buffer, row, column)

  telling = assert(model:context {})
  given.context = telling
  lull.async.use(lull.async.by_uv(vim.uv or vim.loop, vim.schedule))
  local next_piece, facts = assert(model:stream(prompt, given))
  local piece, message, code = next_piece()
  while piece and append(buffer, space, mark, piece) do
    piece, message, code = next_piece()
  end
  telling:close()
  telling = nil
  if message and code ~= "ECANCELED" then
    vim.api.nvim_err_writeln("lull: " .. message)
  else
    local done = ("lull: %d tokens, seed %.0f"):format(facts.tokens, facts.seed)
    vim.api.nvim_echo({{done}}, false, {})
  end
  vim.api.nvim_exec_autocmds("User", {pattern = "LullDone"})
end

vim.api.nvim_create_user_command("Lull", function()
  if telling then
    vim.api.nvim_err_writeln "lull: a text is being told already (<C-c> stops it)"
    return
  end
  local row, column = unpack(vim.api.nvim_win_get_cursor(0))
  local line = vim.api.nvim_get_current_line()
  -- In normal mode the cursor is on a character: behind it.
  column = math.min(#line, column + 1)
  coroutine.wrap(tell)(vim.api.nvim_get_current_buf(), row - 1, column)
end, {desc = "tell on from the text before the cursor"})

vim.keymap.set("n", "<C-c>", stop, {desc = "stop what :Lull tells"})
