-- The end of an installation deleted the answer medium that the VM's mark names. If another user had removed or changed
-- the mark meanwhile, the run ended as done and left its medium, with a password, on the datastore.
local first_light = require "spec.support.first_light"

local PLAY = [[
return p.playbook { name = "media",
  p.vms { name = "vm-1", place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", within = "60s", answer = p.answer.cloud_init {
      hostname = "vm-1", user = "ops", password = p.secret.callback(function() return "Q9x" end) } } } }]]

describe("the answer medium of a run whose mark was changed", function()
  for name, value in pairs { removed = "", ["set to another file"] = "[ds-1] vm-1/gpupt-answer-0123456789abcdef.iso",
    ["set to nonsense"] = "[ds-1] vm-1/vm-1.vmdk" } do
    it("is deleted by the run: the mark was " .. name, function()
      local l = first_light.start { speed = 300 }
      local other = l.sim:connect()
      local done
      local plan = assert(l:plan(PLAY))
      local result = assert(plan:apply { journal = l:journal(), on_event = function(event)
        if event.kind == "note" and (event.text or ""):find "^installing from" and not done then
          done = true
          local ref = other:one "/DC0/vm/vm-1"
          local task = assert(ref:ReconfigVM_Task { spec = { extraConfig = { { key = "gpupt.medium", value = value } } } })
          assert(other:wait(task))
        end
      end })
      result = result:result()
      assert.is_true(done)
      assert.equal("done", result.status, result.targets[1].message)
      for _, file in ipairs(assert(other.datastore:list("[ds-1]", { recursive = true }))) do
        assert.is_nil(file.path:find("gpupt-answer", 1, true), file.path)
      end
      other:close()
      l:stop()
    end)
  end
end)
