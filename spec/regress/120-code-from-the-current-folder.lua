-- Lua's default paths contain the current folder, and Lua files are searched before C libraries: in a folder with a
-- file gpupt/core.lua (an unpacked support bundle, a shared folder) every gpupt command executed that file.
local command = require "spec.support.command"

describe("the gpupt command in another user's folder", function()
  local folder
  before_each(function()
    folder = command.folder()
    os.execute(("mkdir -p '%s/gpupt/guest' '%s/jit'"):format(folder.path, folder.path))
  end)
  after_each(function() folder.remove() end)

  local function trap(name)
    folder.write(name, ("local file = io.open(%q, 'w') file:close() error 'trap'"):format(folder.path .. "/executed"))
  end

  local function was_executed()
    local file = io.open(folder.path .. "/executed")
    if file then file:close() end
    return file ~= nil
  end

  for _, name in ipairs { "core", "net", "store", "iso", "cli", "version" } do
    it("does not execute gpupt/" .. name .. ".lua of that folder", function()
      trap("gpupt/" .. name .. ".lua")
      folder.write("a.vmx", 'guestOS = "ubuntu-64"\n')
      for _, words in ipairs { "--version", "vmx get a.vmx guestOS", "status --journal j.db", "doctor .",
        "vim --url 127.0.0.1:1 about" } do
        folder.gpupt(words)
        assert.is_false(was_executed(), words)
      end
    end)
  end

  it("does not load a C library of that folder", function()
    folder.write("core.so", "")
    os.execute(("cd '%s' && cp core.so gpupt/core.so && chmod 755 gpupt/core.so"):format(folder.path))
    local status, out = folder.gpupt "--version"
    assert.equal(0, status)
    assert.matches("^gpupt %d", out)
  end)

  it("still lets a playbook require its own modules from there", function()
    folder.write("sizes.lua", "return { name = 'of the folder' }")
    folder.write("play.lua", [[
      local p, sizes = require "gpupt.playbook", require "sizes"
      error(sizes.name, 0)]])
    local status, _, err = folder.gpupt "plan play.lua --url 127.0.0.1:1 --username u"
    assert.not_equal(0, status)
    assert.matches("of the folder", err, 1, true)
  end)

  it("does not let a playbook load modules under gpupt's own names, which are not hashed", function()
    trap "gpupt/mine.lua"
    folder.write("play.lua", 'require "gpupt.mine"')
    local status = folder.gpupt "plan play.lua --url 127.0.0.1:1 --username u"
    assert.not_equal(0, status)
    assert.is_false(was_executed())
  end)
end)
