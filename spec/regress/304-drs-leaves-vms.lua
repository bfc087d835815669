-- A host with VMs that DRS does not move was refused, if DRS of the cluster is not fully automated; and if only a VM has
-- a setting of its own, its host waited in vain for its VM to be moved.
local lab = require "spec.support.lab"

local function playbook(roll)
  return ([[return p.playbook { name = "roll", p.hosts { where = "/DC0/host/gpu-a/a-1", devices = p.gpus { match = "10de:20b5" },
    roll = { %s }, p.host.enable {} } }]]):format(roll or "")
end

describe("a roll of a host with VMs that DRS leaves", function()
  local l

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function start(drs, hosts, vms)
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", drs = drs, hosts = hosts or { lab.host "a-1",
      lab.host "a-2", lab.host("a-3", { memory_gb = 1024 }) } } },
      vms = vms or { { name = "web", host = "a-1", power = "poweredOn", memory_mb = 4096 } } } }
    l:client()
    l.sim:forget()
  end

  local function host_of(vm)
    local ref = assert(assert(l.vc:one("/DC0/vm/" .. vm)):get "runtime.host")
    return assert(ref:get "name")
  end

  for _, drs in ipairs { "manual", "partiallyAutomated", "off" } do
    it(("(%s) refuses the host, and says what to do"):format(drs), function()
      start(drs)
      local plan, message = l:plan(playbook())
      assert.is_nil(plan)
      assert.matches(("a-1: web must be migrated first, but DRS of gpu-a is %s. Migrate the VMs, set DRS to fully automated, "
        .. 'or set roll = { drain = "vmotion" }'):format(drs), message, 1, true)
      assert.same({}, l:changing())
    end)
  end

  it("moves them itself with drain = vmotion and --allow drain-vmotion, to the host with the most free memory", function()
    start "manual"
    local text = playbook 'drain = "vmotion"'
    local plan = assert(l:plan(text))
    assert.matches("vMotion of web (DRS: manual)", tostring(plan), 1, true)
    assert.same({ "drain-vmotion", "reboot" }, plan:needs())
    local _, message = l:apply(text, { allow = { "reboot" } })
    assert.matches("the plan needs --allow drain-vmotion", message, 1, true)
    assert.same({}, l:changing())
    local result, events = l:apply(text, { allow = { "reboot", "drain-vmotion" } })
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("a-3", host_of "web")
    assert.equal("poweredOn", assert(assert(l.vc:one "/DC0/vm/web"):get "runtime.powerState"))
    local said = false
    for _, event in ipairs(events) do said = said or event.text == "moved web to a-3" end
    assert.is_true(said)
  end)

  it("sees a VM for which DRS is switched off in a fully automated cluster", function()
    start "fullyAutomated"
    local check, vc = require("gpupt").check, l.vc
    local cluster = check(vc:one "/DC0/host/gpu-a")
    check(vc:wait(check(cluster:ReconfigureComputeResource_Task { modify = true, spec = { _type = "ClusterConfigSpecEx",
      drsVmConfigSpec = { { operation = "add", info = { key = check(vc:one "/DC0/vm/web"), enabled = false } } } } })))
    local plan, message = l:plan(playbook())
    assert.is_nil(plan)
    assert.matches("web must be migrated first, but DRS for web is off", message, 1, true)
    assert.equal("done", l:apply(playbook 'drain = "vmotion"', { allow = { "reboot", "drain-vmotion" } }).status)
    assert.equal("a-3", host_of "web")
  end)

  it("undoes the enabling if a VM has nowhere to go", function()
    start("off", { lab.host "a-1", lab.host("a-2", { memory_gb = 2 }) })
    local result = l:apply(playbook 'drain = "vmotion"', { allow = { "reboot", "drain-vmotion" } })
    assert.equal("failed", result.status)
    assert.matches("a-1: no other host of gpu-a has the datastores, networks and free memory of web",
      result.targets[1].message, 1, true)
    local truth = l:truth("hosts", "a-1")
    assert.is_false(truth.maintenance)
    for _, card in ipairs(truth.cards) do assert.is_false(card.enabled, card.address) end
    assert.equal("a-1", host_of "web")
  end)
end)
