--- One host that does not answer ended the plan of all others, or was planned for; a card of a host that could not be
-- asked (QueryConfigTarget) was free although a VM holds it; and `gpus` did not say that a host is away.
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local card = lab.card

local PLAY = [[
local a100 = p.gpus { match = "10de:20b5" }
return p.playbook { name = "away",
  p.vms { where = "/DC0/vm/old-*", p.gpu.attach { devices = a100 } },
  p.vms { name = "new-{n}", count = 2, place = { cluster = "gpu", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "ubuntu64Guest", cpus = 8, memory = "64 GiB", disk = "100 GiB" },
    p.gpu.attach { devices = a100, power_on = false } } }]]

describe("a host that is away", function()
  local l

  setup(function()
    local function host(name)
      return lab.host(name, { cards = { card("0000:3b:00.0", { enabled = true }), card("0000:86:00.0", { enabled = true }) } })
    end
    local function vm(name, on)
      return { name = name, host = on, datastore = "ds-1", guest = "ubuntu64Guest", firmware = "efi", memory_mb = 8192,
        memory_lock = true, devices = { "0000:3b:00.0" }, power = "poweredOff", installed = "ubuntu" }
    end
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu", hosts = { host "esx-1", host "esx-2" } } },
      networks = { "VM Network" }, datastores = { { name = "ds-1" } }, vms = { vm("old-1", "esx-1"), vm("old-2", "esx-2") } } }
    l:client()
  end)
  teardown(function() l:stop() end)
  after_each(function()
    l.sim:calm()
    l.sim:post("set", { host = "esx-2", connection = "connected" })
  end)

  local function planned(plan)
    local targets = {}
    for _, change in ipairs(plan:changes()) do targets[change.target] = true end
    return targets
  end

  local function gpus(...)
    local result = l:command { "gpus", "--json", ... }
    assert.equal(0, result.status, result.err)
    return json.decode(result.out)
  end

  for state, words in pairs { notResponding = "is not responding", disconnected = "is disconnected" } do
    it(("(%s) is left out by name with its VMs, and what needs it; the others are planned"):format(state), function()
      l.sim:post("set", { host = "esx-2", connection = state })
      local plan, message = l:plan(PLAY)
      assert.is_table(plan, message)
      assert.same({ ["old-1"] = true, ["new-1"] = true }, planned(plan))
      local text = tostring(plan)
      assert.matches("! old-2: skipped, because its host esx-2 " .. words, text, 1, true)
      assert.matches("! skipped: [^\n]*new%-2 needs 1 free GPU[^\n]*esx%-2 " .. words, text)
    end)

    it(("(%s) is shown by gpus, with the VM that holds its card"):format(state), function()
      l.sim:post("set", { host = "esx-2", connection = state })
      local seen = gpus()
      assert.same({ { host = "esx-2", why = words, connected = false } }, seen.away)
      assert.same({}, seen.elsewhere)
      for _, one in ipairs(seen.cards) do
        assert.equal(one.host == "esx-2" and state or nil, one.away)
        if one.address == "0000:3b:00.0" then assert.equal(one.host == "esx-1" and "old-1" or "old-2", one.owners[1].name) end
        assert.equal(one.host == "esx-1" and one.address == "0000:86:00.0", one.free)
      end
      local text = l:command { "gpus" }.out
      assert.matches("esx%-2 +0000:86:00.0 .* active, host away +%-\n", text)
      assert.matches("\nesx-2 " .. words .. ": its cards are shown as the vCenter saw them last\n", text, 1, true)
    end)
  end

  it("that does not say which cards it offers does not end the plan of the others", function()
    local ref = assert(l.vc:one "/DC0/host/gpu/esx-2")
    -- asked by the first plan in this order: the home of each VM, then the others
    l.sim:post("set", { host = "esx-2", connection = "disconnected" })
    assert(l:plan(PLAY))
    l.sim:post("set", { host = "esx-2", connection = "connected" })
    local browser = assert(assert(l.vc:one "/DC0/host/gpu"):get "environmentBrowser")
    assert.is_table(ref, browser)
    l.sim:trouble({ method = "QueryConfigTarget", count = -1 }, { kind = "fault", fault = "HostNotConnected",
      message = "The host is not connected." })
    local plan, message, code = l:plan(PLAY)
    -- here neither host answers: every target is named with its reason, and nothing is planned on a guess
    assert.is_nil(plan)
    assert.equal("ENOENT", code)
    for _, text in ipairs { "old-1 is on esx-1, which does not say which cards it offers (QueryConfigTarget: The host is not "
      .. "connected.): skipped", "old-2 is on esx-2, which does not say", "new-1 needs 1 free GPU", "new-2 needs 1 free GPU" } do
      assert.matches(text, message, 1, true)
    end
  end)

  it("that does not say which cards it offers has no free card, and its VM holds its card", function()
    l.sim:trouble({ method = "QueryConfigTarget", count = -1 }, { kind = "fault", fault = "HostNotConnected",
      message = "The host is not connected." })
    local seen = gpus()
    assert.same({}, seen.elsewhere)
    assert.equal(2, #seen.away)
    for _, one in ipairs(seen.cards) do
      assert.is_false(one.free)
      if one.address == "0000:3b:00.0" then
        assert.equal(one.host == "esx-1" and "old-1" or "old-2", one.owners[1].name)
      else
        assert.equal("the host does not say which cards it offers (QueryConfigTarget: The host is not connected.)", one.why)
      end
    end
    assert.same({}, gpus("--free").cards)
  end)

  it("is skipped by a run, whose status says that something was left out", function()
    l.sim:post("set", { host = "esx-2", connection = "notResponding" })
    local path = l:write(PLAY)
    local result = l:command { "apply", path, "--limit", "new-*,old-2" }
    assert.equal(3, result.status, result.err)
    assert.matches("! old-2: skipped, because its host esx-2 is not responding", result.err, 1, true)
    assert.matches("new%-1 +esx%-1 +86:00.0 +changed", result.out)
    -- nothing is left of this playbook: that is said by name, and is a failure
    result = l:command { "apply", path, "--limit", "old-2" }
    assert.equal(1, result.status)
    assert.matches("old-2: skipped, because its host esx-2 is not responding", result.err, 1, true)
  end)
end)
