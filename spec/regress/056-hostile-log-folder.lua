--- A VM's folder that is given for its logs was read with whatever lay there under such a name: a pipe kept `gpupt log`
-- and the doctor waiting, and a link showed a file from elsewhere. A pipe that the user names was read, and then opened a
-- second time, which waits for ever.
local command = require "spec.support.command"

local LOG = "2026-01-02T00:00:00.000Z In(05) vmx - Log for VMware ESX version=VMware ESXi 8.0.2 build=build-1 option=Release\n"

describe("a folder of logs", function()
  local folder
  before_each(function()
    folder = command.folder()
    folder.write("vmware.log", LOG .. "2026-01-02T00:00:01.000Z In(05) vmx - nothing of interest\n")
    folder.write("elsewhere", LOG .. "2026-01-02T00:00:01.000Z In(05) vmx - PCIPassthru: total number of pages needed (9) exceeds limit (1), failing\n")
    folder.write("vm.vmx", 'memsize = "1024"\n')
  end)
  after_each(function() folder.remove() end)

  local function run(words)
    local pipe = assert(io.popen(("timeout 20 bin/gpupt %s 2>&1; echo \"status $?\""):format((words:gsub("DIR", folder.path)))))
    local text = pipe:read "a"
    pipe:close()
    return tonumber(text:match "status (%d+)\n$"), text
  end

  for _, words in ipairs { "log DIR", "doctor --vmx DIR/vm.vmx --log DIR" } do
    it("with a pipe does not hang, and says that it was skipped: " .. words, function()
      os.execute("mkfifo " .. folder.path .. "/vmware-1.log")
      local status, text = run(words)
      assert.equal(0, status, text)
      assert.matches("skipped: .*/vmware%-1%.log is a named pipe", text)
    end)

    it("with a link shows nothing from elsewhere, and says that it was skipped: " .. words, function()
      os.execute(("ln -s ../%s/elsewhere %s/vmware-1.log; ln -s elsewhere %s/vmware-2.log"):format(folder.path:match "[^/]*$",
        folder.path, folder.path))
      folder.write("vmware.log", LOG)
      local status, text = run(words)
      assert.equal(0, status, text)
      assert.is_nil(text:find("exceeds limit", 1, true))
      assert.matches("skipped: .*/vmware%-2%.log is a symbolic link", text)
    end)
  end

  it("is read by name when a pipe is what the user names", function()
    os.execute(("mkfifo %s/pipe && (cat %s/vmware.log > %s/pipe &)"):format(folder.path, folder.path, folder.path))
    local status, text = run "log DIR/pipe"
    assert.equal(0, status, text)
    assert.matches("nothing about passthrough in 2 lines", text, 1, true)
  end)

  it("and a pipe whose name is given as a VM is not opened", function()
    os.execute(("mkfifo %s/vm"):format(folder.path))
    local status, text = run "doctor DIR/vm"
    assert.equal(2, status, text)
    assert.matches("is a file here", text, 1, true)
  end)
end)
