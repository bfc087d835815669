--- The answer medium that a run creates contains a password. It stayed on the datastore when os.install failed, when the run
-- was interrupted, and when its deletion failed; the VM was marked as installed before the deletion, so that every
-- later run said "nothing to change".
local first_light = require "spec.support.first_light"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
return p.playbook { name = "media",
  p.vms { name = "%s", place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", within = "%s", answer = %s } } }]]

local MADE = 'p.answer.cloud_init { hostname = "vm-1", user = "ops", password = p.secret.env "LINUX_PASSWORD" }'
local CALLBACK = 'p.answer.cloud_init { hostname = "vm-1", user = "ops", password = p.secret.callback(function() return "Q9x" end) }'

describe("the answer medium that a run creates", function()
  local l

  local function start(speed)
    l = first_light.start { speed = speed or 300 }
    return l
  end

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function play(o)
    o = o or {}
    return PLAY:format(o.name or "vm-1", o.within or "10m", o.answer or CALLBACK)
  end

  -- The files on the datastore, except the fleet's own, that could contain an answer.
  local function left()
    local list = {}
    for _, file in ipairs(assert(l:client().datastore:list("[ds-1]", { recursive = true }))) do
      if not file.folder and file.path:find "answer" and not file.path:find "^%[ds%-1%] iso/" then list[#list + 1] = file.path end
    end
    return list
  end

  local function extra(key)
    local ref = l:client():one "/DC0/vm/vm-1"
    for _, pair in ipairs(ref and assert(ref:get { "config.extraConfig" })["config.extraConfig"] or {}) do
      if pair.key == key then return pair.value end
    end
  end

  local function changes_of(plan)
    local list = {}
    for _, change in ipairs(plan:changes()) do list[#list + 1] = change.verb end
    return list
  end

  -- After any failure: the next plan lists the deletion, apply deletes it, and then there is nothing to change.
  local function mended(o)
    l.sim:calm()
    if #left() > 0 then
      local plan = assert(l:plan(play(o)))
      assert.is_truthy(table.concat(changes_of(plan), " "):find "delete", table.concat(changes_of(plan), " "))
      assert.matches("delete the answer medium", tostring(plan), 1, true)
    end
    local result = assert(l:apply(play(o)))
    assert.equal("done", result.status, result.targets and result.targets[1].message)
    assert.same({}, left())
    assert.equal("nothing", assert(l:apply(play(o))).status)
  end

  it("is deleted before the VM is marked as installed", function()
    start()
    local result, _, rows = l:apply(play())
    assert.equal("done", result.status, result.targets[1].message)
    local deleted, marked
    for i, row in ipairs(rows) do
      if row.kind == "result" and row.what:find "^delete .*answer" then deleted = i end
      if row.kind == "change" and (row.detail or ""):find("gpupt.os", 1, true) then marked = i end
    end
    assert.is_truthy(deleted and marked and deleted < marked)
    assert.same({}, left())
  end)

  it("is listed by the next plan if its deletion failed, and only after its deletion there is nothing to change", function()
    start()
    l.sim:trouble({ method = "DeleteDatastoreFile_Task", count = -1 }, { kind = "task-fail", fault = "FileLocked" })
    local result = l:apply(play())
    assert.equal("failed", result.status)
    assert.is_nil(extra "gpupt.os")
    assert.equal(1, #left())
    local again = l:apply(play()) -- still in use
    assert.equal("failed", again.status)
    mended()
  end)

  it("is deleted if the installation takes too long", function()
    start(10)
    local result = l:apply(play { within = "1s" })
    assert.equal("ETIMEDOUT", result.targets[1].code)
    assert.same({}, left())
  end)

  it("is deleted if the VM does not start", function()
    start()
    l.sim:trouble({ method = "PowerOnVM_Task", count = 1 }, { kind = "task-fail", fault = "GenericVmConfigFault" })
    assert.equal("failed", l:apply(play()).status)
    assert.same({}, left())
    mended()
  end)

  it("is deleted if it cannot be attached, and if its upload fails", function()
    start()
    l.sim:trouble({ method = "HTTP PUT", count = -1 }, { kind = "status", code = 507 })
    assert.equal("failed", l:apply(play()).status)
    assert.same({}, left())
    l.sim:calm()
    l.sim:trouble({ method = "MoveDatastoreFile_Task", count = -1 }, { kind = "task-fail", fault = "FileLocked" })
    assert.equal("failed", l:apply(play()).status)
    assert.same({}, left())
    mended()
  end)

  -- Starts the command and sends the signal as soon as `ready` returns true.
  local function signalled(signal, ready, o)
    local path, journal = l:write(play(o or { answer = MADE })), l.dir .. "/cut.db"
    l:run_command { "plan", path } -- writes the environment
    vcenter.write(l.dir .. "/start.sh", (". %s/environment\nexec python3 -c 'import os,signal,sys; signal.signal(signal.SIGINT, "
      .. "signal.SIG_DFL); os.execvp(sys.argv[1], sys.argv[1:])' bin/gpupt apply %s --journal %s\n"):format(l.dir, path, journal))
    local pid = vcenter.shell(("sh %s/start.sh >%s/out 2>%s/err </dev/null & echo $!"):format(l.dir, l.dir, l.dir)):match "%d+"
    for _ = 1, 1000 do
      if ready() then break end
      if not os.execute("kill -0 " .. pid .. " 2>/dev/null") then break end
      vcenter.sleep(0.01)
    end
    os.execute(("kill -%s %s"):format(signal, pid))
    l.sim:speed(300)
    for _ = 1, 3000 do
      if not os.execute("kill -0 " .. pid .. " 2>/dev/null") then break end
      vcenter.sleep(0.01)
    end
    local book, id = assert(store.open(journal)), nil
    for run in book:runs() do id = run.id end
    book:close()
    return id, journal
  end

  local function powered_on() return l.sim:calls "PowerOnVM_Task" > 0 end

  for _, signal in ipairs { "INT", "TERM" } do
    it("is deleted if the run is ended by SIG" .. signal .. ", and the run can be resumed", function()
      start(20)
      local id, journal = signalled(signal, powered_on)
      assert.same({}, left(), vcenter.read(l.dir .. "/err"))
      if signal == "TERM" then
        -- the installer had no time to read the medium: it would wait for input for ever
        assert.equal("poweredOff", l:client():one "/DC0/vm/vm-1":get { "runtime.powerState" }["runtime.powerState"])
      end
      local resumed = l:run_command { "apply", "--resume", id, "--journal", journal }
      assert.equal(0, resumed.status, resumed.err)
      assert.same({}, left())
    end)
  end

  it("is listed by the next plan after SIGKILL, even with another journal, and deleted by a resumed run", function()
    start(20)
    signalled("KILL", powered_on)
    assert.equal(1, #left())
    mended()
  end)

  it("is deleted at the end of a run that was killed and resumed", function()
    start(20)
    local id, journal = signalled("KILL", powered_on)
    assert.equal(1, #left())
    local resumed = l:run_command { "apply", "--resume", id, "--journal", journal }
    assert.equal(0, resumed.status, resumed.err)
    assert.same({}, left())
  end)

  it("is found after SIGKILL even if the VM was renamed", function()
    start(20)
    signalled("KILL", powered_on)
    local vc = l:client()
    assert(vc:wait(assert(assert(vc:one "/DC0/vm/vm-1"):Rename_Task { newName = "renamed" })))
    mended { name = "renamed" }
  end)

  it("is distinguished from the user's files in the VM's folder, which are neither replaced nor deleted", function()
    start()
    l.sim:trouble({ method = "PowerOnVM_Task", count = 1 }, { kind = "task-fail", fault = "GenericVmConfigFault" })
    assert.equal("failed", l:apply(play()).status)
    vcenter.write(l.dir .. "/own", "a user's own")
    for _, name in ipairs { "answer.iso", "gpupt-answer.iso" } do
      assert(l:client().datastore:upload(l.dir .. "/own", "[ds-1] vm-1/" .. name))
    end
    assert.equal("done", l:apply(play()).status)
    for _, name in ipairs { "answer.iso", "gpupt-answer.iso" } do
      assert.equal("a user's own", (assert(l:client().datastore:text("[ds-1] vm-1/" .. name))))
    end
  end)
end)
