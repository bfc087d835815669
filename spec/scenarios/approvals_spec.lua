-- Each word of --allow, the same way: with all others that the change needs, but not with it, status 4, the word is named
-- and nothing is changed anywhere; with it, it is done.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local GPUS = 'p.gpus { match = "10de:20b5" }'
local PLACE = 'place = { cluster = "cards", datastore = "ds-1", network = "VM Network" }'

local function hosts(where, roll)
  return ('p.hosts { where = "/DC0/host/%s", devices = %s, roll = { %s }, p.host.enable {} }'):format(where, GPUS, roll or "")
end

describe("the approval", function()
  local l, journal

  local function running(name, host)
    return { name = name, host = host, guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192, memory_lock = true,
      devices = { "0000:86:00.0" }, power = "poweredOn", installed = "ubuntu", datastore = "ds-1",
      extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
  end

  local function off(name)
    return { name = name, host = "ca-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20", firmware = "efi",
      datastore = "ds-1", guest = "windows9_64Guest" }
  end

  local function one(name, more) return { name = name, hosts = { lab.host(name:sub(1, 2) .. "-1", more) } } end

  local function busy() return { cards = { lab.card "0000:3b:00.0", lab.card("0000:86:00.0", { enabled = true }) } } end

  setup(function()
    local drain = one "drain"
    drain.drs, drain.hosts[2] = "manual", lab.host "dr-2"
    local four = {}
    for i, address in ipairs { "0000:3b:00.0", "0000:5e:00.0", "0000:86:00.0", "0000:af:00.0" } do
      four[i] = lab.card(address, { enabled = true })
    end
    local cards = one("cards", { cards = four })
    l = lab.start { speed = 500, fleet = { datastores = { { name = "ds-1" } }, networks = { "VM Network" },
      clusters = { one "reboot", one("guest", busy()), one("session", busy()), one("foreign", { maintenance = true }),
        one("bios", { above_4g = false, bmc = { user = "root", password = "Bmc-secret-1" } }), drain, cards },
      vms = { running("gu-vm", "gu-1"), running("se-vm", "se-1"), off "hide-vm", off "over-vm", off "old-vm",
        off "safe-vm",
        { name = "web", host = "dr-1", power = "poweredOn", memory_mb = 4096, datastore = "ds-1" } } } }
    journal = l.dir .. "/journal.db"
    vcenter.write(l.dir .. "/password", "Bmc-secret-1\n")
    local vc = l:client()
    for _, name in ipairs { "gu-vm", "se-vm" } do
      gpupt.check(vc:wait_for(gpupt.check(vc:one("/DC0/vm/" .. name)), { "guest.toolsRunningStatus" }, function(props)
        return props["guest.toolsRunningStatus"] == "guestToolsRunning"
      end, { timeout = 60 }))
    end
    l.sim:post("set", { vm = "se-vm", session = "mia" })
    local function change(name, method, args)
      gpupt.check(vc:wait(gpupt.check(vc:call(gpupt.check(vc:one("/DC0/vm/" .. name)), method, args))))
    end
    change("old-vm", "CreateSnapshot_Task", { name = "before", memory = false, quiesce = false })
    change("safe-vm", "ReconfigVM_Task", { spec = { nestedHVEnabled = true, flags = { vbsEnabled = true, vvtdEnabled = true } } })
  end)
  teardown(function() l:stop() end)

  local function active(host)
    for _, card in ipairs(l:truth("hosts", host).cards) do if card.address == "0000:3b:00.0" then return card.active end end
  end

  local function patched()
    for _, bmc in ipairs(l.sim:get "truth".bmcs) do
      for _, request in ipairs(bmc.requests) do if request:find "PATCH" then return true end end
    end
    return false
  end

  -- word -> { words = what else is needed, text = of the playbook, before = makes the run to undo, done = the effect }
  local cases = {}

  local function attach(name, options)
    return ([[p.vms { where = "/DC0/vm/%s", p.gpu.attach { devices = %s, %s, power_on = false } }]]):format(name, GPUS, options)
  end

  cases.reboot = { text = hosts "reboot", done = function() return active "re-1" end }

  cases["guest-shutdown"] = { words = "reboot", text = hosts("guest", 'guests = "shutdown-idle"'),
    done = function() return active "gu-1" and l:truth("vms", "gu-vm").power == "poweredOn" end }

  cases.sessions = { words = "reboot,guest-shutdown", text = hosts("session", 'guests = "shutdown-idle"'),
    done = function() return active "se-1" and l:truth("vms", "se-vm").power == "poweredOn" end }

  cases["foreign-maintenance"] = { words = "reboot", text = ([[p.hosts { where = "/DC0/host/foreign", devices = %s,
    p.host.enable { foreign_maintenance = true } }]]):format(GPUS),
    done = function() return active "fo-1" and l:truth("hosts", "fo-1").maintenance end }

  cases["drain-vmotion"] = { words = "reboot", text = hosts("drain/dr-1", 'drain = "vmotion"'), done = function()
    return active "dr-1" and l:truth("vms", "web").host == "dr-2"
  end }

  cases.bios = { words = "reboot", text = function()
    return ([[p.hosts { where = "/DC0/host/bios", devices = %s, p.host.firmware { sr_iov = true, bmc = %q,
      login = p.login("root", p.secret.file %q), ca_file = %q } }]]):format(GPUS, l.sim.ready.bmcs["bi-1"],
      l.dir .. "/password", l.sim.ready.ca_file)
  end, done = patched }

  cases["hide-hypervisor"] = { text = attach("hide-vm", "hide_hypervisor = true"),
    done = function() return l:truth("vms", "hide-vm").extra_config["hypervisor.cpuid.v0"] == "FALSE" end }

  cases["over-commit"] = { text = ([[p.vms { where = "/DC0/vm/over-vm", keep_free = 2,
    p.gpu.attach { devices = %s, power_on = false } }]]):format(GPUS),
    done = function() return #l:truth("vms", "over-vm").devices == 1 end }

  cases["delete-snapshots"] = { text = attach("old-vm", 'snapshots = "delete"'),
    done = function() return #l:truth("vms", "old-vm").snapshots == 0 end }

  cases["vbs-off"] = { text = attach("safe-vm", 'vbs = "off"'), done = function()
    return gpupt.check(gpupt.check(l.vc:one "/DC0/vm/safe-vm"):get "config.flags").vbsEnabled == false
  end }

  local function created(name, powered)
    return function()
      local made = l:command { "apply", l:write(([[return p.playbook { name = "made", p.vms { name = "%s", %s,
        p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "40 GiB" } } }]]):format(name, PLACE)),
        "--journal", journal, "--json" }
      assert.equal(0, made.status, made.err)
      local vc = l:client()
      local vm = gpupt.check(vc:one("/DC0/vm/" .. name))
      -- nothing is installed: there are no Tools that could shut it down
      if powered then gpupt.check(vc:wait(gpupt.check(vm:PowerOnVM_Task {}))) end
      return { "undo", json.decode(made.out).id }
    end
  end

  cases["delete-vm"] = { before = created("made-1"), done = function() return l:truth("vms", "made-1") == nil end }

  cases["power-off"] = { words = "delete-vm", before = created("made-2", true),
    done = function() return l:truth("vms", "made-2") == nil end }

  for _, known in ipairs(gpupt.playbook.approvals()) do
    local word = known.word
    it(word .. " is needed: without it nothing is changed, with it it is done", function()
      local case = assert(cases[word], "no case of this spec shows it")
      local text = type(case.text) == "function" and case.text() or case.text
      local words = case.before and case.before()
        or { "apply", l:write(('return p.playbook { name = "x", %s }'):format(text)) }
      local function run(allow)
        local list = table.move(words, 1, #words, 1, {})
        for _, more in ipairs { "--journal", journal, "--allow", allow } do list[#list + 1] = more end
        return l:command(list)
      end
      l.sim:forget()
      local refused = run(case.words or "")
      assert.equal(4, refused.status, refused.err)
      assert.matches("the plan needs --allow " .. word .. "\n", refused.err, 1, true)
      assert.same({}, l:changing())
      assert.is_false(case.done() or false)
      local done = run((case.words and case.words .. "," or "") .. word)
      assert.equal(0, done.status, done.err)
      assert.is_true(case.done())
    end)
  end
end)
