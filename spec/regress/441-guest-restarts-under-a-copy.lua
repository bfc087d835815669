--- A guest that restarted in the middle of a copied installer ended the run: its host answers 500 then, which was taken
-- for good. A guest's disk that filled under the copy gave the same bare "HTTP 500", and the part stayed there.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("an installer that is copied into a guest", function()
  local site, exe
  local login = { username = "Administrator", password = "Train-1-pass" }

  setup(function()
    local card = lab.card("0000:21:00.0", { enabled = true })
    site = lab.start { speed = 400, fleet = { clusters = { { name = "vdi", hosts = { lab.host("esx-1",
      { cards = { card } }) } } }, datastores = { { name = "ds-1" } }, vms = { { name = "train", host = "esx-1",
      installed = "windows", power = "poweredOn", memory_mb = 4096, memory_lock = true, version = "vmx-21",
      firmware = "efi", username = "Administrator", password = "Train-1-pass", devices = { card.address },
      extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } } } } }
    exe = site.dir .. "/551.61-data-center.exe"
    vcenter.write(exe, "NVIDIA Display Driver 551.61\n" .. ("\0"):rep(3 << 20))
    local vc = site:client()
    check(vc.guest:ready(check(vc:one "/DC0/vm/train")))
  end)
  teardown(function() site:stop() end)

  local function book(version)
    return ([[
return p.playbook { name = "driver", p.vms { where = "/DC0/vm/train",
  login = p.login("Administrator", p.secret.command "echo Train-1-pass"),
  p.driver.install { from = %q, version = %q } } }]]):format(exe, version)
  end

  local function left()
    local vc, list = site:client(), {}
    for _, file in ipairs(check(vc.guest:files(check(vc:one "/DC0/vm/train"), login, [[C:\Windows\Temp]]))) do
      if file.path:find "gpupt" then list[#list + 1] = file.path end
    end
    return list
  end

  it("is copied again after the disk filled and the user freed space: a resumed run goes on", function()
    site.sim:post("set", { vm = "train", disk_takes = 1 })
    local path, journal = site:write(book "551"), site.dir .. "/full.db"
    local words = { "--journal", journal, "--allow", "guest-shutdown" }
    local failed = site:command { "apply", path, table.unpack(words) }
    assert.is_true(failed.status ~= 0)
    assert.matches("train: driver: the guest's disk filled up while the installer was copied (", failed.err, 1, true)
    assert.matches([[): C:\ of the guest has 1 MB free, and 4 MB are needed. Free space there, then run: gpupt apply ]]
      .. "--resume ", failed.err, 1, true)
    assert.same({}, left())
    local rows, run = assert(store.open(journal)), nil
    for one in rows:runs() do run = one.id end
    rows:close()
    -- still full: refused before anything is copied
    site.sim:post("set", { vm = "train", disk_takes = 0 })
    failed = site:command { "apply", "--resume", run, table.unpack(words) }
    assert.matches([[train: driver: C:\ of the guest has 1 MB free, and 4 MB are needed. Free space there]], failed.err,
      1, true)
    site.sim:post("set", { vm = "train", disk_free = 0 })
    local done = site:command { "apply", "--resume", run, table.unpack(words) }
    assert.equal(0, done.status, done.err)
    assert.matches("train  esx-1         changed", done.out, 1, true)
    assert.same({}, left())
  end)

  it("is sent again when the guest restarted in its middle", function()
    site.sim:post("set", { vm = "train", restart_in_upload = true, driver = "" }) -- one that runs is not installed again
    site.sim:forget()
    local result = site:apply(book "551.6", { allow = { "guest-shutdown" } })
    assert.equal("done", result.status, result.targets[1].message)
    assert.equal(2, site.sim:calls "InitiateFileTransferToGuest" - site.sim:calls "StartProgramInGuest")
    assert.same({}, left())
  end)
end)
