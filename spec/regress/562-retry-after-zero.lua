--- A BMC or Connection Server that answered 503 with "Retry-After: 0" was asked again without any pause, for two
-- minutes: thousands of requests to a server that says it is overloaded. Counts the requests of some seconds.
local gpupt = require "gpupt"
local liar = require "spec.support.liar"

local function busy(status, header)
  return ('a.reply(b"", "%s", "application/json", "%s: 0\\r\\n")'):format(status, header)
end

describe("a server that is busy and says to try again at once", function()
  local server

  setup(function() server = liar.start() end)
  teardown(function() server:stop() end)
  before_each(function() server:calm() end)

  local function common(more)
    local o = { ca_file = server.dir .. "/cert", username = "svc", password = "Pw-1-long", timeout = 3 }
    for key, value in pairs(more) do o[key] = value end
    return o
  end

  it("is given a second between two requests: a BMC", function()
    server:answer("GET", busy("503 Service Unavailable", "Retry-After"))
    local client, message, code = gpupt.redfish.open(common { url = ("https://127.0.0.1:%d"):format(server.port) })
    assert.same({ nil, "EBUSY" }, { client, code }, message)
    assert.is_true(server:requests() >= 2 and server:requests() <= 3, server:requests() .. " requests")
  end)

  for header, status in pairs { ["Retry-After"] = "503 Service Unavailable",
    ["X-RATE-LIMIT-RETRY-AFTER-SECONDS"] = "429 Too Many Requests" } do
    it("is given a second between two requests: a Connection Server, " .. header, function()
      server:answer("POST", busy(status, header))
      local client, message, code = require "gpupt.horizon.client".open(common { domain = "LAB",
        server = ("https://127.0.0.1:%d"):format(server.port) })
      assert.same({ nil, "EBUSY" }, { client, code }, message)
      assert.is_true(server:requests() >= 2 and server:requests() <= 3, server:requests() .. " requests")
    end)
  end

  it("says how long it asks to wait, if that is longer than anyone waits: a BMC", function()
    server:answer("GET", 'a.reply(b"", "503 Service Unavailable", "application/json", "Retry-After: 86400\\r\\n")')
    local client, message, code = gpupt.redfish.open(common { url = ("https://127.0.0.1:%d"):format(server.port) })
    assert.same({ nil, "EBUSY" }, { client, code }, message)
    assert.is_truthy(message:find("HTTP 503 (it asks to try again in 1440 minutes)", 1, true), message)
    assert.equal(1, server:requests())
  end)
end)
