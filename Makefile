# lull: one Makefile for everything.  GNU make (gmake on the BSDs).
#
#   make              liblull.a, the Lua module lull/core.so and lull.pc, in build/
#   make story        installs what is missing, builds, and tells a story
#   make serve        serves it with nginx on http://127.0.0.1:8080; SERVE='--listen HOST:PORT'
#   make test         installs what the tests need, builds everything, runs every test;
#                     the last line counts them.  T=text runs the tests whose names have it
#   make test-hosts-setup    installs the programs that host Lua, and what the server's tests need
#   make SAN=asan test    the native tests under a sanitizer: asan, ubsan or tsan
#   make EMULATE_AMX=1 BUILD=folder    for tests: AMX's instructions emulated, in a folder of its own
#   make check        formatting and static analysis
#   make fuzz         each fuzz target for FUZZ_SECONDS (30), with clang
#   make bench        lists the measurements; RUN='NAME OPTIONS' runs one
#   make install      PREFIX (/usr/local), DESTDIR; make uninstall takes the same
#   make clean
#
# V=1 shows the commands.  BUILD=folder builds elsewhere.  LUA_V=5.1 chooses the Lua.
# story, serve, test, test-hosts-setup, check and fuzz install Debian packages with apt-get (as root
# or through sudo -n);
# LULL_NO_INSTALL=1 prints the line to run instead.  No other target installs packages.

PREFIX     ?= /usr/local
LUA_V      ?= 5.1
LUA        ?= lua$(LUA_V)
BUSTED     ?= busted
PKG_CONFIG ?= pkg-config
AR         ?= ar
OBJDUMP    ?= objdump
NM         ?= nm
INSTALL    ?= install
CFLAGS     ?= -O2 -g
BINDIR     ?= $(PREFIX)/bin
LIBDIR     ?= $(PREFIX)/lib
INCDIR     ?= $(PREFIX)/include
DATADIR    ?= $(PREFIX)/share/lull
LMODDIR    ?= $(PREFIX)/share/lua/$(LUA_V)
CMODDIR    ?= $(PREFIX)/lib/lua/$(LUA_V)
SAN        ?=
EMULATE_AMX ?=
BUILD      ?= build$(if $(SAN),-$(SAN))
JOBS       ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
VERSION    := $(shell sed -n 's/^\#define LULL_VERSION "\(.*\)"/\1/p' core/lull.h)

# ------------------------------------------------------------------------- compiler and machine

OS      := $(shell uname -s)
MACHINE := $(firstword $(subst -, ,$(shell $(CC) -dumpmachine 2>/dev/null)))
# $(call takes,FLAGS) is FLAGS if the compiler knows them all, else nothing.
takes    = $(shell $(CC) $(1) -E -x c /dev/null >/dev/null 2>&1 && echo '$(1)')

SAN_asan  := -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer -O1
SAN_ubsan := -fsanitize=undefined -fno-sanitize-recover=undefined -O1
SAN_tsan  := -fsanitize=thread -O1
SAN_fuzz  := -fsanitize=fuzzer-no-link,address,undefined -fno-sanitize-recover=undefined -O1
SAN_FLAGS := $(SAN_$(SAN))
ifneq ($(SAN),)
ifeq ($(SAN_FLAGS),)
$(error SAN must be asan, ubsan or tsan)
endif
endif

WARNINGS := -Wall -Wextra -Wshadow -Wstrict-prototypes -Wmissing-prototypes -Wpointer-arith \
            -Wwrite-strings
WARNINGS := $(WARNINGS) $(call takes,-Wvla)

# Never a fused multiply-add that the source does not ask for, and never -ffast-math: results are
# the same on every machine, and a module linked with it flips flush-to-zero for its whole host.
UNFUSED := $(firstword $(call takes,-ffp-contract=off) $(call takes,-mno-fused-madd))

# The baseline every file is compiled for; kernel files add their instruction set below.
BASE_i386 := -msse2 -mfpmath=sse
BASE_ppc  := -mcpu=750 -mtune=7450 -mno-altivec
# GCC for s390x computes floats in double under -std=c99 unless told otherwise.
BASE_s390x := -fexcess-precision=fast
FAMILY    := $(MACHINE)
ifneq ($(filter i386 i486 i586 i686,$(MACHINE)),)
FAMILY    := i386
endif
ifneq ($(filter powerpc ppc,$(MACHINE)),)
FAMILY    := ppc
endif
ifeq ($(MACHINE),arm64)
FAMILY    := aarch64
endif

# Darwin shows everything unless told to be POSIX, and what it then hides its own headers miss.
SYSTEM := -D_FILE_OFFSET_BITS=64
ifneq ($(OS),Darwin)
SYSTEM += -D_POSIX_C_SOURCE=200809L
endif
ifeq ($(OS),NetBSD)
SYSTEM += -D_NETBSD_SOURCE
endif

LULL_CFLAGS := -std=c99 $(SYSTEM) -fPIC -fvisibility=hidden $(UNFUSED) $(BASE_$(FAMILY)) \
               $(WARNINGS) -iquote core
LULL_LIBS   := -lm
ifeq ($(OS),Darwin)
MODULE_FLAGS := -bundle -undefined dynamic_lookup
ifeq ($(FAMILY),ppc)
# What dynamic_lookup needs, and the oldest system lull is for.
MACOSX_DEPLOYMENT_TARGET ?= 10.4
export MACOSX_DEPLOYMENT_TARGET
endif
else
LULL_CFLAGS  += -pthread
LULL_LIBS    += -pthread
# nodelete: lua_close must not unmap code that a thread still runs.
MODULE_FLAGS := -shared -Wl,--exclude-libs,ALL -Wl,-z,nodelete -Wl,-z,relro,-z,now
endif

LUA_PC     ?= $(firstword $(foreach p,lua$(LUA_V) lua-$(LUA_V) lua$(subst .,,$(LUA_V)),\
                $(shell $(PKG_CONFIG) --exists $(p) 2>/dev/null && echo $(p))) lua$(LUA_V))
LUA_CFLAGS ?= $(shell $(PKG_CONFIG) --cflags $(LUA_PC) 2>/dev/null || echo -I/usr/include/lua$(LUA_V))
LUA_LIBS   ?= $(shell $(PKG_CONFIG) --libs $(LUA_PC) 2>/dev/null || echo -llua$(LUA_V))

# -------------------------------------------------------------------------------------- sources

# A kernel file is built where its family of machines is and the compiler knows its instructions;
# select.c is told by LULL_HAVE_<ISA>.
ISA_avx2    := -mavx2 -mfma
ISA_avx512  := -mavx512f -mavx512bw -mavx512vl -mavx512dq -mavx512vnni -mfma
ISA_amx     := $(ISA_avx512) -mgfni -mamx-tile -mamx-int8
ISA_altivec := -maltivec -mcpu=7450 $(if $(filter Darwin,$(OS)),,-mabi=altivec)
ISA_neon    := -march=armv8-a
ISA_dotprod := -march=armv8.2-a+dotprod
ISAS_x86_64 := avx2 avx512 amx
ISAS_i386   := avx2 avx512
ISAS_ppc    := altivec
ISAS_aarch64 := neon dotprod
ISA_FILES   := $(foreach i,avx2 avx512 amx altivec neon dotprod,$(wildcard core/kernels/$(i)*.c))
ISAS        := $(foreach i,$(ISAS_$(FAMILY)),$(if $(call takes,$(ISA_$(i))),$(i)))
HAVE        := $(foreach i,$(ISAS),-DLULL_HAVE_$(shell echo $(i) | tr a-z A-Z))

KERNEL_SRC  := $(filter-out $(ISA_FILES),$(wildcard core/kernels/*.c)) \
               $(foreach i,$(ISAS),$(wildcard core/kernels/$(i)*.c))
CORE_SRC    := $(wildcard core/*.c core/formats/*.c) $(KERNEL_SRC)
MODULE_SRC  := $(wildcard bindings/*.c)
SCRIPTS     := $(shell find scripts/lull -name '*.lua' 2>/dev/null)
UNIT_SRC    := $(wildcard tests/unit/test_*.c)
FUZZ_SRC    := $(wildcard tests/fuzz/fuzz_*.c)
HOST_SRC    := $(wildcard tests/hosts/*.c)
EXAMPLE_SRC := $(wildcard examples/*.c examples/*/*.c)
SUPPORT_SRC := $(wildcard tests/support/*.c)
KTEST_SRC   := $(wildcard tests/kernels/*.c)
GOLDEN_SRC  := $(wildcard tests/golden/*.c)
BENCH_SRC   := $(wildcard tests/bench/*.c)

objects      = $(patsubst %.c,$(BUILD)/%.o,$(1))
ALL_SRC     := $(CORE_SRC) $(MODULE_SRC) $(UNIT_SRC) $(FUZZ_SRC) $(HOST_SRC) $(EXAMPLE_SRC) \
               $(SUPPORT_SRC) $(KTEST_SRC) $(GOLDEN_SRC) $(BENCH_SRC) tests/fuzz/replay.c tests/canary.c

# In the build folder.
LIB         := $(BUILD)/liblull.a
MODULE      := $(BUILD)/lull/core.so
SUPPORT     := $(BUILD)/tests/libsupport.a
UNIT_BIN    := $(UNIT_SRC:tests/unit/%.c=$(BUILD)/bin/%)
REPLAY_BIN  := $(FUZZ_SRC:tests/fuzz/fuzz_%.c=$(BUILD)/bin/replay_%)
HOST_BIN    := $(HOST_SRC:tests/hosts/%.c=$(BUILD)/bin/host_%)
EXAMPLE_BIN := $(EXAMPLE_SRC:%.c=$(BUILD)/%)
KTEST_BIN   := $(if $(KTEST_SRC),$(BUILD)/bin/kernels)
GOLDEN_BIN  := $(if $(GOLDEN_SRC),$(BUILD)/bin/golden)
BENCH_BIN   := $(BENCH_SRC:tests/bench/%.c=$(BUILD)/bin/bench_%)

# ---------------------------------------------------------------------------------------- rules

Q   := $(if $(filter 1,$(V)),,@)
say  = $(if $(filter 1,$(V)),@:,@printf '  %-5s %s\n' '$(1)' '$(2)')

.DELETE_ON_ERROR:
.PHONY: all story serve test check fuzz bench install uninstall clean FORCE

all: $(LIB) $(if $(MODULE_SRC),$(MODULE)) $(BUILD)/lull.pc

# Kernels, the forward pass, quantising and loops over logits are worth -O3; ISA flags come last so that CFLAGS cannot widen them.
$(BUILD)/core/kernels/%: OPT := -O3
$(BUILD)/core/forward.o: OPT := -O3
$(BUILD)/core/group.o: OPT := -O3
$(foreach f,logits mass cut largest filters transforms choosing divergence,$(BUILD)/core/$(f).o): OPT := -O3
$(BUILD)/tests/bench/%: OPT := -O3
$(BUILD)/core/kernels/select.o: DEFS := $(HAVE)
$(BUILD)/core/kernels/avx2%: ISA := $(ISA_avx2)
$(BUILD)/core/kernels/avx512%: ISA := $(ISA_avx512)
$(BUILD)/core/kernels/amx%: ISA := $(ISA_amx)
$(BUILD)/core/kernels/altivec%: ISA := $(ISA_altivec)
$(BUILD)/core/kernels/neon%: ISA := $(ISA_neon)
$(BUILD)/core/kernels/dotprod%: ISA := $(ISA_dotprod)
ifneq ($(EMULATE_AMX),)
$(BUILD)/core/kernels/amx%: DEFS := -DLULL_TILES='"tile_emulation.h"' -iquote tests/kernels
endif
$(BUILD)/bindings/%: DEFS := $(LUA_CFLAGS)
$(BUILD)/tests/hosts/%: DEFS := $(LUA_CFLAGS)
$(BUILD)/examples/%: DEFS := $(LUA_CFLAGS)
$(BUILD)/tests/unit/%: DEFS := -iquote tests/support $(CMOCKA_CFLAGS)
$(BUILD)/tests/kernels/%: DEFS := -iquote tests/support $(HAVE)
$(BUILD)/tests/golden/%: DEFS := -iquote tests/support
$(BUILD)/tests/fuzz/%: DEFS := -iquote tests/support
$(BUILD)/tests/bench/%: DEFS := -iquote tests/support

COMPILE = $(CC) $(CPPFLAGS) $(LULL_CFLAGS) $(DEFS) $(CFLAGS) $(OPT) $(SAN_FLAGS) $(ISA) -MMD -MP
LINK    = $(CC) $(LDFLAGS) $(SAN_FLAGS)

$(BUILD)/%.o: %.c $(BUILD)/flags
	@mkdir -p $(@D)
	$(call say,CC,$<)
	$(Q)$(COMPILE) -c -o $@ $<

# Everything is built again when the compiler or a flag changes.
FLAGS_NOW = $(CC) $(CPPFLAGS) $(LULL_CFLAGS) $(HAVE) $(LUA_CFLAGS) $(CMOCKA_CFLAGS) $(CFLAGS) \
            $(SAN_FLAGS) $(LDFLAGS) $(EMULATE_AMX:%=emulated-amx)
$(BUILD)/flags: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' '$(FLAGS_NOW)' | cmp -s - $@ || printf '%s\n' '$(FLAGS_NOW)' > $@

define archive
$(call say,AR,$@)
$(Q)rm -f $@ && $(AR) rcs $@ $(filter %.o,$^)
endef

$(LIB): $(call objects,$(CORE_SRC))
	$(archive)

$(SUPPORT): $(call objects,$(SUPPORT_SRC))
	@mkdir -p $(@D)
	$(archive)

$(MODULE): $(call objects,$(MODULE_SRC)) $(LIB)
	@mkdir -p $(@D)
	$(call say,LD,$@)
	$(Q)$(LINK) $(MODULE_FLAGS) -o $@ $^ $(LULL_LIBS)

$(BUILD)/lull.pc: FORCE
	@mkdir -p $(@D)
	@printf '%s\n' 'libdir=$(LIBDIR)' 'includedir=$(INCDIR)' '' 'Name: lull' \
	  'Description: Llama-family language models on any machine' 'Version: $(VERSION)' \
	  'Libs: -L$${libdir} -llull $(LULL_LIBS)' 'Cflags: -I$${includedir}' > $@

# --------------------------------------------------------------------------------- test programs

CMOCKA_LIBS  ?= -lcmocka
# Cross builds link tests statically, so that they run without the target's libraries.
TEST_LDFLAGS ?=

# Cross builds for old PowerPC processors run this on each test program.
TEST_FIX     ?=

define link-test
@mkdir -p $(@D)
$(call say,LD,$@)
$(Q)$(LINK) $(TEST_LDFLAGS) -o $@ $(filter %.o,$^) $(SUPPORT) $(LIB) $(1) $(LULL_LIBS)
$(if $(TEST_FIX),$(Q)$(TEST_FIX) $@)
endef

$(UNIT_BIN): $(BUILD)/bin/%: $(BUILD)/tests/unit/%.o $(SUPPORT) $(LIB)
	$(call link-test,$(CMOCKA_LIBS))

$(KTEST_BIN): $(call objects,$(KTEST_SRC)) $(SUPPORT) $(LIB)
	$(call link-test)

$(GOLDEN_BIN): $(call objects,$(GOLDEN_SRC)) $(SUPPORT) $(LIB)
	$(call link-test)

$(REPLAY_BIN): $(BUILD)/bin/replay_%: $(BUILD)/tests/fuzz/fuzz_%.o $(BUILD)/tests/fuzz/replay.o $(SUPPORT) $(LIB)
	$(call link-test)

$(BENCH_BIN): $(BUILD)/bin/bench_%: $(BUILD)/tests/bench/%.o $(SUPPORT) $(LIB)
	$(call link-test)

$(HOST_BIN): $(BUILD)/bin/host_%: $(BUILD)/tests/hosts/%.o $(SUPPORT) $(LIB)
	$(call link-test,$(LUA_LIBS))

$(EXAMPLE_BIN): $(BUILD)/%: $(BUILD)/%.o $(LIB)
	$(call link-test,$(LUA_LIBS))

$(BUILD)/bin/canary: $(BUILD)/tests/canary.o
	@mkdir -p $(@D)
	$(Q)$(LINK) -o $@ $^ $(LULL_LIBS)

$(BUILD)/bin/forget_preload.so: tests/forget_preload.c
	@mkdir -p $(@D)
	$(Q)$(CC) -shared -fPIC -o $@ $<

.PHONY: c-tests native-tests
# What also runs on other machines.
c-tests: $(LIB) $(if $(CMOCKA_LIBS),$(UNIT_BIN)) $(KTEST_BIN) $(GOLDEN_BIN) $(REPLAY_BIN)
native-tests: all c-tests $(HOST_BIN) $(EXAMPLE_BIN) $(if $(SAN),$(BUILD)/bin/canary $(BUILD)/bin/forget_preload.so)

# ------------------------------------------------------------------------- story, test, the rest

story:
	@sh tests/setup/packages.sh story
	@$(MAKE) --no-print-directory all
	@echo
	@LULL_BUILD='$(BUILD)' scripts/bin/lull tell examples/models/lullaby.bin \
	  -p 'Once upon a time' -n 220 --temperature 0.8 --seed 3 --stats

# SERVE: options of examples/server/serve.sh.
serve:
	@sh tests/setup/hosts.sh serve
	@$(MAKE) --no-print-directory all
	@LULL_BUILD='$(BUILD)' exec sh examples/server/serve.sh $(SERVE)

# The machines of the cross-built tests.  A filter that names none of them leaves them out.
CROSS         := $(if $(SAN),,i386 ppc s390x aarch64)
CROSS         := $(if $(T),$(foreach c,$(CROSS),$(if $(findstring $(c),$(T)),$(c))),$(CROSS))
CROSS_i386    := i686-linux-gnu
CROSS_ppc     := powerpc-linux-gnu
CROSS_s390x   := s390x-linux-gnu
CROSS_aarch64 := aarch64-linux-gnu
FIX_ppc       := lua5.1 tests/setup/plain_mffs.lua
# Other versions of Lua that the module is built for; LuaJIT loads the one for 5.1.
LUAS          := $(if $(SAN),,5.2 5.3 5.4)
USED_5.2      := hosts/mpv
USED_5.3      := hosts/haproxy
USED_5.4      := hosts/lighttpd
LUAS          := $(if $(T),$(foreach v,$(LUAS),$(if $(findstring $(T),spec-lua$(v) $(USED_$(v))),$(v))),$(LUAS))
# AMX's kernels once more, with its instructions emulated: few machines have them.
EMULATED      := $(if $(filter amx,$(ISAS)),amx-emulated)
EMULATED      := $(if $(T),$(if $(findstring $(T),amx-emulated/kernels amx-emulated/golden),$(EMULATED)),$(EMULATED))
PARALLEL       = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(JOBS))

# A second make, because what it finds out about compilers and libraries may just have come.
test:
	@sh tests/setup/packages.sh test
	@$(MAKE) --no-print-directory $(PARALLEL) -k native-tests $(EMULATED) $(LUAS:%=lua-%) $(CROSS:%=cross-%) || \
	  echo 'make: some tests do not build; going on with the others'
	@BUILD='$(BUILD)' SAN='$(SAN)' JOBS='$(JOBS)' CC='$(CC)' NM='$(NM)' OBJDUMP='$(OBJDUMP)' LUA='$(LUA)' \
	  BUSTED='$(BUSTED)' MAKE='$(MAKE)' CROSS='$(CROSS)' LUAS='$(LUAS)' EMULATED='$(EMULATED)' \
	  sh tests/run.sh '$(T)'

.PHONY: test-hosts-setup
test-hosts-setup:
	@sh tests/setup/hosts.sh hosts server-test

# Debian's sources of Lua, LPeg, LuaSocket and cmocka, to build for other machines.
$(BUILD)/sources/done: tests/setup/sources.sh
	$(call say,GET,sources for other machines)
	$(Q)sh tests/setup/sources.sh $(@D)

.PHONY: $(LUAS:%=lua-%)
$(LUAS:%=lua-%): lua-%:
	$(Q)$(MAKE) --no-print-directory LUA_V=$* BUILD=$(BUILD)/lua$* $(BUILD)/lua$*/lull/core.so

.PHONY: amx-emulated
amx-emulated:
	$(Q)$(MAKE) --no-print-directory EMULATE_AMX=1 BUILD=$(BUILD)/$@ $(BUILD)/$@/bin/kernels $(BUILD)/$@/bin/golden

.PHONY: $(CROSS:%=cross-%)
$(CROSS:%=cross-%): cross-%: $(BUILD)/sources/done
	$(Q)if command -v $(CROSS_$*)-gcc >/dev/null; then \
	  sh tests/setup/cross.sh $(BUILD)/sources $(BUILD)/$*/deps $(CROSS_$*) && \
	  $(MAKE) --no-print-directory CC=$(CROSS_$*)-gcc AR=$(CROSS_$*)-ar BUILD=$(BUILD)/$* \
	    TEST_LDFLAGS=-static TEST_FIX='$(FIX_$*)' LUA_LIBS= LUA_CFLAGS=-I$(BUILD)/$*/deps/lua \
	    CMOCKA_CFLAGS=-I$(BUILD)/$*/deps/cmocka \
	    CMOCKA_LIBS="$$(ls $(BUILD)/$*/deps/cmocka/libcmocka.a 2>/dev/null)" \
	    $$(test -e $(BUILD)/$*/deps/lua/lua && echo all) c-tests; \
	else echo '  no compiler $(CROSS_$*)-gcc'; fi

check:
	@sh tests/setup/packages.sh check
	@CC='$(CC)' LUA_CFLAGS='$(LUA_CFLAGS)' SYSTEM='$(SYSTEM)' sh tests/check.sh

.PHONY: format
# Rewrites the C files as `make check` wants them.
format:
	clang-format -i $(shell git ls-files '*.c' '*.h')

FUZZ_SECONDS ?= 30
FUZZ_BIN     := $(FUZZ_SRC:tests/fuzz/%.c=$(BUILD)/bin/%)

fuzz:
	@sh tests/setup/packages.sh fuzz
	@$(MAKE) --no-print-directory $(PARALLEL) CC=clang SAN=fuzz BUILD=$(BUILD)-fuzz fuzz-programs
	@for program in $(FUZZ_BIN:$(BUILD)/%=$(BUILD)-fuzz/%); do \
	  name=$${program##*/fuzz_}; new=$(BUILD)-fuzz/new/$$name; mkdir -p $$new; \
	  echo "fuzz $$name: $(FUZZ_SECONDS) s, new inputs go to $$new"; \
	  $$program -max_total_time=$(FUZZ_SECONDS) -timeout=10 -rss_limit_mb=1024 -print_final_stats=1 \
	    -artifact_prefix=$(BUILD)-fuzz/$$name- $$new $$(ls -d tests/corpus/$$name 2>/dev/null) \
	    > $(BUILD)-fuzz/$$name.log 2>&1 || { tail -40 $(BUILD)-fuzz/$$name.log; exit 1; }; \
	  grep number_of_executed_units $(BUILD)-fuzz/$$name.log; done

.PHONY: fuzz-programs
fuzz-programs: $(FUZZ_BIN)
$(FUZZ_BIN): $(BUILD)/bin/%: $(BUILD)/tests/fuzz/%.o $(SUPPORT) $(LIB)
	$(call link-test,-fsanitize=fuzzer)

# make bench RUN='memory --scratch /tmp/x' runs one of them.
bench:
	@sh tests/bench/run.sh $(RUN)

# -------------------------------------------------------------------------------------- install

MODELS := $(wildcard examples/models/*)
HEADERS := $(notdir $(wildcard core/lull*.h))
SCRIPT_DIRS := $(patsubst %/,%,$(sort $(dir $(SCRIPTS:scripts/%=%))))
DEEPEST_FIRST = $(shell printf '%s\n' $(SCRIPT_DIRS) | sort -r)

install: all
	$(INSTALL) -d '$(DESTDIR)$(BINDIR)' '$(DESTDIR)$(INCDIR)' '$(DESTDIR)$(LIBDIR)/pkgconfig' \
	  '$(DESTDIR)$(CMODDIR)/lull' '$(DESTDIR)$(DATADIR)/models' \
	  $(SCRIPT_DIRS:%='$(DESTDIR)$(LMODDIR)/%')
	$(INSTALL) -m 644 $(HEADERS:%=core/%) '$(DESTDIR)$(INCDIR)/'
	$(INSTALL) -m 644 $(LIB) '$(DESTDIR)$(LIBDIR)/liblull.a'
	$(INSTALL) -m 644 $(BUILD)/lull.pc '$(DESTDIR)$(LIBDIR)/pkgconfig/lull.pc'
	$(INSTALL) -m 755 $(MODULE) '$(DESTDIR)$(CMODDIR)/lull/core.so'
	for f in $(SCRIPTS:scripts/%=%); do \
	  $(INSTALL) -m 644 "scripts/$$f" "$(DESTDIR)$(LMODDIR)/$$f" || exit 1; done
	{ echo '#!/usr/bin/env $(LUA)'; \
	  echo 'package.path = "$(LMODDIR)/?.lua;$(LMODDIR)/?/init.lua;" .. package.path'; \
	  echo 'package.cpath = "$(CMODDIR)/?.so;" .. package.cpath'; \
	  sed 1d scripts/bin/lull; } > $(BUILD)/lull-installed
	$(INSTALL) -m 755 $(BUILD)/lull-installed '$(DESTDIR)$(BINDIR)/lull'
	$(INSTALL) -m 644 $(MODELS) '$(DESTDIR)$(DATADIR)/models/'
	$(INSTALL) -m 644 LICENSE '$(DESTDIR)$(DATADIR)/LICENSE'

uninstall:
	rm -f $(HEADERS:%='$(DESTDIR)$(INCDIR)/%') '$(DESTDIR)$(LIBDIR)/liblull.a' '$(DESTDIR)$(BINDIR)/lull' \
	  '$(DESTDIR)$(LIBDIR)/pkgconfig/lull.pc' '$(DESTDIR)$(CMODDIR)/lull/core.so' \
	  $(SCRIPTS:scripts/%='$(DESTDIR)$(LMODDIR)/%') '$(DESTDIR)$(DATADIR)/LICENSE' \
	  $(MODELS:examples/models/%='$(DESTDIR)$(DATADIR)/models/%')
	-for d in $(DEEPEST_FIRST:%='$(DESTDIR)$(LMODDIR)/%') \
	  '$(DESTDIR)$(CMODDIR)/lull' '$(DESTDIR)$(DATADIR)/models' \
	  '$(DESTDIR)$(DATADIR)'; do test ! -d "$$d" || rmdir "$$d"; done

clean:
	rm -rf '$(BUILD)'

-include $(patsubst %.c,$(BUILD)/%.d,$(ALL_SRC))
