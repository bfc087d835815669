-- A trace contained the passwords of customization specs, guestinfo, arguments of guest programs, product keys and
-- session tickets; the file had the mode of the umask, and was written through symbolic links.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

local MARK = "s3cret-Mark"

describe("a trace", function()
  local sim, vc, events

  setup(function()
    sim = vcenter.start { fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } }, vms = { { name = "vm", host = "h1", datastore = "ds-1", memory_mb = 1024,
        disk_gb = 10, guest = "ubuntu64Guest", firmware = "efi" } } } }
    events = {}
    vc = sim:connect { trace = function(event) events[#events + 1] = event end }
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)

  local function ref(kind) return vc:ref(kind, "x-1") end

  local function customization(identity)
    return { spec = { globalIPSettings = {}, nicSettingMap = {}, identity = identity } }
  end

  local function extra(key) return { spec = { extraConfig = { { key = key, value = MARK } } } } end

  local calls = {
    ["a customization spec as XML"] = { "CustomizationSpecManager", "XmlToCustomizationSpecItem", { specItemXml = MARK } },
    ["cloud-init's user data"] = { "VirtualMachine", "CheckCustomizationSpec", customization {
      _type = "CustomizationCloudinitPrep", metadata = "m", userdata = MARK } },
    ["cloud-init's metadata"] = { "VirtualMachine", "CheckCustomizationSpec", customization {
      _type = "CustomizationCloudinitPrep", metadata = MARK } },
    ["Sysprep's product id"] = { "VirtualMachine", "CheckCustomizationSpec", customization {
      _type = "CustomizationSysprep", guiUnattended = { timeZone = 1, autoLogon = false, autoLogonCount = 1 },
      identification = {}, userData = { fullName = "f", orgName = "o", computerName = {
        _type = "CustomizationFixedName", name = "n" }, productId = MARK } } },
    ["the domain's administrator password"] = { "VirtualMachine", "CheckCustomizationSpec", customization {
      _type = "CustomizationSysprep", guiUnattended = { timeZone = 1, autoLogon = false, autoLogonCount = 1 },
      identification = { joinDomain = "d", domainAdmin = "a", domainAdminPassword = { value = MARK, plainText = true } },
      userData = { fullName = "f", orgName = "o", computerName = { _type = "CustomizationFixedName", name = "n" },
        productId = "p" } } },
    ["the arguments of a guest program"] = { "GuestProcessManager", "StartProgramInGuest", { vm = true, auth = {
      _type = "NamePasswordAuthentication", interactiveSession = false, username = "u", password = "p" },
      spec = { _type = "GuestProgramSpec", programPath = "/bin/sh", arguments = MARK } } },
    ["the environment of a guest program"] = { "GuestProcessManager", "StartProgramInGuest", { vm = true, auth = {
      _type = "NamePasswordAuthentication", interactiveSession = false, username = "u", password = "p" },
      spec = { _type = "GuestProgramSpec", programPath = "/bin/sh", arguments = "", envVariables = { "A=" .. MARK } } } },
    ["guestinfo.userdata"] = { "VirtualMachine", "ReconfigVM_Task", extra "guestinfo.userdata" },
    ["any guestinfo"] = { "VirtualMachine", "ReconfigVM_Task", extra "guestinfo.site" },
    ["guestinfo in capitals"] = { "VirtualMachine", "ReconfigVM_Task", extra "GuestInfo.Site" },
    ["vendordata"] = { "VirtualMachine", "ReconfigVM_Task", extra "cloud.vendordata" },
    ["ovfEnv"] = { "VirtualMachine", "ReconfigVM_Task", extra "my.ovfEnv" },
    ["OVF properties"] = { "OvfManager", "CreateImportSpec", { ovfDescriptor = "<x/>",
      resourcePool = { type = "ResourcePool", value = "r" }, datastore = { type = "Datastore", value = "d" },
      cisp = { locale = "", deploymentOption = "", entityName = "e", diskProvisioning = "thin",
        propertyMapping = { { key = "admin_password", value = MARK } } } } },
    ["a session that is looked up"] = { "SessionManager", "SessionIsActive", { sessionID = MARK, userName = "u" } },
    ["sessions that are ended"] = { "SessionManager", "TerminateSession", { sessionId = { MARK } } },
    ["a session's clone ticket"] = { "SessionManager", "CloneSession", { cloneTicket = MARK } },
    ["a license key"] = { "LicenseManager", "AddLicense", { licenseKey = MARK } },
    ["registry values of a guest"] = { "GuestWindowsRegistryManager", "SetRegistryValueInGuest", { vm = true, auth = {
      _type = "NamePasswordAuthentication", interactiveSession = false, username = "u", password = "p" },
      value = { name = { keyName = { registryPath = "HKLM", wowBitness = "WOWNative" }, name = "DefaultPassword" },
        data = { _type = "GuestRegValueStringSpec", value = MARK } } } },
    ["SNMP communities"] = { "HostSnmpSystem", "ReconfigureSnmpAgent", { spec = { readOnlyCommunities = { MARK } } } },
  }

  for name, one in pairs(calls) do
    it("does not contain " .. name, function()
      local kind, method, args = one[1], one[2], one[3]
      if args.vm then args.vm = ref "VirtualMachine" end
      local before = #events
      vc:call(ref(kind), method, args, { timeout = 10 })
      assert.is_true(#events > before, "the call was not sent")
      for i = before + 1, #events do
        assert.is_nil(events[i].request:find(MARK, 1, true), events[i].request)
      end
    end)
  end

  it("distinguishes an omitted value from an equal text", function()
    local before = #events
    vc:call(ref "SessionManager", "Login", { userName = "(secret)", password = MARK })
    local request = events[before + 1].request
    assert.matches("<userName>(secret)</userName>", request, 1, true)
    assert.is_nil(request:find("<password>(secret)</password>", 1, true))
    assert.matches('<password missing="secret"/>', request, 1, true)
  end)

  describe("in a file", function()
    local function trace(path) sim:connect { trace = path }:close() end
    local function mode(path) return (vcenter.shell(("stat -c %%a '%s'"):format(path)):match "%d+") end

    it("is readable only by its owner, whatever the umask and the earlier mode of the file", function()
      trace(sim.dir .. "/new")
      assert.equal("600", mode(sim.dir .. "/new"))
      vcenter.write(sim.dir .. "/old", "earlier lines\n")
      assert(os.execute(("chmod 666 %s/old"):format(sim.dir)))
      trace(sim.dir .. "/old")
      assert.equal("600", mode(sim.dir .. "/old"))
      local text = vcenter.read(sim.dir .. "/old")
      assert.matches("^earlier lines\n", text)
      assert.matches("Login", text, 1, true)
    end)

    it("is not visible to a process that opened the file before", function()
      local path = sim.dir .. "/held"
      vcenter.write(path, "")
      assert(os.execute("chmod 644 " .. path))
      local held = assert(io.open(path, "r"))
      trace(path)
      assert.equal("", held:read "a")
      held:close()
    end)

    it("is not written through a symbolic link", function()
      vcenter.write(sim.dir .. "/victim", "precious\n")
      assert(os.execute(("ln -s %s/victim %s/link"):format(sim.dir, sim.dir)))
      local ok, message = gpupt.vim.connect { url = sim.url, username = sim.username, password = sim.password,
        ca_file = sim.ca_file, trace = sim.dir .. "/link" }
      assert.is_nil(ok)
      assert.matches("symbolic link", message, 1, true)
      assert.equal("precious\n", vcenter.read(sim.dir .. "/victim"))
    end)
  end)
end)
