-- The phases of an installation: what ends each, and what is said when it takes too long. A VM that never boots its ISO
-- is told from one that installs, and the Tools of an installer from those of the system that it installs.
local answer = require "gpupt.guest.answer"
local gpupt = require "gpupt"
local iso = require "gpupt.iso"
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local function play(o)
  return ([[
local password = p.secret.callback(function() return "Secret-1-of-it" end)
return p.playbook { name = "phases",
  p.vms { name = "vm-1", login = p.login("ops", password), place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "%s", cpus = 2, memory = "4 GiB", disk = "40 GiB" },
    p.os.install   { iso = "[ds-1] iso/%s", answer = %s, boot_within = "%s", within = "%s", ready_within = "%s", keys = "%s" },
    %s } }]]):format(o.guest or "ubuntu64Guest", o.iso, o.answer or 'p.answer.cloud_init { user = "ops", password = password }',
    o.boot or "20s", o.within or "60s", o.ready or "20s", o.keys or "auto", o.more or "")
end

describe("an installation", function()
  local l, dir
  local files = {}

  setup(function()
    dir = vcenter.shell "mktemp -d -t gpupt-phases.XXXXXX":match "%S+"
    local function add(name, text)
      vcenter.write(dir .. "/" .. name, assert(iso.write({ ["user-data"] = text, ["meta-data"] = "" }, "CIDATA")))
      files["iso/" .. name] = { source = dir .. "/" .. name }
    end
    local good = assert(answer.cloud_init { hostname = "vm-1", user = "ops", password = "Secret-1-of-it" })["user-data"]
    add("no-tools.iso", (good:gsub("open%-vm%-tools", "jq")))
    add("off.iso", good .. "  shutdown: poweroff\n")
    add("own.iso", good)
    files["iso/windows-prompt.iso"] = { os = "windows-prompt" }
    files["iso/ubuntu.iso"] = { os = "ubuntu" }
    files["iso/live.iso"] = { os = "ubuntu-live" }
  end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  local function start(speed)
    l = lab.start { speed = speed or 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-a-1" } } },
      datastores = { { name = "ds-1", files = files } } } }
  end
  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function failed(o, ...)
    local result = l:apply(play(o))
    local target = result.targets[1]
    assert.equal("failed", target.status)
    for _, words in ipairs { ... } do assert.is_truthy(target.message:find(words, 1, true), target.message) end
    for _, file in ipairs(assert(l:client().datastore:list "[ds-1] vm-1")) do assert.is_nil(file.name:find "answer", file.name) end
    return target
  end

  it("that never boots its ISO fails in the phase boot, with what was seen and a picture of the console", function()
    start()
    local target = failed({ iso = "windows-prompt.iso", guest = "windows2022srvNext_64Guest", boot = "2s", keys = "none",
      answer = 'p.answer.windows { computer_name = "CAD-01", password = password, image = 2 }' },
      "vm-1: phase boot: the installer has not started after 2 s (nothing was written to the disk, heartbeat gray, Tools do not run, no address)",
      "a stock Windows medium waits for a key", 'Of keys, none were pressed (keys = "none")', "The console was: [ds-1] vm-1/vm-1-1.png")
    assert.equal("ETIMEDOUT", target.code)
    assert.is_truthy(assert(l:client().datastore:stat "[ds-1] vm-1/vm-1-1.png"))
    assert.equal("poweredOn", l:truth("vms", "vm-1").power) -- so that a user can look at it
  end)

  it("that writes to the disk and gets no Tools fails in the phase install", function()
    start()
    failed({ iso = "ubuntu.iso", answer = '"[ds-1] iso/no-tools.iso"', boot = "3s", within = "5s" },
      "vm-1: phase install: Tools are not running after 5 s (8.0 GiB were written to the disk, heartbeat gray, Tools do not run, no address)",
      "The answer medium [ds-1] iso/no-tools.iso must install the system unattended and install Tools", "The console was: ")
  end)

  it("whose VM is powered off fails at once", function()
    start()
    local target = failed({ iso = "ubuntu.iso", answer = '"[ds-1] iso/off.iso"' },
      "vm-1: phase boot: the VM was powered off. If its answers end with a power-off, let them end with a restart")
    assert.equal("EINSTALL", target.code)
  end)

  for name, way in pairs { ["generated answers"] = {}, ["answers of the user's own"] = { answer = '"[ds-1] iso/own.iso"' } } do
    it("with an installer that runs Tools itself ends with the system that it installs: " .. name, function()
      start(60)
      way.iso, way.more = "live.iso", "p.tools.ensure {}," -- which logs in: the installer does not have the account
      local result = l:apply(play(way))
      assert.equal("changed", result.targets[1].status, result.targets[1].message)
      assert.equal("vm-1", l:client():one("/DC0/vm/vm-1"):get "guest.hostName")
    end)
  end

  it("is waited for again by another run, also while the installer's own Tools run", function()
    start(15)
    local path = l:write(play { iso = "live.iso" })
    l:command { "plan", path } -- writes the environment
    vcenter.write(l.dir .. "/start.sh", (". %s/environment\nexec bin/gpupt apply %s --journal %s/cut.db\n"):format(l.dir, path, l.dir))
    local pid = vcenter.shell(("sh %s/start.sh >%s/out 2>%s/err </dev/null & echo $!"):format(l.dir, l.dir, l.dir)):match "%d+"
    local vm
    for _ = 1, 1000 do
      vm = l:client():one "/DC0/vm/vm-1"
      if vm and vm:get "guest.hostName" == "ubuntu-server" then break end
      vcenter.sleep(0.02)
    end
    os.execute("kill -9 " .. pid)
    local plan = l:command { "plan", path }
    assert.matches("os.install  wait for the running installation", plan.out, 1, true)
    local result = l:command { "apply", path }
    assert.equal(0, result.status, result.err)
    local count = 0
    for _, journal in ipairs { "/cut.db" } do
      local book = assert(store.open(l.dir .. journal))
      for run in book:runs() do
        for row in book:rows(run.id) do if row.kind == "change" and row.what:find "^PowerOnVM" then count = count + 1 end end
      end
      book:close()
    end
    assert.equal(1, count)
    assert.equal("vm-1", gpupt.check(vm:get "guest.hostName"))
    assert.matches("nothing to change", l:command({ "plan", path }).out, 1, true)
  end)
end)
