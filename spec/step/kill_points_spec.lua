-- A run that is killed at each point of a changing call, then resumed: the end is the same, and nothing is done twice.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local store = require "gpupt.store"

local check = gpupt.check

local POINTS = os.getenv "GPUPT_SOAK" and { "before", "row", "unanswered", "answered", "sent", "ended" }
  or { "before", "row", "unanswered", "answered" }

local function t4(address)
  return lab.card(address, { enabled = true, device = "1eb8", name = "TU104GL [Tesla T4]", bars = { "16M:32", "256M:64p", "32M:64p" } })
end

local function host(name)
  return lab.host(name, { memory_gb = 512, cards = { t4 "0000:3b:00.0", t4 "0000:86:00.0", t4 "0000:af:00.0", t4 "0000:d8:00.0" } })
end

local fleet = { datastores = { { name = "ds-1" }, { name = "ds-2" } },
  clusters = { { name = "vdi", hosts = { host "esx-1", host "esx-2", host "esx-3" } } },
  -- a clone takes long enough to be still running when the run is resumed
  delays = { CloneVM_Task = 200, CreateVM_Task = 200, RelocateVM_Task = 200 },
  vms = { { name = "gold", template = true, installed = "ubuntu", firmware = "efi", memory_mb = 8192, cpus = 2, version = "vmx-20",
    username = "ops", password = "gold-secret" } } }

local CLONE = [[return p.playbook { name = "kill", p.vms { name = "%s", place = { cluster = "vdi", datastore = "ds-1" },
  p.vm.clone { from = "gold", customization = "own" } } }]]
local CREATE = [[return p.playbook { name = "kill", p.vms { name = "%s", place = { cluster = "vdi", datastore = "ds-1" },
  p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "10 GiB" } } }]]

local REPAIR = [[return p.playbook { name = "kill", p.vms { where = "/DC0/vm/%s",
  p.doctor.repair { fix = { "memory" } } } }]]
local MOVE = [[return p.playbook { name = "kill", p.vms { where = "/DC0/vm/%s", p.vm.move { to = "esx-2", datastore = "ds-2" },
  p.gpu.attach { devices = p.gpus { match = "10de:1eb8" }, power_on = false } } }]]

describe("a run killed at a point of a changing call", function()
  local site

  setup(function()
    site = lab.start { speed = 400, fleet = fleet }
    check(site:client().content.customizationSpecManager:CreateCustomizationSpec { item = { info = { name = "own", description = "",
      type = "Linux" }, spec = { identity = { _type = "CustomizationLinuxPrep", hostName = { _type = "CustomizationVirtualMachineName" },
      domain = "lab.example" }, globalIPSettings = {}, nicSettingMap = { { adapter = { ip = { _type = "CustomizationDhcpIpGenerator" } } } } } } })
  end)
  teardown(function() site:stop() end)

  local function run_of(journal)
    local book, id = assert(store.open(journal)), nil
    for run in book:runs() do id = run.id end
    book:close()
    return id
  end

  -- Kills the run at the point of its first call with this action, and resumes it. The methods that were called.
  local function cut(path, action, point, method, allow)
    site.count = site.count + 1
    local journal = ("%s/kill-%d.db"):format(site.dir, site.count)
    site.sim:forget()
    if point == "unanswered" then site.sim:trouble({ method = method, nth = 1 }, { kind = "reset-after" }) end
    local words = { "apply", path, "--journal", journal, "--allow", allow or "guest-shutdown" }
    local killed = site:command(words, { env = { GPUPT_KILL = action .. ":" .. point, LUA_INIT = "require 'spec.support.kill_here'" } })
    assert.is_true(killed.status ~= 0 and not killed.err:find "error", ("not killed at %s:%s: %s %s"):format(action, point,
      tostring(killed.status), killed.err))
    site.sim:calm()
    -- a guest that was customized before the kill has restarted already
    local resumed = site:command({ "apply", "--resume", run_of(journal), "--journal", journal, "--allow", allow or "guest-shutdown" },
      { env = { LUA_INIT = "require 'gpupt.step.customization'.RESTART = 0.2" } })
    assert.equal(0, resumed.status, ("%s:%s: %s"):format(action, point, resumed.err))
    local counts = {}
    for _, name in ipairs(site.sim:calls()) do counts[name] = (counts[name] or 0) + 1 end
    local again = site:command { "apply", path, "--journal", journal }
    assert.matches("nothing to change\n$", again.out)
    return counts
  end

  local function vms_named(name)
    local count = 0
    for _, vm in ipairs(site.sim:get "truth".vms) do if vm.name == name then count = count + 1 end end
    return count
  end

  -- A VM with a card of esx-1, cloned from the template.
  local function add_vm(name, locked)
    local vc = site:client()
    check(vc:wait(check(check(vc:one "/DC0/vm/gold"):CloneVM_Task { folder = check(vc:one "/DC0/vm"), name = name, spec = {
      location = { pool = check(check(vc:one "/DC0/host/vdi"):get "resourcePool"), host = check(vc:one "/DC0/host/vdi/esx-1") },
      template = false, powerOn = false, config = { memoryReservationLockedToMax = locked } } })))
    site:attach("vdi", "esx-1", "0000:3b:00.0", name)
  end

  -- The VM gives its card back, for the next case.
  local function remove_vm(name)
    local vc = site:client()
    local ref = check(vc:one("/DC0/vm/" .. name))
    vc:wait(check(ref:PowerOffVM_Task {}))
    check(vc:wait(check(ref:Destroy_Task())))
  end

  for _, case in ipairs {
    { "vm.create", CREATE, { create = "CreateVM_Task" } },
    { "doctor.repair", REPAIR, { repair = "ReconfigVM_Task", ["power-on"] = "PowerOnVM_Task" } },
    { "vm.move", MOVE, { detach = "ReconfigVM_Task", move = "RelocateVM_Task" } },
    { "vm.clone", CLONE, { create = "CloneVM_Task", ["power-on"] = "PowerOnVM_Task", customized = "ReconfigVM_Task" } },
  } do
    for action, method in pairs(case[3]) do
      it(("%s: %s is made once, wherever the run is killed"):format(case[1], action), function()
        for i, point in ipairs(POINTS) do
          local name = ("%s-%s-%d"):format(case[1]:match "%a+$", action:gsub("%W", ""), i)
          if case[1] == "vm.move" or case[1] == "doctor.repair" then add_vm(name, case[1] == "vm.move") end
          local counts = cut(site:write(case[2]:format(name)), action, point, method)
          -- the detach and the attach of a move are reconfigures both
          assert.equal(action == "detach" and 2 or 1, counts[method], ("%s:%s: calls of %s"):format(action, point, method))
          assert.equal(1, vms_named(name))
          if case[1] == "vm.move" then
            local vm = site:truth("vms", name)
            assert.same({ "esx-2", 1, "[ds-2] " .. name }, { vm.host, #vm.devices, vm.path:match "^(.*)/" })
          end
          if case[1] == "doctor.repair" then
            local vm = site:truth("vms", name)
            assert.same({ "poweredOn", true, 8192 }, { vm.power, vm.memory_locked, vm.memory_reservation })
          end
          if case[1] == "vm.move" or case[1] == "doctor.repair" then remove_vm(name) end
        end
      end)
    end
  end

  it("leaves no violation of the server's rules", function() assert.same({}, site.sim:get "truth".violations) end)
end)

