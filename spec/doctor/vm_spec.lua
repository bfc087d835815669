--- gpupt doctor VM: the same rules on a VM of a server, with its host's cards and its vmware.log.
local lab = require "spec.support.lab"
local gpupt = require "gpupt"

local function card(address, more)
  local one = { address = address, vendor = "10de", device = "20b5", subvendor = "10de", subdevice = "1533",
    name = "GA100 [A100 PCIe 80GB]", class = "0302", bars = { "16M:32", "128G:64p", "32M:64p" }, enabled = true, active = true }
  for key, value in pairs(more or {}) do one[key] = value end
  return one
end

local function vm(name, more)
  local one = { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 16384, cpus = 8,
    version = "vmx-20", devices = { "0000:3b:00.0" }, memory_lock = true,
    extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "256" } }
  for key, value in pairs(more or {}) do one[key] = value end
  return one
end

local fleet = { clusters = { { name = "gpu-a", hosts = { { name = "esx-1", cards = { card "0000:3b:00.0", card "0000:3c:00.0",
  card "0000:3d:00.0", card("0000:86:00.0", { enabled = true, active = false }) } } } } },
  vms = {
    vm "good",
    vm("small", { devices = { "0000:3c:00.0" }, extra_config = { ["pciPassthru.use64bitMMIO"] = "TRUE", ["pciPassthru.64bitMMIOSizeGB"] = "128" } }),
    vm("unlocked", { devices = { "0000:3d:00.0" }, memory_lock = false }),
    vm("pending", { devices = { "0000:86:00.0" } }),
    vm("plain", { devices = gpupt.json.array {}, extra_config = {} }),
  } }

local function codes(result)
  local list = {}
  for _, finding in ipairs(result.findings) do list[#list + 1] = finding.code end
  table.sort(list)
  return list
end

describe("the doctor with a VM of a server", function()
  local l, vc
  setup(function()
    l = lab.start { speed = 200, fleet = fleet }
    vc = l:client()
  end)
  teardown(function() if l then l:stop() end end)

  local function examine(name) return gpupt.check(gpupt.doctor.examine { vm = gpupt.check(vc:one("/DC0/vm/" .. name)) }) end

  it("finds nothing wrong with a healthy one and says what was looked at", function()
    local result = examine "good"
    assert.same({}, codes(result))
    assert.is_true(result.healthy)
    assert.matches("^good: %d+ keys, 1 passed%-through card", result.looked_at[1])
    local told = table.concat(result.looked_at, "\n")
    assert.matches("esx%-1: %d+ devices", told)
    assert.matches("need a window of 256 GB", told)
  end)

  it("finds nothing wrong with one that has no card", function()
    assert.same({}, codes(examine "plain"))
  end)

  it("finds a window that is too small, with the change but not as safe offline", function()
    local result = examine "small"
    assert.same({ "mmio-window" }, codes(result))
    local finding = result.findings[1]
    assert.is_false(finding.fixable)
    assert.same({ { key = "pciPassthru.64bitMMIOSizeGB", value = "256" } }, finding.changes)
    local named = false
    for _, evidence in ipairs(finding.evidence) do
      named = named or (evidence.file == "small" and evidence.text == 'pciPassthru.64bitMMIOSizeGB = "128"')
      assert.is_nil(evidence.line)
    end
    assert.is_true(named)
  end)

  it("finds memory that is not reserved", function()
    assert.same({ "memory-reservation" }, codes(examine "unlocked"))
  end)

  it("finds a card that is enabled but not active, from the host's own list", function()
    local result = examine "pending"
    assert.same({ "not-enabled" }, codes(result))
    assert.matches("Reboot the host", result.findings[1].remedy)
    assert.matches("enabled for passthrough but not active", result.findings[1].cause)
  end)

  it("reads the vmware.log of a power-on that failed: its line is evidence", function()
    local ref = gpupt.check(vc:one "/DC0/vm/small")
    local ok = vc:wait(gpupt.check(ref:PowerOnVM_Task {}))
    assert.is_nil(ok)
    local result = examine "small"
    assert.same({ "mmio-window" }, codes(result))
    local logged
    for _, evidence in ipairs(result.findings[1].evidence) do
      if evidence.file:find("vmware.log", 1, true) then logged = evidence end
    end
    assert.truthy(logged, "no evidence from the log")
    assert.equal("number", math.type(logged.line) and "number")
  end)

  it("changes nothing on the server", function()
    l.sim:forget()
    examine "small"
    for _, method in ipairs(l.sim:calls()) do
      assert.is_nil(tostring(method):find "_Task$", method)
      assert.is_nil(tostring(method):find "^Update", method)
    end
  end)

  it("as a command names the VM, exits by what it finds, and refuses what is not a VM", function()
    local out = l:command { "doctor", "/DC0/vm/good" }
    assert.equal(0, out.status, out.err)
    assert.matches("^healthy; looked at", out.out)
    out = l:command { "doctor", "/DC0/vm/unlocked" }
    assert.equal(1, out.status)
    assert.matches("error: memory%-reservation", out.out)
    assert.matches('change: sched.mem.min = "16384"', out.out)
    assert.equal(2, l:command({ "doctor", "/DC0/host/gpu-a" }).status)
    assert.equal(1, l:command({ "doctor", "/DC0/vm/nobody" }).status)
    assert.equal(2, l:command({ "doctor", "/DC0/vm/good", "--fix" }).status)
  end)

  it("is not mixed with files of another VM", function()
    local ref = gpupt.check(vc:one "/DC0/vm/good")
    assert.equal("EINVAL", (select(3, gpupt.doctor.examine { vm = ref, vmx = gpupt.vmx.parse "" })))
  end)
end)
