-- Words that were not those of a user: "the secret of the variable X is not set", "esx-1 is notResponding", a command in
-- `gpupt status` that was folded and could not be pasted, a run "by ?" where USER is not set; and a plan that did not
-- mention a VM of the same name in another folder, nor a Linux medium for a Windows guest.
local gpupt = require "gpupt"
local iso_family = require "gpupt.facts.iso_family"
local lab = require "spec.support.lab"

describe("the words of plans and runs", function()
  local l
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = { lab.host "esx-1", lab.host "esx-2" } } },
      folders = { "/DC0/vm/prod" }, datastores = { { name = "ds-1", files = { ["iso/ubuntu-24.04.iso"] = { os = "ubuntu" },
        ["iso/rhel-9.4.iso"] = { source = "builtin:ubuntu-answer" },
        ["iso/answer.iso"] = { source = "builtin:ubuntu-answer" } } } },
      vms = { { name = "desk-1", host = "esx-1", folder = "prod", guest = "ubuntu64Guest" } } } }
  end)
  teardown(function() l:stop() end)

  local function new(name, guest, iso)
    return ([[return p.playbook { name = "x", p.vms { name = "%s", place = { cluster = "c", datastore = "ds-1" },
      p.vm.create { guest = "%s", cpus = 1, memory = "1 GiB", disk = "1 GiB" },
      p.os.install { iso = "[ds-1] iso/%s", answer = "[ds-1] iso/answer.iso" } } }]]):format(name, guest,
        iso or "ubuntu-24.04.iso")
  end

  it("name the environment variable of a secret that is not set", function()
    local _, message = gpupt.playbook.secret.env "GPUPT_NOT_SET":read()
    assert.equal("the environment variable GPUPT_NOT_SET is not set", message)
  end)
  it("say that a host does not respond", function()
    l.sim:post("set", { host = "esx-2", connection = "notResponding" })
    local plan = gpupt.check(l:plan [[return p.playbook { name = "x", p.hosts { where = "/DC0/host/c",
      devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]])
    assert.matches("! esx-2 is not responding: skipped", tostring(plan), 1, true)
    local seen = gpupt.check(gpupt.fleet.cards(l:client()))
    for _, card in ipairs(seen.cards) do
      if card.host == "esx-2" then assert.equal("the host is not responding", card.why) end
    end
    l.sim:post("set", { host = "esx-2", connection = "connected" })
  end)
  it("mention a VM of the same name in another folder", function()
    local text = tostring(gpupt.check(l:plan(new("desk-1", "ubuntu64Guest"))))
    assert.matches("    a VM of this name exists at /DC0/vm/prod/desk-1; this creates another one in /DC0/vm\n", text, 1, true)
    assert.is_nil(tostring(gpupt.check(l:plan(new("desk-2", "ubuntu64Guest")))):find("of this name", 1, true))
  end)
  it("refuse a medium of another family than the guest id, and mention one that only its name tells", function()
    local _, message = l:plan(new("desk-3", "windows2019srv_64Guest"))
    assert.matches("[ds-1] iso/ubuntu-24.04.iso: it is an Ubuntu medium, and the guest id of the VM is one of Windows",
      message, 1, true)
    local text = tostring(gpupt.check(l:plan(new("desk-3", "windows2019srv_64Guest", "rhel-9.4.iso"))))
    assert.matches("    [ds-1] iso/rhel-9.4.iso looks like a Linux medium, and the guest id is windows2019srv_64Guest\n",
      text, 1, true)
    assert.is_nil(tostring(gpupt.check(l:plan(new("desk-3", "ubuntu64Guest")))):find("looks like", 1, true))
    assert.same({ "linux", "linux", "windows", "windows", "linux" }, { iso_family "[a] rhel-9.4-x86_64-dvd.iso",
      iso_family "[a] b/SLE-15-SP6-Full.iso", iso_family "[a] SERVER_EVAL_x64FRE_en-us.iso", iso_family "[a] win2022.iso",
      iso_family "[a] x/Rocky-9.iso" })
    assert.is_nil(iso_family "[windows] iso/golden.iso")
  end)
  it("name the user of a run by the user id where USER is not set", function()
    local path = l:write [[return p.playbook { name = "x", p.hosts { where = "/DC0/host/c",
      devices = p.gpus { match = "10de:20b5" }, p.host.enable { apply = "stage" } } }]]
    local done = l:command({ "apply", path }, { env = { XDG_STATE_HOME = l.dir .. "/nobody" }, before = "unset USER LOGNAME;" })
    assert.equal(0, done.status, done.err)
    local pipe = assert(io.popen "id -un")
    local name = pipe:read "l"
    pipe:close()
    local shown = l:command({ "status", "x" }, { env = { XDG_STATE_HOME = l.dir .. "/nobody" } })
    assert.matches(" by " .. name .. " at ", shown.out, 1, true)
  end)
end)

describe("a command in the text of gpupt status", function()
  it("stays in one line, whatever the width", function()
    local wrapped = require "gpupt.cli.folding"
    local lines = wrapped("cause: ", "the run was interrupted while the host was away, and the claims of its hosts are kept. "
      .. "Continue it with: gpupt apply --resume vdi-20261130220000-abcdef --allow reboot,guest-shutdown; or free its claims "
      .. "with: gpupt release vdi-20261130220000-abcdef", 7)
    local found = 0
    for _, line in ipairs(lines) do
      for _, command in ipairs { "gpupt apply --resume vdi-20261130220000-abcdef --allow reboot,guest-shutdown",
        "gpupt release vdi-20261130220000-abcdef" } do
        if line:find(command, 1, true) then found = found + 1 end
      end
    end
    assert.equal(2, found)
  end)
end)
