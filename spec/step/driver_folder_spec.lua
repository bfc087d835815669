-- driver.install from a folder on this computer: what may be in it, its copy in the guest, and a run that was killed.
local driver_folder = require "gpupt.step.driver_folder"
local gpupt = require "gpupt"
local killed = require "spec.support.killed"
local lab = require "spec.support.lab"
local shell = require "gpupt.shell"
local store = require "gpupt.store"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check
local ALLOW = { allow = { "guest-shutdown" } }
local INF = "[Version]\r\nDriverVer = 01/02/2024, 31.0.15.5222\r\n%A100% = Section, PCI\\VEN_10DE&DEV_20B5\r\n"

describe("a driver's folder on this computer", function()
  local site, accounts

  setup(function()
    local cards, vms = {}, {}
    accounts = {}
    for i, one in ipairs { { "ubuntu", "ubuntu" }, { "rocky", "rocky" }, { "resumed", "rocky" }, { "win", "windows" } } do
      local address = ("0000:%02x:00.0"):format(0x20 + i)
      cards[i] = lab.card(address, { enabled = true })
      accounts[one[1]] = { username = one[2] == "windows" and "Administrator" or "ops", password = "Train-1-pass" }
      vms[i] = { name = one[1], host = "esx-1", installed = one[2], power = "poweredOn", memory_mb = 4096,
        memory_lock = true, version = "vmx-21", firmware = "efi", username = accounts[one[1]].username,
        password = "Train-1-pass", devices = { address }, extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE",
          ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "gpu", hosts = { lab.host("esx-1",
      { cards = cards, memory_gb = 256 }) } } }, datastores = { { name = "ds-1" } }, vms = vms } }
    local vc = site:client()
    for _, one in ipairs(vms) do check(vc.guest:ready(check(vc:one("/DC0/vm/" .. one.name)))) end
  end)
  teardown(function() site:stop() end)

  local function folder(name, list)
    local path = site.dir .. "/" .. name
    os.execute(("rm -rf %s; mkdir -p %s"):format(shell.quote(path), shell.quote(path)))
    for file, text in pairs(list) do
      os.execute("mkdir -p " .. shell.quote((path .. "/" .. file):match "^(.*)/"))
      vcenter.write(path .. "/" .. file, text)
    end
    return path
  end

  local function playbook(name, options)
    return ([[
return p.playbook { name = "driver", p.vms { where = "/DC0/vm/%s",
  login = p.login("%s", p.secret.command "echo Train-1-pass"), p.driver.install { %s } } }]]):format(name,
      accounts[name].username, options)
  end

  local function apply(name, options) return site:apply(playbook(name, options), ALLOW) end

  -- the files below a folder of the guest
  local function left(name, parent)
    local vc = site:client()
    local list = check(vc.guest:files(check(vc:one("/DC0/vm/" .. name)), accounts[name], parent))
    local found = {}
    for _, one in ipairs(list) do
      if one.path:find "gpupt%-driver" then found[#found + 1] = one.path end
    end
    return found
  end

  it("of .rpm files is copied, proved by its digests, installed and removed", function()
    local path = folder("o'ff line", { ["driver.rpm"] = "package nvidia-open-570.86.15 570.86.15\n", ["README"] = "x" })
    local options = ('from = "%s/", version = "570.86"'):format(path)
    local plan = check(site:plan(playbook("rocky", options)))
    assert.matches("install o'ff line (2 files, 1 MB), and reboot the guest", plan:changes()[1].what, 1, true)
    local result, events, rows = apply("rocky", options)
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal("driver 570.86.15", result.targets[1].proofs["driver.install"])
    assert.same({}, left("rocky", "/var/tmp"))
    local copies, percent = {}, nil
    for _, row in ipairs(rows) do if row.kind == "change" and row.action == "copy" then copies[#copies + 1] = row.what end end
    for _, event in ipairs(events) do if event.kind == "progress" and event.text:find "^copy" then percent = event.percent end end
    assert.same({ "copy o'ff line (2 files, 1 MB)" }, copies)
    assert.equal(100, percent)
    assert.equal("nothing", apply("rocky", options).status)
    -- the content decides, whatever the names are
    vcenter.write(path .. "/README", "y")
    assert.equal("changed", apply("rocky", options).targets[1].status)
  end)

  it("of .inf files keeps its folders in Windows, in the account's own temporary folder", function()
    local path = folder("100% drivers", { ["Display.Driver/nv.inf"] = INF, ["Display.Driver/x64/nv_\u{e9}.sys"] = "sys",
      ["setup.cfg"] = "" })
    site.sim:post("set", { vm = "win", language = "de" })
    local result, _, rows = apply("win", ('from = "%s"'):format(path))
    site.sim:post("set", { vm = "win", language = "" })
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    assert.equal("driver 552.22", result.targets[1].proofs["driver.install"])
    local inside
    for _, row in ipairs(rows) do
      if row.kind == "change" and row.action == "copy" then inside = gpupt.json.decode(row.detail).file end
    end
    assert.matches("^C:\\Users\\Administrator\\AppData\\Local\\Temp\\gpupt%-driver%-%x+$", inside)
    assert.same({}, left("win", inside:match "^(.*)\\"))
  end)

  it("is removed when its packages cannot be installed", function()
    local path = folder("wrong", { ["driver.deb"] = "no package at all\n" })
    local result = apply("ubuntu", ('from = "%s"'):format(path))
    assert.matches("Invalid archive signature: driver.deb", result.targets[1].message, 1, true)
    assert.same({}, left("ubuntu", "/var/tmp"))
  end)

  it("that a killed run has copied in part is completed by the next, and removed", function()
    local path = folder("big", { ["driver.rpm"] = "package nvidia-open-570.86.15 570.86.15\n", ["data/a"] = ("a"):rep(4096),
      ["data/b"] = ("b"):rep(4096) })
    local text = playbook("resumed", ('from = "%s"'):format(path))
    local file, journal = site:write(text), site.dir .. "/killed.db"
    local run = assert(killed.after(site, { "apply", file, "--allow", "guest-shutdown" }, journal, 1))
    assert.equal("copy", run.change.action)
    local inside = gpupt.json.decode(run.change.detail).file
    -- one file as it should be, one in part
    local vc = site:client()
    local vm, login = check(vc:one "/DC0/vm/resumed"), accounts.resumed
    pcall(function() vc.guest:mkdir(vm, login, inside .. "/data") end)
    check(vc.guest:put(vm, login, path .. "/data/a", inside .. "/data/a"))
    check(vc.guest:put(vm, login, nil, inside .. "/data/b", { text = "bb" }))
    site.sim:forget()
    local book = store.open(journal)
    local result, events = site:apply(text, { allow = ALLOW.allow, journal = book, resume = run.id })
    assert.equal("changed", result.targets[1].status, result.targets[1].message)
    local said = {}
    for _, event in ipairs(events) do said[#said + 1] = event.text end
    assert.matches("is from an earlier run: [12] of 3 files are there", table.concat(said, "\n"))
    assert.same({}, left("resumed", "/var/tmp"))
    book:close()
  end)

  it("is not installed when a file arrives otherwise than it was read", function()
    local path = folder("changing", { ["driver.rpm"] = "package nvidia-open-570.86.15 570.86.15\n", ["z"] = "12345" })
    local plan = check(site:plan(playbook("resumed", ('from = "%s"'):format(path))))
    local run = check(plan:apply { journal = site:journal(), allow = ALLOW.allow, on_event = function(event)
      if event.kind == "progress" and event.text:find "^copy" then vcenter.write(path .. "/z", "54321") end
    end })
    local target = run:result().targets[1]
    assert.equal("EPROOF", target.code, target.message)
    assert.matches("the digest of z in the guest is not that of the file here", target.message, 1, true)
    assert.same({}, left("resumed", "/var/tmp"))
  end)

  it("that another user of the guest has prepared is not used", function()
    local path = folder("mine", { ["driver.rpm"] = "package nvidia-open-570.86.15 570.86.15\n" })
    local digest = check(driver_folder.read({ fleet = {} }, path, 1 << 30)).digest
    local vc = site:client()
    local vm = check(vc:one "/DC0/vm/rocky")
    check(vc.guest:run(vm, accounts.rocky, { program = "/bin/ln",
      arguments = "-s /var /var/tmp/gpupt-driver-" .. digest:sub(1, 16) }))
    local result = apply("rocky", ('from = "%s"'):format(path))
    assert.equal("EREFUSED", result.targets[1].code, result.targets[1].message)
    assert.matches("is not a folder of this account", result.targets[1].message, 1, true)
  end)

  describe("is refused by the plan", function()
    local function refused(name, options)
      local plan, message, code = site:plan(playbook(name, options))
      assert.is_nil(plan)
      return message, code
    end

    it("with a link, a pipe, or a name that Windows does not take", function()
      local path = folder("names", { ["driver.rpm"] = "x" })
      for command, why in pairs {
        ["ln -s /etc/passwd data"] = "names/data is a symbolic link", ["mkfifo data"] = "names/data is a pipe",
        ["mkdir -p 'sub' && touch 'sub/a:b'"] = "names/sub/a:b has a character that Windows does not allow",
        ["touch 'back\\slash'"] = "has a character that Windows does not allow", ["touch 'dot.'"] = "ends with a dot",
        ["touch aux.inf"] = "is a device in Windows", ["touch a.inf A.INF"] = "is the same name as A.INF in Windows",
        ["touch \"$(printf 'x\\377')\""] = "is not UTF-8", ["touch \"$(printf 'x\\ny')\""] = "has a character that",
        ["mkdir -p 1/2/3/4/5/6/7/8/9/10/11/12/13"] = "is more than 12 folders deep",
      } do
        os.execute(("cd '%s' && %s"):format(path, command))
        assert.matches(why, (refused("rocky", ('from = "%s"'):format(path))), 1, true)
        folder("names", { ["driver.rpm"] = "x" })
      end
    end)

    it("with more than max_size, without a package of the guest's kind, or if it is none", function()
      local path = folder("large", { ["driver.rpm"] = ("x"):rep(3 << 20) })
      assert.matches("has more than 2 MB: set max_size", (refused("rocky", ('from = "%s", max_size = "2 MiB"'):format(path))),
        1, true)
      assert.matches("has no .inf file", (refused("win", ('from = "%s"'):format(path))), 1, true)
      assert.matches("has no .deb or .rpm file", (refused("rocky", ('from = "%s"'):format(folder("empty", {})))), 1, true)
      assert.matches("none does not exist", (refused("rocky", 'from = "/none"')), 1, true)
      assert.matches("is neither a .run or .exe file nor a folder",
        (refused("rocky", ('from = "%s/driver.rpm"'):format(path))), 1, true)
    end)
  end)
end)
