--- govc accepts ".", ".." and references ("VirtualMachine:vm-12") for an inventory path; here ".." and "." were
-- looked for as names, and a reference too.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"
local witnesses = require "spec.support.witness"

local check = gpupt.check

describe("an inventory path", function()
  local sim, vc, witness
  setup(function()
    sim = vcenter.start {}
    witness = witnesses.of(sim)
    vc = sim:connect()
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)

  local function same(kind, pattern, command, field)
    local ok, text, errors = witness.govc_try(command, "-json", pattern)
    assert.is_true(ok, errors)
    local theirs = check(require("gpupt.json").decode(text))[field]
    local mine = check(vc:find(pattern, { type = kind }))
    assert.are.equal(1, #mine)
    assert.are.equal(1, #theirs)
    assert.are.equal(theirs[1].self.value, mine[1].value)
  end

  it("goes up with .. and stays with .", function()
    local host = check(vc:find("/DC0/host/*/*", { type = "HostSystem" }))[1]
    local path = check(vc:path(host))
    local cluster, name = path:match "^/DC0/host/([^/]+)/([^/]+)$"
    for _, pattern in ipairs {
      ("/DC0/vm/../host/%s/%s"):format(cluster, name), ("/DC0/./host//%s/./%s/"):format(cluster, name),
      ("/../DC0/host/%s/nowhere/../%s"):format(cluster, name), ("./%s/../%s/%s"):format(cluster, cluster, name),
    } do
      assert.are.equal(host, check(vc:one(pattern, { type = "HostSystem" })), pattern)
      same("HostSystem", pattern, "host.info", "hostSystems")
    end
    assert.are.equal(check(vc:one "/DC0"), check(vc:one("/DC0/vm/..")))
    assert.are.equal(check(vc:one "/DC0"), check(vc:one "."))
  end)

  it("does not go up from where relative paths begin", function()
    local found, message, code = vc:one "../DC0"
    assert.is_nil(found)
    assert.are.equal("EINVAL", code)
    assert.matches("write an absolute path", message, 1, true)
    assert.is_nil((witness.govc_try("folder.info", "-json", "../DC0")))
  end)

  it("may be a reference", function()
    local host = check(vc:find("/DC0/host/*/*", { type = "HostSystem" }))[1]
    assert.are.equal(host, check(vc:one(tostring(host))))
    same("HostSystem", tostring(host), "host.info", "hostSystems")
    local found, _, code = vc:one("HostSystem:host-99999", { type = "HostSystem" })
    assert.is_nil(found)
    assert.are.equal("ENOENT", code)
    found, _, code = vc:one(tostring(host), { type = "VirtualMachine" })
    assert.is_nil(found)
    assert.are.equal("ENOENT", code)
    -- a name that looks like one is still a name
    local folder = check(vc:call(check(vc:one "/DC0/vm"), "CreateFolder", { name = "Folder:group-99999" }))
    assert.are.equal(folder, check(vc:one("Folder:group-99999", { type = "Folder" }) or vc:one "vm/Folder:group-99999"))
  end)
end)
