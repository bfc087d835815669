-- gpupt role: the privileges that a playbook needs, and that an account with just these is sufficient.
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local schema = require("gpupt.vim").schema
local steps = require "gpupt.step"

local enable = [[
return p.playbook { name = "enable",
  p.hosts { where = "/DC0/host/gpu-a/*", devices = p.gpus { match = "10de:20b5" }, p.host.enable { apply = "reboot" } } }
]]

-- Every privilege that the schema names, on a method, a parameter or a property.
local function known_privileges()
  local known = {}
  for _, kind in ipairs(schema.types "managed") do
    for _, privilege in pairs(schema.privileges(kind).properties) do known[privilege] = true end
    for _, method in ipairs(schema.methods(kind)) do
      local needs = schema.privileges(method)
      if needs.method then known[needs.method] = true end
      for _, privilege in pairs(needs.params) do known[privilege] = true end
    end
  end
  return known
end

describe("the privileges that the steps declare", function()
  -- Checked by the server field by field of a ConfigSpec, or on objects that are not the method's own: the schema's table,
  -- which contains only methods, parameters and properties, does not name them. From the API's documentation.
  local by_field = { "VirtualMachine.Config.AddNewDisk", "VirtualMachine.Config.AddRemoveDevice", "VirtualMachine.Config.AdvancedConfig",
    "VirtualMachine.Config.Resource", "VirtualMachine.Config.Settings", "VirtualMachine.Config.Memory",
    "VirtualMachine.Config.CPUCount", "VirtualMachine.Config.EditDevice", "VirtualMachine.Interact.SetCDMedia",
    "VirtualMachine.Interact.DeviceConnection", "VirtualMachine.Inventory.Delete", "Datastore.AllocateSpace", "Datastore.Browse", "Network.Assign",
    "VirtualMachine.Inventory.CreateFromExisting", "VirtualMachine.Provisioning.Clone",
    "VirtualMachine.Provisioning.DeployTemplate" }

  for _, name in ipairs(steps.names) do
    it("are spelt as in vSphere: " .. name, function()
      local known = known_privileges()
      for _, privilege in ipairs(by_field) do known[privilege] = true end
      local needs = steps.load(name).needs
      assert.is_true(#needs > 0 or name == "horizon.pool") -- which calls a Connection Server only
      for _, privilege in ipairs(needs) do assert.is_true(known[privilege], privilege) end
    end)
  end
end)

describe("what os.install needs", function()
  local function needs_of(answer)
    local path = os.tmpname()
    local file = assert(io.open(path, "w"))
    file:write(([[local p = require "gpupt.playbook"
      return p.playbook { name = "x", p.vms { name = "vm", place = { cluster = "c", datastore = "d", network = "n" },
        p.vm.create { guest = "ubuntu64Guest", cpus = 1, memory = "1 GiB", disk = "1 GiB" },
        p.os.install { iso = "[d] x.iso", answer = %s } } }]]):format(answer))
    file:close()
    local set = {}
    for _, need in ipairs(assert(require "gpupt".playbook.load(path)):needs()) do set[need.privilege] = need.step end
    os.remove(path)
    return set
  end

  it("depends on the answer medium: a generated one is uploaded and deleted", function()
    assert.is_nil(needs_of('"[d] answer.iso"')["Datastore.FileManagement"])
    assert.equal("os.install", needs_of([[p.answer.cloud_init { hostname = "a", user = "ops",
      password = p.secret.env "X" }]])["Datastore.FileManagement"])
  end)
end)

describe("gpupt role", function()
  local site, play

  local function true_card()
    for _, card in ipairs(site:truth("hosts", "esx-a-1").cards) do
      if card.address == "0000:3b:00.0" then return card end
    end
  end

  setup(function()
    site = lab.start { speed = 500, fleet = {
      clusters = { { name = "gpu-a", hosts = { { name = "esx-a-1", cards = { { address = "0000:3b:00.0", vendor = "10de",
        device = "20b5", class = "0302", name = "GA100 [A100 PCIe 80GB]", bars = { "16M:32", "128G:64p", "32M:64p" } } } } } } },
      users = {
        { name = "enough@vsphere.local", password = "pw-" .. "enough", privileges = { "System.Anonymous", "System.View", "System.Read",
          "Host.Config.Maintenance", "Host.Config.PciPassthru", "Host.Config.Settings" } },
        { name = "short@vsphere.local", password = "pw-" .. "short", privileges = { "System.Anonymous", "System.View", "System.Read",
          "Host.Config.Maintenance", "Host.Config.Settings" } },
      } } }
    play = site:write(enable)
  end)
  teardown(function() site:stop() end)

  it("lists what a playbook needs, on which objects, for which step", function()
    local result = site:command { "role", play }
    assert.equal(0, result.status, result.err)
    local list = {}
    for line in result.out:gmatch "[^\n]+" do list[#list + 1] = line:gsub("%s+", " ") end
    assert.same({ "PRIVILEGE ON FOR", "Host.Config.Maintenance hosts host.enable", "Host.Config.PciPassthru hosts host.enable",
      "Host.Config.Settings hosts host.enable" }, list)
  end)

  it("lists with --methods the calls that need a privilege", function()
    local result = site:command { "role", play, "--methods" }
    assert.matches("Host.Config.PciPassthru[^\n]*\n    [^\n]*UpdatePassthruConfig", result.out)
  end)

  it("prints the command that creates the role, quoted for a shell", function()
    local result = site:command { "role", play, "--govc", "gpu's role" }
    assert.equal(0, result.status, result.err)
    local pipe = io.popen("govc() { for word; do echo \"$word\"; done; }\n" .. result.out)
    assert.equal("role.create\ngpu's role\nHost.Config.Maintenance\nHost.Config.PciPassthru\nHost.Config.Settings\n", pipe:read "a")
    pipe:close()
  end)

  it("without a playbook covers every step", function()
    local result = site:command { "role", "--json" }
    assert.equal(0, result.status, result.err)
    local names = {}
    for _, entry in ipairs(assert(json.decode(result.out)).privileges) do names[entry.privilege] = entry.steps end
    for _, name in ipairs(steps.names) do
      for _, privilege in ipairs(steps.load(name).needs) do
        local there = false
        for _, step in ipairs(names[privilege] or {}) do there = there or step == name end
        assert.is_true(there, name .. " " .. privilege)
      end
    end
  end)

  it("is sufficient: an account with just these can enable the cards and list them", function()
    local result = site:command({ "gpus" }, { env = { GOVC_USERNAME = "enough@vsphere.local", GOVC_PASSWORD = "pw-" .. "enough" } })
    assert.equal(0, result.status, result.err)
    assert.matches("esx%-a%-1", result.out)
    result = site:command({ "apply", play, "--allow", "reboot" },
      { env = { GOVC_USERNAME = "short@vsphere.local", GOVC_PASSWORD = "pw-" .. "short" } })
    assert.equal(1, result.status)
    assert.matches("host.enable: the account lacks Host.Config.PciPassthru on the host esx-a-1", result.err, 1, true)
    assert.is_false(true_card().enabled)
    result = site:command({ "apply", play, "--allow", "reboot" }, { env = { GOVC_USERNAME = "enough@vsphere.local",
      GOVC_PASSWORD = "pw-" .. "enough" } })
    assert.equal(0, result.status, result.err .. result.out)
    assert.is_true(true_card().active)
  end)

  it("refuses wrong usage and a playbook that cannot be loaded", function()
    assert.equal(2, site:command({ "role", play, play }).status)
    local result = site:command { "role", "/nowhere.lua" }
    assert.equal(1, result.status)
    assert.matches("/nowhere.lua", result.err)
  end)
end)
