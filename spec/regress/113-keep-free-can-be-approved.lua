--- keep_free could not be overridden: the plan refused it even with --allow over-commit, an approval that no step required.
-- Now the approvals are those that steps and scopes declare; each of them can be required, and --allow gives it.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

describe("a playbook that would leave fewer cards free than keep_free", function()
  local site
  setup(function()
    site = lab.start { speed = 500, fleet = {
      clusters = { { name = "gpu-a", hosts = { lab.host("esx-1", { cards = {
        lab.card("0000:3b:00.0", { enabled = true }), lab.card("0000:5e:00.0", { enabled = true }) } }) } } },
      vms = { { name = "vm-1", host = "esx-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20",
        firmware = "efi" } },
    } }
  end)
  teardown(function() site:stop() end)

  local function playbook(keep)
    return ([[
return p.playbook { name = "x", p.vms { where = "/DC0/vm/vm-1", keep_free = %d,
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]):format(keep)
  end

  it("control: needs no approval while enough cards stay free", function()
    assert.same({}, check(site:plan(playbook(1))):needs())
  end)

  it("is planned, with the approval that it needs", function()
    local plan = check(site:plan(playbook(2)))
    assert.same({ "over-commit" }, plan:needs())
    assert.matches("! keep_free = 2 (", tostring(plan), 1, true)
    assert.matches("1 would stay free", tostring(plan), 1, true)
    assert.matches("Needs: --allow over-commit", tostring(plan), 1, true)
  end)

  it("changes nothing without the approval", function()
    local run, message, code = check(site:plan(playbook(2))):apply { journal = site:journal() }
    assert.is_nil(run)
    assert.equal("EAPPROVAL", code)
    assert.matches("over-commit", message, 1, true)
  end)

  it("is applied with it, and needs it no second time", function()
    local run = check(check(site:plan(playbook(2))):apply { journal = site:journal(), allow = { "over-commit" } })
    assert.equal("done", run:result().status)
    local again = check(site:plan(playbook(2)))
    assert.same({ 0, 0 }, { #again:changes(), #again:needs() })
  end)
end)

describe("an approval", function()
  it("is declared by a step or a scope: there are no others", function()
    local words = {}
    for i, one in ipairs(gpupt.playbook.approvals()) do
      words[i] = one.word
      assert.is_true(#one.doc > 0, one.word)
    end
    assert.same({ "bios", "delete-snapshots", "delete-vm", "drain-vmotion", "foreign-maintenance", "guest-shutdown",
      "hide-hypervisor", "over-commit", "power-off", "reboot", "sessions", "vbs-off" }, words)
  end)

  it("that a step requires without declaring it is an error of the step", function()
    local site = lab.start { speed = 500, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } } } }
    local plan, message, code = site:plan [[
local mine = p.step { name = "own.step", scope = "hosts", observe = function() return {} end,
  plan = function() return { { what = "something", allow = "reboot" } } end,
  apply = function() return true end, prove = function() return "done" end }
return p.playbook { name = "x", p.hosts { where = "/DC0/host/gpu-a", mine {} } }]]
    site:stop()
    assert.is_nil(plan)
    assert.equal("EPLAYBOOK", code)
    assert.matches("the step own.step asks for --allow reboot without declaring it", message, 1, true)
  end)
end)
