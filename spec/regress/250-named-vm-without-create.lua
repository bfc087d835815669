--- A p.vms scope with `name`, without vm.create, and without a VM of that name in its folder ended in an internal error
-- of gpu.attach. The plan says that the VM does not exist, where a VM of that name is, and what to write.
local lab = require "spec.support.lab"

local fleet = { folders = { "/DC0/vm/east", "/DC0/vm/west" },
  clusters = { { name = "a", hosts = {
    lab.host("esx-1", { cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } },
  vms = { { name = "desk", host = "esx-1", memory_mb = 4096, firmware = "efi", version = "vmx-20" },
    { name = "twin", host = "esx-1", folder = "east", memory_mb = 4096, firmware = "efi" },
    { name = "twin", host = "esx-1", folder = "west", memory_mb = 4096, firmware = "efi" } } }

describe("p.vms { name } of a VM that no step creates", function()
  local site
  setup(function() site = lab.start { speed = 500, fleet = fleet } end)
  teardown(function() site:stop() end)

  local function refused(scope)
    local plan, message, code = site:plan(([[local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "x",
  p.vms { %s, p.gpu.attach { devices = cards } } }]]):format(scope))
    assert.is_nil(plan)
    return message:gsub("/[%w./-]*play%-%d+%.lua", "play.lua"), code
  end

  it("is refused, with the line and the name", function()
    local message, code = refused 'name = "dsk", place = { cluster = "a" }'
    assert.equal("ENOENT", code)
    assert.equal("play.lua:4: p.vms: the VM does not exist in /DC0/vm, and no step creates it: put p.vm.create or p.vm.clone first "
      .. "(dsk)", message)
  end)

  it("is refused with the inventory paths of the VMs of that name elsewhere", function()
    assert.equal("play.lua:4: p.vms: the VM does not exist in /DC0/vm, and no step creates it: put p.vm.create or p.vm.clone first, "
      .. "or select an existing VM with where = '/DC0/vm/east/twin' (or /DC0/vm/west/twin)",
      (refused 'name = "twin", place = { cluster = "a" }'))
  end)

  it("is planned if the VM is there", function()
    assert.is_truthy(site:plan [[return p.playbook { name = "x", p.vms { name = "desk", place = { cluster = "a" },
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } } }]])
  end)

  it("is refused if a step of the user's own creates it and does not say with how much memory", function()
    local plan, message = site:plan [[
local boot = p.step { name = "my.clone", scope = "vms", observe = function() return {} end,
  plan = function() return { { what = "clone", verb = "clone" } } end, apply = function() return true end,
  prove = function() return "cloned" end }
return p.playbook { name = "x", p.vms { name = "new", place = { cluster = "a" }, boot {},
  p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } } }]]
    assert.is_nil(plan)
    assert.matches("new: its memory is not known: the step that creates the VM has to return memory_mb in its forecast",
      message, 1, true)
  end)

  it("names both forms if the place is missing", function()
    assert.equal("play.lua:4: place: set cluster or host for new VMs, or select existing VMs with where = "
      .. "'/DC0/vm/desk' in place of name", (refused 'name = "desk"'))
  end)
end)
