-- A server's error page repeated the one-time address of a guest's file with its ticket, and the message showed it.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("the ticket of a guest's file", function()
  local sim, pipe, port
  local login = { username = "ops", password = "gu3st-Secret" }

  local function modes(words) vcenter.write(sim.dir .. "/modes", words) end

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
  local function connect(more)
    local o = { url = ("https://127.0.0.1:%s/sdk"):format(port), ca_file = sim.dir .. "/vcenter.pem" }
    for key, value in pairs(more or {}) do o[key] = value end
    local vc = sim:connect(o)
    local lin = check(vc:one("lin", { type = "VirtualMachine" }))
    check(vc.guest:ready(lin, { timeout = 30 }))
    return vc, lin
  end

  it("is in no message", function()
    local vc, lin = connect()
    modes "echo"
    for _, try in ipairs {
      function() return vc.guest:get(lin, login, "/etc/hostname") end,
      function() return vc.guest:get(lin, login, "/etc/hostname", sim.dir .. "/hostname") end,
      function() return vc.guest:put(lin, login, nil, "/tmp/x", { text = "x" }) end,
    } do
      local ok, message = try()
      assert.is_nil(ok)
      assert.matches("HTTP 400", message, 1, true)
      assert.is_nil(message:find "token=%x", message)
      assert.is_nil(message:find "=%w%w%w%w%w%w%w%w", message)
      assert.is_nil(vcenter.read(sim.dir .. "/hostname.part"))
    end
  end)
end)
