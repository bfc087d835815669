-- Takes each privilege of `gpupt role` away in turn, for each example: is it needed? Either the plan names it, and then
-- the call that needs it is refused (the same run without the plan's check); or the plan does without it, because this
-- fleet does not need it, and then the whole playbook can be applied without it.
local role = require "spec.support.role"
local vcenter = require "spec.support.vcenter"

-- Privileges that only checks need, or that only some fleets need: the reason is printed.
local optional = {
  ["Host.Config.Settings"] = "to refresh a host's list of devices; a run goes on without it",
  ["Datastore.Browse"] = "a check of the plan: are the media there",
  ["VirtualMachine.Interact.ToolsInstall"] = "Windows guests",
  ["VirtualMachine.Interact.Reset"] = "Windows guests whose Tools installer requests a reboot",
  ["VirtualMachine.Config.Memory"] = "to change the size of an existing VM", -- vm.create; gpu.attach always needs it
  ["VirtualMachine.Config.CPUCount"] = "to change the size of an existing VM",
  ["VirtualMachine.Interact.PowerOff"] = "to shut down VMs that run",
  ["VirtualMachine.Config.AddRemoveDevice"] = "to replace a stale backing", -- doctor.repair; gpu.attach always needs it
  ["VirtualMachine.Interact.CreateScreenshot"] = "a picture of the console in messages",
  ["VirtualMachine.Interact.PutUsbScanCodes"] = "keys for stock media",
  ["VirtualMachine.Provisioning.Clone"] = "clones of a VM that is not a template",
}

-- A program that applies without the plan's check of privileges.
local BLIND = 'package.preload["gpupt.playbook.preflight.privileges"] = function() return function() end end'

for _, path in ipairs(role.examples()) do
  describe("each privilege of the role of " .. path, function()
    local all = role.privileges(path)
    for _, privilege in ipairs(all) do
      it("is needed, or the plan does without it: " .. privilege, function()
        local rest = {}
        for _, one in ipairs(all) do if one ~= privilege then rest[#rest + 1] = one end end
        local l = role.start(path, rest)
        local stop <close> = setmetatable({}, { __close = function() l:stop() end }) -- luacheck: ignore
        local plan = l:as_account { "plan", path }
        local allow = "reboot,guest-shutdown"
        if plan.status == 1 then
          assert.matches("the account lacks " .. privilege .. " on the ", plan.err, 1, true)
          vcenter.write(l.dir .. "/blind.lua", BLIND)
          local run = l:apply_as_account(path, allow, { LUA_INIT = "@" .. l.dir .. "/blind.lua" })
          if run.status == 0 then
            assert.is_truthy(optional[privilege], "the plan wants it, and nothing needs it: " .. privilege)
            io.write(("# %s: %s: wanted, not needed here (%s)\n"):format(path, privilege, optional[privilege]))
          else
            assert.matches(privilege, run.err .. run.out, 1, true)
          end
        elseif plan.out:find("this account cannot change anything of the plan", 1, true) then
          assert.not_equal(0, l:apply_as_account(path, allow).status)
        else
          assert.equal(0, plan.status, plan.err)
          assert.is_truthy(optional[privilege], "the plan does without " .. privilege)
          local run = l:apply_as_account(path, allow)
          assert.equal(0, run.status, run.err)
          io.write(("# %s: %s: not needed here (%s)\n"):format(path, privilege, optional[privilege]))
        end
      end)
    end
  end)
end
