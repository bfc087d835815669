--- Two operators without a common journal attach cards of the same host at the same time. Each run looked whether the
-- card is free, and then attached it: between the two the other run could do the same, so both VMs had the card in
-- their configuration. Each now looks again after its reconfigure, and the later one gives the card back.
-- Attach also reads what concerns its own host only: the host, the VMs on it, and those that name it from elsewhere.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local loop = require "gpupt.loop"
local requests = require "spec.support.requests"

local check = gpupt.check

local function playbook(name)
  return ([[
return p.playbook { name = "x", p.vms { where = "/DC0/vm/%s",
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = false } } }]]):format(name)
end

-- The VMs that have the card of the host in their configuration.
local function holders(site, vc)
  local names = {}
  for _, vm in ipairs(check(vc:collect_all { type = "VirtualMachine", paths = { "name", "config.hardware.device" } })) do
    for _, device in ipairs(vm["config.hardware.device"]) do
      if device._type == "VirtualPCIPassthrough" then names[#names + 1] = vm.name end
    end
  end
  table.sort(names)
  return names, site
end

describe("two runs without a common journal", function()
  it("never both keep one card", function()
    local vms = {}
    for i = 1, 2 do
      vms[i] = { name = "desk-" .. i, host = "esx-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20",
        firmware = "efi" }
    end
    local site = lab.start { speed = 20, fleet = { vms = vms, clusters = { { name = "gpu-a", hosts = {
      lab.host("esx-1", { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } } } }
    local plans, runs = {}, {}
    for i = 1, 2 do
      plans[i] = check(site:load(playbook("desk-" .. i)):plan(site.sim:connect()))
    end
    loop.run(function()
      local fibers = {}
      for i = 1, 2 do
        os.execute(("mkdir -m 700 %s/operator-%d"):format(site.dir, i))
        local journal = check(require "gpupt.store".open(("%s/operator-%d/journal.db"):format(site.dir, i)))
        fibers[i] = loop.spawn(function() runs[i] = check(plans[i]:apply { journal = journal }):result().targets[1] end)
      end
      for _, fiber in ipairs(fibers) do fiber:join() end
    end)
    local kept, failed = 0, 0
    for i = 1, 2 do
      if runs[i].status == "changed" then kept = kept + 1 end
      if runs[i].status == "failed" then
        failed = failed + 1
        assert.equal("EREFUSED", runs[i].code)
        assert.matches("3b:00.0 is held by desk", runs[i].message, 1, true)
      end
    end
    local names = holders(site, site:client())
    site:stop()
    assert.is_true(#names <= 1, table.concat(names, ", "))
    assert.equal(kept, #names)
    assert.equal(2, kept + failed)
  end)
end)

describe("what attach reads before and after its reconfigure", function()
  it("is the host and its VMs, not the fleet", function()
    local site = lab.start { speed = 1000, fleet = requests.fleet(30, { enabled = true, vms = 60 }), patience = 30 }
    local bodies = {}
    local vc = site.sim:connect { trace = function(event)
      if event.method == "RetrievePropertiesEx" and event.request:find("config.hardware.device", 1, true) then
        bodies[#bodies + 1] = event.request
      end
    end }
    local plan = check(site:load(playbook "vm-001"):plan(vc))
    bodies = {}
    local result = check(plan:apply { journal = site:journal() }):result()
    site:stop()
    assert.equal("changed", result.targets[1].status)
    local objects = 0
    for _, body in ipairs(bodies) do
      for _ in body:gmatch "<objectSet" do objects = objects + 1 end
      assert.is_nil(body:find("ContainerView", 1, true))
    end
    -- observe, the check before, the check after, and prove: the VM or its host
    assert.is_true(objects <= 5, objects)
  end)
end)
