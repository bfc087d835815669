--- `gpupt status RUN` listed changes: not what became of each target, why, where that can be read, or what to type next. A run
-- whose process was killed looked like one that works, and so did one that was resumed and killed again.
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local clock = require "gpupt.clock"
local process = require "gpupt.process"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

describe("gpupt status of a run", function()
  local dir, path, book

  before_each(function()
    dir = vcenter.shell "mktemp -d":match "%S+"
    path = dir .. "/journal.db"
    book = assert(store.open(path))
    assert(book:begin { id = "light-1", playbook = "light.lua", who = "ops", endpoint = "vc.example", client_host = "desk",
      note = '{"kept":2,"vars":{},"allow":["reboot"]}' })
  end)
  after_each(function()
    book:close()
    os.execute("rm -rf " .. dir)
  end)

  local function row(o)
    o.run = "light-1"
    if type(o.detail) == "table" then o.detail = assert(json.encode(o.detail)) end
    return assert(book:append(o))
  end

  --- A change and, with `result`, its result.
  local function change(target, step, what, object, result, task)
    local number = row { kind = "change", target = target, step = step, what = what, action = what, object = object,
      operation = "light-1-" .. what, detail = { method = what } }
    if task then row { kind = "sent", target = target, step = step, of = number, detail = { task = task } } end
    if result then row { kind = "result", target = target, step = step, of = number, detail = result } end
    return number
  end

  local function ended(target, what, message, code, step)
    return row { kind = "target", target = target, step = step, what = what,
      detail = message and { message = message, code = code } or nil }
  end

  local function status(words)
    local text = vcenter.shell(("bin/gpupt status light-1 --journal %s %s 2>&1"):format(path, words or ""))
    return text
  end

  local function data() return assert(json.decode(status "--json")) end

  local function target_of(run, name)
    for _, one in ipairs(run.targets) do if one.target == name then return one end end
  end

  local function failed_run()
    row { kind = "plan", target = "esx-1", step = "host.enable", what = "~ reboot" }
    change("esx-1", "host.enable", "RebootHost", "HostSystem:host-1", { ok = true })
    ended("esx-1", "changed")
    change("vm-1", "gpu.attach", "ReconfigVM", "VirtualMachine:vm-1", { ok = true })
    local number = change("vm-1", "gpu.attach", "PowerOnVM", "VirtualMachine:vm-1", { ok = false, code = "GenericVmConfigFault",
      message = "Module DevicePowerOn power on failed", fault = { _type = "GenericVmConfigFault", reason = "x" } }, "Task:task-7")
    ended("vm-1", "failed", "vm-1: Module DevicePowerOn power on failed", "GenericVmConfigFault", "gpu.attach")
    ended("vm-2", "not started", "two targets failed: no further targets will be started")
    ended("esx-2", "deferred", "deferred and not changed: in c, esx-3 is in maintenance mode", "EDEFERRED", "host.enable")
    row { kind = "end", what = "failed" }
    return number
  end

  it("names outcome, step, cause, evidence and the next command of each target", function()
    local number = failed_run()
    local run = data()
    assert.equal("failed", run.run.state)
    assert.equal("changed", target_of(run, "esx-1").outcome)
    assert.same({}, target_of(run, "esx-1").next)
    local vm = target_of(run, "vm-1")
    assert.equal("failed", vm.outcome)
    assert.equal("gpu.attach", vm.step)
    assert.same({ code = "GenericVmConfigFault", message = "vm-1: Module DevicePowerOn power on failed" }, vm.cause)
    assert.equal(1, #vm.evidence)
    local evidence = vm.evidence[1]
    assert.equal(number, evidence.row)
    assert.equal("Task:task-7", evidence.task)
    assert.equal("GenericVmConfigFault", evidence.fault)
    assert.equal("light-1-PowerOnVM", evidence.operation)
    assert.equal("VirtualMachine:vm-1", evidence.object)
    local resume = ("gpupt apply --resume light-1 --allow reboot --journal %s"):format(path)
    assert.same({ "gpupt doctor VirtualMachine:vm-1", resume }, vm.next)
    assert.same({ resume }, target_of(run, "vm-2").next)
    assert.equal("EDEFERRED", target_of(run, "esx-2").cause.code)
    assert.same({ resume }, target_of(run, "esx-2").next)
    local text = status()
    assert.matches("vm%-1 +failed +gpu.attach\n", text)
    assert.matches("cause: vm-1: Module DevicePowerOn power on failed (GenericVmConfigFault)", text, 1, true)
    assert.matches(("evidence: row %d at %%d%%d:%%d%%d:%%d%%dZ: PowerOnVM: failed, Task:task%%-7"):format(number), text)
    assert.matches("next: gpupt doctor VirtualMachine:vm-1\n", text, 1, true)
    assert.matches("next: " .. resume .. "\n", text, 1, true)
  end)

  it("names the approval that a target needs", function()
    ended("vm-1", "failed", "vm-1: shut down needs --allow guest-shutdown", "EAPPROVAL", "gpu.attach")
    row { kind = "end", what = "failed" }
    assert.same({ ("gpupt apply --resume light-1 --allow reboot,guest-shutdown --journal %s"):format(path) },
      target_of(data(), "vm-1").next)
  end)

  it("names the changes whose result is unknown when the process was killed", function()
    row { kind = "plan", target = "esx-1", step = "host.enable", what = "~ reboot" }
    row { kind = "plan", target = "esx-2", step = "host.enable", what = "~ reboot" }
    local number = change("esx-1", "host.enable", "RebootHost", "HostSystem:host-1", nil, "Task:task-9")
    -- a process that no longer exists
    assert(book:enter(clock.read(), { run = "light-1", process = "p1", pid = 1 << 22,
      started = process.this().started, client_host = process.host_name(), seconds = 300 }))
    assert(book:claim(clock.read(), { resource = "host/x", run = "light-1", process = "p1", what = "host esx-1", host = "esx-1" }))
    local run = data()
    assert.equal("gpupt release light-1 --journal " .. path, run.release)
    assert.equal("interrupted", run.run.state)
    local host = target_of(run, "esx-1")
    assert.equal("unknown", host.outcome)
    assert.equal("EUNKNOWN", host.cause.code)
    assert.equal(number, host.evidence[1].row)
    assert.equal("Task:task-9", host.evidence[1].task)
    assert.matches("apply %-%-resume light%-1", host.next[1])
    assert.equal("not started", target_of(run, "esx-2").outcome)
    local text = status()
    assert.matches("esx%-1 +unknown +host.enable\n", text)
    assert.matches("process %d+ on .* is gone\n", text)
  end)

  it("tells that the run is working, and does not offer to resume it then", function()
    local this = process.this()
    assert(book:enter(clock.read(), { run = "light-1", process = "p1", pid = this.pid, started = this.started,
      client_host = this.client_host, seconds = 300 }))
    row { kind = "plan", target = "esx-1", step = "host.enable", what = "~ reboot" }
    row { kind = "plan", target = "esx-2", step = "host.enable", what = "~ reboot" }
    change("esx-1", "host.enable", "RebootHost", "HostSystem:host-1")
    local run = data()
    assert.equal("running", run.run.state)
    assert.equal(this.pid, run.run.process.pid)
    assert.equal("running", target_of(run, "esx-1").outcome)
    assert.equal("waiting", target_of(run, "esx-2").outcome)
    assert.same({}, target_of(run, "esx-1").next)
    local text = status()
    assert.matches("light-1  running  light.lua", text, 1, true)
    assert.matches("RebootHost: in progress\n", text, 1, true)
    assert.is_nil(text:find "unknown")
    assert.matches("gpupt stop", text, 1, true)
    assert.matches(" running ", vcenter.shell(("bin/gpupt status --journal %s"):format(path)), 1, true)
  end)

  it("of a run that was resumed and killed is not the end of the first part", function()
    ended("esx-1", "interrupted", "interrupted", "ECANCELLED", "host.enable")
    ended("vm-1", "changed")
    row { kind = "end", what = "interrupted" }
    row { kind = "resume", what = "resumed" }
    change("esx-1", "host.enable", "ExitMaintenance", "HostSystem:host-1")
    local run = data()
    assert.equal("interrupted", run.run.state)
    assert.equal("unknown", target_of(run, "esx-1").outcome)
    assert.equal("changed", target_of(run, "vm-1").outcome)
    row { kind = "result", target = "esx-1", of = 5, detail = { ok = true } }
    ended("esx-1", "changed")
    row { kind = "end", what = "done" }
    assert.equal("done", data().run.state)
    assert.is_nil(target_of(data(), "esx-1").evidence[1])
  end)

  it("of an earlier release, which cannot be resumed, says what to do instead", function()
    vcenter.shell(("python3 -c 'import sqlite3,sys; d=sqlite3.connect(sys.argv[1]); d.execute(\"DROP TRIGGER run_kept\"); "
      .. "d.execute(\"UPDATE run SET format=1\"); d.commit()' %s"):format(path))
    ended("vm-1", "cut off")
    assert.equal("interrupted", target_of(data(), "vm-1").outcome)
    assert.same({ "gpupt plan light.lua" }, target_of(data(), "vm-1").next)
  end)

  it("fits a terminal of 80 columns where its own words allow it", function()
    failed_run()
    for line in status():gmatch "[^\n]+" do
      if not line:find "next:" then assert.is_true(#line <= 80, line) end
    end
  end)

  it("prints a command that works as it is", function()
    local l <close> = setmetatable({ lab = lab.start { speed = 300, fleet = { clusters = { { name = "c",
      hosts = { lab.host("esx-1", { boot_seconds = 900 }) } } } } } }, { __close = function(self) self.lab:stop() end })
    local play = l.lab:write [[return p.playbook { name = "x", p.hosts { where = "/DC0/host/*",
      devices = p.gpus { match = "10de:*" }, p.host.enable {} } }]]
    local journal = l.lab.dir .. "/it's a journal.db"
    local killed = l.lab:command({ "apply", play, "--allow", "reboot", "--journal", journal },
      { before = "timeout --foreground -s KILL 1.5" })
    assert.is_true(killed.status ~= 0)
    local result = assert(json.decode(l.lab:command({ "status", "x", "--journal", journal, "--json" }).out))
    assert.equal("interrupted", result.run.state)
    local command = result.targets[1].next[#result.targets[1].next]
    assert.matches("--allow reboot --journal '", command, 1, true)
    local _, _, status_of = os.execute((". %s/environment; PATH=$PWD/bin:$PATH; %s >%s/out 2>&1"):format(l.lab.dir, command, l.lab.dir))
    assert.equal(0, status_of, vcenter.read(l.lab.dir .. "/out"))
  end)
end)
