rockspec_format = "3.0"
package = "lull"
version = "scm-1"

source = {
  url = "git+https://github.com/lull/lull",
}

description = {
  summary = "Scriptable inference of Llama-family models on any machine",
  detailed = [[
lull loads llama2.c checkpoints and runs them on the CPU, from a PowerBook G4 to a current server,
with the same result everywhere.  How to sample and how to prompt are Lua scripts.
]],
  homepage = "https://github.com/lull/lull",
  license = "MIT",
}

supported_platforms = { "unix" }

dependencies = {
  "lua >= 5.1, < 5.5",
  "argparse >= 0.7",
  "lua-cjson >= 2.1",
  "luafilesystem >= 1.8",
  "lpeg >= 1.0",
}

build = {
  type = "make",
  variables = {
    LUA = "$(LUA)",
  },
  build_variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
  },
  install_variables = {
    CC = "$(CC)",
    CFLAGS = "$(CFLAGS)",
    LUA_CFLAGS = "-I$(LUA_INCDIR)",
    PREFIX = "$(PREFIX)",
    BINDIR = "$(BINDIR)",
    CMODDIR = "$(LIBDIR)",
    LMODDIR = "$(LUADIR)",
    LIBDIR = "$(PREFIX)/lib",
    DATADIR = "$(PREFIX)/share",
  },
}

test = {
  type = "command",
  command = "make test",
}
