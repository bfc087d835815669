--- docs/guide/client.md: every piece of Lua on it is run, in order, as one program; so are those for govc and pyVmomi.
local witnesses = require "spec.support.witness"
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

  local function pieces(language)
    local parts = {}
    for part in vcenter.read("docs/guide/client.md"):gmatch("```" .. language .. "\n(.-)```") do parts[#parts + 1] = part end
    return parts
  end

  it("runs unchanged", function()
    local parts = pieces "lua"
    assert.are.equal(11, #parts)
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

  it("shows how govc does it, and that runs, too", function()
    local parts = pieces "sh"
    assert.are.equal(8, #parts)
    vcenter.write(sim.dir .. "/notes.txt", "notes\n")
    local text = witnesses.of(sim).shell(("LOCAL_FILE=%s/notes.txt\n"):format(sim.dir) .. table.concat(parts, "\n"))
    for _, pattern in ipairs { "/DC0/host/gpu%-a/esx%-a%-1\n/DC0/host/gpu%-b/esx%-b%-1\n", "esx%-a%-1\nconnected\n%d+\n",
      "pciPassthruInfo", "status 1", "notes.txt", "esx%-b%-1\n" } do
      assert.matches(pattern, text)
    end
  end)

  it("shows how pyVmomi does it, and that runs, too", function()
    local parts = pieces "python"
    assert.are.equal(11, #parts)
    vcenter.write(sim.dir .. "/notes.txt", "notes\n")
    local host, port = sim.ready.host:match "^(.-):(%d+)$"
    local json = require "gpupt.json"
    vcenter.write(sim.dir .. "/guide.py", ("HOST, PORT, USERNAME, PASSWORD, CA_FILE, LOCAL_FILE = %s, %s, %s, %s, %s, %s\n"):format(
      json.encode(host), port, json.encode(sim.username), json.encode(sim.password), json.encode(sim.ca_file),
      json.encode(sim.dir .. "/notes.txt")) .. table.concat(parts, "\n") .. "\nDisconnect(si)\n")
    local text, ok = vcenter.shell(("env -u LD_PRELOAD timeout 60 build/venv/bin/python %s/guide.py 2>&1"):format(sim.dir))
    assert.is_true(ok, text)
    for _, pattern in ipairs { "2 'vim.HostSystem:host%-%d+'", "esx%-a%-1 connected %d+", "'vim.HostSystem:host%-%d+' esx%-b%-1 %d+",
      "DC0", "esx%-a%-1, esx%-b%-1" } do
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
