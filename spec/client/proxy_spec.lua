-- Through an HTTP proxy: the tunnel is the proxy's, the TLS inside it is the vCenter's.
local gpupt = require "gpupt"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

describe("a vCenter behind an HTTP proxy", function()
  local sim, pipes, logs = nil, {}, {}
  local function start(name, user)
    logs[name] = sim.dir .. "/" .. name
    local port
    pipes[name], port = server.start(("spec/client/proxy.py %s %s"):format(logs[name], user or ""), logs[name] .. ".port")
    return port
  end
  local open, closed
  setup(function()
    sim = vcenter.start {}
    open, closed = start "open", start("closed", "ops:pr0xy-secret")
  end)
  teardown(function()
    for _, pipe in pairs(pipes) do pipe:close() end
    sim:stop()
  end)
  after_each(function()
    sim:close_all()
    assert.are.equal(0, sim:leftovers().sessions)
  end)

  it("is reached by CONNECT; the proxy sees neither requests nor cookies", function()
    local vc = sim:connect { proxy = "http://127.0.0.1:" .. open }
    assert.are.equal("Datacenters", gpupt.check(vc.content.rootFolder:get "name"))
    vc:close()
    local text = vcenter.read(logs.open)
    assert.matches("CONNECT " .. sim.host:gsub("%p", "%%%0"), text)
    assert.is_nil(text:find("POST", 1, true))
    assert.is_nil(text:find("cookie=True", 1, true))
  end)

  it("may have a name that only the proxy can resolve; files are sent through it too", function()
    local vc = sim:connect { url = "https://vcenter.test.invalid:" .. sim.host:match "%d+$" .. "/sdk", ca_file = false,
      thumbprint = sim.thumbprint_sha256, proxy = "http://127.0.0.1:" .. open }
    local store = gpupt.check(vc:collect_all { type = "Datastore", paths = { "name" } })[1].name
    local bytes = ("some bytes \0\r\n"):rep(5000)
    vcenter.write(sim.dir .. "/file", bytes)
    gpupt.check(vc.datastore:upload(sim.dir .. "/file", ("[%s] proxy/file"):format(store)))
    gpupt.check(vc.datastore:download(("[%s] proxy/file"):format(store), sim.dir .. "/back"))
    assert.are.equal(bytes, vcenter.read(sim.dir .. "/back"))
    vc:close()
    local text = vcenter.read(logs.open)
    assert.matches("CONNECT vcenter.test.invalid:", text, 1, true)
    assert.is_nil(text:find("/folder", 1, true))
  end)

  it("has its own certificate checked, not the proxy's", function()
    local vc, message, code = gpupt.vim.connect(sim:options { proxy = "http://127.0.0.1:" .. open, ca_file = false })
    assert.is_nil(vc)
    assert.are.equal("EUNTRUSTED", code)
    assert.matches(sim.thumbprint_sha256, message, 1, true)
    local good = sim:connect { proxy = "http://127.0.0.1:" .. open, ca_file = false, thumbprint = sim.thumbprint_sha256 }
    assert.is_truthy(good.user)
  end)

  it("is reached with the proxy's own user name and password", function()
    local vc = sim:connect { proxy = "http://ops:pr0xy-secret@127.0.0.1:" .. closed }
    assert.is_truthy(vc.user)
    assert.matches("auth=ops:pr0xy%-secret", vcenter.read(logs.closed))
  end)

  it("is not reached when the proxy refuses, and the message holds no password", function()
    local vc, message, code = gpupt.vim.connect(sim:options { proxy = "http://ops:wr0ng-secret@127.0.0.1:" .. closed,
      retries = 0 })
    assert.is_nil(vc)
    assert.are.equal("EPROXY", code)
    assert.matches("407", message)
    assert.is_nil(message:find("wr0ng", 1, true))
  end)

  it("is not reached when nothing listens there", function()
    local vc, message, code = gpupt.vim.connect(sim:options { proxy = "http://127.0.0.1:1", retries = 0 })
    assert.is_nil(vc)
    assert.are.equal("ECONNECT", code)
    assert.is_string(message)
  end)

  it("is not taken from the environment: only the option counts", function()
    local text = vcenter.shell(("https_proxy=http://127.0.0.1:1 HTTPS_PROXY=http://127.0.0.1:1 GOVC_URL='%s' GOVC_USERNAME='%s' "
      .. "GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' bin/gpupt vim CurrentTime ServiceInstance 2>&1"):format(sim.url,
        sim.username, sim.password, sim.ca_file))
    assert.matches("^%d%d%d%d%-", text)
  end)
end)
