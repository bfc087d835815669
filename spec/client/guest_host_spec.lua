--- Guest files through a vCenter travel over the ESXi host, at its own address and under its own certificate, which the
-- vCenter reports. spec/client/esx_face.py runs in front of the test vCenter and provides such a host.
local gpupt = require "gpupt"
local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("guest files over the ESXi host", function()
  local sim, pipe, port
  local login = { username = "ops", password = "gu3st-Secret" }

  local function modes(text) vcenter.write(sim.dir .. "/modes", text) end

  local function certificate(name, subject)
    local text, ok = vcenter.shell(("env -u LD_PRELOAD openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/%s.key -out %s/%s.pem "
      .. "-days 2 -subj /CN=%s -addext subjectAltName=%s 2>&1"):format(sim.dir, name, sim.dir, name, name, subject))
    assert(ok, text)
  end

  setup(function()
    sim = vcenter.start { speed = 200, fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
        firmware = "efi", installed = "ubuntu", power = "poweredOn", username = login.username,
        password = login.password } },
    } }
    certificate("vcenter", "IP:127.0.0.1")
    certificate("host", "DNS:h1.test.invalid") -- a name that does not resolve
    modes ""
    local d = sim.dir
    pipe = assert(io.popen(("exec env -u LD_PRELOAD python3 spec/client/esx_face.py %s/vcenter.pem %s/vcenter.key %s/host.pem "
      .. "%s/host.key %s h1.test.invalid %s/modes %s/host-log >%s/ports 2>%s/face-errors"):format(d, d, d, d, sim.ready.host, d,
      d, d, d), "w"))
    for _ = 1, 100 do
      port = (vcenter.read(d .. "/ports") or ""):match "(%d+) (%d+)"
      if port then break end
      vcenter.sleep(0.05)
    end
    assert(port, vcenter.read(d .. "/face-errors"))
  end)
  teardown(function()
    sim:close_all()
    pipe:close()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)
  before_each(function()
    modes ""
    vcenter.write(sim.dir .. "/host-log", "")
  end)

  local function connect(more)
    local o = { url = ("https://127.0.0.1:%s/sdk"):format(port), ca_file = sim.dir .. "/vcenter.pem" }
    for key, value in pairs(more or {}) do o[key] = value end
    local vc = sim:connect(o)
    local lin = check(vc:one("lin", { type = "VirtualMachine" }))
    check(vc.guest:ready(lin, { timeout = 30 }))
    return vc, lin
  end

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
    local command = "exec env -u LD_PRELOAD python3 spec/client/proxy.py %s ops:pr0xy-secret >%s.port 2>/dev/null"
    local proxy <close> = assert(io.popen(command:format(proxy_log, proxy_log), "w")) -- luacheck: ignore
    local proxy_port
    for _ = 1, 100 do
      proxy_port = tonumber(vcenter.read(proxy_log .. ".port") or "")
      if proxy_port then break end
      vcenter.sleep(0.05)
    end
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
