-- A run of host.firmware that is killed at each point, then resumed: it goes on at the right phase (not set; pending and
-- not rebooted; rebooted and not proved), the host reboots once, and the end is the same.
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PASSWORD = "Bmc-secret-1"
local MANNERS = { "dell", "dell-old", "supermicro" }

describe("host.firmware, killed at a point and resumed", function()
  local l

  setup(function()
    local hosts = {}
    for i = 1, 14 do
      hosts[i] = lab.host("esx-" .. i, { above_4g = false, bmc = { manner = MANNERS[i % 3 + 1], user = "root", password = PASSWORD } })
    end
    l = lab.start { speed = 600, fleet = { clusters = { { name = "a", hosts = hosts, max_away = 2 } } } }
    vcenter.write(l.dir .. "/bmc-password", PASSWORD .. "\n")
  end)
  teardown(function() l:stop() end)

  local function run_of(journal)
    local book, id = assert(store.open(journal)), nil
    for run in book:runs() do id = run.id end
    book:close()
    return id
  end

  local function bmc(name)
    for _, one in ipairs(l.sim:get "truth".bmcs) do if one.host == name then return one end end
  end

  local number = 0
  local function case(steps, action, point)
    number = number + 1
    local name = "esx-" .. number
    local path = l:write(([[return p.playbook { name = "kill", p.hosts { where = "/DC0/host/a/%s", devices = p.gpus { match = "10de:20b5" },
      roll = { resend_after = "1s" }, p.host.firmware { bmc = %q, login = p.login("root", p.secret.file %q), ca_file = %q },
      %s } }]]):format(name, l.sim.ready.bmcs[name], l.dir .. "/bmc-password", l.sim.ready.ca_file, steps))
    local journal = ("%s/kill-%d.db"):format(l.dir, number)
    l.sim:forget()
    -- whose row it is: the later step of the scope makes the reboot
    local step = (steps == "" or action == "bios-set") and "host.firmware" or "host.enable"
    local words = { "apply", path, "--journal", journal, "--allow", "bios,reboot" }
    local killed = l:command(words, { env = { GPUPT_KILL = ("%s|%s:%s"):format(step, action, point), LUA_INIT = "require 'spec.support.kill_here'" } })
    assert.is_true(killed.status ~= 0 and not killed.err:find "error", killed.err)
    local resumed = l:command({ "apply", "--resume", run_of(journal), "--journal", journal, "--allow", "bios,reboot" },
      { env = { LUA_INIT = "require 'gpupt.step.host_reboot'.WATCH = 0.3" } })
    assert.equal(0, resumed.status, ("%s:%s: %s%s"):format(action, point, resumed.err, resumed.out))
    assert.equal(1, l.sim:calls "RebootHost_Task")
    local state, truth = bmc(name), l:truth("hosts", name)
    assert.is_true(truth.above_4g, "above_4g of " .. name)
    assert.is_false(truth.maintenance)
    assert.same({}, state.pending)
    local set = 0
    for _, one in ipairs(state.requests) do if one:find "^PATCH" then set = set + 1 end end
    local again = l:command { "apply", path, "--journal", journal }
    assert.matches("nothing to change\n$", again.out)
    return set
  end

  local ENABLE = "p.host.enable {}"
  local all = os.getenv "GPUPT_SOAK"
  -- the others: make soak, and kill_matrix_soak.lua
  local short = { ["alone reboot:ended"] = true, ["with host.enable bios-set:row"] = true, ["alone bios-set:answered"] = true,
    ["with host.enable reboot:row"] = true }
  for _, one in ipairs { { "bios-set", "before" }, { "bios-set", "row" }, { "bios-set", "answered" }, { "reboot", "row" },
    { "reboot", "ended" }, { "maintenance-exit", "before" } } do
    for how, steps in pairs { alone = "", ["with host.enable"] = ENABLE } do
      local words = ("%s %s:%s"):format(how, one[1], one[2])
      if all or short[words] then
        it("sets them once, and reboots once: " .. words, function() assert.equal(1, case(steps, one[1], one[2])) end)
      end
    end
  end
end)
