-- SIGKILL during a run, at many of its journal rows; then --resume. The result must be the same as without the kill: no
-- second reboot, no second VM, nothing left unfinished.
local first_light = require "spec.support.first_light"

local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "interrupted",
  p.hosts { where = "/DC0/host/gpu-b", devices = cards, p.host.enable {} },
  p.vms { name = "train-01", login = p.login("ops", p.secret.env "LINUX_PASSWORD"),
    place = { cluster = "gpu-b", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" },
    p.os.install   { iso = "[ds-1] iso/ubuntu-24.04.iso", answer = "[ds-1] iso/train-answer.iso" },
    p.tools.ensure {},
    p.gpu.attach   { devices = cards, count = 2 },
    p.guest.verify {} } }]]

-- Starts the command, waits until the journal has `rows` rows of changes, kills it. The run's id; nil if it ended first.
local function cut_off(l, path, journal, rows)
  local ready = l.sim.ready
  vcenter.write(l.dir .. "/environment", ("export GOVC_URL=%s GOVC_USERNAME=%s GOVC_PASSWORD=%s GOVC_TLS_CA_CERTS=%s "
    .. "LINUX_PASSWORD=%s\n"):format(ready.url, ready.username, ready.password, ready.ca_file, l.secrets.linux))
  vcenter.write(l.dir .. "/start.sh", (". %s/environment\nexec bin/gpupt apply %s --allow reboot --journal %s\n"):format(l.dir,
    path, journal))
  local pid = vcenter.shell(("sh %s/start.sh >%s/out 2>%s/err </dev/null & echo $!"):format(l.dir, l.dir, l.dir)):match "%d+"
  local id
  for _ = 1, 3000 do
    local book = vcenter.read(journal) and store.open(journal)
    if book then
      local count = 0
      for run in book:runs() do id = run.id end
      if id then for row in book:rows(id) do if row.kind == "change" then count = count + 1 end end end
      book:close()
      if count >= rows then break end
    end
    if not os.execute("kill -0 " .. pid .. " 2>/dev/null") then return nil end
    vcenter.sleep(0.01)
  end
  os.execute("kill -9 " .. pid)
  while os.execute("kill -0 " .. pid .. " 2>/dev/null") do vcenter.sleep(0.01) end
  return id
end

describe("a run that is killed", function()
  local l

  after_each(function()
    if l then l:stop() end
    l = nil
  end)

  -- the changes in order: stage, maintenance, boot time, reboot, refresh, exit, create, media, power on, done, tools,
  -- shut down, cards, power on, the proof's mark
  local every = { 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15 }
  for _, rows in ipairs(os.getenv "GPUPT_SOAK" and every or { 1, 4, 7, 10, 13 }) do
    it(("after its change %d continues when it is resumed and ends the same way"):format(rows), function()
      l = first_light.start { speed = 200 }
      local path, journal = l:write(PLAY), l.dir .. "/journal.db"
      local id = cut_off(l, path, journal, rows)
      assert.is_truthy(id, "the run ended before it could be killed: " .. tostring(vcenter.read(l.dir .. "/err")))
      local resumed = l:run_command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
      assert.equal(0, resumed.status, resumed.err)
      local reboots, creates = 0, 0
      for _, method in ipairs(l.sim:calls()) do
        if method == "RebootHost_Task" then reboots = reboots + 1 end
        if method == "CreateVM_Task" then creates = creates + 1 end
      end
      assert.same({ 1, 1 }, { reboots, creates })
      local truth = l.sim:get "truth"
      assert.same({}, truth.violations)
      assert.equal(1, #truth.vms)
      local vm = truth.vms[1]
      assert.same({ "poweredOn", "512", true, 65536 }, { vm.power, vm.extra_config["pciPassthru.64bitMMIOSizeGB"],
        vm.memory_locked, vm.memory_reservation })
      assert.equal(2, #vm.devices)
      assert.is_false(l:truth("hosts", "esx-b-1").maintenance)
      local again = l:run_command { "apply", path, "--journal", journal }
      assert.matches("nothing to change\n$", again.out)

    end)
  end

  it("is not resumed with a changed playbook", function()
    l = first_light.start { speed = 200 }
    local path, journal = l:write(PLAY), l.dir .. "/journal.db"
    local id = cut_off(l, path, journal, 2)
    vcenter.write(path, (vcenter.read(path):gsub('"64 GiB"', '"32 GiB"')))
    local resumed = l:run_command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
    assert.equal(1, resumed.status)
    assert.matches("changed since run", resumed.err, 1, true)
  end)
end)
