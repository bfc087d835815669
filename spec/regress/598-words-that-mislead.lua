--- Messages and plans that sent an operator the wrong way: "only 0 are free: 3b:00.0 free", names that cannot be
-- written in a path as they are listed, "'DC*' does not exist" of a datacenter that does, "PATH: Permission denied"
-- without what PATH is, a window without an end that was "open until" a date, a new VM that was powered on unannounced.
local command = require "spec.support.command"
local lab = require "spec.support.lab"
local window = require "gpupt.playbook.window"

describe("598:", function()
  local l
  setup(function()
    l = lab.start { speed = 1000, fleet = { folders = { "/DC0/vm/gpu a%2fb" },
      clusters = { { name = "ga", hosts = { lab.host("esx-1", { cards = {
        lab.card("0000:3b:00.0", { enabled = true }), lab.card("0000:5e:00.0", { enabled = true, device = "1eb8",
          name = "TU104GL [Tesla T4]", subdevice = "12a2", bars = { "16M:32", "256M:64p", "32M:64p" } }) } }) } } },
      networks = { "VM Network" }, datastores = { { name = "ds-1" } },
      vms = { { name = "desk-{n}", count = 1, cluster = "ga", memory_mb = 4096, firmware = "efi" } } } }
  end)
  teardown(function() l:stop() end)

  local function plan(text)
    local result = l:command { "plan", l:write('return p.playbook { name = "x", ' .. text .. " }") }
    return result.out .. result.err, result.status
  end

  it("models of `each` that devices leaves out are named, and no card of another model is called free", function()
    for _, scope in ipairs { 'where = "/DC0/vm/desk-1", ', [[name = "new-1", place = { cluster = "ga",
      datastore = "ds-1", network = "VM Network" }, p.vm.create { firmware = "efi", guest = "ubuntu64Guest", cpus = 2,
      memory = "4 GiB", disk = "20 GiB" }, ]] } do
      local text = plan(("p.vms { %s p.gpu.attach { devices = p.gpus { match = '10de:20b5' },"
        .. " each = { ['10de:1eb8'] = 1 } } }"):format(scope))
      assert.matches("3b:00.0 is a 10de:20b5, which each does not name", text, 1, true)
      assert.matches("does not match 10de:1eb8, which each asks for", text, 1, true)
      assert.is_nil(text:find("3b:00.0 free", 1, true))
    end
  end)

  it("names are listed as they have to be written", function()
    local text = plan 'p.vms { where = "/DC0/vm/nothing/x", p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } }'
    assert.matches("contains: [^\n]*gpu a%%2fb", text)
  end)

  it("an object of another type is not one that does not exist", function()
    local text = plan 'p.vms { where = "/DC*/vm/..", p.gpu.attach { devices = p.gpus { match = "10de:20b5" } } }'
    assert.matches("/DC0 is a Datacenter, not a VirtualMachine", text, 1, true)
    assert.is_nil(text:find("does not exist", 1, true))
  end)

  it("a new VM that is powered on says so, and one that is not does not", function()
    local new = [[p.vms { name = "new-1", place = { cluster = "ga", datastore = "ds-1", network = "VM Network" },
      p.vm.create { firmware = "efi", guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" },
      p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, power_on = %s } }]]
    assert.matches("gpu.attach [^\n]*, then power on\n", (plan(new:format "true")))
    local text, status = plan(new:format "false")
    assert.equal(0, status, text)
    assert.is_nil(text:find("power on", 1, true))
  end)

  it("a window without an end is always open", function()
    local monday = 1796083200
    for _, words in ipairs { "00:00-24:00 UTC", "Mon-Sun 00:00-24:00 Europe/Berlin", "00:00-24:00",
      { "00:00-12:00 UTC", "12:00-24:00 UTC" } } do
      local opening = assert(window.parse(words))
      assert.matches(": always open$", opening:line(monday, 45 * 60))
      assert.is_true((opening:fits(monday, 30 * 86400)))
      assert.is_true(opening:longest(monday) >= 30 * 86400)
    end
    for _, words in ipairs { "Mon-Sat 00:00-24:00 UTC", "00:00-23:59 UTC" } do
      assert.is_nil(assert(window.parse(words)):line(monday, 45 * 60):find("always", 1, true))
    end
  end)

  it("a journal that cannot be opened says that it is the journal, and what to do", function()
    local folder = command.folder()
    folder.write("file", "")
    for _, path in ipairs { "/proc/journal.db", "/proc/x/journal.db", folder.path .. "/file/journal.db" } do
      local _, _, err = command.run("apply --resume x --journal " .. path)
      assert.matches("journal", err:gsub("%S*journal%.db", ""), 1, true)
      assert.matches("or name another file with --journal", err, 1, true)
    end
    folder.remove()
  end)

  it("the help of --outage says what a host that is away has", function()
    for _, name in ipairs { "apply", "undo" } do
      local _, out = command.run(name .. " --help")
      assert.matches("A host that is away has%s+back_within", out)
    end
  end)
end)
