--- In a copied sysfs (gpupt pci --root) any file was read: a pipe instead of an attribute waited forever, and links led to
-- files and folders outside the copy.
local command = require "spec.support.command"

describe("a copy of a sysfs", function()
  local folder
  local device = "copy/bus/pci/devices/0000:42:00.0"
  before_each(function()
    folder = command.folder()
    os.execute(("mkdir -p '%s/%s' '%s/elsewhere/0000:43:00.0'"):format(folder.path, device, folder.path))
    for name, text in pairs { vendor = "0x10de", device = "0x20b5", class = "0x030200" } do
      folder.write(device .. "/" .. name, text .. "\n")
      folder.write("elsewhere/0000:43:00.0/" .. name, text .. "\n")
    end
  end)
  after_each(function() folder.remove() end)

  local function shell(line) assert(os.execute(("cd '%s' && %s"):format(folder.path, line))) end
  local function run()
    local pipe = assert(io.popen(("timeout 20 bin/gpupt pci --root '%s/copy' 2>&1; echo \"status $?\""):format(folder.path)))
    local text = pipe:read "a"
    pipe:close()
    return tonumber(text:match "status (%d+)\n$"), text
  end

  it("is read", function()
    local status, text = run()
    assert.equal(0, status, text)
    assert.matches("0000:42:00.0", text, 1, true)
  end)

  for _, name in ipairs { "resource", "config", "numa_node", "subsystem_vendor" } do
    it("with a pipe does not hang: " .. name, function()
      shell(("mkfifo %s/%s"):format(device, name))
      local status, text = run()
      assert.equal(0, status, text)
      assert.matches("0000:42:00.0", text, 1, true)
    end)
  end

  it("does not show a file outside that a link names", function()
    folder.write("elsewhere/vendor", "0x1002\n")
    shell(("rm %s/vendor && ln -s ../../../../../elsewhere/vendor %s/vendor"):format(device, device))
    local _, text = run()
    assert.is_nil(text:find "1002", text)
  end)

  it("whose device is a link to outside is refused", function()
    shell "ln -s ../../../../elsewhere/0000:43:00.0 copy/bus/pci/devices/0000:43:00.0"
    local status, text = run()
    assert.equal(1, status, text)
    assert.matches("0000:43:00.0: a link leads outside the folder", text, 1, true)
  end)

  it("whose device is a link inside it, as in a real sysfs, is read", function()
    shell "mkdir -p copy/devices/pci0000:40 && cp -r elsewhere/0000:43:00.0 copy/devices/pci0000:40/ && \z
      ln -s ../../../devices/pci0000:40/0000:43:00.0 copy/bus/pci/devices/0000:43:00.0"
    local status, text = run()
    assert.equal(0, status, text)
    assert.matches("0000:43:00.0", text, 1, true)
  end)

  it("whose device folder is a link to outside is refused", function()
    shell "rm -r copy/bus/pci/devices && ln -s ../../../elsewhere copy/bus/pci/devices"
    local status, text = run()
    assert.equal(1, status, text)
    assert.matches("leads outside the folder", text, 1, true)
  end)
end)
