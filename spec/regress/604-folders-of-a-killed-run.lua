-- The temporary folder of a run that was killed (SIGKILL) while a program ran in a guest stayed there for good.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local store = require "gpupt.store"

local check = gpupt.check
local LOGIN = { username = "ops", password = "Train-1-pass" }

describe("the temporary folder of a run that was killed", function()
  local site

  setup(function()
    local card = lab.card("0000:21:00.0", { enabled = true })
    site = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1", { cards = { card } }) } } },
      datastores = { { name = "ds-1" } }, vms = { { name = "train", host = "esx-1", installed = "ubuntu", power = "poweredOn",
      memory_mb = 4096, memory_lock = true, version = "vmx-21", firmware = "efi", username = "ops",
      password = "Train-1-pass", devices = { card.address }, extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
        ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
    check(site:client().guest:ready(check(site:client():one "/DC0/vm/train")))
  end)
  teardown(function() site:stop() end)

  local function folders()
    local vc, list = site:client(), {}
    for _, file in ipairs(check(vc.guest:files(check(vc:one "/DC0/vm/train"), LOGIN, "/tmp"))) do
      if file.path:find "gpupt" then list[#list + 1] = file.path end
    end
    return list
  end

  it("is taken away when the run is resumed, and that of another run is not", function()
    local vc = site:client()
    local other = check(vc.guest:tempdir(check(vc:one "/DC0/vm/train"), LOGIN, nil, "gpupt-0123456789ab-"))
    local journal = site.dir .. "/killed.db"
    local words = { "--journal", journal, "--allow", "guest-shutdown" }
    local path = site:write [[
return p.playbook { name = "tools", p.vms { where = "/DC0/vm/train",
  login = p.login("ops", p.secret.callback(function() return "Train-1-pass" end)),
  p.tools.ensure { desktop = true } } }]]
    site:command({ "apply", path, table.unpack(words) }, { env = { LUA_INIT = "@spec/support/kill_here.lua",
      GPUPT_KILL = "tools.ensure|open-vm-tools open-vm-tools-desktop:running" } })
    assert.equal(2, #folders())
    local book = assert(store.open(journal))
    local run
    for one in book:runs() do run = one.id end
    book:close()
    site.sim:forget()
    local result = site:command { "apply", "--resume", run, table.unpack(words) }
    assert.equal(0, result.status, result.err)
    assert.same({ other:match "[^/]*$" }, folders())
    -- one look for it
    assert.equal(1, site.sim:calls "ListFilesInGuest" - 1)
  end)
end)
