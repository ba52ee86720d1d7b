--- What runs on a thread of nginx's pool, in a Lua state of its own: sleeping until a descriptor is
-- readable.
-- @module server.descriptor
local ffi = require "ffi"

ffi.cdef [[
  struct lull_pollfd { int fd; short events; short revents; };
  int poll(struct lull_pollfd *fds, unsigned long count, int timeout_ms);
]]

local POLLIN = 1
local entry = ffi.new "struct lull_pollfd[1]"

local descriptor = {}

--- @return how many are readable: 1, 0 after so many milliseconds, -1 when interrupted
function descriptor.wait(fd, milliseconds)
  entry[0].fd, entry[0].events = fd, POLLIN
  return ffi.C.poll(entry, 1, milliseconds)
end

return descriptor
