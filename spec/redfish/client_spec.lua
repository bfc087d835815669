-- The client of a BMC against the BMCs of the test vCenter, which have rules of their own (docs/test-vcenter-rules.md).
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local PASSWORD = "Bmc-secret-1"

local function host(name, more)
  local bmc = { user = "root", password = PASSWORD }
  for key, value in pairs(more or {}) do bmc[key] = value end
  return lab.host(name, { bmc = bmc })
end

describe("a BMC", function()
  local l

  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { host "esx-1", host "esx-2", host("basic", { basic_only = true }),
      host("ami", { manner = "ami" }), host("hpe", { manner = "hpe" }) } } } } }
  end)
  teardown(function() l:stop() end)

  after_each(function()
    for _, name in ipairs { "esx-1", "esx-2", "basic", "ami" } do
      l.sim:post("set", { bmc = name, busy = 0, hostile = "", absolute = false, password = PASSWORD, forget = true })
    end
  end)

  local function options(name, more)
    local o = { url = l.sim.ready.bmcs[name or "esx-1"], username = "root", password = PASSWORD, ca_file = l.sim.ready.ca_file }
    for key, value in pairs(more or {}) do o[key] = value or nil end
    return o
  end

  local function state(name)
    for _, one in ipairs(l.sim:get "truth".bmcs) do if one.host == (name or "esx-1") then return one end end
  end

  local function refused(code, text, ...)
    local client, message, got = gpupt.redfish.open(...)
    assert.is_nil(client)
    assert.equal(code, got, message)
    assert.is_truthy(message:find(text, 1, true), message)
    assert.is_nil(message:find(PASSWORD, 1, true))
    return message
  end

  local BIOS = "/redfish/v1/Systems/System.Embedded.1/Bios"

  it("opens a session and ends it", function()
    local events = {}
    local bmc = gpupt.check(gpupt.redfish.open(options(nil, { trace = function(event) events[#events + 1] = event end })))
    assert.equal(1, state().sessions)
    assert.equal("Dell", gpupt.check(bmc:get "/redfish/v1/").Vendor)
    assert.is_true(bmc:close())
    assert.is_true(bmc:close())
    assert.equal(0, state().sessions)
    local text = gpupt.json.encode(events)
    assert.is_nil(text:find(PASSWORD, 1, true))
    assert.is_truthy(text:find('"method":"DELETE"', 1, true))
    assert.is_nil(text:find("X-Auth-Token", 1, true))
    assert.is_nil(tostring(bmc):find(PASSWORD, 1, true))
    for _, value in pairs(bmc) do assert.is_nil(tostring(value):find(PASSWORD, 1, true)) end
  end)

  it("ends the session when the caller fails or is cancelled", function()
    pcall(function()
      local bmc <close> = gpupt.check(gpupt.redfish.open(options()))
      assert(bmc:get(BIOS))
      error "anything"
    end)
    assert.equal(0, state().sessions)
    gpupt.loop.run(function()
      local fiber = gpupt.loop.spawn(function()
        local bmc <close> = gpupt.check(gpupt.redfish.open(options()))
        assert(bmc:get(BIOS))
        gpupt.loop.sleep(100)
      end)
      gpupt.loop.sleep(0.3)
      assert.equal(1, state().sessions)
      fiber:cancel "enough"
      pcall(fiber.join, fiber)
    end)
    assert.equal(0, state().sessions)
  end)

  it("is asked with basic authentication only if it has no sessions", function()
    local bmc <close> = gpupt.check(gpupt.redfish.open(options "basic"))
    for _, one in ipairs(state "basic".requests) do assert.is_nil(one:find("POST", 1, true)) end
    assert.equal("Dell Inc.", gpupt.check(bmc:get "/redfish/v1/Systems/System.Embedded.1").Manufacturer)
    refused("InvalidLogin", "refused the login", options("basic", { password = "wrong" }))
  end)

  it("whose certificate is not trusted gets no password", function()
    refused("EUNTRUSTED", "certificate", options(nil, { ca_file = false }))
    refused("EUNTRUSTED", "", options(nil, { ca_file = false, thumbprint = ("ab"):rep(32) }))
    assert.equal(0, state().refused)
    for _, one in ipairs(state().requests) do assert.is_nil(one:find("POST", 1, true)) end
    local bmc = gpupt.check(gpupt.redfish.open(options(nil, { ca_file = false, thumbprint = l.sim.ready.thumbprint_sha256 })))
    assert.is_true(bmc:close())
    refused("ETLS", "unencrypted", options(nil, { url = "http://127.0.0.1:1" }))
    refused("EINVAL", "must not contain a login", options(nil, { url = "https://root:x@127.0.0.1:1" }))
  end)

  it("that refuses a password keeps it from being tried at others", function()
    local registry = gpupt.logins.new()
    local before = state().refused
    local message = refused("InvalidLogin", "refused the login as 'root'", options(nil, { password = "wrong-one", logins = registry }))
    assert.is_truthy(message:find("HTTP 401", 1, true))
    refused("InvalidLogin", "was not attempted", options("esx-2", { password = "wrong-one", logins = registry }))
    refused("InvalidLogin", "was not attempted", options(nil, { password = "wrong-one", logins = registry }))
    assert.same({ 1, 0 }, { state().refused - before, state "esx-2".refused })
    local bmc <close> = gpupt.check(gpupt.redfish.open(options("esx-2", { logins = registry }))) -- another password
    assert.is_truthy(bmc)
  end)

  it("that refuses a login with 400, as an iLO does, is not asked again", function()
    local registry = gpupt.logins.new()
    for _ = 1, 2 do
      local client, message, code = gpupt.redfish.open(options("hpe", { password = "wrong-two", logins = registry }))
      assert.same({ nil, "InvalidLogin" }, { client, code }, message)
    end
    assert.equal(1, state "hpe".refused)
  end)

  it("whose session has expired gets a new one, once", function()
    local bmc <close> = gpupt.check(gpupt.redfish.open(options()))
    local made = state().logins
    l.sim:post("set", { bmc = "esx-1", expire = true })
    assert.is_truthy(bmc:get(BIOS))
    assert.equal(made + 1, state().logins)
    -- the password was changed meanwhile: it is not tried again and again
    l.sim:post("set", { bmc = "esx-1", expire = true, password = "another" })
    local before = state().refused
    local got, message, code = bmc:get(BIOS)
    assert.same({ nil, "InvalidLogin" }, { got, code })
    assert.is_truthy(message:find("refused the login", 1, true))
    assert.is_nil((bmc:get(BIOS)))
    assert.equal(before + 1, state().refused)
  end)

  it("that is busy is asked again after the time that it says", function()
    local bmc <close> = gpupt.check(gpupt.redfish.open(options()))
    bmc.pause = 0.05
    l.sim:post("set", { bmc = "esx-1", busy = 2, retry_after = "0" })
    assert.is_truthy(bmc:get(BIOS))
    l.sim:post("set", { bmc = "esx-1", busy = 2, retry_after = "" })
    assert.is_truthy(bmc:get(BIOS))
    l.sim:post("set", { bmc = "esx-1", busy = 5, retry_after = "1000" })
    bmc.timeout = 5
    local got, message, code = bmc:get(BIOS) -- no patience for so long
    assert.same({ nil, "EBUSY" }, { got, code })
    assert.is_truthy(message:find("temporarily unavailable", 1, true))
    local asked = 0
    for _, one in ipairs(state().requests) do if one == "GET " .. BIOS then asked = asked + 1 end end
    assert.equal(3 + 3 + 1, asked)
  end)

  it("without Redfish is named so", function()
    local client, message, code = gpupt.redfish.open(options(nil, { url = l.sim.ready.url:match "^https://[^/]+" }))
    assert.same({ nil, "ENOENT" }, { client, code })
    assert.is_truthy(message:find("offers no Redfish", 1, true), message)
  end)

  it("says what it has not, in its own words", function()
    local bmc <close> = gpupt.check(gpupt.redfish.open(options()))
    local got, message, code = bmc:get "/redfish/v1/Nothing"
    assert.same({ nil, "ENOENT" }, { got, code })
    assert.is_truthy(message:find("HTTP 404: The resource at the URI /redfish/v1/Nothing was not found", 1, true))
    got, message, code = bmc:send("PATCH", BIOS, { Attributes = {} })
    assert.same({ nil, "ENOTSUP" }, { got, code })
    assert.is_truthy(message:find("HTTP 405", 1, true))
  end)

  it("is not followed to another server, and its strange answers are errors", function()
    local bmc <close> = gpupt.check(gpupt.redfish.open(options()))
    for what, expected in pairs { deep = { "EPROTOCOL", "depth" }, large = { "ELIMIT", "" }, redirect = { "EUNTRUSTED", "another server" },
      loop = { "EREDFISH", "is not followed" }, html = { "EPROTOCOL", "no JSON" }, truncated = { "EPROTOCOL", "no JSON" } } do
      l.sim:post("set", { bmc = "esx-1", hostile = what })
      local got, message, code = bmc:get(BIOS)
      assert.is_nil(got, what)
      assert.equal(expected[1], code, what .. ": " .. tostring(message))
      assert.is_truthy(message:find(expected[2], 1, true), what .. ": " .. message)
      assert.is_true(#message < 600, what)
    end
    l.sim:post("set", { bmc = "esx-1", hostile = "elsewhere" })
    local seen, message, code = gpupt.redfish.read(bmc)
    assert.same({ nil, "EUNTRUSTED" }, { seen, code }, message)
    l.sim:post("set", { bmc = "esx-1", hostile = "list" })
    seen, message, code = gpupt.redfish.read(bmc)
    assert.same({ nil, "ENOTSUP" }, { seen, code }, message)
  end)

  it("that repeats the token and the password in an error has them taken out", function()
    local bmc <close> = gpupt.check(gpupt.redfish.open(options()))
    l.sim:post("set", { bmc = "esx-1", hostile = "token" })
    local got, message = bmc:get(BIOS)
    assert.is_nil(got)
    assert.is_truthy(message:find("unknown token (secret) of (secret)", 1, true), message)
  end)

  it("may give absolute addresses of its own name", function()
    l.sim:post("set", { bmc = "esx-1", absolute = true })
    local bmc = gpupt.check(gpupt.redfish.open(options()))
    assert.is_true(bmc:close())
    assert.equal(0, state().sessions)
  end)
end)
