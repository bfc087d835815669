--- What a recording must not contain: everything that a user can name holds a decoy, and none of them is in the folder.
local decoys = require "spec.support.decoys"
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("a recording of a fleet full of names", function()
  local l, folder
  setup(function()
    l = decoys.start()
    folder = vcenter.shell("mktemp -d -t gpupt-leak.XXXXXX"):match "%S+"
  end)
  teardown(function()
    l:stop()
    os.execute("rm -rf " .. folder)
  end)

  local function record(name, words)
    local result = l:command(words, { env = { GPUPT_RECORD = folder .. "/" .. name } })
    assert.is_true(result.status == 0 or result.status == 1, result.err)
    return result
  end

  -- decoys, also as a path, in a URL and in base64; the account, the addresses and the thumbprint of the server
  local patterns = { "acme", "YWNtZ", "jane", "%2f", "%c3", "ac3eac3e", "Secret-", "administrator", "vsphere.local",
    "127\\.0\\.0\\.1" }

  local function assert_clean()
    assert.equal("", decoys.leaks(folder, patterns))
    assert.equal("", decoys.leaks(folder, { l.sim.ready.password, l.sim.ready.host }))
  end

  it("by gpus has none of them", function()
    assert.matches("acme-train-01", record("gpus", { "gpus" }).out, 1, true)
    assert_clean()
  end)

  it("by doctor has none of them, nor what it read of vmware.log", function()
    local on, why = l.vc:wait(gpupt.check(l.train:PowerOnVM_Task {}))
    assert.is_nil(on) -- its window is too small for the card, which its log says
    assert.matches("PCI MMIO", why, 1, true)
    for _, line in ipairs { "PCIPassthru: Device 0000:3b:00.0 of acme-train-01 failed", 'DICT displayName = "acme-train-01"',
      'DICT guestinfo.acme = "x"', "PCIPassthru: acme 10.1.2.3 00:50:56:12:34:56", "vmx: /vmfs/volumes/acme-vol 1/x" } do
      l.sim:post("set", { vm = "acme-train-01", log = line })
    end
    assert.matches("mmio", record("doctor", { "doctor", "/Acme DC/vm/acme-train-01" }).out)
    assert_clean()
    assert.equal("", decoys.leaks(folder, { "10\\.1\\.2\\.3", "50:56:12", "displayName", "guestinfo" }))
    assert.matches("vmware.log", decoys.leaks(folder .. "/doctor", { "^path:.*vmware.log" }), 1, true)
    assert.matches("PCIPassthru: Device 0000:3b:00.0", decoys.leaks(folder .. "/doctor", { "PCIPassthru: Device" }), 1, true)
  end)

  it("by plan has none of them", function()
    local playbook = l:write [[
      local a100 = p.gpus { match = "10de:20b5" }
      return p.playbook { name = "acme play",
        p.hosts { where = "/Acme DC/host/*", devices = a100, roll = { unavailable = "1/cluster", back_within = "45m" },
          p.host.enable {} },
        p.vms { name = "acme-new-07", login = p.login("acme-ops", p.secret.env "LINUX_PASSWORD"),
          place = { cluster = "ACME%2fgpu", datastore = "acme-vol 1", network = "VLAN Acme" },
          p.vm.create { guest = "ubuntu64Guest", cpus = 8, memory = "16 GiB", disk = "20 GiB" },
          p.os.install { iso = "[acme-vol 1] iso/acme-ubuntu.iso", answer = "[acme-vol 1] iso/acme-answer.iso" },
          p.tools.ensure {}, p.gpu.attach { devices = a100, count = 1 }, p.guest.verify {} } }
    ]]
    local result = l:command({ "plan", playbook }, { env = { GPUPT_RECORD = folder .. "/plan", LINUX_PASSWORD = "Acme-Secret-2" } })
    assert.equal(0, result.status, result.err)
    assert_clean()
  end)

  it("of every property of every object has none of them", function()
    for i, words in ipairs { { "/Acme DC/vm/*", "config", "summary", "guest", "layoutEx", "datastore", "runtime", "environmentBrowser" },
      { "/Acme DC/vm/acme folder/*", "config", "summary", "parent" },
      { "/Acme DC/host/*/*", "config", "hardware", "summary", "runtime", "capability" },
      { "/Acme DC/datastore/*", "info", "summary", "host", "vm" }, { "/Acme DC/network/*", "summary", "name" },
      { "/Acme DC/host/*", "summary", "configuration", "name" } } do
      for _, object in ipairs(gpupt.check(l.vc:find(words[1]))) do
        local line = { "vim", "get", tostring(object) }
        for j = 2, #words do table.move({ "--property", words[j] }, 1, 2, #line + 1, line) end
        record(("properties-%d-%s"):format(i, object.value), line)
      end
    end
    record("session", { "vim", "get", "sessionManager", "--property", "currentSession", "--property", "sessionList" })
    record("tasks", { "vim", "get", "taskManager", "--property", "recentTask" })
    assert_clean()
  end)

  it("keeps what it is made for", function()
    local text = vcenter.shell("cat " .. folder .. "/gpus/*.txt " .. folder .. "/doctor/*.txt")
    for _, kept in ipairs { "0000:3b:00.0", "GA100 [A100 PCIe 80GB]", "<deviceId>8373</deviceId>", "pciPassthru.use64bitMMIO",
      "<key>pciPassthru.64bitMMIOSizeGB</key>", "vmx-20", "ubuntu64Guest", "<version>8.0.3</version>", "poweredOn" } do
      assert.matches(kept, text, 1, true)
    end
  end)

  it("does not mangle words that are names of VMs or hosts", function()
    local text = vcenter.shell("cat " .. folder .. "/gpus/*.txt")
    assert.matches("<val xsi:type=\"HostSystemConnectionState\">connected</val>", text, 1, true)
    assert.matches("Corporation", text, 1, true)
    assert.is_nil(text:find(">on<", 1, true))
    assert.is_nil(text:find(">gpu<", 1, true))
  end)

  it("is readable by its owner only", function()
    assert.equal("", vcenter.shell(("find %s/gpus -type f ! -perm 600 -o -type d ! -perm 700"):format(folder)))
  end)
end)
