-- gpupt firmware: read-only.
local json = require "gpupt.json"
local lab = require "spec.support.lab"

local PASSWORD = "Bmc-secret-1"

describe("gpupt firmware", function()
  local l

  setup(function()
    local function host(name, manner, more)
      local one = more or {}
      one.bmc = { manner = manner, user = "root", password = PASSWORD }
      return lab.host(name, one)
    end
    l = lab.start { speed = 300, fleet = { clusters = { { name = "a", hosts = { host("dell-1", "dell", { above_4g = false }), host("hpe-1", "hpe"),
      host("smc-1", "supermicro"), host("lenovo-1", "lenovo") } } } } }
  end)
  teardown(function() l:stop() end)

  local function run(words, env)
    local list = { "firmware", "--login", "root", "--ca-file", l.sim.ready.ca_file }
    table.move(words, 1, #words, #list + 1, list)
    return l:command(list, { env = env or { GPUPT_BMC_PASSWORD = PASSWORD } })
  end

  local function url(name) return l.sim.ready.bmcs[name] end

  it("shows setting, attribute, current, pending and wanted value, and changes nothing", function()
    l.sim:post("set", { bmc = "smc-1", pending = { SR_IOVSupport_002B = "Enabled" } })
    local done = run { url "dell-1", url "hpe-1", url "smc-1" }
    assert.equal("", done.err)
    assert.equal(1, done.status) -- not all is as wanted
    for _, pattern in ipairs { "Dell Inc., PowerEdge R750xa, BIOS 2%.1%.5", "SETTING +ATTRIBUTE +CURRENT +PENDING +WANTED",
      "above 4G decoding +MmioAbove4Gb +Disabled +%- +Enabled", "base of the MMIO range +MemoryMappedIOH +56TB +%- +%-",
      "above 4G decoding +%- +%- +%- +%-", "HPE has no such switch", "SR%-IOV +SR_IOVSupport_002B +Disabled +Enabled +Enabled",
      "base of the MMIO range +MMIOHBase_0077 %* +56T", "size of the MMIO range +PciResourcePadding +Normal" } do
      assert.is_truthy(done.out:find(pattern), pattern .. "\n" .. done.out)
    end
    for _, one in ipairs(l.sim:get "truth".bmcs) do
      assert.equal(0, one.sessions)
      for _, request in ipairs(one.requests) do
        assert.is_truthy(request:find "^GET" or request:find "Sessions", request)
      end
    end
  end)

  it("prints JSON, and ends with 0 when all is as wanted", function()
    l.sim:post("set", { bmc = "lenovo-1", current = { DevicesandIOPorts_SRIOV = "Enabled" } })
    local done = run { url "lenovo-1", "--json" }
    assert.equal(0, done.status, done.err)
    local server = assert(json.decode(done.out)).servers[1]
    assert.same({ "Lenovo", url "lenovo-1" }, { server.vendor, server.bmc })
    assert.equal("DevicesandIOPorts_PCI64BitResourceAllocation", server.lines[1].attribute)
    assert.is_nil(done.out:find(PASSWORD, 1, true))
  end)

  it("puts the host's name into the URL of --bmc", function()
    local port = url "dell-1":match "%d+$"
    local done = run({ "127.0.0.1.example", "--bmc", "https://127.0.0.1:" .. port .. "#{host}" })
    assert.is_truthy(done.status ~= 0)
    done = run({ "localhost.example", "--bmc", "https://{short}:" .. port, "--json" })
    assert.equal(1, done.status, done.err)
    assert.equal("https://localhost:" .. port, json.decode(done.out).servers[1].bmc)
    assert.equal(2, run({ "a", "b", "--bmc", "https://x" }).status)
  end)

  it("sends a refused password to one BMC only", function()
    local done = run({ url "dell-1", url "hpe-1", url "smc-1" }, { GPUPT_BMC_PASSWORD = "wrong-one" })
    assert.equal(3, done.status)
    assert.is_truthy(done.err:find("refused the login as 'root'", 1, true) and done.err:find("was not attempted", 1, true), done.err)
    local refused = 0
    for _, one in ipairs(l.sim:get "truth".bmcs) do refused = refused + one.refused end
    assert.equal(1, refused)
    assert.is_nil((done.out .. done.err):find("wrong-one", 1, true))
  end)

  it("says what is missing", function()
    assert.equal(2, l:command({ "firmware", "x" }).status)
    assert.equal(2, run {}.status)
    local done = run({ "x" }, {})
    assert.equal(2, done.status)
    assert.is_truthy(done.err:find("GPUPT_BMC_PASSWORD", 1, true))
    done = run { "127.0.0.1:1" }
    assert.equal(3, done.status)
    assert.is_truthy(done.err:find("127.0.0.1:1", 1, true))
  end)
end)
