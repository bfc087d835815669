--- If /tmp was full, only a part of the answer medium was written, and without a check that part was uploaded and attached:
-- the installer found no answers and waited for hours. The file also had a name in /tmp during the upload.
local first_light = require "spec.support.first_light"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
return p.playbook { name = "media",
  p.vms { name = "%s", place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", within = "20s", answer = p.answer.cloud_init { hostname = "vm-1",
      user = "ops", password = p.secret.env "LINUX_PASSWORD" } } } }]]

describe("an answer medium that does not fit on the local disk", function()
  local l
  setup(function() l = first_light.start { speed = 300 } end)
  teardown(function() l:stop() end)
  before_each(function() l.sim:calm() end)

  local function left()
    local list = {}
    local files = l:client().datastore:list("[ds-1] vm-1", { recursive = true })
    for _, file in ipairs(files or {}) do
      if file.name:find "answer" then list[#list + 1] = file.path end
    end
    return list
  end

  it("is not uploaded in part: the step fails with the reason, and the VM is not started", function()
    l.sim:forget()
    -- no file may grow beyond 250 kB: the journal stays below that, the ISO does not
    local result = l:run_command({ "apply", l:write(PLAY:format "vm-1") }, { before = "trap '' XFSZ; ulimit -f 500; " })
    assert.equal(1, result.status, result.err)
    assert.matches("vm%-1.*answer medium.*File too large", result.err)
    assert.equal(0, l.sim:calls "PowerOnVM_Task")
    assert.same({}, left())
  end)

  it("has no name on the local disk while it is uploaded", function()
    l.sim:trouble({ method = "HTTP PUT", count = 1 }, { kind = "hold", seconds = 3 })
    l:run_command { "plan", l:write(PLAY:format "vm-2") } -- writes the environment
    local seen = vcenter.shell((". %s/environment; bin/gpupt apply %s/play-%d.lua >%s/out 2>&1 </dev/null & child=$!; found=; "
      .. "while kill -0 $child 2>/dev/null; do for f in /proc/$child/fd/*; do t=$(readlink $f); case $t in /tmp/lua_*) case $t in "
      .. "*deleted*) ;; *) found=$t ;; esac ;; esac; done; sleep 0.02; done; wait $child; echo \"status $? found $found\""):format(
      l.dir, l.dir, l.count, l.dir))
    assert.matches("^status 0 found%s*$", seen, 1, false)
  end)
end)
