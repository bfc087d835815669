-- Every card of a fleet: state, owner, free or not; and `gpupt gpus`.
local fleet = require "gpupt.fleet"
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local function card(address, more)
  local one = { address = address, vendor = "10de", device = "20b5", subvendor = "10de", subdevice = "1533", class = "0302",
    name = "GA100 [A100 PCIe 80GB]", bars = { "16M:32", "128G:64p", "32M:64p" } }
  for key, value in pairs(more or {}) do one[key] = value end
  return one
end

local t4 = { device = "1eb8", name = "TU104GL [Tesla T4]", subdevice = "12a2", bars = { "16M:32", "256M:64p", "32M:64p" } }
local function t4_at(address, more)
  local one = {}
  for key, value in pairs(t4) do one[key] = value end
  for key, value in pairs(more or {}) do one[key] = value end
  return card(address, one)
end

describe("the cards of a fleet", function()
  local site, vc

  local function attach(name, backing)
    local task = assert(assert(vc:one("/DC0/vm/" .. name)):ReconfigVM_Task { spec = { deviceChange = {
      { operation = "add", device = { _type = "VirtualPCIPassthrough", key = -1, backing = backing } } } } })
    assert(vc:wait(task))
  end

  setup(function()
    site = lab.start { speed = 500, fleet = {
      clusters = {
        { name = "gpu-a", hosts = {
          { name = "esx-a-1", cards = { card("0000:3b:00.0", { enabled = true }), card("0000:86:00.0", { enabled = true }) } },
          { name = "esx-a-2", cards = { card("0000:3b:00.0", { enabled = true, active = false }), card("0000:86:00.0"),
            t4_at("0000:af:00.0", { capable = false }) } },
        } },
        { name = "gpu-b", hosts = { { name = "esx-b-1", cards = { t4_at("0000:3b:00.0", { enabled = true, label = "vdi" }) } } } },
        { hosts = { { name = "alone-1", cards = { card("0000:3b:00.0", { enabled = true }) } } } },
      },
      vms = { { name = "holder", host = "esx-a-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20" },
        { name = "waiting", host = "esx-b-1", power = "poweredOff", memory_mb = 4096, version = "vmx-20" } },
    } }
    vc = site:client()
    site:attach("gpu-a", "esx-a-1", "0000:86:00.0", "holder")
  end)
  teardown(function() site:stop() end)

  local function find(seen, host, address)
    for _, one in ipairs(seen.cards) do
      if one.host == host and one.address == address then return one end
    end
    error("there is no card " .. host .. " " .. address)
  end

  it("are complete, by cluster, host and address", function()
    local seen = assert(fleet.cards(vc))
    local list = {}
    for i, one in ipairs(seen.cards) do list[i] = ("%s %s %s"):format(one.cluster or "-", one.host, one.address) end
    assert.same({ "- alone-1 0000:3b:00.0", "gpu-a esx-a-1 0000:3b:00.0", "gpu-a esx-a-1 0000:86:00.0", "gpu-a esx-a-2 0000:3b:00.0",
      "gpu-a esx-a-2 0000:86:00.0", "gpu-a esx-a-2 0000:af:00.0", "gpu-b esx-b-1 0000:3b:00.0" }, list)
    assert.equal(4, seen.hosts)
  end)

  it("have the configuration, the state since boot, and both in one word", function()
    local seen = assert(fleet.cards(vc))
    local function state(...)
      local one = find(seen, ...)
      return { one.capable, one.enabled, one.active, one.state }
    end
    assert.same({ true, true, true, "active" }, state("esx-a-1", "0000:3b:00.0"))
    assert.same({ true, true, false, "pending reboot" }, state("esx-a-2", "0000:3b:00.0"))
    assert.same({ true, false, false, "off" }, state("esx-a-2", "0000:86:00.0"))
    assert.same({ false, false, false, "not capable" }, state("esx-a-2", "0000:af:00.0"))
  end)

  it("are free only if active and in no VM's configuration, powered off or not", function()
    local seen = assert(fleet.cards(vc))
    local one = find(seen, "esx-a-1", "0000:86:00.0")
    assert.same({ { name = "holder", power = "poweredOff" } }, one.owners)
    assert.is_false(one.free)
    assert.equal("held by holder", one.why)
    assert.is_true(find(seen, "esx-a-1", "0000:3b:00.0").free)
    assert.is_true(find(seen, "alone-1", "0000:3b:00.0").free)
    assert.is_false(find(seen, "esx-a-2", "0000:3b:00.0").free)
    assert.equal("pending reboot", find(seen, "esx-a-2", "0000:3b:00.0").why)
    assert.equal("not capable of passthrough", find(seen, "esx-a-2", "0000:af:00.0").why)
  end)

  it("have model, ids and label", function()
    local one = find(assert(fleet.cards(vc)), "esx-b-1", "0000:3b:00.0")
    assert.same({ 0x10de, 0x1eb8, 0x10de, 0x12a2, 0x0302, "10de:1eb8", "TU104GL [Tesla T4]", "vdi" },
      { one.vendor, one.device, one.subvendor, one.subdevice, one.class, one.id, one.model, one.label })
  end)

  it("never include the management graphics of a server, which are listed separately", function()
    local seen = assert(fleet.cards(vc))
    assert.equal(4, #seen.left_out)
    assert.same({ "1a03:2000", "ASPEED management graphics" }, { seen.left_out[1].id, seen.left_out[1].why })
  end)

  it("can be those of some clusters, hosts or folders", function()
    local function count(path)
      local seen, message = fleet.cards(vc, { path = path })
      assert(seen, message)
      return { #seen.cards, seen.hosts }
    end
    assert.same({ 5, 2 }, count "/DC0/host/gpu-a")
    assert.same({ 2, 1 }, count "/DC0/host/gpu-a/esx-a-1")
    assert.same({ 3, 2 }, count { "/DC0/host/gpu-a/esx-a-1", "/DC0/host/gpu-b" })
    assert.same({ 7, 4 }, count "/DC0")
    assert.same({ 1, 1 }, count "/DC0/host/alone-1")
    -- the VMs of the other hosts are read too, so that no owner is missed
    assert.equal("held by holder", find(fleet.cards(vc, { path = "/DC0/host/gpu-a/esx-a-1" }), "esx-a-1", "0000:86:00.0").why)
  end)

  it("are read with a few requests, and nothing is left on the server", function()
    local before = site.sim:get "sessions" -- of the waits of this session
    site.sim:forget()
    assert(fleet.cards(vc))
    local calls = site.sim:calls()
    assert.is_true(#calls <= 4, table.concat(calls, " "))
    local page = site.sim:get "sessions"
    assert.same({ before.filters, before.views }, { page.filters, page.views })
  end)

  it("give a clear error for a path that matches nothing or is not a host", function()
    local seen, message, code = fleet.cards(vc, { path = "/DC0/host/gpu-c" })
    assert.is_nil(seen)
    assert.matches("'/DC0/host/gpu%-c'.*/DC0/host contains: .*gpu%-a", message)
    assert.equal("ENOENT", code)
    local vm_path = "/DC0/vm/holder"
    assert.equal("EINVAL", select(3, fleet.cards(vc, { path = vm_path })))
    assert.error_matches(function() fleet.cards(vc, { paths = "x" }) end, "did you mean 'path'")
  end)

  it("are counted, not named, for a VM that gets one at power-on", function()
    attach("waiting", { _type = "VirtualPCIPassthroughDynamicBackingInfo", deviceName = "",
      allowedDevice = { { vendorId = 0x10de, deviceId = 0x1eb8 } }, customLabel = "vdi" })
    local seen = assert(fleet.cards(vc))
    assert.same({ { vm = "waiting", power = "poweredOff", host = "esx-b-1", allowed = { "10de:1eb8" }, label = "vdi" } }, seen.dynamic)
    assert.is_true(find(seen, "esx-b-1", "0000:3b:00.0").free)
    assert.matches("\nwaiting %(poweredOff%) gets a card at power%-on: 10de:1eb8 with the label vdi\n", site:command({ "gpus" }).out)
  end)

  describe("by the command", function()
    it("are an aligned table, a summary, and the excluded devices", function()
      local result = site:command { "gpus" }
      assert.equal(0, result.status, result.err)
      local lines = {}
      for line in result.out:gmatch "([^\n]*)\n" do lines[#lines + 1] = line end
      assert.equal("CLUSTER  HOST     CARD          ID         MODEL                   LABEL  STATE           OWNER", lines[1])
      assert.equal("gpu-a    esx-a-1  0000:86:00.0  10de:20b5  GA100 [A100 PCIe 80GB]  -      active          holder (off)", lines[4])
      assert.equal("gpu-a    esx-a-2  0000:3b:00.0  10de:20b5  GA100 [A100 PCIe 80GB]  -      pending reboot  -", lines[5])
      assert.equal("gpu-b    esx-b-1  0000:3b:00.0  10de:1eb8  TU104GL [Tesla T4]      vdi    active          free", lines[8])
      assert.equal("7 cards on 4 hosts: 4 active, 1 not capable, 1 off, 1 pending reboot; 3 free", lines[9])
      assert.matches("^waiting ", lines[10])
      assert.equal("excluded: 4 x ASPEED Graphics Family 1a03:2000 (ASPEED management graphics)", lines[11])
      assert.is_nil(lines[12])
      assert.equal("", result.err)
    end)

    it("can be limited to free ones, or to a pattern", function()
      local result = site:command { "gpus", "/DC0/host/gpu-a", "--free" }
      assert.equal(0, result.status, result.err)
      assert.matches("esx%-a%-1  0000:3b:00.0", result.out)
      assert.is_nil(result.out:find "holder")
      assert.matches("\n1 card on 2 hosts: 1 active; 1 free\n", result.out)
      result = site:command { "gpus", "--match", "10de:1eb8" }
      assert.matches("\n2 cards on 4 hosts", result.out)
      result = site:command { "gpus", "--match", "1002:*" }
      assert.equal(0, result.status)
      assert.equal("0 cards on 4 hosts", result.out:match "^[^\n]*")
    end)

    it("are the result of fleet.cards with --json", function()
      local result = site:command { "gpus", "--json", "/DC0/host/gpu-b" }
      assert.equal(0, result.status, result.err)
      local seen = assert(json.decode(result.out))
      assert.equal("esx-b-1", seen.cards[1].host)
      assert.matches('"owners": %[%]', result.out)
      assert.equal("gpu-b", seen.cards[1].cluster)
      assert.same({ "10de:1eb8" }, seen.dynamic[1].allowed)
      assert.matches('"dynamic": %[%]', site:command({ "gpus", "--json", "/DC0/host/alone-1" }).out)
    end)

    it("fail with the documented exit statuses", function()
      local result = site:command { "gpus", "/DC0/host/gpu-c" }
      assert.equal(1, result.status)
      assert.matches("^gpupt: .*gpu%-c.*does not exist", result.err)
      assert.equal("", result.out)
      result = site:command { "gpus", "--match", "nonsense" }
      assert.equal(2, result.status)
      assert.matches("%-%-match: 'nonsense' is not a pattern", result.err)
      result = site:command({ "gpus" }, { env = { GOVC_PASSWORD = "wrong" .. "-one" } })
      assert.equal(3, result.status)
      assert.is_nil(result.err:find "wrong%-one")
      assert.equal(2, site:command({ "gpus", "--fre" }).status)
    end)
  end)

  it("of another host than the VM's are reported as such: the VM was moved", function()
    local ref, host = assert(vc:one "/DC0/vm/holder"), assert(vc:one "/DC0/host/gpu-b/esx-b-1")
    local task = assert(ref:RelocateVM_Task { spec = { host = host, pool = assert(host.client:one "/DC0/host/gpu-b"):get "resourcePool" } })
    local moved, message = vc:wait(task)
    assert(moved, message)
    local seen = assert(fleet.cards(vc))
    assert.equal("held by holder", find(seen, "esx-a-1", "0000:86:00.0").why)
    seen = assert(fleet.cards(vc, { path = { "/DC0/host/gpu-b", "/DC0/vm" } }))
    assert.same({ "holder", "0000:86:00.0" }, { seen.elsewhere[1].vm, seen.elsewhere[1].address })
    assert.matches("\nholder %(poweredOff%) has card 0000:86:00.0 of another host", site:command({ "gpus", "/DC0/host/gpu-b", "/DC0/vm" }).out)
  end)
end)
