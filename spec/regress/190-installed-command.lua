-- `make install PREFIX=/opt/x` installed a command that ended with "module 'gpupt.cli' not found" unless LUA_PATH named
-- the folders, and no man page. A symbolic link to the command of a checkout did not work either, and an installation
-- over an older one wrote into libraries that a running gpupt had mapped.
local installed = require "spec.support.installed"
local describe_installed = installed.unless_sanitized(describe)

describe_installed("the command that make install installs", function()
  local folder, prefix
  setup(function()
    folder = installed.folder()
    prefix = folder.path .. "/opt/x"
    local status, output = folder.make("install", { PREFIX = prefix })
    assert(status == 0, output)
  end)
  teardown(function() folder.remove() end)

  it("runs without LUA_PATH", function()
    local status, output = folder.gpupt(prefix .. "/bin/gpupt", "bar 2x10de:20b5")
    assert.equal(0, status, output)
    assert.matches("512", output)
  end)

  it("runs through a symbolic link", function()
    installed.must(("mkdir -p '%s/links' && ln -s '%s/bin/gpupt' '%s/links/g'"):format(folder.path, prefix, folder.path))
    local status, output = folder.gpupt(folder.path .. "/links/g", "--version")
    assert.equal(0, status, output)
    assert.matches("^gpupt %d", output)
  end)

  it("has its man page beside it", function()
    local page = assert(io.open(prefix .. "/share/man/man1/gpupt.1"))
    assert.matches(".TH GPUPT 1", page:read "a", 1, true)
    page:close()
  end)

  it("keeps the files that a running command has mapped", function()
    local library = prefix .. "/lib/lua/5.4/gpupt/core.so"
    local mapped = assert(io.open(library, "rb"))
    local before = installed.must("stat -c %i " .. library)
    local status, output = folder.make("install", { PREFIX = prefix })
    assert.equal(0, status, output)
    assert.not_equal(before, installed.must("stat -c %i " .. library))
    mapped:close()
  end)
end)

describe_installed("a symbolic link to the command of a checkout", function()
  it("finds the checkout's modules", function()
    local folder = installed.folder()
    finally(function() folder.remove() end)
    installed.must(("ln -s \"$PWD/bin/gpupt\" '%s/it'\"'\"'s gpupt'"):format(folder.path))
    local status, output = folder.gpupt(folder.path .. "/it's gpupt", "--version")
    assert.equal(0, status, output)
    assert.matches("^gpupt %d", output)
  end)
end)
