--- docs/guide/client.md: every piece of Lua on it is run, in order, as one program.
local vcenter = require "spec.support.vcenter"

describe("the client's page of the guide", function()
  local sim
  setup(function() sim = vcenter.start { speed = 200 } end)
  teardown(function()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
  end)

  it("runs as it stands", function()
    local parts = {}
    for part in vcenter.read("docs/guide/client.md"):gmatch "```lua\n(.-)```" do parts[#parts + 1] = part end
    assert.is_true(#parts >= 11)
    vcenter.write(sim.dir .. "/pw", sim.password .. "\n")
    vcenter.write(sim.dir .. "/notes.txt", "notes\n")
    local printed = {}
    local environment = setmetatable({
      URL = sim.url, USERNAME = sim.username, PASSWORD_FILE = sim.dir .. "/pw", CA_FILE = sim.ca_file,
      LOCAL_FILE = sim.dir .. "/notes.txt", io = { stderr = { write = function() end } },
      print = function(...)
        local row = table.pack(...)
        for i = 1, row.n do row[i] = tostring(row[i]) end
        printed[#printed + 1] = table.concat(row, "\t")
      end,
    }, { __index = _G })
    assert(load(table.concat(parts, "\n"), "=docs/guide/client.md", "t", environment))()
    local text = table.concat(printed, "\n")
    for _, pattern in ipairs { "VMware vCenter Server", "2\tHostSystem:[%w-]+\t/DC0/host/gpu%-a/esx%-a%-1",
      "esx%-a%-1\tconnected\t%d+", "nil\tDuplicateName", "%[ds%-1%] iso/notes.txt\t6", "esx%-a%-1, esx%-b%-1" } do
      assert.matches(pattern, text)
    end
  end)
end)

describe("a single ESXi host", function()
  it("is spoken to like a vCenter", function()
    local gpupt = require "gpupt"
    local sim = vcenter.start { fleet = { endpoint = "esxi", clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } } } }
    local vc = sim:connect()
    assert.are.equal("HostAgent", vc.about.apiType)
    local hosts = gpupt.check(vc:find("/**", { type = "HostSystem" }))
    assert.are.equal(1, #hosts)
    assert.is_true(vc:wait(gpupt.check(hosts[1]:EnterMaintenanceMode_Task { timeout = 0 })))
    assert.is_table(gpupt.check(vc.datastore:list "[ds-1]"))
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)
end)
