-- Virtualization-based security (VBS) of a VM that gets a card: refused, or switched off with what it needs, in the
-- reconfigure that attaches the card, if the playbook and the approval say so; an undo switches it on again.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local matrix = require "spec.support.kill_matrix"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

local function vm(name, more)
  local one = { name = name, host = "esx-1", guest = "windows2019srvNext_64Guest", firmware = "efi", memory_mb = 4096, version = "vmx-20" }
  for field, value in pairs(more or {}) do one[field] = value end
  return one
end

describe("a VM with virtualization-based security that gets a card", function()
  local l, vc

  local function find(name) return check(vc:one("/DC0/vm/" .. name)) end
  local function reconfigure(name, spec) check(vc:wait(check(find(name):ReconfigVM_Task { spec = spec }))) end
  -- VBS, virtual IOMMU, nested virtualization, and the number of cards
  local function state_of(name)
    local config = check(find(name):get "config")
    local cards = 0
    for _, device in ipairs(config.hardware.device) do cards = cards + (device._type == "VirtualPCIPassthrough" and 1 or 0) end
    return { config.flags.vbsEnabled, config.flags.vvtdEnabled, config.nestedHVEnabled, cards }
  end
  local function play(name, options)
    return ([[return p.playbook { name = "v", p.vms { where = "/DC0/vm/%s", p.gpu.attach { devices = p.gpus { match = "10de:20b5" },
      power_on = false %s } } }]]):format(name, options or "")
  end
  local OFF = ', vbs = "off"'

  setup(function()
    local cards = {}
    for i = 1, 8 do cards[i] = lab.card(("0000:%d0:00.0"):format(i), { enabled = true }) end
    l = lab.start { speed = 1000, fleet = { clusters = { { name = "c", hosts = { lab.host("esx-1", { memory_gb = 512, cards = cards }) } } },
      vms = { vm "whole", vm "alone", vm "wide", vm "nested", vm "kept", vm "dynamic", vm "both", vm "hypervisor", vm("gold", { disk_gb = 10 }) } } }
    vc = l:client()
    for _, name in ipairs { "whole", "wide", "kept", "dynamic", "gold" } do
      reconfigure(name, { nestedHVEnabled = true, flags = { vbsEnabled = true, vvtdEnabled = true } })
    end
    reconfigure("alone", { flags = { vbsEnabled = true } })
    reconfigure("nested", { nestedHVEnabled = true })
    reconfigure("wide", { numCPUs = 192 })
  end)
  teardown(function() l:stop() end)

  it("is refused without the option, which the refusal names, with a fixed and with a dynamic backing", function()
    l.sim:forget()
    for name, options in pairs { whole = "", alone = "", dynamic = ', backing = "dynamic"' } do
      local plan, message, code = l:plan(play(name, options))
      assert.is_nil(plan)
      assert.equal("EREFUSED", code)
      assert.matches(name .. ' has virtualization-based security (VBS) enabled, which does not work with a passed-through card. Set '
        .. 'vbs = "off" in p.gpu.attach (it needs --allow vbs-off), and switch VBS off in the guest as well', message, 1, true)
    end
    assert.same({}, l:changing())
  end)

  it("is planned with the values before and after, the approval, and what is left to do in the guest", function()
    local plan = check(l:plan(play("whole", OFF)))
    assert.same({ "vbs-off" }, plan:needs())
    local text, diff = tostring(plan), plan:text { diff = true }
    assert.matches("Needs: --allow vbs-off", text, 1, true)
    assert.matches("VBS is still wanted by Windows: switch it off there as well", text, 1, true)
    for _, name in ipairs { "virtualization-based security", "nested virtualization", "virtual IOMMU" } do
      assert.matches(name .. ": on -> off", diff, 1, true)
    end
    assert.is_nil(text:find("Not undoable", 1, true))
    l.sim:forget()
    local _, _, code = l:apply(play("whole", OFF))
    assert.equal("EAPPROVAL", code)
    assert.same({}, l:changing())
  end)

  it("has it switched off in the one reconfigure that attaches the card, and on again by an undo", function()
    local journal = l:journal()
    l.sim:forget()
    local result = l:apply(play("whole", OFF), { allow = { "vbs-off" }, journal = journal })
    assert.equal("done", result.status)
    assert.equal(1, #l:changing())
    assert.same({ false, false, false, 1 }, state_of "whole")
    assert.same({}, check(l:plan(play("whole", OFF))):changes())
    local undo = check(check(gpupt.playbook.undo(journal, result.id)):plan(vc, { journal = journal }))
    local text = tostring(undo)
    for _, name in ipairs { "virtualization%-based security", "nested virtualization", "virtual IOMMU" } do
      assert.matches(name .. " false %-> true", text)
    end
    assert.same({}, undo:lost())
    l.sim:forget()
    assert.equal("done", check(undo:apply { journal = journal }):result().status)
    assert.equal(1, #l:changing())
    assert.same({ true, true, true, 0 }, state_of "whole")
  end)

  it("has only what is on switched off", function()
    assert.matches("alone%s+gpu.attach.*virtualization%-based security on %-> off\n", tostring(check(l:plan(play("alone", OFF)))))
    assert.equal("done", l:apply(play("alone", OFF), { allow = { "vbs-off" } }).status)
    assert.same({ false, false, false, 1 }, state_of "alone")
  end)

  it("keeps the virtual IOMMU that more than 127 CPUs need", function()
    local text = tostring(check(l:plan(play("wide", OFF))))
    assert.matches("virtualization-based security on -> off (with it nested virtualization)", text, 1, true)
    assert.matches("the virtual IOMMU stays on, because 192 CPUs need it (KB 88161)", text, 1, true)
    assert.equal("done", l:apply(play("wide", OFF), { allow = { "vbs-off" } }).status)
    assert.same({ false, true, false, 1 }, state_of "wide")
  end)

  it("is refused with nested virtualization that is not for VBS", function()
    local _, message = l:plan(play("nested", OFF))
    assert.matches("nested has nested virtualization enabled, which does not work with a passed-through card", message, 1, true)
  end)

  it("stays without it when an undo leaves a card in the VM", function()
    local journal = l:journal()
    local result = l:apply(play("kept", OFF), { allow = { "vbs-off" }, journal = journal })
    l:attach("c", "esx-1", "0000:80:00.0", "kept")
    local undo = check(check(gpupt.playbook.undo(journal, result.id)):plan(vc, { journal = journal }))
    local left = {}
    for _, one in ipairs(undo:left()) do left[#left + 1] = one.text end
    table.sort(left)
    assert.same({ "nested virtualization: it stays off, because the VM has a card that the run did not attach",
      "virtual IOMMU: it stays off, because the VM has a card that the run did not attach",
      "virtualization-based security: it stays off, because the VM has a card that the run did not attach" }, left)
    assert.equal("done", check(undo:apply { journal = journal }):result().status)
    assert.same({ false, false, false, 1 }, state_of "kept")
  end)

  it("that is cloned needs the option too, and the clone has it off", function()
    local text = [[return p.playbook { name = "k", p.vms { name = "copy", place = { cluster = "c", datastore = "ds-1" },
      p.vm.clone { from = "gold" }, p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false %s } } }]]
    local _, message = l:plan(text:format "")
    assert.matches("copy has virtualization-based security (VBS) enabled", message, 1, true)
    local plan = check(l:plan(text:format(OFF)))
    assert.same({ "vbs-off" }, plan:needs())
    assert.matches("virtualization-based security on -> off (with it nested virtualization, virtual IOMMU)", tostring(plan), 1, true)
    assert.equal("done", l:apply(text:format(OFF), { allow = { "vbs-off" } }).status)
    assert.same({ false, false, false, 1 }, state_of "copy")
    assert.same({ true, true, true, 0 }, state_of "gold")
  end)

  describe("with both in its file, so that it does not start,", function()
    -- as a copied .vmx has them: a reconfigure refuses it
    local function register(name, keys)
      local ref = l:attach("c", "esx-1", ("0000:%s:00.0"):format(name == "both" and "70" or "60"), name)
      check(vc:wait(check(ref:ReconfigVM_Task { spec = { memoryReservationLockedToMax = true, extraConfig = {
        { key = "pciPassthru.use64bitMMIO", value = "TRUE" }, { key = "pciPassthru.64bitMMIOSizeGB", value = "256" } } } })))
      local path = ("[ds-1] %s/%s.vmx"):format(name, name)
      local text = check(vc.datastore:text(path)):gsub('vhv.enable = "FALSE"', keys)
      local file = l.dir .. "/one.vmx"
      vcenter.write(file, text)
      check(ref:UnregisterVM())
      check(vc.datastore:upload(file, path, { overwrite = true }))
      check(vc:wait(check(check(vc:one "/DC0/vm"):RegisterVM_Task { path = path, asTemplate = false, host = check(vc:one "/DC0/host/c/esx-1"),
        pool = check(check(vc:one "/DC0/host/c"):get "resourcePool") })))
      assert.is_nil((vc:wait(check(find(name):PowerOnVM_Task {}))))
    end
    local function repair(name, fix)
      return ([[return p.playbook { name = "r", p.vms { where = "/DC0/vm/%s", p.doctor.repair { fix = { %s } } } }]]):format(name, fix)
    end

    it("is shown by p.doctor.repair, and repaired with fix = { 'vbs' } and the approval", function()
      register("both", 'vhv.enable = "TRUE"\nvvtd.enable = "TRUE"\nwindows.vbs.enabled = "TRUE"')
      assert.same({ true, true, true, 1 }, state_of "both")
      local plan = check(l:plan(repair("both", '"memory"')))
      assert.same({}, plan:changes())
      assert.matches("both +power%-on X +Nested hardware virtualization and virtualization%-based security are on.- +not repaired: fix "
        .. "does not have 'vbs'", tostring(plan))
      plan = check(l:plan(repair("both", '"vbs"')))
      assert.same({ "vbs-off" }, plan:needs())
      local text = tostring(plan)
      assert.matches("nested virtualization off, virtualization-based security off", text, 1, true)
      assert.matches("! both  doctor.repair  virtualization-based security on -> off (with it nested virtualization, virtual IOMMU)", text, 1,
        true)
      assert.matches("VBS is still wanted by Windows", text, 1, true)
      local _, _, code = l:apply(repair("both", '"vbs"'))
      assert.equal("EAPPROVAL", code)
      local journal = l:journal()
      local result = l:apply(repair("both", '"vbs"'), { allow = { "vbs-off" }, journal = journal })
      assert.equal("done", result.status, result.targets[1].message)
      assert.same({ false, false, false, 1 }, state_of "both")
      assert.equal("poweredOn", check(find "both":get "runtime.powerState"))
      check(vc:wait(check(find "both":PowerOffVM_Task {})))
      -- its card was there before, and stays: so does the repair
      local undo = check(check(gpupt.playbook.undo(journal, result.id)):plan(vc, { journal = journal }))
      assert.equal(3, #undo:left())
    end)

    it("is only shown, if it has nested virtualization alone", function()
      register("hypervisor", 'vhv.enable = "TRUE"')
      local plan = check(l:plan(repair("hypervisor", '"vbs"')))
      assert.same({}, plan:changes())
      assert.matches("hypervisor +power%-on X +Nested hardware virtualization is on.- +shown only: Set vhv.enable", tostring(plan))
    end)
  end)

  it("is finished by a resumed run, wherever the reconfigure was killed", function()
    local case
    for _, one in ipairs(matrix.cases) do if one.name == "attach" then case = one end end
    local reference = matrix.reference(case)
    for _, kind in ipairs(reference.kinds) do
      if kind.action == "attach" then
        for _, point in ipairs(matrix.points(kind)) do assert.is_nil(matrix.kill(case, reference, kind, point)) end
      end
    end
    assert.matches("VBS=false", reference.state, 1, true)
  end)

  it("has its words beside those of the other approvals", function()
    local help = l:command { "apply", "--help" }
    assert.matches("delete-snapshots     delete the snapshots of VMs that get a card", help.out, 1, true)
    assert.matches("vbs-off              switch off the virtualization-based security of VMs", help.out, 1, true)
  end)
end)
