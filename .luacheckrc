-- What luacheck accepts; `make check` runs it.
std = "lua51"
max_line_length = 100

-- These differ in their last bits between machines, so nothing that decides a token may use them:
-- lull.math and lull.rng give the same everywhere.
files["scripts/**/*.lua"] = {
  not_globals = {
    "math.acos", "math.asin", "math.atan", "math.atan2", "math.cos", "math.cosh", "math.exp",
    "math.log", "math.log10", "math.pow", "math.random", "math.randomseed", "math.sin",
    "math.sinh", "math.tan", "math.tanh",
  },
}
files["scripts/bin/lull"] = files["scripts/**/*.lua"]
files["tests/spec/**/*.lua"] = { std = "lua51+busted" }
files["examples/server/lua/**/*.lua"] = { std = "luajit", globals = { "ngx" } }

-- What the programs that host Lua bring along.
files["**/hosts/neovim/**/*.lua"] = { globals = { "vim" } }
files["**/hosts/neovim.lua"] = { globals = { "vim" } }
files["**/hosts/nginx/*.lua"] = { std = "ngx_lua", read_globals = { "model" } }
files["**/hosts/love/*.lua"] = { std = "luajit+love" }
files["tests/hosts/love/*.lua"] = { globals = { "love" } }
files["**/hosts/luanti/**/*.lua"] = { globals = { "minetest" } }
files["**/hosts/haproxy/*.lua"] = { globals = { "core" } }
files["**/hosts/lighttpd/*.lua"] = { std = "lua54", globals = { "lighty" } }
files["**/hosts/mpv.lua"] = { globals = { "mp" } }
files["**/hosts/mpv/*.lua"] = { std = "lua52", globals = { "mp" } }
files["**/hosts/uwsgi/*.lua"] = { globals = { "uwsgi" } }
files["**/hosts/wrk/*.lua"] = {
  globals = { "wrk", "init", "request", "setup", "done", "number", "first" },
}
files["**/hosts/sysbench/*.lua"] = { globals = { "sysbench", "thread_init", "event", "tell" } }
files["**/hosts/sysbench.lua"] = { globals = { "thread_init", "event", "tell" } }
files["**/hosts/tarantool/*.lua"] = { globals = { "box" } }

files["tests/bench/server_load.lua"] = {
  globals = {
    "wrk", "setup", "init", "request", "response", "done", "right", "wrong", "first_wrong",
  },
}
