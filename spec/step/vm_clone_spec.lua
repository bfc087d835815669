-- p.vm.clone: what a plan says and refuses, and what a clone is like.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

local function host(name, more)
  return lab.host(name, { memory_gb = 256, cards = { lab.card("0000:3b:00.0", { enabled = true, device = "1eb8", name = "TU104GL [Tesla T4]",
    bars = { "16M:32", "256M:64p", "32M:64p" } }), lab.card("0000:86:00.0", { enabled = true, device = "1eb8",
    name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" } }) }, networks = more })
end

local fleet = { folders = { "/DC0/vm/gold", "/DC0/vm/vdi" }, networks = { "VM Network", "VDI-210" },
  datastores = { { name = "ds-1", capacity_gb = 4096 }, { name = "small", capacity_gb = 100, free_gb = 30 } },
  clusters = { { name = "vdi", hosts = { host "esx-1", host "esx-2" } } },
  users = { { name = "reader@vsphere.local", password = "pw-" .. "reader", privileges = { "System.Anonymous", "System.View", "System.Read",
    "VirtualMachine.Config.CPUCount" } } },
  vms = {
    { name = "w11", folder = "gold", template = true, installed = "windows-11", guest = "windows11_64Guest", firmware = "efi",
      memory_mb = 16384, cpus = 4, disk_gb = 64, memory_lock = true, version = "vmx-20", username = "Administrator",
      password = "gold-secret", extra_config = { ["gpupt.run"] = "old", ["gpupt.proved"] = "old", ["site.owner"] = "vdi" } },
    { name = "lin", folder = "gold", template = true, installed = "ubuntu", firmware = "efi", memory_mb = 8192, cpus = 2,
      version = "vmx-20", username = "ops", password = "gold-secret" },
    { name = "card", folder = "gold", host = "esx-1", firmware = "efi", memory_mb = 4096, memory_lock = true, disk_gb = 10,
      devices = { "0000:86:00.0" } },
    { name = "on", folder = "gold", host = "esx-2", firmware = "efi", memory_mb = 4096, power = "poweredOn", disk_gb = 10 },
    { name = "snap", folder = "gold", host = "esx-2", firmware = "efi", memory_mb = 4096, disk_gb = 10, version = "vmx-20" },
  } }

local dhcp = { adapter = { ip = { _type = "CustomizationDhcpIpGenerator" } } }

local function specification(name, more)
  return { info = { name = name, description = "", type = more.type or "Windows" }, spec = { identity = more.identity or {
    _type = "CustomizationSysprep", guiUnattended = { timeZone = 85, autoLogon = false, autoLogonCount = 0,
      password = { value = "Sealed-pass-1", plainText = true } },
    userData = { fullName = "Ops", orgName = "Lab", computerName = more.name or { _type = "CustomizationVirtualMachineName" },
      productId = "" }, identification = {} }, globalIPSettings = {}, nicSettingMap = more.nics or { dhcp } } }
end

local PLACE = 'place = { cluster = "vdi", datastore = "%s", network = "VDI-210", folder = "vdi" }'

local function play(clone, o)
  o = o or {}
  return ([[return p.playbook { name = "clones",
  p.vms { count = %d, name = "%s", login = p.login("Administrator", p.secret.callback(function() return "Sealed-pass-1" end)),
    %s, p.vm.clone { %s } %s } }]]):format(o.count or 1, o.name or "W11-{n:03}", PLACE:format(o.datastore or "ds-1"), clone,
    o.steps and "," .. o.steps or "")
end

describe("p.vm.clone", function()
  local site, vc

  setup(function()
    site = lab.start { speed = 1000, fleet = fleet }
    vc = site:client()
    local manager = vc.content.customizationSpecManager
    for _, item in ipairs { specification("vdi-join", {}), specification("two-nics", { nics = { dhcp, dhcp } }),
      specification("fixed", { name = { _type = "CustomizationFixedName", name = "DESK" } }),
      specification("linux", { type = "Linux", identity = { _type = "CustomizationLinuxPrep",
        hostName = { _type = "CustomizationVirtualMachineName" }, domain = "lab.example" } }) } do
      check(manager:CreateCustomizationSpec { item = item })
    end
    check(vc:wait(check(check(vc:one "/DC0/vm/gold/snap"):CreateSnapshot_Task { name = "base", memory = false,
      quiesce = false })))
  end)
  teardown(function() site:stop() end)

  local function lines(text, ...)
    local list, plan = {}, check(site:plan(play(text, ...)))
    for i, change in ipairs(plan:changes()) do list[i] = ("%s %s %s: %s"):format(change.sign, change.target, change.step, change.what) end
    return list, plan
  end

  local function refused(...)
    local plan, message = site:plan(play(...))
    assert.is_nil(plan, "planned: " .. tostring(plan))
    return message
  end

  local function apply(text, o, more)
    local result, events, rows = site:apply(play(text, o), more)
    assert.is_truthy(result, events)
    assert.equal("done", result.status, result.targets[1].message)
    return result, events, rows
  end

  local function config_of(name) return check(check(vc:one("/DC0/vm/vdi/" .. name)):get "config") end

  local function extra_of(name)
    local set = {}
    for _, pair in ipairs(config_of(name).extraConfig) do set[pair.key] = pair.value end
    return set
  end

  it("says what is cloned, and where", function()
    assert.same({ "+ W11-001 vm.clone: clone of /DC0/vm/gold/w11 (efi, 8 CPUs, 16 GiB locked), on esx-1" },
      (lines 'from = "gold/w11", cpus = 8'))
    assert.same({ "+ W11-001 vm.clone: clone of /DC0/vm/gold/lin (efi, 2 CPUs, 8 GiB), on esx-1",
      "+ W11-001 vm.clone: power on, and wait until the guest is customized by 'linux'" },
      (lines 'from = "/DC0/vm/gold/lin", customization = "linux"'))
    assert.same({ "+ W11-001 vm.clone: linked clone of /DC0/vm/gold/snap at snapshot base (efi, 2 CPUs, 4 GiB), on esx-1" },
      (lines 'from = "gold/snap", linked = true'))
  end)

  it("powers on only a clone in whose guest a step works before the card", function()
    local with = lines('from = "gold/w11"', { steps = 'p.tools.ensure {}' })
    assert.same("~ W11-001 vm.clone: power on", with[2])
    local after = lines('from = "gold/w11"', { steps = 'p.gpu.attach { devices = p.gpus { match = "10de:1eb8" } }, p.guest.verify {}' })
    assert.same("+ W11-001 gpu.attach: TU104GL [Tesla T4] x1 (3b:00.0), memory locked and reserved, no 64-bit MMIO needed, then power on", after[2])
  end)

  it("sends no changing call for a plan", function()
    site.sim:forget()
    lines('from = "gold/w11", customization = "vdi-join"', { count = 4 })
    assert.same({}, site:changing())
    assert.equal(1, site.sim:calls "GetCustomizationSpec")
  end)

  describe("refuses in the plan", function()
    for _, case in ipairs {
      { 'from = "gold/none"', "from: there is no VM or template at /DC0/vm/gold/none" },
      { 'from = "w11"', "from: there is no VM or template at /DC0/vm/w11; it may be /DC0/vm/gold/w11" },
      { 'from = "gold/card"', "/DC0/vm/gold/card has 1 passthrough device (86:00.0), and each clone would have the same" },
      { 'from = "gold/on"', "/DC0/vm/gold/on is poweredOn, and its disks change meanwhile" },
      { 'from = "gold/w11", linked = true', "/DC0/vm/gold/w11 has no snapshot, and a linked clone needs one" },
      { 'from = "gold/snap", snapshot = "nope"', "snapshot = 'nope': /DC0/vm/gold/snap has no such snapshot (base)" },
      { 'from = "gold/w11", customization = "vdi"', "vCenter has no customization specification of this name (it has fixed, linux, two-nics, vdi-join)" },
      { 'from = "gold/w11", customization = "linux"', "customization = 'linux' is for Linux, and /DC0/vm/gold/w11 is Windows (windows11_64Guest)" },
      { 'from = "gold/w11", customization = "two-nics"', "customization = 'two-nics' is for 2 network adapters, and /DC0/vm/gold/w11 has 1" },
      { 'from = "gold/w11", customization = "vdi-join"', "the name 'W11-GRAPHICS-001' is longer than 15 characters", { name = "W11-GRAPHICS-{n:03}" } },
      { 'from = "gold/w11"', "the datastore small has 30 GiB free, and the disk may grow to 64 GiB", { datastore = "small" } },
    } do
      it(case[2], function()
        local message = refused(case[1], case[3])
        assert.is_truthy(message:find(case[2], 1, true), message)
      end)
    end

    it("all mistakes of one clone together", function()
      local message = refused 'from = "gold/on", customization = "linux", snapshot = nil'
      assert.is_truthy(message:find("is poweredOn", 1, true), message)
      local both = refused('from = "gold/card", customization = "two-nics"')
      assert.is_truthy(both:find("1 passthrough device", 1, true) and both:find("needs VMware Tools", 1, true), both)
    end)

    it("options that cannot work, when the playbook is loaded", function()
      assert.has_error(function() site:load(play 'from = "gold/w11", customization = "x", power_on = false') end)
      local ok, message = pcall(site.load, site, play('from = "gold/w11"', {
        steps = 'p.vm.create { guest = "x", cpus = 1, memory = "1 GiB", disk = "1 GiB" }' }))
      assert.is_false(ok)
      assert.is_truthy(tostring(message):find("vm.create and vm.clone", 1, true), tostring(message))
    end)
  end)

  it("names every privilege that the account lacks, with its object", function()
    local path = site:write(play('from = "gold/w11", cpus = 2, customization = "vdi-join"', { name = "r-{n}" }))
    local result = site:command({ "plan", path }, { env = { GOVC_USERNAME = "reader@vsphere.local", GOVC_PASSWORD = "pw-" .. "reader" } })
    assert.equal(1, result.status)
    assert.is_truthy(result.err:find("VirtualMachine.Provisioning.ReadCustSpecs on the folder", 1, true), result.err)
    path = site:write(play('from = "gold/w11", cpus = 2', { name = "r-{n}" }))
    result = site:command({ "plan", path }, { env = { GOVC_USERNAME = "reader@vsphere.local", GOVC_PASSWORD = "pw-" .. "reader" } })
    for _, word in ipairs { "VirtualMachine.Provisioning.DeployTemplate on the VM /DC0/vm/gold/w11",
      "VirtualMachine.Inventory.CreateFromExisting on the folder vdi", "Datastore.AllocateSpace on the datastore ds-1",
      "Resource.AssignVMToPool on the resource pool", "Network.Assign on the network VDI-210" } do
      assert.is_truthy(result.err:find(word, 1, true), word .. " in " .. result.err)
    end
  end)

  it("keeps firmware, lock and the site's settings, and not the marks of the source's run", function()
    local _, _, rows = apply('from = "gold/w11", cpus = 8, memory = "32 GiB"', { name = "A-{n}" })
    local config, extra = config_of "A-1", extra_of "A-1"
    assert.same({ "efi", true, 32768, 8, 32768 }, { config.firmware, config.memoryReservationLockedToMax, config.hardware.memoryMB,
      config.hardware.numCPU, config.memoryAllocation.reservation })
    assert.equal("vdi", extra["site.owner"])
    assert.is_nil(extra["gpupt.proved"])
    assert.equal(rows[1].run, extra["gpupt.run"])
    local adapter
    for _, device in ipairs(config.hardware.device) do if device._type == "VirtualVmxnet3" then adapter = device end end
    assert.equal("VDI-210", adapter.backing.deviceName)
    assert.same({}, (lines('from = "gold/w11", cpus = 8, memory = "32 GiB"', { name = "A-{n}" })))
    assert.same({ "~ A-1 vm.clone: CPUs 8 -> 4" }, (lines('from = "gold/w11", cpus = 4', { name = "A-{n}" })))
  end)

  it("makes the disks of a linked clone children of the snapshot's", function()
    apply('from = "gold/snap", linked = true', { name = "L-{n}" })
    local parent
    for _, device in ipairs(config_of "L-1".hardware.device) do
      if device._type == "VirtualDisk" then parent = device.backing.parent end
    end
    assert.equal("[ds-1] snap/snap.vmdk", parent and parent.fileName)
  end)

  it("clones a snapshot as it was, though the VM has a card now", function()
    site:attach("vdi", "esx-2", "0000:86:00.0", "gold/snap")
    apply('from = "gold/snap", snapshot = "base"', { name = "S-{n}" })
    for _, device in ipairs(config_of "S-1".hardware.device) do assert.is_not.equal("VirtualPCIPassthrough", device._type) end
    local message = refused('from = "gold/snap"', { name = "T-{n}" })
    assert.is_truthy(message:find("1 passthrough device", 1, true), message)
  end)

  it("waits until the guest is customized, and journals nothing of the specification", function()
    local result, _, rows = apply('from = "gold/w11", customization = "vdi-join"', { name = "C-{n}" })
    assert.equal("clone of /DC0/vm/gold/w11, efi, on " .. (site:truth("vms", "C-1").host), result.targets[1].proofs["vm.clone"])
    assert.equal("C-1", site:truth("vms", "C-1").guest.hostname)
    assert.is_nil(extra_of "C-1"["gpupt.customization"])
    for _, row in ipairs(rows) do
      assert.is_nil((row.detail or ""):find("sealed:", 1, true))
      assert.is_nil((row.detail or ""):find("orgName", 1, true))
    end
    assert.same({}, (lines('from = "gold/w11", customization = "vdi-join"', { name = "C-{n}" })))
  end)

  it("replaces the vTPM if asked, and copies it only if asked", function()
    local crypto = vc.content.cryptoManager
    check(crypto:RegisterKmsCluster { clusterId = { id = "keys" }, managementType = "nativeProvider" })
    check(crypto:MarkDefault { clusterId = { id = "keys" } })
    local gold = check(vc:one "/DC0/vm/gold/lin")
    check(gold:MarkAsVirtualMachine { pool = check(check(vc:one "/DC0/host/vdi"):get "resourcePool") })
    check(vc:wait(check(gold:ReconfigVM_Task { spec = { deviceChange = { { operation = "add",
      device = { _type = "VirtualTPM", key = -1 } } } } })))
    local function key(config)
      for _, device in ipairs(config.hardware.device) do
        if device._type == "VirtualTPM" then return device.endorsementKeyCertificateSigningRequest[1] end
      end
    end
    local message = refused('from = "gold/lin"', { name = "V-{n}" })
    assert.is_truthy(message:find("/DC0/vm/gold/lin has a vTPM, and a clone's is a copy with the same secrets", 1, true), message)
    apply('from = "gold/lin", tpm = "replace"', { name = "R-{n}" })
    apply('from = "gold/lin", tpm = "copy"', { name = "K-{n}" })
    local own = key(check(gold:get "config"))
    assert.is_truthy(own)
    assert.equal(own, key(config_of "K-1"))
    assert.is_not.equal(own, key(config_of "R-1"))
  end)
end)
