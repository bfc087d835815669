--- In a VM's folder any file with the name of a log was read: a pipe made `gpupt log` and the doctor wait, and a link showed
-- a file from another folder. A pipe that the user named was read, and then opened a second time, which waits forever.
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
    it("with a pipe does not hang, and reports that it was skipped: " .. words, function()
      os.execute("mkfifo " .. folder.path .. "/vmware-1.log")
      local status, text = run(words)
      assert.equal(0, status, text)
      assert.matches("skipped: .*/vmware%-1%.log is a named pipe", text)
    end)

    it("with a link shows no file of another folder, and reports that it was skipped: " .. words, function()
      os.execute(("ln -s ../%s/elsewhere %s/vmware-1.log; ln -s elsewhere %s/vmware-2.log"):format(folder.path:match "[^/]*$",
        folder.path, folder.path))
      folder.write("vmware.log", LOG)
      local status, text = run(words)
      assert.equal(0, status, text)
      assert.is_nil(text:find("exceeds limit", 1, true))
      assert.matches("skipped: .*/vmware%-2%.log is a symbolic link", text)
    end)
  end

  it("is read from a pipe if the user names one", function()
    os.execute(("mkfifo %s/pipe && (cat %s/vmware.log > %s/pipe &)"):format(folder.path, folder.path, folder.path))
    local status, text = run "log DIR/pipe"
    assert.equal(0, status, text)
    assert.matches("nothing about passthrough in 2 lines", text, 1, true)
  end)

  it("does not open a pipe whose name is given as a VM", function()
    os.execute(("mkfifo %s/vm"):format(folder.path))
    local status, text = run "doctor DIR/vm"
    assert.equal(2, status, text)
    assert.matches("is a file here", text, 1, true)
  end)
end)
