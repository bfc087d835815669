-- A standalone ESXi host that comes back from its reboot with another certificate, as after a new installation: it is the
-- host, or something that took its address. No password goes there before a person has looked.
local json = require "gpupt.json"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local PLAY = [[return p.playbook { name = "alone", p.hosts { where = "/ha-datacenter/host/*",
  devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]

describe("an ESXi host with another certificate after its reboot", function()
  local l, journal, done
  setup(function()
    l = lab.start { speed = 60, fleet = { endpoint = "esxi",
      clusters = { { name = "x", hosts = { lab.host("esx-1", { boot_seconds = 120 }) } } } } }
    journal = l.dir .. "/j.db"
    local process = l:start_command { "apply", l:write(PLAY), "--allow", "reboot", "--outage", "60s", "--journal", journal }
    process:says "rebooting"
    l.sim:post("set", { certificate = "new" })
    done = process:wait()
  end)
  teardown(function() l:stop() end)

  -- Its control pages have the new certificate as well.
  local function requests(method)
    local page, count = json.decode((vcenter.shell(("curl -sk '%s/journal'"):format(l.sim.ready.control)))), 0
    for _, entry in ipairs(page.requests or page) do if entry.method == method then count = count + 1 end end
    return count
  end

  it("gets no login, the run says so, and how it goes on", function()
    assert.equal(1, done.status)
    assert.matches("host.enable: esx%-1: the certificate of 127.0.0.1:%d+ is not trusted", done.err)
    assert.matches("fix the cause, then continue with: gpupt apply %-%-resume alone%-", done.err)
    assert.equal(1, requests "Login")
    assert.equal(1, requests "RebootHost_Task")
  end)

  it("is not trusted by a resumed run either", function()
    local id = done.err:match "%-%-resume (%S+)"
    local again = l:command { "apply", "--resume", id, "--allow", "reboot", "--journal", journal }
    assert.equal(3, again.status)
    assert.equal(1, requests "Login")
  end)

  it("is done by a run that is resumed with the new certificate, without another reboot", function()
    local id = done.err:match "%-%-resume (%S+)"
    local port = l.sim.ready.url:match ":(%d+)"
    local pem = vcenter.shell(("openssl s_client -connect 127.0.0.1:%s </dev/null 2>/dev/null | openssl x509"):format(port))
    vcenter.write(l.dir .. "/new.pem", pem)
    local again
    for _ = 1, 40 do -- it may still be booting
      again = l:command({ "apply", "--resume", id, "--allow", "reboot", "--journal", journal },
        { env = { GOVC_TLS_CA_CERTS = l.dir .. "/new.pem" } })
      if again.status ~= 3 then break end
      vcenter.sleep(0.2)
    end
    assert.equal(0, again.status, again.err)
    assert.equal(1, requests "RebootHost_Task")
  end)
end)
