-- What the clients of BMCs and Connection Servers share, with a client of its own against a BMC of the test vCenter.
local address = require "gpupt.rest.address"
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local logins = require "gpupt.logins"
local passwords = require "gpupt.rest.password"
local rest = require "gpupt.rest.client"
local vcenter = require "spec.support.vcenter"

local Client = {}
Client.__index = Client
function Client:close() rest.shut(self) end

describe("a REST client", function()
  local l

  setup(function()
    l = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1",
      { bmc = { user = "root", password = "Bmc-secret-1" } }) } } } } }
  end)
  teardown(function() l:stop() end)

  local function open(enter, more)
    local o = { password = "Bmc-secret-1", timeout = 20, ca_file = l.sim.ready.ca_file, connections = 1 }
    for key, value in pairs(more or {}) do o[key] = value end
    return rest.open(Client, { base = l.sim.ready.bmcs["esx-1"] }, o, enter or function() return true end)
  end

  local function get(self, path, more)
    local o = { method = "GET", path = path, url = self.base .. path, headers = {}, left = 10 }
    for key, value in pairs(more or {}) do o[key] = value end
    return rest.exchange(self, o)
  end

  it("gives text and status of any answer, and the headers that it asked for", function()
    local self = gpupt.check(open())
    local text, info = get(self, "/redfish/v1/", { answers = { "content-type" } })
    assert.equal(200, info.status)
    assert.matches("^application/json", info.headers["content-type"])
    assert.equal("Dell", gpupt.json.decode(text).Vendor)
    assert.equal(401, select(2, get(self, "/redfish/v1/Systems")).status)
    self:close()
    local nothing, message, code = get(self, "/redfish/v1/")
    assert.is_nil(nothing)
    assert.equal("ECLOSED", code)
    assert.equal(self.base .. ": GET /redfish/v1/: this connection is closed", message)
  end)

  it("traces each request once, with what may be shown of its body", function()
    local events = {}
    local self = gpupt.check(open(nil, { trace = function(event) events[#events + 1] = event end }))
    get(self, "/redfish/v1/")
    get(self, "/redfish/v1/SessionService/Sessions", { method = "POST", body = '{"Password":"Bmc-secret-1"}',
      shown = '{"Password":"(secret)"}' })
    self:close()
    get(self, "/redfish/v1/")
    assert.equal(3, #events)
    assert.same({ "GET", "/redfish/v1/", self.base, 200 },
      { events[1].method, events[1].path, events[1].object, events[1].status })
    assert.equal('{"Password":"(secret)"}', events[2].request)
    assert.equal("ECLOSED", events[3].code)
  end)

  it("keeps its secrets out of messages, and out of its fields", function()
    local self = gpupt.check(open())
    rest.secrets[self].token, rest.secrets[self].sent = "to.k%en-1", "Bmc-secret-1"
    rest.secrets[self].short = "abc"
    assert.equal("who is (secret)? abc (secret)", rest.hide(self, "who is to.k%en-1? abc Bmc-secret-1"))
    assert.same({ a = { "the (secret)" } }, rest.hide(self, { a = { "the Bmc-secret-1" } }))
    for _, value in pairs(self) do assert.is_not.equal("Bmc-secret-1", value) end
    self:close()
    assert.same({}, rest.secrets[self])
  end)

  it("whose login fails is closed: in a message as in an error", function()
    local seen
    local nothing, message, code, detail = open(function(self)
      seen = self
      return nil, "refused", "InvalidLogin", { status = 401 }
    end)
    assert.same({ "refused", "InvalidLogin", { status = 401 } }, { message, code, detail })
    assert.is_nil(nothing)
    assert.is_nil(seen.http)
    assert.has_error(function()
      open(function(self)
        seen = self
        error "in the middle"
      end)
    end)
    assert.is_nil(seen.http)
    assert.is_true(seen.closed)
  end)

  it("sends a password only if the registry of logins allows it", function()
    logins.kind("rest-spec", { noun = "server", refusal = "InvalidLogin",
      refused = function(code) return code == "InvalidLogin" end, lost = function() return false end })
    local registry, tried = logins.new(), 0
    local function enter(self)
      return rest.login(self, "rest-spec", "root", function(password)
        tried = tried + 1
        assert.equal("Bmc-secret-1", password)
        return nil, "wrong", "InvalidLogin"
      end)
    end
    for _ = 1, 2 do assert.equal("InvalidLogin", select(3, open(enter, { logins = registry }))) end
    assert.equal(1, tried)
    local _, message, code = open(enter, { password = "" })
    assert.equal("ENOLOGIN", code)
    assert.matches("no password was given for the login as 'root'", message, 1, true)
  end)

  it("waits as long as the server says, within bounds and its deadline", function()
    local now = require("gpupt.loop.engine").now()
    assert.equal(rest.PAUSE, rest.pause(nil, now + 100))
    assert.equal(0.5, rest.pause(nil, now + 100, 0.5))
    assert.equal(7, rest.pause("7", now + 100))
    assert.equal(rest.PAUSE_LEAST, rest.pause("0", now + 100))
    assert.equal(rest.PAUSE, rest.pause("-1", now + 100))
    assert.equal(rest.PAUSE_MOST, rest.pause("86400", now + 100))
    assert.is_nil(rest.pause("7", now + 6))
  end)

  it("stops waiting when its fiber is stopped", function()
    local loop = require "gpupt.loop"
    local raised
    loop.run(function()
      local fiber = loop.spawn(function()
        local ok, why = pcall(rest.sleep, 3600)
        raised = not ok and loop.is_cancelled(why)
      end)
      loop.sleep(0.01)
      fiber:cancel "enough"
    end)
    assert.is_true(raised)
  end)

  it("sends no token that is not printable", function()
    assert.is_true(rest.is_token("abc", 4))
    for _, text in ipairs { "", "a b", "a\r\nX: y", "abcde", "\xe9" } do assert.is_false(rest.is_token(text, 4)) end
    assert.is_false(rest.is_token(nil, 4))
  end)
end)

describe("an address", function()
  it("is taken apart", function()
    assert.same({ scheme = "https", host = "bmc-1", port = "8443", path = "/a", username = "u@d", password = "p/" },
      address.parse "https://u%40d:p%2F@bmc-1:8443/a?b")
    assert.same({ scheme = "http", host = "proxy", port = "3128", path = "/sdk" },
      address.parse("proxy:3128", "proxy", "proxy"))
  end)

  it("that is malformed is not repeated", function()
    for _, text in ipairs { "https://u:se/cret@h", "ftp://secret", "https://a b", "https://h:70000" } do
      local url, message, code = address.parse(text, "the address")
      assert.is_nil(url)
      assert.equal("EINVAL", code)
      assert.matches("^the address is not a vCenter URL", message)
      assert.is_nil(message:find "cret")
    end
  end)
end)

describe("a password", function()
  it("is read from its source each time", function()
    local path = os.tmpname()
    vcenter.write(path, "first\nsecond\n")
    assert.equal("first", passwords.of { file = path })
    vcenter.write(path, "other\n")
    assert.equal("other", passwords.of { file = path })
    os.remove(path)
    assert.equal("ENOLOGIN", select(3, passwords.of { file = path }))
    assert.equal("x", passwords.of { command = "printf 'x\\ny'" })
    assert.equal("ENOLOGIN", select(3, passwords.of { command = "exit 3" }))
    assert.equal("ENOLOGIN", select(3, passwords.of { env = "GPUPT_SPEC_NOTHING" }))
    assert.equal("f", passwords.of(function() return "f" end))
    assert.equal("t", passwords.of "t")
    assert.is_nil(passwords.of(nil))
    assert.has_error(function() passwords.of {} end)
  end)
end)
