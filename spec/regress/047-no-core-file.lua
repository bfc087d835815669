-- After a crash of the command, a core file would have contained its memory with passwords.
local vcenter = require "spec.support.vcenter"

describe("the command", function()
  it("writes no core file, whatever the shell's limit", function()
    local path = os.tmpname()
    vcenter.write(path, [[
local p = require "gpupt.playbook"
io.stderr:write(io.open("/proc/self/limits"):read "a")
return p.playbook { name = "x", p.hosts { where = "/x", p.host.enable {} } }]])
    local text = vcenter.shell(("ulimit -S -c $(ulimit -H -c); bin/gpupt role %s 2>&1"):format(path))
    os.remove(path)
    assert.matches("Max core file size%s+0%s+0%s", text)
  end)
end)
