local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("a call of vim25", function()
  local sim, vc, root
  setup(function()
    sim = vcenter.start {}
    vc = sim:connect()
    root = vc.content.rootFolder
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
  end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  local function host() return gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1") end

  it("is a method of the reference, by its vim25 name", function()
    local folder = gpupt.check(root:CreateFolder { name = "made by the spec" })
    assert.are.equal("Folder", folder.type)
    assert.are.equal("made by the spec", gpupt.check(folder:get "name"))
    local task = gpupt.check(folder:Destroy_Task())
    assert.is_true(vc:wait(task))
  end)

  it("gives true for void, {} for an absent list, false for an absent optional", function()
    assert.is_true(gpupt.check(host():get "configManager").pciPassthruSystem:Refresh())
    assert.is_false(gpupt.check(vc.content.searchIndex:FindByInventoryPath { inventoryPath = "no/such/thing" }))
    local folder = gpupt.check(root:CreateFolder { name = "empty" })
    assert.is_false((gpupt.check(folder:get "customValue")) == nil)
    local perms = gpupt.check(vc.content.authorizationManager:RetrieveEntityPermissions { entity = folder, inherited = false })
    assert.are.same({}, perms)
    gpupt.check(vc:wait(gpupt.check(folder:Destroy_Task())))
  end)

  it("hands out one table per object, so that references compare and work as keys", function()
    local a, b = host(), host()
    assert.is_true(rawequal(a, b))
    assert.is_true(rawequal(vc:ref(tostring(a)), a))
    assert.is_true(rawequal(vc:ref("HostSystem", a.value), a))
    assert.are.equal("HostSystem:" .. a.value, tostring(a))
    assert.is_true(rawequal(a.client, vc))
    local ok, message = pcall(function() a.name = "x" end)
    assert.is_false(ok)
    assert.matches("cannot be changed", message)
  end)

  it("types what it reads", function()
    local values = gpupt.check(host():get { "hardware.pciDevice", "runtime.bootTime", "config.pciPassthruInfo" })
    local device = values["hardware.pciDevice"][1]
    assert.are.equal("HostPciDevice", gpupt.vim.typeof(device))
    assert.are.equal("integer", math.type(device.vendorId))
    assert.is_number(gpupt.vim.seconds(values["runtime.bootTime"]))
    local ok, message = pcall(function() return device.vendorID end)
    assert.is_false(ok)
    assert.matches("did you mean 'vendorId'", message)
    assert.are.equal("boolean", type(values["config.pciPassthruInfo"][1].passthruEnabled))
  end)

  describe("misuse raises, before anything is sent:", function()
    local function raised(fn, pattern)
      local ok, message = pcall(fn)
      assert.is_false(ok)
      assert.matches(pattern, tostring(message))
      assert.are.equal(0, #sim:calls())
    end
    it("an unknown method, with the nearest name", function()
      raised(function() return root:CreateFoldr { name = "x" } end, "did you mean 'CreateFolder'")
    end)
    it("a property read as a method", function()
      raised(function() return root.childEntity end, "is a property: read it with ref:get")
    end)
    it("an unknown argument, with the nearest name and the caller's line", function()
      raised(function() return root:CreateFolder { name = "x", nam = "y" } end, "call_spec.lua:%d+.*nam")
    end)
    it("a missing argument", function()
      raised(function() return root:CreateFolder {} end, "name")
    end)
    it("a wrong Lua type deep inside, with its path", function()
      local h = host()
      sim:forget()
      raised(function()
        return h:QueryHostConnectionInfo { nothing = 1 }
      end, "nothing")
      raised(function()
        return vc:call(vc.content.rootFolder, "CreateVM_Task",
          { config = { name = "x", numCPUs = "two" }, pool = h })
      end, "config.numCPUs")
    end)
    it("a reference of another connection", function()
      local other = sim:connect()
      local foreign = other.content.rootFolder
      sim:forget()
      raised(function() return vc:call(foreign, "CreateFolder", { name = "x" }) end, "another connection")
      other:close()
    end)
    it("a reference whose type does not exist", function()
      raised(function() return vc:ref "HostSytem:host-1" end, "did you mean 'HostSystem'")
      raised(function() return vc:ref "nonsense" end, "TYPE:VALUE")
    end)
  end)

  it("gives a bad value as nil, message with the path, code", function()
    local value, message, code = host():EnterMaintenanceMode_Task { timeout = 1 << 40 }
    assert.is_nil(value)
    assert.are.equal("ERANGE", code)
    assert.matches("timeout", message)
    assert.are.equal(0, sim:calls "EnterMaintenanceMode_Task")
  end)

  it("refuses a field that the server is too old for", function()
    local old = sim:connect { version = "7.0.3.0" }
    local h = gpupt.check(old:one "/DC0/host/gpu-a/esx-a-1")
    local system = gpupt.check(h:get "configManager").pciPassthruSystem
    local value, message, code = system:UpdatePassthruConfig { config = {
      { _type = "HostPciPassthruConfig", id = "0000:3b:00.0", passthruEnabled = true, applyNow = false, hardwareLabel = "x" },
    } }
    -- both fields are as old as 7.0: they pass; what came with 8.0.0.1 must not
    assert.is_false(value == nil and code == "EVERSION", message)
    local folder = old:ref(tostring(gpupt.check(old:one "/DC0/vm")))
    local pool = gpupt.check(old:one "/DC0/host/gpu-a/Resources")
    value, message, code = folder:CreateVM_Task { pool = pool, config = { name = "x", vmxStatsCollectionEnabled = true } }
    assert.is_nil(value)
    assert.are.equal("EVERSION", code)
    assert.matches("config.vmxStatsCollectionEnabled", message, 1, true)
    old:close()
  end)

  it("gives a fault as nil, message, code, detail", function()
    local value, message, code, detail = root:CreateFolder({ name = "DC0" }, { operation_id = "spec-42" })
    assert.is_nil(value)
    assert.are.equal("DuplicateName", code)
    assert.is_string(message)
    assert.are.equal("CreateFolder", detail.method)
    assert.are.equal(root, detail.object)
    assert.are.equal("spec-42", detail.operation_id)
    assert.are.equal("DuplicateName", gpupt.vim.typeof(detail.fault))
    assert.are.equal("Datacenter", detail.fault.object.type)
    for _, entry in ipairs(sim:get("journal").requests or sim:get "journal") do
      if entry.method == "CreateFolder" then assert.are.equal("spec-42", entry.operationID) end
    end
  end)

  it("prints every faultMessage", function()
    sim:trouble({ method = "CurrentTime" }, { kind = "fault", fault = "GenericVmConfigFault", message = "the outer words" })
    local value, message, code = vc.instance:CurrentTime()
    assert.is_nil(value)
    assert.are.equal("GenericVmConfigFault", code)
    assert.matches("the outer words", message)
  end)

  it("names the missing privilege and the object", function()
    local limited = vcenter.start { fleet = { datacenter = "DC0", users = { { name = "reader@vsphere.local",
      password = "Only-reads-1", privileges = { "System.Anonymous", "System.View", "System.Read" } } },
      datastores = { { name = "ds-1" } }, clusters = { { name = "c", hosts = { { name = "esx-1" } } } } } }
    local reader = limited:connect { username = "reader@vsphere.local", password = "Only-reads-1" }
    local h = gpupt.check(reader:one "/DC0/host/c/esx-1")
    limited:forget()
    for _ = 1, 2 do
      local task, message, code, detail = h:EnterMaintenanceMode_Task { timeout = 0 }
      assert.is_nil(task)
      assert.are.equal("NoPermission", code)
      assert.matches(("The account lacks Host.Config.Maintenance on esx-1 (%s)."):format(tostring(h)), message, 1, true)
      assert.are.equal(h, detail.object)
    end
    assert.are.equal(1, limited:calls "RetrievePropertiesEx") -- the name is asked for once
    local _, message = h.client.content.licenseManager:AddLicense { licenseKey = "00000-00000-00000-00000-00000" }
    assert.matches("The account lacks Global.Licenses", message, 1, true)
    limited:close_all()
    limited:stop()
  end)

  it("lists the missing privileges that a newer server reports, by object", function()
    local fault = require "gpupt.vim.fault"
    local message, code = fault.read { fault = { _type = "NoPermission", object = "Folder:group-1", privilegeId = "A.B",
      missingPrivileges = { { entity = "Folder:group-1", privilegeIds = { "A.B", "C.D" } },
        { entity = "VirtualMachine:vm-1", privilegeIds = { "E.F" } } } }, localizedMessage = "Permission was denied" }
    assert.are.equal("NoPermission", code)
    assert.are.equal("Permission was denied. The account lacks A.B and C.D on Folder:group-1, E.F on VirtualMachine:vm-1.",
      message)
    message = fault.read { fault = { _type = "NoPermission" } }
    assert.are.equal("NoPermission", message)
  end)

  describe("get", function()
    it("gives one value for one path, false when it is unset", function()
      assert.are.equal("esx-a-1", gpupt.check(host():get "name"))
      assert.is_false(gpupt.check(root:get "parent"))
    end)
    it("gives a table for a list of paths", function()
      local values = gpupt.check(host():get { "name", "runtime.connectionState" })
      assert.are.same({ name = "esx-a-1", ["runtime.connectionState"] = "connected" }, values)
    end)
    it("names the property that does not exist, and the nearest one", function()
      local value, message, code = host():get "runtme.bootTime"
      assert.is_nil(value)
      assert.are.equal("InvalidProperty", code)
      assert.matches("did you mean 'runtime'", message)
      value, message, code = host():get "runtime.bootTyme"
      assert.is_nil(value)
      assert.is_string(message)
      assert.are.equal("InvalidProperty", code)
    end)
    it("reports an object that does not exist", function()
      local value, message, code = vc:ref("HostSystem:host-99999"):get "name"
      assert.is_nil(value)
      assert.are.equal("ManagedObjectNotFound", code)
      assert.is_string(message)
    end)
  end)

  it("keeps types and fields that the schema does not know", function()
    sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "unknown-type" })
    local values = gpupt.check(host():get { "hardware.pciDevice" })
    assert.is_table(values["hardware.pciDevice"])
    sim:calm()
    sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "unknown-field" })
    values = gpupt.check(host():get { "hardware.pciDevice" })
    assert.is_table(values["hardware.pciDevice"])
  end)

  it("traces calls with the secrets taken out", function()
    local events = {}
    local traced = sim:connect { trace = function(event) events[#events + 1] = event end }
    gpupt.check(traced.instance:CurrentTime())
    traced:close()
    local methods = {}
    for _, event in ipairs(events) do
      methods[event.method] = true
      assert.is_nil(event.request:find(sim.password, 1, true))
      assert.is_number(event.seconds)
      assert.are.equal(200, event.status)
    end
    assert.is_true(methods.Login and methods.CurrentTime and methods.Logout)
    local path = sim.dir .. "/trace"
    traced = sim:connect { trace = path }
    traced:close()
    local text = vcenter.read(path)
    assert.matches("Login", text)
    assert.is_nil(text:find(sim.password, 1, true))
  end)

  it("has integers, times and the like for anyType slots", function()
    assert.are.equal("int", gpupt.vim.typeof(gpupt.vim.int(5)))
    assert.are.equal("2026-01-02T03:04:05.000000Z", gpupt.vim.time(1767323045).value)
    assert.are.equal(1767323045, gpupt.vim.seconds "2026-01-02T03:04:05Z")
    assert.are.equal(1767323045 - 7200, gpupt.vim.seconds "2026-01-02T03:04:05+02:00")
    assert.are.equal(-1, gpupt.vim.seconds "1969-12-31T23:59:59Z")
    local value, message, code = gpupt.vim.seconds "yesterday"
    assert.is_nil(value)
    assert.matches("yesterday", message)
    assert.are.equal("EINVAL", code)
    local n = 0
    for _ in gpupt.vim.each(nil) do n = n + 1 end
    for _ in gpupt.vim.each(false) do n = n + 1 end
    for _ in gpupt.vim.each { 1, 2 } do n = n + 1 end
    assert.are.equal(2, n)
  end)
end)
