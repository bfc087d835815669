-- A whole run with secrets of every kind: afterwards none may be found in anything that gpupt wrote or printed, nor in
-- what the operating system shows of its processes.
local first_light = require "spec.support.first_light"
local vcenter = require "spec.support.vcenter"

local PLAY = [[
local secret_of = p.secret.callback(function() return vars.password end)
local cards = p.gpus { match = "10de:20b5" }
return p.playbook { name = "secret run",
  p.hosts { where = "/DC0/host/gpu-a", devices = cards, p.host.enable {} },
  p.vms { name = "render-01", login = p.login("Administrator", secret_of),
    place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create    { guest = "windows2022srvNext_64Guest", cpus = 8, memory = "32 GiB", disk = "120 GiB" },
    p.os.install   { iso = "[ds-1] iso/windows-2022.iso",
      answer = p.answer.windows { computer_name = "RENDER-01", password = secret_of, image = 2 } },
    p.tools.ensure { horizon = false, nsx = false },
    p.gpu.attach   { devices = cards, count = 1 },
    p.guest.verify {} } }]]

describe("the secrets of a run", function()
  local l
  setup(function() l = first_light.start { speed = 200 } end)
  teardown(function() l:stop() end)

  it("are not stored or printed anywhere", function()
    local file, trace = l.dir .. "/vars", l.dir .. "/trace"
    vcenter.write(file, "password = " .. l.secrets.windows .. "\nsite = lab-of-this-run\n")
    assert(os.execute("chmod 600 " .. file))
    local path, journal, plan = l:write(PLAY), l.dir .. "/journal.db", l.dir .. "/a.plan"
    local env = { env = { GPUPT_TRACE = trace } }
    -- the arguments and environment of every process of this user during the run
    vcenter.write(l.dir .. "/watch.sh", ([[
while [ ! -e %s/stop ]; do cat /proc/[0-9]*/cmdline 2>/dev/null | tr '\0' ' '; echo; sleep 0.05; done >%s/processes]])
      :format(l.dir, l.dir))
    os.execute(("sh %s/watch.sh </dev/null >/dev/null 2>&1 &"):format(l.dir))
    local results = {
      l:run_command({ "plan", path, "--var-file", file, "--out", plan, "--json" }, env),
      l:run_command({ "apply", plan, "--var-file", file, "--journal", journal, "--allow", "reboot", "--events" }, env),
      l:run_command { "status", "--journal", journal, "--json" },
    }
    local id = results[3].out:match '"id": "([^"]+)"'
    results[4] = l:run_command { "status", id, "--journal", journal, "--json" }
    results[5] = l:run_command { "status", id, "--journal", journal, "--all" }
    vcenter.write(l.dir .. "/stop", "")
    for i, result in ipairs(results) do
      assert.equal(0, result.status, i .. ": " .. result.err)
      for _, word in ipairs { l.secrets.windows, l.secrets.vcenter } do
        assert.is_nil((result.out .. result.err):find(word, 1, true), i .. ": a secret was printed")
      end
    end
    assert.matches("render-01", results[2].out, 1, true)
    assert.matches("lab-of-this-run", vcenter.read(plan), 1, true)
    vcenter.sleep(0.1)
    assert.matches("gpupt apply", vcenter.read(l.dir .. "/processes"), 1, true)
    for _, name in ipairs { "journal.db", "journal.db-wal", "a.plan", "trace", "processes" } do
      local text = vcenter.read(l.dir .. "/" .. name) or ""
      for _, word in ipairs { l.secrets.windows, l.secrets.vcenter } do
        assert.is_nil(text:find(word, 1, true), name .. " holds a secret")
        assert.is_nil(text:find((word:gsub(".", function(c) return c .. "\0" end)), 1, true), name)
      end
    end
    for _, name in ipairs { "journal.db", "a.plan", "trace" } do
      assert.equal("600", (vcenter.shell(("stat -c %%a %s/%s"):format(l.dir, name)):match "%d+"), name)
    end
    assert.matches("StartProgramInGuest", vcenter.read(trace), 1, true)
    assert.is_nil(vcenter.read(trace):find("<arguments>", 1, true))
    local rows = require "gpupt.json".decode(results[4].out).rows
    local programs = 0
    for _, row in ipairs(rows) do
      if row.detail and row.detail.program then
        programs = programs + 1
        assert.same({ ["$missing"] = "secret" }, row.detail.arguments)
      end
    end
    assert.is_true(programs > 0, "no program was journalled")
  end)
end)
