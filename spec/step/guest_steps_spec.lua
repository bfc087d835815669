-- Failures of VMs and guests: the right cause, exit status 1, nothing left unfinished, one attempt with a password.
local first_light = require "spec.support.first_light"

local function playbook(o)
  o = o or {}
  return ([[
local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "guests",
  p.vms { name = "vm-1", login = p.login("ops", p.secret.callback(function() return "%s" end)),
    place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" }, %s
    p.vm.create    { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" %s },
    p.os.install   { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = "[ds-1] iso/%s", within = "%s" },
    %s
    p.gpu.attach   { devices = cards, count = %d %s },
    p.guest.verify { %s } } }]]):format(o.password, o.scope or "", o.create or "", o.answer or "train-answer.iso", o.within or "60s",
    o.tools == false and "" or "p.tools.ensure {},", o.count or 1, o.attach or "", o.verify or "")
end

local function enabled(fleet)
  for _, cluster in ipairs(fleet.clusters) do
    for _, host in ipairs(cluster.hosts) do
      for _, card in ipairs(host.cards) do card.enabled = true end
    end
  end
end

-- Changes with this text, or that match the pattern.
local function change_count(rows, what)
  local count = 0
  for _, row in ipairs(rows) do
    if row.kind == "change" and (row.what == what or what:find "^%^" and row.what:find(what)) then count = count + 1 end
  end
  return count
end

describe("VMs and guests", function()
  local l

  local function start(change)
    l = first_light.start { speed = 300, change = function(fleet)
      enabled(fleet)
      if change then change(fleet) end
    end }
    return l
  end

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function apply(o, more)
    o = o or {}
    o.password = o.password or l.secrets.linux
    return l:apply(playbook(o), more)
  end

  it("are created, installed and proved", function()
    start()
    local result, _, rows = apply()
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("the guest sees 1 GPU: 10de:20b5", result.targets[1].proofs["guest.verify"])
    assert.equal(1, change_count(rows, "ReconfigVM (cards and settings)"))
  end)

  it("are installed with an answer medium that the run creates, uploads and deletes", function()
    start()
    local text = playbook { password = l.secrets.linux }:gsub('answer = "%[ds%-1%] iso/train%-answer.iso"',
      ('answer = p.answer.cloud_init { hostname = "vm-1", user = "ops", '
        .. 'password = p.secret.callback(function() return "%s" end) }'):format(l.secrets.linux))
    local result, _, rows = l:apply(text)
    assert.equal("done", result.status, result.targets[1].message)
    local medium = "%[ds%-1%] vm%-1/gpupt%-answer%-%x+%.iso$"
    assert.equal(1, change_count(rows, "^upload " .. medium))
    assert.equal(1, change_count(rows, "^delete " .. medium))
    for _, file in ipairs(assert(l:client().datastore:list "[ds-1] vm-1")) do
      assert.is_nil(file.name:find "answer", file.name)
    end
    for _, row in ipairs(rows) do assert.is_nil((row.detail or ""):find(l.secrets.linux, 1, true)) end
    l.sim:forget()
    assert.equal("nothing", l:apply(text).status)
    assert.same({}, l:changing())
  end)

  it("get any card of the model with a dynamic backing, and need no change the second time", function()
    start()
    local result = apply { attach = ', backing = "dynamic"', count = 2 }
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal("the guest sees 2 GPUs: 10de:20b5, 10de:20b5", result.targets[1].proofs["guest.verify"])
    l.sim:forget()
    assert.equal("nothing", apply({ attach = ', backing = "dynamic"', count = 2 }).status)
    assert.same({}, l:changing())
  end)

  it("get a Horizon desktop's video card settings in the same reconfigure", function()
    start()
    local vc, sent = l:client(), nil
    vc.trace = function(event)
      if event.method == "ReconfigVM_Task" and event.request:find "VirtualPCIPassthrough" then sent = event.request end
    end
    local result = apply { attach = ", horizon = true" }
    vc.trace = nil
    assert.equal("done", result.status, result.targets[1].message)
    assert.matches("<useAutoDetect>false</useAutoDetect>", sent, 1, true)
    assert.matches("<enable3DSupport>false</enable3DSupport>", sent, 1, true)
    assert.matches("<use3dRenderer>automatic</use3dRenderer>", sent, 1, true)
    assert.equal("nothing", apply({ attach = ", horizon = true" }).status)
  end)

  it("get a wrong guest password only once", function()
    start()
    l.sim:forget()
    local result = apply { password = "not-it" }
    assert.equal("failed", result.status)
    assert.equal("InvalidGuestLogin", result.targets[1].code)
    assert.matches("the guest does not accept the account 'ops'", result.targets[1].message, 1, true)
    assert.equal(1, l.sim:calls "ValidateCredentialsInGuest")
  end)

  it("report an answer medium that is for another installer, which waits for input", function()
    start(function(fleet)
      fleet.datastores[1].files["iso/bad-answer.iso"] = { source = "builtin:windows-answer" }
    end)
    local result = apply { answer = "bad-answer.iso", within = "2s" }
    assert.equal("ETIMEDOUT", result.targets[1].code)
    assert.matches("its installer waits for input: the answers are [ds-1] iso/bad-answer.iso",
      result.targets[1].message, 1, true)
  end)

  it("report an ISO that is missing on the datastore", function()
    start()
    local result, message = apply { answer = "none.iso" }
    assert.is_nil(result)
    assert.matches("[ds-1] iso/none.iso does not exist (vm-1)", message, 1, true)
  end)

  it("report the findings in the log if a power-on fails", function()
    start()
    -- after the attach: the power-on of the installed VM fails once
    assert.equal("done", apply({}).status)
    local vc = l:client()
    local ref = assert(vc:one "/DC0/vm/vm-1")
    assert(ref:ShutdownGuest {})
    assert(vc:wait_for(ref, { "runtime.powerState" }, function(v) return v["runtime.powerState"] == "poweredOff" end,
      { timeout = 20 }))
    l.sim:post("set", { vm = "vm-1",
      fail_power_on = "PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing" })
    local result = apply({})
    assert.equal("failed", result.status)
    assert.matches("vm-1: power on failed: ", result.targets[1].message, 1, true)
    assert.matches("33566722", result.targets[1].message, 1, true)
    assert.equal("done", apply({}).status)
  end)

  it("are refused a card that another VM holds, powered off or not", function()
    start(function(fleet)
      fleet.vms = { { name = "owner", host = "esx-b-1", memory_mb = 4096, firmware = "efi", memory_lock = true,
        devices = { "0000:3b:00.0", "0000:86:00.0" }, extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE" } } }
    end)
    l.sim:forget()
    local result, message, code = apply()
    assert.is_nil(result)
    assert.equal("ENOCARDS", code)
    assert.matches("3b:00.0 held by owner (poweredOff)", message, 1, true)
    assert.same({}, l:changing())
  end)

  it("are refused a card that is not active", function()
    start(function(fleet)
      for _, card in ipairs(fleet.clusters[2].hosts[1].cards) do card.active = false end
    end)
    local _, message = apply()
    assert.matches("3b:00.0 pending reboot", message, 1, true)
  end)

  it("never get another firmware", function()
    start()
    assert.equal("done", apply({}).status)
    local result, message = apply { create = ', firmware = "bios"' }
    assert.is_nil(result)
    assert.matches("The firmware of an existing VM is never changed", message, 1, true)
  end)

  it("are not shut down without the approval once they may be in use", function()
    start()
    assert.equal("done", apply({}).status)
    l.sim:forget()
    local result, message, code = apply { count = 2 }
    assert.is_nil(result)
    assert.equal("EAPPROVAL", code)
    assert.matches("guest-shutdown", message, 1, true)
    assert.same({}, l:changing())
    local done = apply({ count = 2 }, { allow = { "guest-shutdown" } })
    assert.equal("the guest sees 2 GPUs: 10de:20b5, 10de:20b5", done.targets[1].proofs["guest.verify"])
  end)

  it("that ignore the shutdown keep running", function()
    start()
    assert.equal("done", apply({}).status)
    l.sim:post("set", { vm = "vm-1", deaf = true })
    local result = apply({ count = 2, scope = 'shutdown_within = "1s",' }, { allow = { "guest-shutdown" } })
    assert.equal("failed", result.status)
    assert.matches("and is still running", result.targets[1].message, 1, true)
    assert.equal("poweredOn", l:truth("vms", "vm-1").power)
    assert.equal(0, l.sim:calls "PowerOffVM_Task")
  end)

  it("are checked again after a restart", function()
    start()
    assert.equal("done", apply({}).status)
    assert.equal("nothing", apply({}).status)
    local vc = l:client()
    local ref = assert(vc:one "/DC0/vm/vm-1")
    assert(vc:wait(assert(ref:PowerOffVM_Task {})))
    local result = apply({})
    assert.equal("done", result.status)
    assert.equal("the guest sees 1 GPU: 10de:20b5", result.targets[1].proofs["guest.verify"])
  end)

  it("that need a driver report that it is missing", function()
    start()
    local result = apply { verify = "driver = true" }
    assert.equal("failed", result.status)
    assert.equal("EPROOF", result.targets[1].code)
    assert.matches("driver", result.targets[1].message, 1, true)
  end)

  it("never share a card in two concurrent runs", function()
    start()
    local path = l:write(playbook { password = l.secrets.linux, count = 2 })
    local other = l:write((playbook { password = l.secrets.linux, count = 2 }:gsub("vm%-1", "vm-2")))
    local journal = l.dir .. "/shared.db"
    local vcenter = require "spec.support.vcenter"
    l:run_command { "plan", path } -- writes the environment
    vcenter.write(l.dir .. "/both.sh", (". %s/environment\nbin/gpupt apply %s --journal %s >%s/one 2>&1 &\n"
      .. "bin/gpupt apply %s --journal %s >%s/two 2>&1\nwait\n"):format(l.dir, path, journal, l.dir, other, journal, l.dir))
    os.execute(("sh %s/both.sh"):format(l.dir))
    local one, two = vcenter.read(l.dir .. "/one"), vcenter.read(l.dir .. "/two")
    local proved = (one:find "the guest sees 2 GPUs: " and 1 or 0)
      + (two:find "the guest sees 2 GPUs: " and 1 or 0)
    assert.equal(1, proved, one .. two)
    assert.is_truthy((one .. two):find "claimed by run" or (one .. two):find "held by", one .. two)
    assert.same({}, l.sim:get "truth".violations)
  end)
end)
