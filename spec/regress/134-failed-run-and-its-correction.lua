-- A failed run kept all its claims for 4 hours: the corrected playbook was refused with "host/UUID is claimed by run ...". A run
-- that was itself refused kept those that it had got before, too. Now only hosts that are out of service stay claimed.
local lab = require "spec.support.lab"

local PLAY = [[return p.playbook { name = "%s", p.hosts { where = "/DC0/host/gpu-a/%s",
  devices = p.gpus { match = "10de:20b5" }, roll = { back_within = "%s" }, p.host.enable {} } }]]

describe("the hosts of a run that", function()
  local l, journal

  before_each(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "a-1", lab.host "a-2",
      lab.host("a-3", { boot_fault = "never" }) } } } } }
    journal = l:journal()
  end)
  after_each(function()
    journal:close()
    l:stop()
  end)

  local function apply(name, hosts, back_within)
    return l:apply(PLAY:format(name, hosts, back_within or "45m"), { allow = { "reboot" }, journal = journal })
  end

  it("failed while they are in service can be changed by the corrected playbook at once", function()
    l.sim:trouble({ method = "UpdatePassthruConfig" }, { kind = "fault", fault = "HostConfigFault" })
    assert.equal("failed", assert(apply("first", "a-[12]")).status)
    l.sim:calm()
    assert.equal("done", assert(apply("corrected", "a-[12]")).status)
  end)

  it("was refused are not claimed by it", function()
    local moment = require "gpupt.clock".read()
    assert(journal:enter(moment, { run = "working", process = "p", pid = 1, client_host = "elsewhere", seconds = 600 }))
    local uuid
    for _, host in ipairs(assert(l:plan(PLAY:format("x", "*", "45m"))).hosts) do
      if host.name == "a-2" then uuid = host.record.uuid end
    end
    assert(journal:claim(moment, { run = "working", process = "p", resource = "host/" .. uuid, what = "host a-2" }))
    local result, message, code = apply("refused", "a-[12]")
    assert.is_nil(result)
    assert.equal("EREFUSED", code)
    assert.matches("host a-2 is claimed by run working, which is running (process 1 on elsewhere, last heard of at ", message, 1, true)
    assert.matches("Wait for its end, or stop it with: gpupt stop working", message, 1, true)
    assert.equal("done", assert(apply("other", "a-1")).status)
  end)

  it("left a host out of service stay claimed for that host, and for the roll of its cluster", function()
    local first = assert(apply("first", "a-3", "1s"))
    assert.equal("failed", first.status)
    local kept = {}
    for lease in journal:leases(require "gpupt.clock".read()) do if lease.in_force == 1 then kept[#kept + 1] = lease.what end end
    assert.same({ "host a-3", "the roll of cluster gpu-a (host a-3)" }, kept)
    -- a plan for other hosts of the cluster shows what will be in its way
    local shown = {}
    for _, claim in ipairs(assert(l:plan(PLAY:format("second", "a-[12]", "45m"), { journal = journal })).claims) do
      shown[#shown + 1] = claim.what
    end
    assert.same({ "the roll of cluster gpu-a (host a-3)" }, shown)
  end)
end)
