--- vc:find lists children first and reads their names afterwards. An object that went in between failed the whole path
-- with ManagedObjectNotFound, so that a busy vCenter could hardly be searched. It is left out, and the rest is found.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("a path over folders of which some are removed during the search", function()
  local sim, vc, folder, other
  setup(function()
    sim = vcenter.start {}
    vc, other = sim:connect(), sim:connect()
    folder = check(other:one "/DC0/vm")
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)

  -- Runs find while `destroy` folders are destroyed just before the request number `at` of those that read properties.
  local function find_destroying(victims, at)
    local collect = require "gpupt.vim.collect"
    local all, n = collect.all, 0
    collect.all = function(client, spec)
      n = n + 1
      if n >= at and victims[1] and client == vc then
        check(other:wait(check(table.remove(victims):Destroy_Task())))
      end
      return all(client, spec)
    end
    local results = table.pack(pcall(vc.find, vc, "/DC0/vm/*", { type = "Folder" }))
    collect.all = all
    assert(results[1], results[2])
    return check(table.unpack(results, 2, results.n))
  end

  local function make(count)
    local list = {}
    for i = 1, count do list[i] = check(other:call(folder, "CreateFolder", { name = ("f%03d"):format(i) })) end
    return list
  end

  -- readings: 1 children of the root, 2 their names, 3 children of the datacenter, 4 their names, 5 children of vm, 6 names
  it("finds the others when one is removed before its name is read", function()
    local list = make(6)
    assert.are.equal(5, #find_destroying({ list[3] }, 6))
    for _, left in ipairs(check(vc:find("/DC0/vm/*", { type = "Folder" }))) do
      check(other:wait(check(other:ref(tostring(left)):Destroy_Task())))
    end
  end)

  it("finds the rest when one after the other is removed", function()
    local list = make(8)
    assert.are.equal(3, #find_destroying({ list[1], list[2], list[5], list[7], list[8] }, 6))
  end)

  it("still fails for a missing object in the caller's own list", function()
    local gone = make(1)[1]
    check(other:wait(check(gone:Destroy_Task())))
    local found, _, code = vc:collect_all { type = "Folder", paths = { "name" }, objects = { vc:ref(tostring(gone)) } }
    assert.is_nil(found)
    assert.are.equal("ManagedObjectNotFound", code)
  end)
end)
