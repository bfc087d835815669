--- Guest files through a vCenter travel over the ESXi host, at its own address and under its own certificate, which the
-- vCenter reports. spec/client/esx_face.py runs in front of the test vCenter and provides such a host.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local esx_host = require "spec.support.esx_host"
local server = require "spec.support.server"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("guest files over the ESXi host", function()
  local site, sim
  local login = esx_host.login

  local function modes(text) site:modes(text) end
  local function connect(more) return site:connect(more) end

  setup(function()
    site = esx_host.start()
    sim = site.sim
  end)
  teardown(function() assert.are.equal(0, site:stop().sessions) end)
  before_each(function()
    modes ""
    vcenter.write(sim.dir .. "/host-log", "")
  end)

  -- What the host's face was asked.
  local function asked()
    local list = {}
    for line in vcenter.read(sim.dir .. "/host-log"):gmatch "[^\n]+" do list[#list + 1] = assert(json.decode(line)) end
    return list
  end

  it("go to its management address when its name does not resolve, with the certificate that the vCenter reports", function()
    local vc, lin = connect()
    local text = ("some text\n"):rep(1000)
    check(vc.guest:put(lin, login, nil, "/tmp/over-the-host.txt", { text = text }))
    assert.are.equal(text, check(vc.guest:get(lin, login, "/tmp/over-the-host.txt")))
    local list = asked()
    assert.are.equal(2, #list)
    assert.are.equal("PUT", list[1].method)
    assert.are.equal("GET", list[2].method)
    vc:close()
  end)

  it("carry neither the session nor an Expect, and say their length", function()
    local vc, lin = connect()
    local path = sim.dir .. "/big.bin"
    vcenter.write(path, ("0123456789abcdef"):rep(1 << 16))
    check(vc.guest:put(lin, login, path, "/tmp/big.bin"))
    check(vc.guest:get(lin, login, "/tmp/big.bin", path .. ".back"))
    assert.are.equal(vcenter.read(path), vcenter.read(path .. ".back"))
    local list = asked()
    assert.are.equal(2, #list)
    for _, request in ipairs(list) do
      assert.are.equal("/guestFile", request.path)
      assert.is_nil(request.headers.cookie)
      assert.is_nil(request.headers.authorization)
      assert.is_nil(request.headers.expect)
      assert.is_nil(request.headers["transfer-encoding"])
    end
    assert.are.equal(tostring(1 << 20), list[1].headers["content-length"])
    vc:close()
  end)

  it("run programs, too", function()
    local vc, lin = connect()
    local out = check(vc.guest:run(lin, login, { program = "/bin/bash", arguments = "-c 'echo out; exit 4'" }))
    assert.are.equal("out\n", out.stdout)
    assert.are.equal(4, out.rc)
    vc:close()
  end)

  it("are refused by a host that shows another certificate, before a byte is sent", function()
    modes "another-certificate"
    local vc, lin = connect()
    local ok, message, code = vc.guest:put(lin, login, nil, "/tmp/x", { text = "secret text" })
    assert.is_nil(ok)
    assert.are.equal("EUNTRUSTED", code)
    assert.matches("certificate", message)
    assert.are.equal(0, #asked())
    -- the host was reinstalled, and the vCenter has its new certificate
    modes ""
    check(vc.guest:put(lin, login, nil, "/tmp/x", { text = "secret text" }))
    vc:close()
  end)

  it("need a certificate that is known", function()
    modes "no-certificate"
    local vc, lin = connect()
    local ok, message, code = vc.guest:get(lin, login, "/etc/hostname")
    assert.is_nil(ok)
    assert.are.equal("EUNTRUSTED", code)
    assert.matches("reports no certificate", message)
    assert.are.equal(0, #asked())
    vc:close()
  end)

  it("go to the host's name when its management address is not known", function()
    modes "no-ip"
    local vc, lin = connect()
    local ok, message, code = vc.guest:get(lin, login, "/etc/hostname", nil, { timeout = 2 })
    assert.is_nil(ok)
    assert.are.equal("ECONNECT", code)
    assert.matches("h1.test.invalid", message, 1, true)
    vc:close()
  end)

  it("go through the vCenter's proxy, to a name that only the proxy can resolve", function()
    modes "no-ip"
    local proxy_log = sim.dir .. "/proxy-log"
    local words = ("spec/client/proxy.py %s ops:pr0xy-secret"):format(proxy_log)
    local proxy <close>, proxy_port = server.start(words, proxy_log .. ".port") -- luacheck: ignore
    local vc, lin = connect { proxy = ("http://ops:pr0xy-secret@127.0.0.1:%d"):format(proxy_port) }
    check(vc.guest:put(lin, login, nil, "/tmp/by-proxy.txt", { text = "some text" }))
    assert.are.equal("some text", check(vc.guest:get(lin, login, "/tmp/by-proxy.txt")))
    assert.are.equal(2, #asked())
    local text = vcenter.read(proxy_log)
    assert.matches("CONNECT h1.test.invalid:", text, 1, true)
    assert.is_nil(text:find("guestFile", 1, true))
    vc:close()
  end)

  it("leave no connection open after the client is closed", function()
    local function sockets() return tonumber((vcenter.shell "ls -l /proc/$PPID/fd | grep -c socket")) end
    sim:close_all()
    collectgarbage()
    collectgarbage()
    local before = sockets()
    collectgarbage "stop" -- the collector would close them, too, but some time
    local vc, lin = connect()
    check(vc.guest:get(lin, login, "/etc/hostname"))
    vc:close()
    local after = sockets()
    collectgarbage "restart"
    assert.are.equal(before, after)
  end)
end)
