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
ALL_CFLAGS   = -std=c17 $(WARNINGS) $(CFLAGS) -fPIC -fvisibility=hidden -fno-math-errno -D_FILE_OFFSET_BITS=64 $(LUA_CFLAGS)
# nodelete: sanitizers and valgrind lose a module's symbols when Lua unloads it.
ALL_LDFLAGS  = -shared -Wl,-z,nodelete -Wl,--no-undefined-version -Wl,--as-needed $(LDFLAGS)
ifeq ($(SANITIZE),1)
  # gcc's own runtime, so that `make test` needs no second compiler. -O0: at -O1 a single leak was missed.
  CFLAGS  := -O0 -g -fsanitize=address,undefined -fno-sanitize-recover=undefined -fno-omit-frame-pointer
endif

src = $(sort $(foreach pattern,$(1),$(wildcard csrc/$(pattern).c)))
CORE_SRC  := $(call src,core/error core/buf core/vmx* core/bar* core/pci* core/vmlog* core/json* core/text* core/file* \
               lua/bind lua/core lua/vmx* lua/bar* lua/pci* lua/vmlog* lua/json* lua/text* lua/file*)
NET_SRC   := $(call src,core/error core/buf core/schema* core/encode* core/decode* core/tape* core/http* core/trust* \
               core/engine* core/digest* core/xml* core/base64* gen/* lua/bind lua/net*)
STORE_SRC := $(call src,core/error core/buf core/journal* lua/bind lua/store*)
# Optional: writes answer media; built where pkg-config finds libarchive.
ISO_SRC   := $(call src,core/error core/buf core/iso* lua/bind lua/iso*)

CORE_PKGS  := jansson zlib
NET_PKGS   := libcurl libxml-2.0 openssl
STORE_PKGS := sqlite3
ISO_PKGS   := libarchive
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
	$(if $(V),,@echo "  LINK $@";) $(CC) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(CORE_PKGS))
$(LIBDIR)/net.so: $(call objs,$(NET_SRC))
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK $@";) $(CC) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(NET_PKGS)) -lcrypt -lm
$(LIBDIR)/store.so: $(call objs,$(STORE_SRC))
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK $@";) $(CC) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(STORE_PKGS))
$(LIBDIR)/iso.so: $(call objs,$(ISO_SRC))
	@mkdir -p $(@D)
	$(if $(V),,@echo "  LINK $@";) $(CC) $(CFLAGS) $(ALL_LDFLAGS) -o $@ $^ $(shell $(PKG) --libs $(ISO_PKGS))

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
-include $(wildcard $(OBJDIR)/*/*.d)

# What a C test or fuzz target links: the core files of a library (not its binding), and the libraries under it.
.PHONY: sources libraries
sources:
	@echo $(filter csrc/core/% csrc/gen/%,$(CORE_SRC:%=$(if $(filter core,$(ROOM)),%)) $(NET_SRC:%=$(if $(filter net,$(ROOM)),%)) $(STORE_SRC:%=$(if $(filter store,$(ROOM)),%)) $(ISO_SRC:%=$(if $(filter iso,$(ROOM)),%)))
libraries:
	@echo $(if $(filter net,$(ROOM)),-lcrypt) $(shell $(PKG) --libs $(if $(filter core,$(ROOM)),$(CORE_PKGS)) $(if $(filter net,$(ROOM)),$(NET_PKGS)) $(if $(filter store,$(ROOM)),$(STORE_PKGS)) $(if $(filter iso,$(ROOM)),$(ISO_PKGS)))

.PHONY: schema
schema: ## write csrc/gen/schema_data.c again from pyVmomi's tables
	@build-support/setup test
	@build/venv/bin/python csrc/gen/generate.py

# A host whose allocations can be made to fail, for spec/codec.
$(BUILD)/oomhost: csrc/test/oomhost.c
	@mkdir -p $(@D)
	@$(CC) -std=c17 $(WARNINGS) -O1 -g -Wl,-E $(LUA_CFLAGS) -o $@ $< $(shell $(PKG) --libs lua5.4) -ldl

vcenter: ## build the test vCenter (Go) into build/vcenter
	@mkdir -p $(BUILD)
	@. ./build-support/environment && cd spec/vcenter && go build -o ../../build/vcenter .

export GPUPT_BUILD := $(abspath $(BUILD))
LUA_ENV = LUA_PATH="$(CURDIR)/lua/?.lua;$(CURDIR)/lua/?/init.lua;$(CURDIR)/?.lua;;" LUA_CPATH="$(GPUPT_BUILD)/lib/?.so;;"

.PHONY: setup demo test spec lint sanitize apicheck soak bench fuzz docs install fresh clean help
setup: ## install what is missing on Debian 12 for development (names it first)
	@build-support/setup develop

# Set-up comes before the build, whose flags come from pkg-config: hence a second make.
demo: ## two hosts, four GPUs, two guests: the whole chain against the test vCenter
	@build-support/setup demo
	@$(MAKE) --no-print-directory build vcenter
	@$(LUA_ENV) build-support/demo

test: ## every test; ends with "N passed, N failed"
	@build-support/setup test
	@$(MAKE) --no-print-directory build vcenter
	@$(LUA_ENV) $(LUA) build-support/test.lua

spec: build ## one room's specs: make spec ROOM=vmx
	@$(LUA_ENV) $(LUA) /usr/bin/busted $(if $(filter regress,$(ROOM)),--pattern='%d%d%d-.*%.lua$$') $(if $(ROOM),spec/$(ROOM),spec)

lint: ## luacheck, clang-tidy, go vet
	@build-support/lint

sanitize: ## ASan+UBSan over all specs, valgrind over the C tests and the offline specs
	@build-support/sanitize

apicheck: build vcenter ## a few rooms under a Lua that checks its C callers and collects at every allocation
	@build-support/apicheck

soak: build vcenter ## the long sweeps: fuzzing, kill matrix, race detector, scale
	@$(LUA_ENV) build-support/soak

bench: build vcenter ## speed beside the peers and the physical floor, as ratios
	@$(LUA_ENV) build-support/bench

fuzz: ## run every libFuzzer target for FUZZ_SECONDS (60)
	@build-support/fuzz

docs: ## the reference, the ---@meta file and the man page from the declarations
	@$(LUA_ENV) build-support/docs

PREFIX     ?= /usr/local
INST_LUADIR ?= $(PREFIX)/share/lua/5.4
INST_LIBDIR ?= $(PREFIX)/lib/lua/5.4
INST_BINDIR ?= $(PREFIX)/bin
install: build ## install into PREFIX (the rock calls this with its own folders)
	mkdir -p "$(INST_LUADIR)" "$(INST_LIBDIR)/gpupt" "$(INST_BINDIR)"
	cp -R lua/gpupt "$(INST_LUADIR)/"
	cp $(LIBDIR)/*.so "$(INST_LIBDIR)/gpupt/"
	cp bin/gpupt "$(INST_BINDIR)/gpupt"

fresh: ## debootstrap a clean Debian 12, clone, run the README's commands there
	@build-support/fresh

clean: ## remove everything that was built
	rm -rf build

help:
	@echo "gpupt: make TARGET"; grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /|/' | awk -F'|' '{printf "  %-10s %s\n",$$1,$$2}'
