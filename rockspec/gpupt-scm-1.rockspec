rockspec_format = "3.0"
package = "gpupt"
version = "scm-1"
source = {
  -- No public repository is named yet: `luarocks make` and `luarocks pack` work on the files beside this one.
  url = "file://.",
}
description = {
  summary = "GPU passthrough on VMware ESXi, from a card in the slot to a guest that sees it",
  detailed = [[
    Takes a fleet of ESXi hosts from "a GPU card sits in the slot" to "the guest sees it and its driver runs", and
    tells why when it does not: vmx editing, BAR arithmetic, PCI enumeration, log diagnosis, the whole vim25 API and
    playbooks in plain Lua, with a command.]],
  license = "MIT",
  labels = { "vmware", "vsphere", "gpu", "passthrough", "esxi" },
}
-- Any rock dependency would break an offline `luarocks make`.
dependencies = { "lua >= 5.4, < 5.5" }
-- Libraries only: the headers of Debian's multi-arch folders are not found by luarocks, pkg-config finds them.
external_dependencies = {
  CURL = { library = "curl" },
  XML2 = { library = "xml2" },
  OPENSSL = { library = "ssl" },
  SQLITE = { library = "sqlite3" },
  JANSSON = { library = "jansson" },
  ZLIB = { library = "z" },
}
build = {
  type = "make",
  build_target = "build",
  install_target = "install-rock",
  build_variables = {
    CFLAGS = "$(CFLAGS)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    LUA = "$(LUA)",
    BUILD = "build/rock",
  },
  install_variables = {
    INST_LUADIR = "$(LUADIR)",
    INST_LIBDIR = "$(LIBDIR)",
    INST_BINDIR = "$(BINDIR)",
    LUA_INCDIR = "$(LUA_INCDIR)",
    BUILD = "build/rock",
  },
  copy_directories = {},
}
test = {
  type = "command",
  command = "make test",
}
