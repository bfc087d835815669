-- A proxy that refused the account (407) got five attempts from each call, and one from each connection: the refusal was
-- treated like a failed connection, and repeated. Domain proxies lock the account for that.
local gpupt = require "gpupt"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

describe("the password of a proxy", function()
  local sim, pipe, port, log
  setup(function()
    sim = vcenter.start {}
    log = sim.dir .. "/proxy"
    pipe, port = server.start(("spec/client/proxy.py %s ops:pr0xy-secret"):format(log), log .. ".port")
  end)
  teardown(function()
    sim:close_all()
    pipe:close()
    sim:stop()
  end)

  local function attempts(password) return select(2, (vcenter.read(log) or ""):gsub("auth=ops:" .. password, "")) end

  local function connect(password, more)
    local o = sim:options { proxy = ("http://ops:%s@127.0.0.1:%d"):format(password, port) }
    for key, value in pairs(more or {}) do o[key] = value end
    return gpupt.vim.connect(o)
  end

  it("is sent once if the proxy refuses it", function()
    -- with a given version, the first request is an ordinary call
    local vc, message = connect("wr0ng-secret", { version = "8.0.3.0" })
    assert.is_nil(vc)
    assert.matches("407", message, 1, true)
    assert.is_nil(message:find("wr0ng", 1, true))
    assert.equal(1, attempts "wr0ng%-secret")
  end)

  it("works for every call if it is right", function()
    local vc = gpupt.check(connect "pr0xy-secret")
    assert.is_string(gpupt.check(vc.instance:CurrentTime {}))
    vc:close()
  end)

  it("is not sent for another server either", function()
    if not gpupt.logins then return pending "connections share no registry here" end
    local registry = gpupt.logins.new()
    for _ = 1, 2 do
      local vc, message, code = connect("wr0ng-again", { logins = registry })
      assert.is_nil(vc)
      assert.equal("EPROXY", code)
      assert.matches("proxy", message, 1, true)
    end
    assert.equal(1, attempts "wr0ng%-again")
  end)
end)
