--- `gpupt gpus '/DC0/host/C0/*'` was refused, because the pattern also matches the cluster's resource pool.
local lab = require "spec.support.lab"

describe("gpupt gpus with a path", function()
  local l

  setup(function()
    l = lab.start { speed = 300, fleet = { clusters = {
      { name = "C0", hosts = { lab.host "esx-a-1", lab.host "esx-a-2" } }, { name = "C1", hosts = { lab.host "esx-b-1" } } } } }
  end)
  teardown(function() l:stop() end)

  local function hosts_of(...)
    local result = l:command { "gpus", ... }
    assert.equal(0, result.status, result.err)
    local list = {}
    for name in result.out:gmatch "esx%-%l%-%d" do list[#list + 1] = name end
    return table.concat(list, " ")
  end

  it("of everything in a cluster lists its hosts", function()
    assert.equal("esx-a-1 esx-a-2", hosts_of "/DC0/host/C0/*")
    assert.equal("esx-a-1 esx-a-2 esx-b-1", hosts_of "/DC0/host/*/*")
    assert.equal("esx-a-1 esx-a-2 esx-b-1", hosts_of "/DC0/host/**")
  end)

  it("of hosts, clusters, folders and datacenters lists the hosts below", function()
    assert.equal("esx-a-2", hosts_of "/DC0/host/C0/*-2")
    assert.equal("esx-b-1", hosts_of "/DC0/host/C1")
    assert.equal("esx-a-1 esx-a-2 esx-b-1", hosts_of "/DC0/host")
    assert.equal("esx-a-1 esx-a-2 esx-b-1", hosts_of "/DC0")
    assert.equal("esx-a-1 esx-b-1", hosts_of("/DC0/host/C0/esx-a-1", "/DC0/host/C1/*"))
  end)

  it("that matches neither a host nor what contains hosts is refused", function()
    local result = l:command { "gpus", "/DC0/host/C0/Resources" }
    assert.equal(1, result.status)
    assert.matches("'/DC0/host/C0/Resources' is a ResourcePool. Give a path of hosts, clusters, folders or datacenters",
      result.err, 1, true)
  end)
end)
