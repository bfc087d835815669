-- Forty-odd methods that no step uses, found by name at run time: there is no code for any of them.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("any method of vim25", function()
  local sim, vc, content
  setup(function()
    sim = vcenter.start {}
    vc = sim:connect()
    content = vc.content
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)

  local used = {}

  -- Calls by name and raises when it fails; a task is waited for.
  local function go(object, name, arguments)
    used[name] = true
    local value = gpupt.check(vc:call(object, name, arguments))
    if name:find "_Task$" then return gpupt.check(vc:wait(value)) end
    return value
  end

  local function host() return gpupt.check(vc:one "/DC0/host/gpu-a/esx-a-1") end
  local function datacenter() return gpupt.check(vc:one "/DC0") end

  it("looks things up", function()
    local index = content.searchIndex
    local h = host()
    local uuid = gpupt.check(h:get "hardware.systemInfo").uuid
    assert.are.equal(h, go(index, "FindByUuid", { uuid = uuid, vmSearch = false }))
    assert.are.equal(datacenter(), go(index, "FindByInventoryPath", { inventoryPath = "DC0" }))
    assert.are.equal(datacenter(), go(index, "FindChild", { entity = content.rootFolder, name = "DC0" }))
    assert.is_false(go(index, "FindByIp", { ip = "192.0.2.1", vmSearch = true }))
    assert.is_false(go(index, "FindByDnsName", { dnsName = "nobody.invalid", vmSearch = true }))
    assert.is_false(go(index, "FindByDatastorePath", { datacenter = datacenter(), path = "[ds-1] no/no.vmx" }))
  end)

  it("manages roles and permissions", function()
    local manager = content.authorizationManager
    local id = go(manager, "AddAuthorizationRole", { name = "spec", privIds = { "System.View" } })
    assert.are.equal("integer", math.type(id))
    assert.is_true(go(manager, "UpdateAuthorizationRole", { roleId = id, newName = "spec2", privIds = { "System.Read" } }))
    assert.is_true(go(manager, "SetEntityPermissions", { entity = datacenter(), permission = {
      { principal = "someone", group = false, roleId = id, propagate = true } } }))
    local all = go(manager, "RetrieveEntityPermissions", { entity = datacenter(), inherited = false })
    assert.are.equal("someone", all[#all].principal)
    assert.is_table(go(manager, "RetrieveAllPermissions"))
    assert.is_true(go(manager, "RemoveEntityPermission", { entity = datacenter(), user = "someone", isGroup = false }))
    assert.is_true(go(manager, "RemoveAuthorizationRole", { roleId = id, failIfUsed = false }))
    local has = go(manager, "HasPrivilegeOnEntities", { entity = { datacenter() },
      sessionId = vc.user.key, privId = { "System.View" } })
    assert.is_true(has[1].privAvailability[1].isGranted)
  end)

  it("defines, sets and removes custom fields", function()
    local manager = content.customFieldsManager
    local field = go(manager, "AddCustomFieldDef", { name = "owner", moType = "HostSystem" })
    assert.are.equal("owner", field.name)
    assert.is_true(go(manager, "SetField", { entity = host(), key = field.key, value = "specs & <friends>" }))
    assert.are.equal("specs & <friends>", gpupt.check(host():get "customValue")[1].value)
    assert.is_true(go(manager, "RenameCustomFieldDef", { key = field.key, name = "owner2" }))
    assert.is_true(go(manager, "RemoveCustomFieldDef", { key = field.key }))
  end)

  it("reads performance counters", function()
    local manager = content.perfManager
    local summary = go(manager, "QueryPerfProviderSummary", { entity = host() })
    assert.are.equal(host(), summary.entity)
    local metrics = go(manager, "QueryAvailablePerfMetric", { entity = host() })
    local ids = {}
    for i = 1, math.min(3, #metrics) do ids[i] = metrics[i].counterId end
    assert.are.equal(#ids, #go(manager, "QueryPerfCounter", { counterId = ids }))
    assert.is_table(go(manager, "QueryPerf", { querySpec = { { entity = host(), maxSample = 1, intervalId = 20,
      metricId = { { counterId = ids[1] or 2, instance = "" } }, format = "normal" } } }))
  end)

  it("reads and writes options", function()
    local manager = content.setting
    local options = go(manager, "QueryOptions", { name = "config.vpxd." })
    assert.is_table(options)
    assert.is_true(go(manager, "UpdateOptions", { changedValue = {
      { _type = "OptionValue", key = "gpupt.spec", value = "text" } } }))
    assert.are.equal("text", go(manager, "QueryOptions", { name = "gpupt.spec" })[1].value)
  end)

  it("makes, renames, moves and destroys folders and pools", function()
    local root = content.rootFolder
    local a = go(root, "CreateFolder", { name = "a" })
    local b = go(root, "CreateFolder", { name = "b" })
    assert.is_true(go(b, "Rename_Task", { newName = "b 2" }))
    assert.is_true(go(a, "MoveIntoFolder_Task", { list = { b } }))
    assert.are.equal(a, gpupt.check(b:get "parent"))
    local dc = go(a, "CreateDatacenter", { name = "spec-dc" })
    assert.are.equal("Datacenter", dc.type)
    local cluster = go(gpupt.check(dc:get "hostFolder"), "CreateClusterEx", { name = "c", spec = {} })
    local pool = gpupt.check(cluster:get "resourcePool")
    local share = { shares = { shares = 0, level = "normal" }, reservation = 0, limit = -1, expandableReservation = true }
    local child = go(pool, "CreateResourcePool", { name = "p", spec = { cpuAllocation = share, memoryAllocation = share } })
    assert.is_true(go(child, "UpdateConfig", { name = "p2" }))
    assert.are.equal("p2", gpupt.check(child:get "name"))
    assert.is_true(go(pool, "DestroyChildren"))
    assert.is_true(go(a, "Destroy_Task"))
  end)

  it("keeps lists and views", function()
    local view = go(content.viewManager, "CreateListView", { obj = { host() } })
    assert.are.same({}, go(view, "ModifyListView", { add = { datacenter() } }))
    assert.are.same({}, go(view, "ResetListView", { obj = { datacenter() } }))
    assert.is_true(go(view, "DestroyView"))
  end)

  it("tells events and tasks", function()
    local manager = content.eventManager
    assert.is_table(go(manager, "QueryEvents", { filter = {} }))
    assert.is_table(go(content.alarmManager, "GetAlarm", {}))
  end)

  it("registers and finds extensions", function()
    local manager = content.extensionManager
    local extension = { key = "spec.gpupt", version = "1", description = { label = "l", summary = "s" },
      lastHeartbeatTime = gpupt.vim.time(0).value }
    assert.is_true(go(manager, "RegisterExtension", { extension = extension }))
    assert.are.equal("spec.gpupt", go(manager, "FindExtension", { extensionKey = "spec.gpupt" }).key)
    extension.version = "2"
    assert.is_true(go(manager, "UpdateExtension", { extension = extension }))
    assert.is_true(go(manager, "UnregisterExtension", { extensionKey = "spec.gpupt" }))
    assert.is_false(go(manager, "FindExtension", { extensionKey = "spec.gpupt" }))
  end)

  it("keeps customization specifications", function()
    local manager = content.customizationSpecManager
    local item = { info = { name = "spec", description = "", type = "Linux" }, spec = {
      options = { _type = "CustomizationLinuxOptions" }, globalIPSettings = {}, identity = {
        _type = "CustomizationLinuxPrep", hostName = { _type = "CustomizationVirtualMachineName" }, domain = "x.invalid" } } }
    assert.is_false(go(manager, "DoesCustomizationSpecExist", { name = "spec" }))
    assert.is_true(go(manager, "CreateCustomizationSpec", { item = item }))
    assert.is_true(go(manager, "DoesCustomizationSpecExist", { name = "spec" }))
    local read = go(manager, "GetCustomizationSpec", { name = "spec" })
    assert.are.equal("CustomizationLinuxPrep", gpupt.vim.typeof(read.spec.identity))
  end)

  it("asks sessions, users and licences", function()
    assert.is_true(go(content.sessionManager, "SessionIsActive", { sessionID = vc.user.key, userName = vc.user.userName }))
    assert.is_table(go(content.userDirectory, "RetrieveUserGroups", { searchStr = "root", exactMatch = false,
      findUsers = true, findGroups = true }))
    local licences = content.licenseManager
    local licence = go(licences, "AddLicense", { licenseKey = "00000-00000-00000-00000-00001" })
    assert.are.equal("00000-00000-00000-00000-00001", licence.licenseKey)
    assert.is_table(go(licences, "DecodeLicense", { licenseKey = licence.licenseKey }))
    assert.is_true(go(licences, "RemoveLicense", { licenseKey = licence.licenseKey }))
  end)

  it("was called more than forty times by different names", function()
    local count = 0
    for _ in pairs(used) do count = count + 1 end
    assert.is_true(count >= 40, "only " .. count)
  end)
end)
