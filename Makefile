# gpupt: `make help` explains the targets.
.DEFAULT_GOAL := help
SHELL := /bin/bash

# A second build folder and flags (make BUILD=build/asan SANITIZE=1) give a sanitized build beside the plain one.
BUILD    ?= build
LUA      ?= lua5.4
LIBDIR   := $(BUILD)/lib/gpupt
OBJDIR   := $(BUILD)/obj
CC       ?= cc
PKG      ?= pkg-config

# luarocks passes LUA_INCDIR and CFLAGS; pkg-config finds the rest.
LUA_CFLAGS  := $(if $(LUA_INCDIR),-isystem $(LUA_INCDIR),$(shell $(PKG) --cflags-only-I lua5.4 2>/dev/null | sed 's/-I/-isystem /g'))
WARNINGS    := -Wall -Wextra -Wpedantic -Wconversion -Wsign-conversion -Wshadow -Wcast-qual -Wstrict-prototypes \
               -Wmissing-prototypes -Wformat=2 -Wvla -Wundef -Werror
CFLAGS      ?= -O2 -g
ifeq ($(SANITIZE),1)
  # gcc's own runtime, so that `make test` needs no second compiler. -O0: at -O1 a single leak was missed.
  CFLAGS  := -O0 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif

# Hardening. Kept separate from CFLAGS and LDFLAGS and put before them: it applies when luarocks or a distribution sets
# its own flags, which can still override it. Flags that this compiler or processor does not support are omitted.
# `make lint` checks the libraries for all of it (build-support/hardening).
cc_takes = $(shell printf 'int x;' | $(CC) -Werror $(1) -x c -S -o /dev/null - 2>/dev/null && echo yes)
HARDEN_WANTED := -fstack-protector-strong -fstack-clash-protection -fcf-protection
HARDEN_CFLAGS := $(if $(call cc_takes,$(HARDEN_WANTED)),$(HARDEN_WANTED),$(foreach \
                   flag,$(HARDEN_WANTED),$(if $(call cc_takes,$(flag)),$(flag))))
HARDEN_CFLAGS += -Wformat -Wformat-security -Werror=format-security
# Checked copies of libc's functions need optimisation; a level set by the packager is kept. The C library warns if it
# does not support level 3.
OPTIMISED     := $(filter-out -O0,$(lastword $(filter -O%,$(CPPFLAGS) $(CFLAGS))))
ifneq ($(OPTIMISED),)
ifeq ($(findstring _FORTIFY_SOURCE,$(CPPFLAGS) $(CFLAGS)),)
  FORTIFY := $(shell printf '\043include <string.h>\n' | $(CC) -O2 -Werror -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=3 -x c -E -o /dev/null - 2>/dev/null && echo 3 || echo 2)
  HARDEN_CFLAGS += -U_FORTIFY_SOURCE -D_FORTIFY_SOURCE=$(FORTIFY)
endif
endif
# The same sources give the same library in every folder: nothing in it names the folder or the time.
HARDEN_CFLAGS += '-ffile-prefix-map=$(CURDIR)=.' -Werror=date-time
HARDEN_LDFLAGS := -Wl,-z,relro -Wl,-z,now -Wl,-z,noexecstack

ALL_CFLAGS   = -std=c17 $(WARNINGS) $(HARDEN_CFLAGS) $(CPPFLAGS) $(CFLAGS) -fPIC -fvisibility=hidden -fno-math-errno \
               -D_FILE_OFFSET_BITS=64 -Icsrc $(LUA_CFLAGS)
# nodelete: sanitizers and valgrind lose a module's symbols when Lua unloads it.
ALL_LDFLAGS  = -shared $(HARDEN_LDFLAGS) -Wl,-z,nodelete -Wl,--no-undefined-version -Wl,--as-needed $(LDFLAGS)

# A library is its folder, the binding of the same name in lua/, and the files that every library has (base, bind).
src = $(sort $(foreach folder,$(1),$(wildcard csrc/$(folder)/*.c)))
CORE_SRC  := $(call src,base offline lua lua/offline)
NET_SRC   := $(call src,base vim25 gen lua lua/vim25)
STORE_SRC := $(call src,base store lua lua/store)
# Optional: writes and reads answer media; built where pkg-config finds libarchive and libyaml.
ISO_SRC   := $(call src,base media lua lua/media)

CORE_PKGS  := jansson zlib
NET_PKGS   := libcurl libxml-2.0 openssl
STORE_PKGS := sqlite3
ISO_PKGS   := libarchive yaml-0.1 libxml-2.0
HAVE_ISO   := $(shell $(PKG) --exists $(ISO_PKGS) 2>/dev/null && echo yes)

objs = $(patsubst csrc/%.c,$(OBJDIR)/%.o,$(1))
pkgs_cflags = $(shell $(PKG) --cflags $(1) 2>/dev/null | sed 's/-I/-isystem /g')

.PHONY: build core net store iso vcenter
build: core net store $(if $(HAVE_ISO),iso) ## build the C libraries into build/lib
core: $(LIBDIR)/core.so
net: $(LIBDIR)/net.so
store: $(LIBDIR)/store.so
iso: $(LIBDIR)/iso.so

$(LIBDIR)/core.so: $(call objs,$(CORE_SRC))
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK $@";) $(CC) $(HARDEN_CFLAGS) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(CORE_PKGS))
$(LIBDIR)/net.so: $(call objs,$(NET_SRC))
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK $@";) $(CC) $(HARDEN_CFLAGS) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(NET_PKGS)) -lcrypt -lm
$(LIBDIR)/store.so: $(call objs,$(STORE_SRC))
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK $@";) $(CC) $(HARDEN_CFLAGS) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(STORE_PKGS))
$(LIBDIR)/iso.so: $(call objs,$(ISO_SRC))
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK $@";) $(CC) $(HARDEN_CFLAGS) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(ISO_PKGS))

$(OBJDIR)/%.o: csrc/%.c Makefile
	@mkdir -p $(@D)
	$(if $(V),,@echo "  CC   $<";) $(CC) $(ALL_CFLAGS) $(EXTRA_CFLAGS) -MMD -MP -c -o $@ $<
$(call objs,$(NET_SRC)): EXTRA_CFLAGS = $(NET_CFLAGS)
$(call objs,$(STORE_SRC)): EXTRA_CFLAGS = $(STORE_CFLAGS)
$(call objs,$(ISO_SRC)): EXTRA_CFLAGS = $(ISO_CFLAGS)
$(call objs,$(CORE_SRC)): EXTRA_CFLAGS = $(CORE_CFLAGS)
CORE_CFLAGS  := $(call pkgs_cflags,$(CORE_PKGS))
NET_CFLAGS   := $(call pkgs_cflags,$(NET_PKGS))
STORE_CFLAGS := $(call pkgs_cflags,$(STORE_PKGS))
ISO_CFLAGS   := $(call pkgs_cflags,$(ISO_PKGS))
-include $(wildcard $(OBJDIR)/*/*.d $(OBJDIR)/*/*/*.d)

# What a C test or fuzz target links: the core files of a library (not its binding), and the libraries under it.
.PHONY: sources libraries
sources:
	@echo $(filter-out csrc/lua/%,$(if $(filter core,$(MODULE)),$(CORE_SRC)) $(if $(filter net,$(MODULE)),$(NET_SRC)) $(if $(filter store,$(MODULE)),$(STORE_SRC)) $(if $(filter iso,$(MODULE)),$(ISO_SRC)))
libraries:
	@echo $(if $(filter net,$(MODULE)),-lcrypt) $(shell $(PKG) --libs $(if $(filter core,$(MODULE)),$(CORE_PKGS)) $(if $(filter net,$(MODULE)),$(NET_PKGS)) $(if $(filter store,$(MODULE)),$(STORE_PKGS)) $(if $(filter iso,$(MODULE)),$(ISO_PKGS)))

.PHONY: schema
schema: ## regenerate csrc/gen/schema_data.c from pyVmomi's tables
	@build-support/setup test
	@build/venv/bin/python csrc/gen/generate.py

# A Lua host whose allocations can be made to fail, for spec/*/oom_spec.lua.
$(BUILD)/oomhost: csrc/test/oomhost.c
	@mkdir -p $(@D)
	@$(CC) -std=c17 $(WARNINGS) -O1 -g -Wl,-E $(LUA_CFLAGS) -o $@ $< $(shell $(PKG) --libs lua5.4) -ldl

vcenter: ## build the test vCenter (Go) into build/vcenter
	@mkdir -p $(BUILD)
	@. ./build-support/environment && cd spec/vcenter && go build -o ../../build/vcenter .

export GPUPT_BUILD := $(abspath $(BUILD))
LUA_ENV = LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$(CURDIR)/?.lua;;" LUA_CPATH="$(GPUPT_BUILD)/lib/?.so;;"

.PHONY: regress-proof setup demo test test-full spec lint sanitize apicheck soak bench fuzz coverage docs install uninstall install-rock fresh clean help
setup: ## name and install missing packages on Debian 12 for development
	@build-support/setup develop

# The first build of a checkout uses every processor, unless -j says otherwise.
EVERY = $(if $(filter -j%,$(MAKEFLAGS)),,-j$(shell nproc))

# Set-up runs before the build, whose flags come from pkg-config: hence a second make.
demo: ## two hosts, four GPUs, two guests: every step on the test vCenter
	@build-support/setup demo
	@$(MAKE) --no-print-directory $(EVERY) build vcenter
	@$(LUA_ENV) build-support/demo

test: ## every test; ends with "N passed, N failed"
	@build-support/setup test
	@$(MAKE) --no-print-directory $(EVERY) build vcenter $(BUILD)/oomhost
	@$(LUA_ENV) $(LUA) build-support/test.lua

test-full: ## make test and the long suites: other clients, many processes, browsers
	@build-support/setup develop
	@$(MAKE) --no-print-directory $(EVERY) build vcenter $(BUILD)/oomhost
	@$(LUA_ENV) $(LUA) build-support/test.lua --full

spec: build ## the specs of one module: make spec MODULE=vmx
	@$(LUA_ENV) $(LUA) /usr/bin/busted $(if $(filter regress,$(MODULE)),--pattern='%d%d%d-.*%.lua$$') $(if $(MODULE),spec/$(MODULE),spec)

regress-proof: ## run the regress specs added since BASE against BASE's code: each must fail there
	@build-support/setup test
	@build-support/regress-proof $(or $(BASE),$(error BASE is not set: make regress-proof BASE=0f7b0a9))

lint: build ## luacheck, clang-tidy, go vet, hardening of the libraries
	@build-support/lint

sanitize: ## ASan+UBSan over all specs; valgrind over C tests and offline specs
	@build-support/sanitize

apicheck: build vcenter ## some specs in a Lua that checks C calls and collects constantly
	@build-support/apicheck

soak: build vcenter ## the long tests: fuzzing, kill matrix, race detector, scale
	@$(LUA_ENV) build-support/soak

bench: build vcenter ## speed compared with other tools and the lower bound, as ratios
	@$(LUA_ENV) build-support/bench

fuzz: ## run every libFuzzer target for FUZZ_SECONDS (60)
	@build-support/fuzz

coverage: ## how much of the parsers' C code the fuzzing corpora reach, per file
	@build-support/fuzz --coverage

docs: ## generate the reference, the ---@meta files and the man page
	@$(LUA_ENV) build-support/docs

# The folders that gpupt is used from; DESTDIR is a folder in which a package is staged.
PREFIX      ?= /usr/local
DESTDIR     ?=
INST_LUADIR ?= $(PREFIX)/share/lua/5.4
INST_LIBDIR ?= $(PREFIX)/lib/lua/5.4
INST_BINDIR ?= $(PREFIX)/bin
INST_MANDIR ?= $(PREFIX)/share/man
INST_DOCDIR ?= $(PREFIX)/share/doc/gpupt
install uninstall: export PREFIX := $(PREFIX)
install uninstall: export DESTDIR := $(DESTDIR)
install uninstall: export INST_LUADIR := $(INST_LUADIR)
install uninstall: export INST_LIBDIR := $(INST_LIBDIR)
install uninstall: export INST_BINDIR := $(INST_BINDIR)
install uninstall: export INST_MANDIR := $(INST_MANDIR)
install uninstall: export INST_DOCDIR := $(INST_DOCDIR)
install uninstall: export LIBDIR := $(LIBDIR)
install uninstall: export LUA := $(LUA)
install: build ## install into PREFIX (/usr/local); DESTDIR stages a package
	@build-support/install install
uninstall: ## remove what `make install` wrote into PREFIX
	@build-support/install uninstall

# luarocks moves these files to their place afterwards, and its wrapper of the command sets the paths.
install-rock: build
	mkdir -p "$(INST_LUADIR)" "$(INST_LIBDIR)/gpupt" "$(INST_BINDIR)"
	cp -R lua/gpupt "$(INST_LUADIR)/"
	cp $(LIBDIR)/*.so "$(INST_LIBDIR)/gpupt/"
	cp bin/gpupt "$(INST_BINDIR)/gpupt"

fresh: ## clone into a clean Debian 12 and run the README's commands there
	@build-support/fresh

clean: ## remove everything that was built
	rm -rf build

help:
	@echo "gpupt: make TARGET"; grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  %-14s %s\n",$$1,$$2}'
