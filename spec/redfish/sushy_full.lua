-- The client against a Redfish server that others wrote: sushy-tools with libvirt's test driver. It has basic authentication
-- and no sessions, a registry of another name than the BIOS says, and settings that are in force at once.
local bios = require "gpupt.redfish.bios"
local gpupt = require "gpupt"
local pending = require "gpupt.redfish.pending"
local settings = require "gpupt.redfish.settings"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check
local PASSWORD = "Bmc-secret-1"
local VENV = "build/venv-sushy/bin/"

local function free_port()
  return vcenter.shell("python3 -c 'import socket; s = socket.socket(); s.bind((\"127.0.0.1\", 0)); print(s.getsockname()[1])'"):match "%d+"
end

describe("sushy-tools", function()
  local dir, port, pipe, ca

  local function start()
    dir = vcenter.shell("mktemp -d -t gpupt-sushy.XXXXXX"):match "%S+"
    ca = dir .. "/cert.pem"
    assert(os.execute(("openssl req -x509 -newkey rsa:2048 -nodes -keyout %s/key.pem -out %s -days 2 -subj /CN=localhost "
      .. "-addext subjectAltName=IP:127.0.0.1 2>/dev/null"):format(dir, ca)))
    vcenter.write(dir .. "/hash.py", ("import bcrypt\nprint('root:' + bcrypt.hashpw(b'%s', bcrypt.gensalt(4)).decode())\n"):format(PASSWORD))
    vcenter.write(dir .. "/htpasswd", (vcenter.shell(VENV .. "python " .. dir .. "/hash.py")))
    vcenter.write(dir .. "/emulator.conf", ("SUSHY_EMULATOR_AUTH_FILE = '%s/htpasswd'\n"):format(dir))
    port = free_port()
    pipe = assert(io.popen(("exec env -u LD_PRELOAD sh -c 'echo $$ >%s/pid; exec %ssushy-emulator -i 127.0.0.1 -p %s --config %s/emulator.conf "
      .. "--libvirt-uri test:///default --ssl-certificate %s --ssl-key %s/key.pem >%s/log 2>&1'"):format(dir, VENV, port, dir, ca, dir, dir), "w"))
    for _ = 1, 200 do
      if os.execute(("curl -s -o %s/root --cacert %s https://127.0.0.1:%s/redfish/v1/"):format(dir, ca, port)) then return end
      vcenter.sleep(0.1)
    end
    error("sushy-emulator did not start: " .. tostring(vcenter.read(dir .. "/log")), 0)
  end

  setup(function() start() end)
  teardown(function()
    os.execute("kill " .. tostring(vcenter.read(dir .. "/pid")))
    pipe:close()
    os.execute("rm -r " .. dir)
  end)

  local function options(password)
    return { url = "https://127.0.0.1:" .. port, username = "root", password = password or PASSWORD, ca_file = ca }
  end

  it("gets the password only by basic authentication, and refuses a wrong one", function()
    local bmc <close> = check(gpupt.redfish.open(options()))
    assert.is_nil(bmc.sessions)
    local refused, message, code = gpupt.redfish.open(options "wrong-one")
    assert.same({ nil, "InvalidLogin" }, { refused, code })
    assert.is_truthy(message:find("HTTP 401", 1, true) and not message:find("wrong-one", 1, true), message)
    assert.is_nil(vcenter.read(dir .. "/log"):find("Sessions", 1, true))
  end)

  it("shows its BIOS settings, its registry and what is read-only there", function()
    local bmc <close> = check(gpupt.redfish.open(options()))
    local seen = check(bios.read(bmc))
    assert.equal("Enabled", seen.current.ProcTurboMode)
    assert.is_truthy(seen.settings:find("/BIOS/Settings", 1, true))
    assert.is_truthy(seen.registry, seen.registry_missing)
    assert.equal("Enumeration", bios.entry(seen, "ProcTurboMode").Type)
    local line = settings.lines(seen, { set = { ProcTurboMode = "Sometimes" } })[1]
    assert.equal("ProcTurboMode cannot be Sometimes: it may be Enabled, Disabled", (line.problem:gsub(" %b()", "")))
    for _, one in ipairs(settings.lines(seen, { above_4g = true }, true)) do assert.is_nil(one.attribute) end
  end)

  it("takes a change, which is in force at once, and the change back", function()
    local bmc <close> = check(gpupt.redfish.open(options()))
    for _, value in ipairs { "Disabled", "Enabled" } do
      local seen = check(bios.read(bmc))
      check(pending.set(bmc, seen, { ProcTurboMode = value }))
      seen = check(bios.read(bmc))
      assert.equal(value, seen.current.ProcTurboMode)
      assert.is_false(check(pending.jobless(bmc, seen, { "ProcTurboMode" })))
      assert.same({}, bios.changes(seen))
    end
  end)

  it("is named as the BMC of another server by its UUID", function()
    local bmc <close> = check(gpupt.redfish.open(options()))
    local seen, _, code = gpupt.redfish.read(bmc, { uuid = "11111111-2222-3333-4444-555555555555" })
    assert.same({ nil, "EREFUSED" }, { seen, code })
    assert.is_truthy(check(gpupt.redfish.read(bmc, { uuid = "6695eb01-f6a4-8304-79aa-97f2502e193f" })))
  end)
end)
