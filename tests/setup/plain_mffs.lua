-- Makes 32-bit PowerPC programs and libraries run on emulated G3 and G4 processors.
-- usage: lua5.1 plain_mffs.lua FILE...      (changed in place: give it copies)
--
-- glibc reads and sets the floating-point status with forms of mffs that POWER9 added (mffsl,
-- mffscrn, ...).  They are mffs with a number in a field that was reserved, and processors before
-- POWER9 ignore that field and execute mffs; qemu 7.2 raises SIGILL instead.  So the field, and
-- the source register that only those forms have, are cleared:
--
--     bits   0-5   6-10   11-15   16-20   21-30   31
--            63    FRT    form    FRB     583     Rc       (IBM's numbering: bit 0 is the highest)
--
-- Only words of executable sections of big-endian ELF32 files are touched.

local function number(s, at, bytes)
  local n = 0
  for i = at, at + bytes - 1 do n = n * 256 + s:byte(i) end
  return n
end

local function plain(code)
  local parts, copied = {}, 1
  local at = code:find("\142", 1, true) -- the low byte of 583 * 2
  while at do
    if at % 4 == 0 then
      local a, b, c = code:byte(at - 3, at - 1)
      if a >= 252 and b % 32 ~= 0 and c % 8 == 4 then
        parts[#parts + 1] = code:sub(copied, at - 3) .. string.char(b - b % 32, 4, 142)
        copied = at + 1
      end
    end
    at = code:find("\142", at + 1, true)
  end
  parts[#parts + 1] = code:sub(copied)
  return table.concat(parts), #parts - 1
end

for _, path in ipairs(arg) do
  local file = assert(io.open(path, "rb"))
  local elf = assert(file:read("*a"))
  file:close()
  if elf:sub(1, 6) == "\127ELF\1\2" then
    local headers, size, count = number(elf, 33, 4), number(elf, 47, 2), number(elf, 49, 2)
    local changes = 0
    for i = 0, count - 1 do
      local at = headers + i * size + 1
      local kind, flags = number(elf, at + 4, 4), number(elf, at + 8, 4)
      local offset, bytes = number(elf, at + 16, 4), number(elf, at + 20, 4)
      if kind == 1 and flags % 8 >= 4 then -- SHT_PROGBITS, SHF_EXECINSTR
        local code, n = plain(elf:sub(offset + 1, offset + bytes))
        elf = elf:sub(1, offset) .. code .. elf:sub(offset + bytes + 1)
        changes = changes + n
      end
    end
    if changes > 0 then
      file = assert(io.open(path, "wb"))
      assert(file:write(elf))
      assert(file:close())
    end
  end
end
