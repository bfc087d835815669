-- A user who may only read could not plan: every privilege that apply needs was a problem, and nothing else was shown.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

describe("a plan by a user with the role Read-only", function()
  local l
  setup(function()
    l = lab.start { speed = 500, fleet = { clusters = { { name = "c", hosts = { lab.host "esx-1", lab.host "esx-2" } } },
      vms = { { name = "cad-1", host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", version = "vmx-20" } },
      users = { { name = "reader", password = "reads", privileges = { "System.Anonymous", "System.Read", "System.View" } },
        { name = "half", password = "reads", privileges = { "System.Anonymous", "System.Read", "System.View",
          "Host.Config.Maintenance" } } } } }
  end)
  teardown(function() l:stop() end)

  local PLAYBOOK = [[local cards = p.gpus { match = "10de:20b5" }
    return p.playbook { name = "x", p.hosts { where = "/DC0/host/c", devices = cards, p.host.enable {} },
      p.vms { where = p.find { path = "/DC0/vm/**", guest = "linux" }, p.gpu.attach { devices = cards } },
      p.vms { name = "new-1", place = { cluster = "c", datastore = "ds-1", network = "VM Network" },
        p.vm.create { guest = "ubuntu64Guest", cpus = 2, memory = "4 GiB", disk = "10 GiB" },
        p.os.install { iso = "[ds-1] iso/a.iso", answer = "[ds-1] iso/b.iso" }, p.gpu.attach { devices = cards } } }]]
  local function client(name) return l.sim:connect { username = name, password = "reads" } end

  it("is the plan that the administrator sees, with what the account cannot check and do", function()
    local vc = client "reader"
    l.sim:forget()
    local plan = gpupt.check(l:load(PLAYBOOK):plan(vc))
    local text = tostring(plan)
    assert.matches("\n~ esx-[1-2]  host.enable  enable 3b:00.0 -> reboot\n", text, 1, true)
    assert.matches("! this account cannot change anything of the plan: apply needs one with the privileges that this lists: gpupt role ",
      text, 1, true)
    assert.matches("unverified: needs Datastore.Browse", text, 1, true)
    assert.same({}, l:changing())
    local answer, message, code = plan:apply { journal = l:journal(), allow = { "reboot" } }
    assert.is_nil(answer)
    assert.equal("NoPermission", code)
    assert.matches("this account cannot change anything of the plan: apply needs one", message, 1, true)
    assert.same({}, l:changing())
  end)
  it("exits with 0 from the command, whose last line names the command that lists the privileges", function()
    local path = l:write(PLAYBOOK)
    local done = l:command({ "plan", path }, { env = { GOVC_USERNAME = "reader", GOVC_PASSWORD = "reads" } })
    assert.equal(0, done.status, done.err)
    assert.matches("that this lists: gpupt role " .. path, (done.out:gsub("\n +", " ")), 1, true)
  end)
  it("is refused for an account that has some of the privileges: it is meant for apply, and lacks the others", function()
    local _, message, code = l:load(PLAYBOOK):plan(client "half")
    assert.equal("NoPermission", code)
    assert.matches("host.enable: the account lacks Host.Config.PciPassthru on the hosts esx-1, esx-2", message, 1, true)
    assert.matches("\nthe privileges that apply needs: gpupt role ", message, 1, true)
  end)
end)
