--- What one client writes, the others read: inventory names, VMs with their devices, advanced settings of
-- each type, custom fields, events, files on datastores and in guests; by gpupt, pyVmomi and govc in turn.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"
local witnesses = require "spec.support.witness"

local check, vim = gpupt.check, gpupt.vim

describe("what one client writes, another reads:", function()
  local sim, vc, witness
  local login = { username = "ops", password = "gu3st-Secret" }
  local odd = "a b %41 (1) \u{e9}\u{4e2d}" -- a space, an escape sequence (it stays as it is), letters outside ASCII
  setup(function()
    sim = vcenter.start { speed = 200, fleet = {
      clusters = { { name = "c", hosts = { { name = "h1", cards = { { address = "0000:3b:00.0", vendor = "10de",
        device = "20b5", bars = { "16M:32", "128G:64p", "32M:64p" }, enabled = true, active = true } } } } } },
      datastores = { { name = "ds-1" } },
      vms = { { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10,
        guest = "ubuntu64Guest", firmware = "efi", installed = "ubuntu", power = "poweredOn", username = login.username,
        password = login.password } },
    } }
    vc = sim:connect()
    witness = witnesses.of(sim)
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
  end)

  local function done(task) return check(vc:wait(check(task))) end

  local function device_of(devices, kind)
    for _, device in ipairs(devices) do
      if (device._type or vim.typeof(device)) == kind then return device end
    end
  end

  describe("names", function()
    it("with a slash, a percent sign and letters outside ASCII, ours", function()
      local folder = check(check(vc:one "/DC0/vm"):CreateFolder { name = "ours/100% " .. odd })
      local path = check(vc:path(folder))
      assert.are.equal("/DC0/vm/ours%2f100%25 " .. odd, path)
      assert.are.equal(folder, check(vc:one(path)))
      assert.are.equal(path, (witness.govc("find", "/DC0/vm", "-type", "f", "-name", "ours*"):gsub("\n", "")))
      assert.are.equal(check(folder:get "name"), witness.python("name_of", path:sub(2)))
    end)

    it("govc's", function()
      witness.govc("folder.create", "/DC0/vm/theirs 100% \u{e9}\u{4e2d}")
      local folder = check(vc:one("/DC0/vm/theirs*"))
      assert.are.equal("/DC0/vm/theirs 100%25 \u{e9}\u{4e2d}", check(vc:path(folder)))
      assert.are.equal(folder, check(vc:one(check(vc:path(folder)))))
    end)
  end)

  it("a VM with a GPU, created and reconfigured by gpupt", function()
    local host, folder = check(vc:one "/DC0/host/c/h1"), check(vc:one "/DC0/vm")
    local pool = check(vc:one "/DC0/host/c/Resources")
    local vm = done(folder:CreateVM_Task { pool = pool, host = host, config = {
      name = "made-by-gpupt", guestId = "ubuntu64Guest", firmware = "efi", memoryMB = 4096, numCPUs = 4,
      annotation = "by gpupt: \u{e9}\u{4e2d} <&>", files = { vmPathName = "[ds-1]" },
      deviceChange = {
        { operation = "add", device = { _type = "ParaVirtualSCSIController", key = -1, busNumber = 0,
          sharedBus = "noSharing" } },
        { operation = "add", fileOperation = "create", device = { _type = "VirtualDisk", key = -2, controllerKey = -1,
          unitNumber = 0, capacityInKB = 8 << 20, backing = { _type = "VirtualDiskFlatVer2BackingInfo",
            fileName = "[ds-1]", diskMode = "persistent", thinProvisioned = true } } },
        { operation = "add", device = { _type = "VirtualVmxnet3", key = -3, addressType = "generated",
          backing = { _type = "VirtualEthernetCardNetworkBackingInfo", deviceName = "VM Network" } } },
      } } })
    done(vm:ReconfigVM_Task { spec = {
      memoryReservationLockedToMax = true, memoryAllocation = { reservation = 4096, limit = -1 },
      extraConfig = { { key = "pciPassthru.use64bitMMIO", value = "TRUE" },
        { key = "pciPassthru.64bitMMIOSizeGB", value = "256" }, { key = "odd.key", value = "<&> \u{e9}" } },
      deviceChange = { { operation = "add", device = { _type = "VirtualPCIPassthrough", key = -1,
        backing = { _type = "VirtualPCIPassthroughDynamicBackingInfo", deviceName = "",
          allowedDevice = { { vendorId = 0x10de, deviceId = 0x20b5 } } } } } },
    } })
    local config = witness.python("get", tostring(vm), "config").config
    assert.are.equal("by gpupt: \u{e9}\u{4e2d} <&>", config.annotation)
    assert.are.equal("efi", config.firmware)
    assert.is_true(config.memoryReservationLockedToMax)
    assert.are.equal(-1, config.memoryAllocation.limit)
    local options = {}
    for _, option in ipairs(config.extraConfig) do options[option.key] = option.value end
    assert.are.equal("256", options["pciPassthru.64bitMMIOSizeGB"])
    assert.are.equal("<&> \u{e9}", options["odd.key"])
    local devices = config.hardware.device
    local card = device_of(devices, "VirtualPCIPassthrough")
    assert.are.equal("VirtualPCIPassthroughDynamicBackingInfo", card.backing._type)
    assert.are.same({ { _type = "VirtualPCIPassthroughAllowedDevice", vendorId = 0x10de, deviceId = 0x20b5 } },
      card.backing.allowedDevice)
    assert.are.equal(8 << 20, device_of(devices, "VirtualDisk").capacityInKB)
    assert.is_string(device_of(devices, "VirtualVmxnet3").macAddress)
    local seen = json.decode(witness.govc("vm.info", "-json", "made-by-gpupt")).virtualMachines[1]
    assert.are.equal(vm.value, seen.self.value)
    assert.are.equal(4096, seen.config.hardware.memoryMB)
    assert.are.equal(#devices, #seen.config.hardware.device)
    assert.matches("VirtualPCIPassthrough", witness.govc("device.ls", "-vm", "made-by-gpupt"))
  end)

  it("a VM created by pyVmomi and changed by govc", function()
    local ref = witness.python("create_vm", "DC0/vm", "DC0/host/c/Resources", "DC0/host/c/h1", "ds-1", "made-by-python")
    local vm = check(vc:one("made-by-python", { type = "VirtualMachine" }))
    assert.are.equal(ref, tostring(vm))
    witness.govc("vm.change", "-vm", "made-by-python", "-m", "3072", "-e", "govc.text=x = <y> & \u{4e2d}")
    witness.govc("device.pci.add", "-vm", "made-by-python", "0000:3b:00.0")
    local config = check(vm:get "config")
    assert.are.equal("by pyVmomi: \u{e9}\u{4e2d} <&>", config.annotation)
    assert.are.equal(3072, config.hardware.memoryMB)
    local options = {}
    for _, option in ipairs(config.extraConfig) do options[option.key] = option.value end
    assert.are.equal("a <b> & \u{e9}", options["witness.text"])
    assert.are.equal("x = <y> & \u{4e2d}", options["govc.text"])
    local card = device_of(config.hardware.device, "VirtualPCIPassthrough")
    assert.are.equal("VirtualPCIPassthroughDeviceBackingInfo", vim.typeof(card.backing))
    assert.are.equal("0000:3b:00.0", card.backing.id)
    assert.are.equal(4 << 20, device_of(config.hardware.device, "VirtualDisk").capacityInKB)
    -- what was read is sent back unchanged
    card.deviceInfo = nil
    done(vm:ReconfigVM_Task { spec = { deviceChange = { { operation = "remove", device = card } } } })
    assert.is_nil(witness.govc("device.ls", "-vm", "made-by-python"):find("Passthrough", 1, true))
    done(vm:Destroy_Task())
    assert.matches("not found", witness.govc_fails("vm.change", "-vm", "made-by-python", "-m", "4096"))
  end)

  it("advanced settings, each with its type", function()
    check(vc.content.setting:UpdateOptions { changedValue = {
      { key = "witness.lua.text", value = "42" }, { key = "witness.lua.int", value = vim.int(42) },
      { key = "witness.lua.long", value = vim.long(1 << 40) }, { key = "witness.lua.flag", value = true } } })
    assert.are.same({ ["witness.lua.text"] = "str", ["witness.lua.int"] = "int", ["witness.lua.long"] = "long",
      ["witness.lua.flag"] = "bool" }, witness.python("exact_types", "witness.lua."))
    assert.matches("witness.lua.long:%s+1099511627776", witness.govc("option.ls", "witness.lua."))
    witness.python("set_options")
    witness.govc("option.set", "witness.py.govc", "text of govc")
    local seen = {}
    for _, option in ipairs(check(vc.content.setting:QueryOptions { name = "witness.py." })) do
      seen[option.key] = option.value
    end
    assert.are.same({ ["witness.py.text"] = "42", ["witness.py.int"] = 42, ["witness.py.long"] = 1 << 40,
      ["witness.py.flag"] = false, ["witness.py.govc"] = "text of govc" }, seen)
  end)

  it("custom fields", function()
    local lin = check(vc:one("lin", { type = "VirtualMachine" }))
    local fields = vc.content.customFieldsManager
    local field = check(fields:AddCustomFieldDef { name = "owner", moType = "VirtualMachine" })
    check(fields:SetField { entity = lin, key = field.key, value = "ops \u{e9}" })
    assert.matches("ops \u{e9}", witness.govc("fields.info", "-n", "owner", "vm/lin"), 1, true)
    witness.govc("fields.add", "-type", "VirtualMachine", "rack")
    witness.govc("fields.set", "rack", "7 <b>", "vm/lin")
    local names, seen = {}, {}
    for _, one in ipairs(check(fields:get "field")) do names[one.key] = one.name end
    for _, one in ipairs(check(lin:get "customValue")) do seen[names[one.key]] = one.value end
    assert.are.same({ owner = "ops \u{e9}", rack = "7 <b>" }, seen)
  end)

  it("events", function()
    local lin = check(vc:one("lin", { type = "VirtualMachine" }))
    check(vc.content.eventManager:PostEvent { eventToPost = { _type = "GeneralUserEvent", key = 0, chainId = 0,
      createdTime = vim.time(os.time()), userName = "", message = "said by gpupt: <&> \u{e9}",
      vm = { vm = lin, name = "lin" } } })
    witness.python("post_event", "DC0/vm/lin", "said by pyVmomi: <&> \u{4e2d}")
    local ours, messages = {}, {}
    for _, event in ipairs(check(vc.content.eventManager:QueryEvents { filter = {
      entity = { entity = lin, recursion = "self" } } })) do
      ours[event.key] = event
      if vim.typeof(event) == "GeneralUserEvent" then messages[#messages + 1] = event.message end
    end
    local both = table.concat(messages, "\n")
    assert.matches("said by gpupt: <&> \u{e9}", both, 1, true)
    assert.matches("said by pyVmomi: <&> \u{4e2d}", both, 1, true)
    local compared = 0
    for _, event in ipairs(witness.python("events", "DC0/vm/lin")) do
      local mine = ours[event.key]
      if mine then
        compared = compared + 1
        assert.are.equal(event._type, vim.typeof(mine))
        assert.are.equal(event.fullFormattedMessage, mine.fullFormattedMessage)
        assert.is_true(math.abs(event.createdTime["$time"] - vim.seconds(mine.createdTime)) < 2e-6)
        if event.vm then assert.are.equal(event.vm.vm, tostring(mine.vm.vm)) end
      end
    end
    assert.is_true(compared >= 2, compared)
  end)

  it("a failed task, with its fault", function()
    local folder = check(vc:one "/DC0/vm")
    local task = check(folder:CreateVM_Task { pool = check(vc:one "/DC0/host/c/Resources"), config = { name = "lin",
      guestId = "ubuntu64Guest", memoryMB = 512, numCPUs = 1, files = { vmPathName = "[ds-1]" } } })
    local result, message, code = vc:wait(task)
    assert.is_nil(result)
    assert.are.equal("DuplicateName", code)
    local info = witness.python("get", tostring(task), "info").info
    assert.are.equal("DuplicateName", info.error.fault._type)
    assert.are.equal("lin", info.error.fault.name)
    assert.is_truthy(message:find(info.error.localizedMessage, 1, true))
  end)

  describe("files on a datastore", function()
    local bytes = ("bytes \0\r\n\255"):rep(3000)

    it("ours, with an odd name in odd folders", function()
      local here = sim.dir .. "/ours.bin"
      vcenter.write(here, bytes)
      check(vc.datastore:upload(here, ("[ds-1] %s/%s.bin"):format(odd, odd)))
      witness.govc("datastore.download", "-ds", "ds-1", ("%s/%s.bin"):format(odd, odd), here .. ".back")
      assert.are.equal(bytes, vcenter.read(here .. ".back"))
      assert.are.equal(odd .. ".bin\n", witness.govc("datastore.ls", "-ds", "ds-1", odd))
    end)

    it("govc's", function()
      local here = sim.dir .. "/theirs.bin"
      vcenter.write(here, bytes)
      witness.govc("datastore.mkdir", "-ds", "ds-1", "theirs " .. odd)
      witness.govc("datastore.upload", "-ds", "ds-1", here, ("theirs %s/%s.bin"):format(odd, odd))
      local path = ("[ds-1] theirs %s/%s.bin"):format(odd, odd)
      local list = check(vc.datastore:list("[ds-1] theirs " .. odd))
      assert.are.equal(1, #list)
      assert.are.equal(path, list[1].path)
      assert.are.equal(#bytes, list[1].size)
      assert.are.equal(bytes, check(vc.datastore:text(path)))
      check(vc.datastore:delete(path))
      assert.are.equal("", witness.govc("datastore.ls", "-ds", "ds-1", "theirs " .. odd))
    end)
  end)

  describe("files and programs in a guest", function()
    local text = ("a line of text\n"):rep(500)
    local credentials = login.username .. ":" .. login.password

    it("ours", function()
      local lin = check(vc:one("lin", { type = "VirtualMachine" }))
      check(vc.guest:ready(lin, { timeout = 30 }))
      check(vc.guest:put(lin, login, nil, "/tmp/ours a%b.txt", { text = text, permissions = 416 }))
      witness.govc("guest.download", "-vm", "lin", "-l", credentials, "/tmp/ours a%b.txt", sim.dir .. "/guest.back")
      assert.are.equal(text, vcenter.read(sim.dir .. "/guest.back"))
      assert.matches("^%-rw%-r%-%-%-%-%-.* 7.3K .*ours a%%b.txt\n$",
        witness.govc("guest.ls", "-vm", "lin", "-l", credentials, "/tmp/ours a%b.txt"))
    end)

    it("govc's", function()
      local lin = check(vc:one("lin", { type = "VirtualMachine" }))
      vcenter.write(sim.dir .. "/guest.txt", text)
      witness.govc("guest.upload", "-vm", "lin", "-l", credentials, sim.dir .. "/guest.txt", "/tmp/theirs a%b.txt")
      assert.are.equal(text, check(vc.guest:get(lin, login, "/tmp/theirs a%b.txt")))
      local pid = witness.govc("guest.start", "-vm", "lin", "-l", credentials, "/bin/sleep", "100000"):match "%d+"
      local listed = check(vc.guest:list(lin, login, { tonumber(pid) }))
      assert.are.equal(1, #listed)
      assert.matches("sleep", listed[1].command)
      check(vc.guest:kill(lin, login, tonumber(pid)))
      assert.is_not_nil(check(vc.guest:list(lin, login, { tonumber(pid) }))[1].ended)
    end)
  end)
end)
