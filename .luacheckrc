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
