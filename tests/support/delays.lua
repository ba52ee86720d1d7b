-- Collects how late things came, in milliseconds; dofile gives a function that makes a collection.
return function()
  local delays = {}

  --- One more.
  local function add(milliseconds)
    delays[#delays + 1] = milliseconds
  end

  --- The worst, and what 99 of 100 stay within: a machine that others use too makes the worst.
  local function text()
    table.sort(delays)
    return ("at most %.1f ms (99 of 100: %.1f, of %d)"):format(delays[#delays],
      delays[math.ceil(#delays * 0.99)], #delays)
  end

  return add, text
end
