-- All VMs of a run were worked on at once, however many there were on a host.
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "caps", p.vms { where = "/DC0/vm/*", %s p.step { name = "my.note", scope = "vms",
  needs = { "VirtualMachine.Config.Annotation" },
  observe = function(ctx, target) return { note = target.ref:get("config.annotation") or "" } end,
  plan = function(_, _, seen) return seen.note == "x" and {} or { { what = "write a note", sign = "~", verb = "note" } } end,
  apply = function(ctx, target)
    return ctx:task(target, target.ref, "ReconfigVM_Task", { spec = { annotation = "x" } },
      { action = "note", text = "ReconfigVM" })
  end,
  prove = function(ctx, target) return target.ref:get("config.annotation") end } {} } }]]

-- The largest number of VMs of each host that were in their step at one instant, by the run's events.
local function at_once(events, host_of)
  local now, most = {}, {}
  local change = { step = 1, proved = -1 }
  for _, event in ipairs(events) do
    for _, key in ipairs(change[event.kind] and { "all", host_of(event.target) } or {}) do
      now[key] = (now[key] or 0) + change[event.kind]
      most[key] = math.max(most[key] or 0, now[key])
    end
  end
  return most
end

describe("VMs of a run", function()
  local l

  before_each(function()
    local vms = {}
    for i = 1, 6 do vms[i] = { name = "vm-" .. i, host = i < 5 and "a-1" or "a-2" } end
    l = lab.start { speed = 10, fleet = { vms = vms, clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2" } } } } }
    l:client()
  end)

  after_each(function() l:stop() end)

  local function most(parallel)
    local result, events = l:apply(PLAY:format(parallel))
    assert.equal("done", assert(result, events).status)
    assert.equal(6, #result.targets)
    return at_once(events, function(vm) return tonumber(vm:match "%d") < 5 and "a-1" or "a-2" end)
  end

  it("are worked on at once as far as the caps of host, datastore and vCenter allow", function()
    local free = most ""
    assert.same({ 6, 4, 2 }, { free.all, free["a-1"], free["a-2"] })
  end)

  it("are at most as many on a host as its cap", function()
    local capped = most "parallel = { host = 2 },"
    assert.same({ 2, 2 }, { capped["a-1"], capped["a-2"] })
  end)

  it("are at most as many on a datastore, and in all, as their caps", function()
    assert.equal(3, most("parallel = { datastore = 3 },").all)
  end)

  it("are at most as many in the vCenter as its cap", function()
    assert.equal(1, most("parallel = { vcenter = 1 },").all)
  end)

  it("have caps of at least one", function()
    for text, words in pairs { ["host = 0"] = "parallel: host = 0 is less than 1", ["hosts = 2"] = "unknown option 'hosts'" } do
      local ok, err = pcall(l.load, l, (PLAY:format("parallel = { " .. text .. " },")))
      assert.is_false(ok)
      assert.matches(words, tostring(err.message or err), 1, true)
    end
  end)
end)
