--- With --journal, "continue with: gpupt apply --resume RUN" named neither the journal nor the approvals: pasted, it said that
-- the journal contains no run of this name, or that the approval is missing.
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

describe("the command that a message tells to type next", function()
  local l, path, journal

  before_each(function()
    l = lab.start { speed = 300, fleet = { clusters = { { name = "c",
      hosts = { lab.host("esx-1", { boot_seconds = 60 }), lab.host("esx-2", { boot_seconds = 60 }) } } } } }
    path, journal = l.dir .. "/a.lua", l.dir .. "/my journal.db"
    local file = assert(io.open(path, "w"))
    file:write [[local p = require "gpupt.playbook"
return p.playbook { name = "paste", p.hosts { where = "/DC0/host/c", devices = p.gpus { match = "10de:20b5" }, p.host.enable {} } }]]
    file:close()
  end)
  after_each(function() l:stop() end)

  -- The words of a printed command, as a shell takes them.
  local function pasted(command)
    local words = {}
    for word in vcenter.shell("printf '%s\\n' " .. command:gsub("^gpupt ", "")):gmatch "[^\n]+" do words[#words + 1] = word end
    return words
  end

  it("continues a run in its own journal, with its approvals", function()
    l.sim:trouble({ method = "UpdatePassthruConfig" }, { kind = "fault", fault = "HostConfigFault" })
    local result = l:command { "apply", path, "--allow", "reboot", "--journal", journal }
    assert.equal(1, result.status, result.err)
    l.sim:calm()
    local command = result.err:match "continue with: (gpupt apply [^\n]+)"
    assert.matches(" --allow reboot --journal '", command, 1, true)
    assert.matches("my journal.db'", command, 1, true)
    local again = l:command(pasted(command))
    assert.equal(0, again.status, again.err)
  end)
end)
