--- Waits share one ListView and the filter over it: a wait is one request, ModifyListView, which also removes what is no
-- longer waited for.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local liar = require "spec.support.liar"
local vcenter = require "spec.support.vcenter"

local ROUNDS = 5

describe("waiting in a list", function()
  local sim, vc, vms, names
  setup(function()
    sim = vcenter.start { speed = 50, fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "vm-{n}", count = 12, host = "h1", datastore = "ds-1", memory_mb = 256, disk_gb = 1 } } } }
    local first = sim:connect()
    names = {}
    for i, vm in ipairs(gpupt.check(first:find("/**", { type = "VirtualMachine" }))) do names[i] = tostring(vm) end
  end)
  teardown(function() sim:stop() end)
  before_each(function()
    vc = sim:connect()
    vms = {}
    for i, name in ipairs(names) do vms[i] = vc:ref(name) end
    sim:forget()
  end)
  after_each(function()
    sim:calm()
    sim:close_all()
    local left = sim:leftovers()
    assert.are.same({ 0, 0, 0 }, { left.sessions, left.filters, left.views })
  end)

  local function change(vm, text) return gpupt.check(vm:ReconfigVM_Task { spec = { annotation = text } }) end

  local function power_of(vm)
    return vc:wait_for(vm, "runtime.powerState", function(values) return values["runtime.powerState"] end, { timeout = 20 })
  end

  local function is_running(values) return values["runtime.powerState"] == "poweredOn" end

  -- the calls that watch, with their number
  local function watching()
    local counts = {}
    for _, method in ipairs(sim:calls()) do
      if method:find "View" or method:find "Filter" then counts[method] = (counts[method] or 0) + 1 end
    end
    return counts
  end

  local function by_another(vm, method)
    local other = sim:connect()
    local object = other:ref(tostring(vm))
    gpupt.check(other:wait(gpupt.check(object[method](object, {}))))
    other:close()
    sim:forget()
  end

  it("is one request for each further wait, for tasks and for VMs", function()
    for i = 1, ROUNDS do
      assert.is_true(gpupt.check(vc:wait(change(vms[1], "round " .. i))))
      assert.are.equal("poweredOff", gpupt.check(power_of(vms[1])))
    end
    assert.are.same({ CreateListView = 1, CreateFilter = 1, ModifyListView = 2 * ROUNDS - 1 }, watching())
  end)

  it("leaves one view and one filter, and asks nothing between waits", function()
    for i = 1, 3 do gpupt.check(vc:wait(change(vms[i], "x"))) end
    sim:forget()
    loop.sleep(0.2)
    assert.are.same({}, sim:calls())
    local page = sim:get "sessions"
    assert.are.same({ 1, 1, 0 }, { page.filters, page.views, page.waiting })
  end)

  it("gives an object that is still in the list a filter of its own, with the values of now", function()
    local vm = vms[2]
    assert.are.equal("poweredOff", gpupt.check(power_of(vm)))
    -- another client's work, while this one waits for nothing
    by_another(vm, "PowerOnVM_Task")
    assert.are.equal("poweredOn", gpupt.check(power_of(vm)))
    assert.are.same({ CreateFilter = 1 }, watching())
    gpupt.check(vc:wait(change(vms[1], "next")))
    assert.are.equal(1, sim:get("sessions").filters)
  end)

  it("by two callers for one object gives both its values", function()
    local got = {}
    loop.run(function()
      for i = 1, 2 do
        loop.spawn(function()
          got[i] = gpupt.check(vc:wait_for(vms[3], "runtime.powerState", is_running, { timeout = 20 }))
        end)
        loop.sleep(0.1)
      end
      gpupt.check(vms[3]:PowerOnVM_Task {})
    end)
    assert.are.same({ true, true }, got)
  end)

  it("for a task that the server does not know ends in EUNKNOWN, as the first wait or a later one", function()
    local function unknown()
      local results = table.pack(vc:wait(vc:ref "Task:task-4242", { timeout = 20 }))
      assert.are.equal("EUNKNOWN", results[3])
      assert.matches("whether its work was done is unknown", results[2])
    end
    unknown()
    gpupt.check(vc:wait(change(vms[4], "first")))
    unknown()
    -- the others of the same request are waited for
    local outcomes = vc:wait_all({ change(vms[4], "second"), vc:ref "Task:task-4243" }, { timeout = 20 })
    assert.is_true(outcomes[1].ok, outcomes[1].message)
    assert.are.equal("EUNKNOWN", outcomes[2].code)
    assert.are.equal(1, sim:get("sessions").views)
  end)

  it("for a VM that is destroyed meanwhile ends", function()
    local vm, results = vms[5], nil
    loop.run(function()
      loop.spawn(function()
        results = table.pack(vc:wait_for(vm, "runtime.powerState", is_running, { timeout = 20 }))
      end)
      loop.sleep(0.1)
      gpupt.check(vc:wait(gpupt.check(vm:Destroy_Task())))
    end)
    assert.is_nil(results[1])
    assert.are.equal("ManagedObjectNotFound", results[3])
  end)

  it("makes a new list after a new login, and fills it", function()
    gpupt.check(vc:wait(change(vms[6], "before")))
    local got
    loop.run(function()
      loop.spawn(function() got = vc:wait_for(vms[6], "runtime.powerState", is_running, { timeout = 30 }) end)
      loop.sleep(0.1)
      sim:post "sessions/drop"
      gpupt.check(vms[7]:get "name") -- logs in
      gpupt.check(vc:wait(change(vms[7], "after"), { timeout = 30 }))
      local page = sim:get "sessions"
      assert.are.same({ 1, 1 }, { page.filters, page.views })
      assert.are.equal(2, sim:calls "CreateListView")
      by_another(vms[6], "PowerOnVM_Task")
    end)
    assert.is_true(got)
  end)

  for name, trouble in pairs {
    ["ModifyListView was lost"] = { "ModifyListView", { kind = "reset-after" } },
    ["ModifyListView was a 503"] = { "ModifyListView", { kind = "status", code = 503 } },
    ["CreateListView was lost"] = { "CreateListView", { kind = "reset-after" } },
    ["CreateFilter was lost"] = { "CreateFilter", { kind = "reset-after" } },
    ["CreateFilter was a 503"] = { "CreateFilter", { kind = "status", code = 503 } },
    ["ModifyListView was a fault"] = { "ModifyListView", { kind = "fault", fault = "InvalidArgument" } },
    ["ModifyListView found no session"] = { "ModifyListView", { kind = "session-lost" } },
  } do
    it("goes on when the answer to " .. name, function()
      sim:trouble({ method = trouble[1] }, trouble[2])
      for i = 1, 3 do assert.is_true(gpupt.check(vc:wait(change(vms[7], name .. i), { timeout = 30 }))) end
    end)
  end

  it("sees which objects are gone when the version is not taken any more", function()
    local vm, results = vms[8], nil
    loop.run(function()
      loop.spawn(function()
        results = table.pack(vc:wait_for(vm, "runtime.powerState", is_running, { timeout = 20 }))
      end)
      loop.sleep(0.1)
      -- a change ends the wait in flight; the next ones fail, and the VM is gone before one succeeds
      loop.spawn(function() gpupt.check(vc:wait_for(vms[9], "runtime.powerState", is_running, { timeout = 20 })) end)
      loop.sleep(0.1)
      sim:trouble({ method = "WaitForUpdatesEx", count = 3 }, { kind = "fault", fault = "InvalidCollectorVersion" })
      gpupt.check(vms[9]:PowerOnVM_Task {})
      gpupt.check(vm:Destroy_Task())
    end)
    assert.is_nil(results[1])
    assert.are.equal("ManagedObjectNotFound", results[3])
  end)

  for _, fault in ipairs { "NotSupported", "NoPermission" } do
    it("does without lists where they are refused with " .. fault, function()
      sim:trouble({ method = "CreateListView", count = -1 }, { kind = "fault", fault = fault })
      for i = 1, 3 do gpupt.check(vc:wait(change(vms[10], fault .. i), { timeout = 20 })) end
      loop.sleep(0.2)
      assert.are.equal(1, sim:calls "CreateListView")
      assert.are.equal(0, sim:get("sessions").filters)
    end)
  end
end)

describe("a property that the server refuses", function()
  local server, vc
  setup(function()
    server = liar.start()
    vc = gpupt.check(server:connect {})
  end)
  teardown(function()
    vc:close()
    server:stop()
  end)

  it("fails the waits for it, not those for other properties of the list's filter", function()
    -- at the first wait the boot time, at the second the power state
    server:answer("WaitForUpdatesEx", [[n = str(a.count()).encode()
part = (b'<filterSet><filter type="PropertyFilter">filter</filter><objectSet><kind>enter</kind><obj type="VirtualMachine">v'
  + n + b'</obj><changeSet><name>%s</name><op>assign</op><val xsi:type="%s">%s</val></changeSet><missingSet><path>%s'
  b'</path><fault><fault xsi:type="NoPermission"><object type="Folder">f</object><privilegeId>System.Read</privilegeId>'
  b'</fault><localizedMessage>no</localizedMessage></fault></missingSet></objectSet></filterSet>')
on, boot = b"runtime.powerState", b"runtime.bootTime"
a.soap(b"<returnval><version>" + n + b"</version>" + (
  part % (on, b"VirtualMachinePowerState", b"poweredOn", boot) if n == b"1"
  else part % (boot, b"xsd:dateTime", b"2026-01-01T00:00:00Z", on)) + b"</returnval>")]])
    local function power(name)
      return vc:wait_for(vc:ref("VirtualMachine:" .. name), "runtime.powerState", function(values)
        return values["runtime.powerState"]
      end, { timeout = 5 })
    end
    assert.are.equal("poweredOn", gpupt.check(power "v1"))
    local value, message, code = power "v2"
    assert.is_nil(value)
    assert.are.equal("NoPermission", code)
    assert.matches("runtime.powerState of VirtualMachine:v2", message, 1, true)
  end)
end)
