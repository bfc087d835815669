--- The mark of an answer medium (gpupt.medium), and what it must not cause.
local first_light = require "spec.support.first_light"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
return p.playbook { name = "media",
  p.vms { name = "vm-1", place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "20 GiB" },
    p.os.install { iso = "[ds-1] iso/ubuntu-24.04.iso", within = "60s", answer = p.answer.cloud_init { hostname = "vm-1",
      user = "ops", password = p.secret.env "LINUX_PASSWORD" } } } }]]

describe("the mark of an answer medium", function()
  local l
  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  local function reconfigure(spec)
    local vc = l:client()
    assert(vc:wait(assert(assert(vc:one "/DC0/vm/vm-1"):ReconfigVM_Task { spec = spec })))
  end

  local function apply(more) return l:run_command({ "apply", l:write(PLAY) }, more) end

  local function files()
    local list = {}
    for _, file in ipairs(assert(l:client().datastore:list("[ds-1]", { recursive = true }))) do
      if not file.folder then list[file.path] = true end
    end
    return list
  end

  it("does not make gpupt delete a file with another name or in another folder", function()
    l = first_light.start { speed = 300 }
    assert.equal(0, apply().status)
    vcenter.write(l.dir .. "/own", "x")
    local mine = "gpupt-answer-0123456789abcdef.iso"
    assert(l:client().datastore:upload(l.dir .. "/own", "[ds-1] other/" .. mine .. "x"))
    for _, path in ipairs { "[ds-1] iso/ubuntu-24.04.iso", "[ds-1] vm-1/vm-1.vmx", "[ds-1] other/../iso/" .. mine, "x",
      "[ds-1] other/" .. mine .. "x", "[ds-1] " .. mine .. "/x.iso", "[ds-1]", "[] " } do
      reconfigure { extraConfig = { { key = "gpupt.medium", value = path } } }
      local before = files()
      local result = apply()
      assert.equal(0, result.status, result.err)
      assert.matches("nothing to change", result.out, 1, true)
      assert.same(before, files())
    end
  end)

  it("causes the deletion of the medium and of parts of its upload, and of nothing else", function()
    l = first_light.start { speed = 300 }
    assert.equal(0, apply().status)
    local name = "[ds-1] vm-1/gpupt-answer-0123456789abcdef.iso"
    vcenter.write(l.dir .. "/own", "x")
    for _, path in ipairs { name, name .. ".0badcafe.part", name .. ".txt", "[ds-1] vm-1/gpupt-answer-0123456789abcdee.iso" } do
      assert(l:client().datastore:upload(l.dir .. "/own", path))
    end
    reconfigure { extraConfig = { { key = "gpupt.medium", value = name } } }
    local plan = l:run_command { "plan", l:write(PLAY), "--exit-code" }
    assert.equal(4, plan.status)
    assert.matches("- vm-1  os.install  delete the answer medium " .. name, plan.out, 1, true)
    assert.equal(0, apply().status)
    local left = files()
    assert.is_nil(left[name])
    assert.is_nil(left[name .. ".0badcafe.part"])
    assert.is_true(left[name .. ".txt"])
    assert.is_true(left["[ds-1] vm-1/gpupt-answer-0123456789abcdee.iso"])
    assert.matches("nothing to change", apply().out, 1, true)
  end)

  it("is set once by two runs that install the same VM at the same time, and no file is left", function()
    l = first_light.start { speed = 300 }
    l.sim:trouble({ method = "PowerOnVM_Task", count = 1 }, { kind = "task-fail", fault = "GenericVmConfigFault" })
    assert.equal(1, apply().status)
    local path = l:write(PLAY)
    l:run_command { "plan", path } -- writes the environment
    vcenter.write(l.dir .. "/both.sh", (". %s/environment\nbin/gpupt apply %s --journal %s/one.db >%s/one 2>&1 &\n"
      .. "bin/gpupt apply %s --journal %s/two.db >%s/two 2>&1\nwait\n"):format(l.dir, path, l.dir, l.dir, path, l.dir, l.dir))
    os.execute(("sh %s/both.sh </dev/null"):format(l.dir))
    assert.matches("^%s*$", (vcenter.read(l.dir .. "/one") .. vcenter.read(l.dir .. "/two")):match "internal error" or "")
    local third = l:run_command { "apply", path }
    if third.err:find("power the VM off before the next attempt", 1, true) then
      -- of two runs one may take the medium from the VM that the other has just started: the message says what to do
      local vm = assert(l:client():one "/DC0/vm/vm-1")
      assert(l:client():wait(assert(vm:PowerOffVM_Task())))
      l:run_command { "apply", path }
    end
    for file in pairs(files()) do assert.is_nil(file:find("gpupt-answer", 1, true), file) end
    assert.matches("nothing to change", apply().out, 1, true)
  end)

  it("and the medium belong to each VM alone where one run installs several at the same time", function()
    l = first_light.start { speed = 300 }
    local text = PLAY:gsub('name = "vm%-1", place', 'name = "vm-{n}", count = 4, place')
    local result = l:run_command { "apply", l:write(text) }
    assert.equal(0, result.status, result.err)
    for file in pairs(files()) do assert.is_nil(file:find("gpupt-answer", 1, true), file) end
    assert.matches("nothing to change", l:run_command({ "apply", l:write(text) }).out, 1, true)
  end)

  -- SIGKILL after each change of the run: an existing medium is found and deleted, and the run ends the same way.
  local every = { 1, 2, 3, 4, 5, 6, 7, 8 }
  for _, rows in ipairs(os.getenv "GPUPT_SOAK" and every or { 2, 3, 5 }) do
    it(("leads to the deletion after SIGKILL at change %d"):format(rows), function()
      l = first_light.start { speed = 60 }
      local path, journal = l:write(PLAY), l.dir .. "/cut.db"
      l:run_command { "plan", path }
      vcenter.write(l.dir .. "/start.sh", (". %s/environment\nexec bin/gpupt apply %s --journal %s\n"):format(l.dir, path, journal))
      local pid = vcenter.shell(("sh %s/start.sh >%s/out 2>%s/err </dev/null & echo $!"):format(l.dir, l.dir, l.dir)):match "%d+"
      for _ = 1, 2000 do
        local book, count = vcenter.read(journal) and store.open(journal), 0
        if book then
          for run in book:runs() do for row in book:rows(run.id) do if row.kind == "change" then count = count + 1 end end end
          book:close()
        end
        if count >= rows or not os.execute("kill -0 " .. pid .. " 2>/dev/null") then break end
        vcenter.sleep(0.01)
      end
      os.execute("kill -9 " .. pid .. " 2>/dev/null")
      local left = {}
      for file in pairs(files()) do if file:find("gpupt-answer", 1, true) then left[#left + 1] = file end end
      if #left > 0 then
        assert.matches("delete the answer medium", l:run_command({ "plan", path }).out, 1, true)
      end
      local result = l:run_command { "apply", path }
      assert.equal(0, result.status, result.err)
      for file in pairs(files()) do assert.is_nil(file:find("gpupt-answer", 1, true), file) end
      assert.matches("nothing to change", apply().out, 1, true)
    end)
  end
end)
