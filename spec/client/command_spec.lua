local json = require "gpupt.json"
local vcenter = require "spec.support.vcenter"

describe("gpupt vim", function()
  local sim
  setup(function() sim = vcenter.start { speed = 500 } end)
  teardown(function()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)

  -- Runs the command; gives stdout, stderr and the exit status.
  local function gpupt(line, env)
    local stderr = sim.dir .. "/stderr"
    local text = vcenter.shell(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' %s bin/gpupt vim %s"
      .. " 2>%s; echo $?"):format(sim.url, sim.username, sim.password, sim.ca_file, env or "", line, stderr))
    local out, status = text:match "^(.-)(%d+)\n$"
    return out, vcenter.read(stderr), tonumber(status)
  end

  it("calls a method and prints its result", function()
    local out, err, status = gpupt "CurrentTime ServiceInstance"
    assert.are.equal("", err)
    assert.are.equal(0, status)
    assert.matches("^%d%d%d%d%-%d%d%-%d%dT", out)
  end)

  it("reads properties", function()
    local out, _, status = gpupt "get /DC0/host/gpu-a/esx-a-1 --property name --property runtime.connectionState"
    assert.are.equal(0, status)
    assert.are.equal("name: esx-a-1\nruntime.connectionState: connected\n", out)
    out, _, status = gpupt "get esx-a-1 --type HostSystem --property parent --json"
    assert.are.equal(0, status)
    assert.matches("^ClusterComputeResource:", json.decode(out).parent)
  end)

  it("accepts arguments as JSON and waits for tasks", function()
    vcenter.write(sim.dir .. "/args.json", '{"timeout": 0, "evacuatePoweredOffVms": null}')
    local _, err, status = gpupt("EnterMaintenanceMode_Task /DC0/host/gpu-a/esx-a-1 --args " .. sim.dir .. "/args.json")
    assert.are.equal("", err)
    assert.are.equal(0, status)
    local out = gpupt "get /DC0/host/gpu-a/esx-a-1 --property runtime.inMaintenanceMode"
    assert.are.equal("runtime.inMaintenanceMode: true\n", out)
  end)

  for signal, status in pairs { INT = 130, TERM = 143, HUP = 129 } do
    it(("logs out when SIG%s ends it, with status %d"):format(signal, status), function()
      sim:forget()
      sim:trouble({ method = "CurrentTime", count = -1 }, { kind = "hold", seconds = 0 })
      local from = require("gpupt.loop").now()
      local text = vcenter.shell(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' "
        .. "timeout --foreground --preserve-status -s %s 0.8 bin/gpupt vim CurrentTime ServiceInstance 2>&1; echo $?"):format(
        sim.url, sim.username, sim.password, sim.ca_file, signal))
      sim:calm()
      assert.are.equal(("gpupt: interrupted\n%d\n"):format(status), text)
      assert.is_true(require("gpupt.loop").now() - from < 4)
      assert.are.equal(1, sim:calls "Logout")
      assert.are.equal(0, sim:leftovers().sessions)
    end)
  end

  it("leaves SIGHUP ignored that nohup ignores", function()
    local text = vcenter.shell(("GOVC_URL='%s' GOVC_USERNAME='%s' GOVC_PASSWORD='%s' GOVC_TLS_CA_CERTS='%s' "
      .. "bash -c 'trap \"\" HUP; bin/gpupt vim get / --property name & sleep 0.05; for i in 1 2 3 4 5; do "
      .. "kill -HUP $! 2>/dev/null; sleep 0.05; done; wait $!; echo $?' 2>&1"):format(
      sim.url, sim.username, sim.password, sim.ca_file))
    assert.are.equal("name: Datacenters\n0\n", text)
  end)

  it("accepts references as text in the arguments", function()
    local root = json.decode((gpupt "RetrieveServiceContent ServiceInstance --json")).rootFolder
    vcenter.write(sim.dir .. "/args.json", ('{"entity": "%s", "name": "DC0"}'):format(root))
    local out, err, status = gpupt("FindChild searchIndex --args " .. sim.dir .. "/args.json")
    assert.are.equal("", err)
    assert.are.equal(0, status)
    assert.matches("^Datacenter:", out)
  end)

  it("explains methods without a server", function()
    local out, _, status = gpupt("help HostSystem RebootHost_Task", "GOVC_URL=")
    assert.are.equal(0, status)
    assert.matches("force: boolean", out)
    assert.matches("starts a task", out)
    assert.matches("Host.Config.Maintenance", out)
    out, _, status = gpupt("help HostSystem", "GOVC_URL=")
    assert.are.equal(0, status)
    assert.matches("\nRebootHost_Task\n", out)
  end)

  describe("bad input:", function()
    local function refused(line, pattern, status, env)
      local out, err, got = gpupt(line, env)
      assert.are.equal("", out)
      assert.matches(pattern, err)
      assert.is_nil(err:find("traceback", 1, true))
      assert.is_nil(err:find(sim.password, 1, true))
      assert.are.equal(status, got)
    end
    it("a fault", function() refused("CreateFolder rootFolder", "name", 2) end)
    it("an unknown method, with the nearest", function() refused("CurentTime ServiceInstance", "CurrentTime", 2) end)
    it("a path that matches nothing", function()
      refused("get /DC0/host/nope --property name", "/DC0/host contains: gpu%-a, gpu%-b", 1)
    end)
    it("a reference of an unknown type", function() refused("get HostSytem:host-1 --property name", "HostSystem", 1) end)
    it("arguments that are no JSON", function()
      vcenter.write(sim.dir .. "/bad.json", "{nope")
      refused("CurrentTime ServiceInstance --args " .. sim.dir .. "/bad.json", "%-%-args", 1)
    end)
    it("too few words", function() refused("CurrentTime", "expected METHOD and PATH", 2) end)
    it("a wrong password", function()
      refused("CurrentTime ServiceInstance", "refused the login", 3, "GOVC_PASSWORD=wrong")
    end)
    it("an unreachable server", function()
      refused("CurrentTime ServiceInstance", "cannot connect to 127.0.0.1:1", 3, "GOVC_URL=https://127.0.0.1:1/sdk")
    end)
    it("an untrusted certificate", function()
      refused("CurrentTime ServiceInstance", "is not trusted", 3, "GOVC_TLS_CA_CERTS=")
    end)
    it("no server named", function() refused("CurrentTime ServiceInstance", "GOVC_URL", 3, "GOVC_URL=") end)
  end)
end)
