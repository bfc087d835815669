-- What goes wrong with an installation, provoked in the test vCenter: the message says the phase, what was seen, and what
-- to do. The media themselves are looked at by the plan: spec/playbook/install_media_spec.lua.
local answer = require "gpupt.guest.answer"
local iso = require "gpupt.iso"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local CLOUD = 'p.answer.cloud_init { user = "ops", password = password }'
local WINDOWS = 'p.answer.windows { computer_name = "CAD-01", password = password, image = 2 }'

local function play(o)
  return ([[
local password = p.secret.callback(function() return "Secret-1-of-it" end)
return p.playbook { name = "trouble",
  p.vms { name = "vm-1", login = p.login("ops", password), place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "%s", cpus = 2, memory = "4 GiB", disk = "%s", firmware = "%s" },
    %s } }]]):format(o.windows and "windows2022srvNext_64Guest" or "ubuntu64Guest", o.disk or "40 GiB", o.firmware or "efi",
    o.only_create and "" or ([[p.os.install { iso = "[ds-1] iso/%s", answer = %s, boot_within = "%s", within = "%s", ready_within = "%s" },
    %s]]):format(o.iso, o.answer or o.windows and WINDOWS or CLOUD, o.boot or "3s", o.within or "5s", o.ready or "20s", o.more or ""))
end

describe("an installation in trouble", function()
  local l, dir
  local files = { ["iso/ubuntu.iso"] = { os = "ubuntu-live" }, ["iso/windows.iso"] = { os = "windows" } }

  setup(function()
    dir = vcenter.shell "mktemp -d /tmp/gpupt-trouble.XXXXXX":match "%S+"
    local function add(name, content, label)
      vcenter.write(dir .. "/" .. name, assert(iso.write(content, label)))
      files["iso/" .. name] = { source = dir .. "/" .. name }
    end
    local good = assert(answer.cloud_init { hostname = "vm-1", user = "ops", password = "Secret-1-of-it" })["user-data"]
    add("refused.iso", { ["user-data"] = (good:gsub("packages:", "package:")), ["meta-data"] = "" }, "CIDATA")
    add("fails.iso", { ["user-data"] = good:gsub("late%-commands:\n", "%0    - 'false'\n"), ["meta-data"] = "" }, "CIDATA")
    add("data.iso", { ["readme.txt"] = "no system\n" }, "DATA")
  end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  before_each(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host("esx-a-1", { memory_gb = 256,
      cards = { lab.card("0000:3b:00.0", { enabled = true }) } }) } } },
      datastores = { { name = "ds-1", files = files } } } }
  end)
  after_each(function() l:stop() end)

  local function failed(o, ...)
    local result, _, rows = l:apply(play(o))
    local target = assert(result, _).targets[1]
    assert.equal("failed", target.status)
    for _, words in ipairs { ... } do assert.is_truthy(target.message:find(words, 1, true), target.message) end
    for _, file in ipairs(assert(l:client().datastore:list "[ds-1] vm-1")) do assert.is_nil(file.name:find "answer", file.name) end
    return target, rows
  end

  it("whose ISO has no system fails in the phase boot", function()
    failed({ iso = "data.iso" }, "vm-1: phase boot: the installer has not started after 3 s (nothing was written to the disk, ",
      "Either the VM does not boot [ds-1] iso/data.iso", "The console was: [ds-1] vm-1/")
  end)

  it("whose answers the installer refuses fails in the phase boot, and says that the VM has booted", function()
    failed({ iso = "ubuntu.iso", answer = '"[ds-1] iso/refused.iso"' }, "vm-1: phase boot: the installer has not started after 3 s",
      "The VM has booted [ds-1] iso/ubuntu.iso, and its installer waits for input or has refused its answers: [ds-1] iso/refused.iso",
      "The console was: [ds-1] vm-1/")
  end)

  it("that stops in the middle fails in the phase install", function()
    failed({ iso = "ubuntu.iso", answer = '"[ds-1] iso/fails.iso"' },
      "vm-1: phase install: Tools are not running after 5 s (8.0 GiB were written to the disk, ",
      "The answer medium [ds-1] iso/fails.iso must install the system unattended")
  end)

  for name, o in pairs { Ubuntu = { iso = "ubuntu.iso" }, Windows = { iso = "windows.iso", windows = true } } do
    it("that fills the disk of the guest fails in the phase install, with that reason: " .. name, function()
      o.disk = "5 GiB"
      failed(o, "vm-1: phase install: Tools are not running after 5 s (5.0 GiB were written to the disk, ",
        "The disk is full: give the VM a larger one. Power the VM off before the next attempt.", "The console was: [ds-1] vm-1/")
    end)
  end

  it("of a VM that stops at a question, as on a full datastore, fails at once with the question", function()
    l:apply(play { only_create = true })
    l.sim:post("set", { vm = "vm-1", seconds = { ["ubuntu.copy"] = 9000 } })
    local loop = require "gpupt.loop"
    local target
    loop.run(function()
      loop.spawn(function()
        loop.sleep(1)
        l.sim:post("set", { vm = "vm-1", question = "There is no more space for virtual disk vm-1.vmdk." })
      end)
      target = failed({ iso = "ubuntu.iso", boot = "30s", within = "60s" },
        "vm-1: phase boot: the VM waits for an answer (There is no more space for virtual disk vm-1.vmdk.). Answer the question in "
          .. "the vSphere Client, and apply again")
    end)
    assert.equal("EINSTALL", target.code)
  end)

  it("whose Tools come up without guest operations fails in the phase tools, and goes on there", function()
    l:apply(play { only_create = true })
    l.sim:post("set", { vm = "vm-1", seconds = { ["tools.ready"] = 900000 } })
    local o = { iso = "ubuntu.iso", boot = "4s", within = "20s", ready = "1s" }
    local journal = l:journal()
    local result, _, _, run = l:apply(play(o), { journal = journal })
    local message = result.targets[1].message
    assert.is_truthy(message:find("vm-1: phase tools: guest operations are not ready after 1 s (heartbeat green, Tools run in a system "
      .. "named 'vm-1', no address)", 1, true), message)
    assert.is_truthy(message:find("tools.conf may forbid guest operations. Apply again when it does. The console was: [ds-1] vm-1/", 1, true),
      message)
    l.sim:speed(3e6)
    result = l:apply(play(o), { journal = journal, resume = run.id })
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal(1, l.sim:calls "PowerOnVM_Task") -- nothing was installed again
    assert.equal("nothing", l:apply(play(o)).status)
  end)

  it("with BIOS firmware for cards that need EFI is refused before it begins, and after it", function()
    local gpu = 'p.gpu.attach { devices = p.gpus { match = "10de:20b5" }, count = 1 },'
    local bios = { iso = "ubuntu.iso", firmware = "bios", boot = "20s", within = "60s" }
    local plan, message = l:plan(play { iso = bios.iso, firmware = "bios", more = gpu })
    assert.is_nil(plan)
    assert.matches("EFI", message)
    local before = l.sim:calls "PowerOnVM_Task"
    assert.equal(0, before)
    local result = l:apply(play(bios))
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    plan, message = l:plan(([[return p.playbook { name = "cards", p.vms { where = "/DC0/vm/vm-1", %s } }]]):format(gpu))
    assert.is_nil(plan)
    assert.matches("needs EFI; the installed system boots with BIOS: convert its disk first", message, 1, true)
  end)
end)
