-- The server keeps a percent sign that begins an escape sequence (ManagedEntity.name). "%41" was shown as "%2541" in a
-- path, which is another name; if both existed, they had the same path.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"
local check = gpupt.check

describe("inventory paths of names with a percent sign", function()
  it("use the names of the server, and each finds its own object", function()
    local sim = vcenter.start { speed = 200 }
    local vc = sim:connect()
    local root = check(vc:one "/DC0/vm")
    local seen = {}
    for asked, name in pairs { ["a%41"] = "a%41", ["a%2541"] = "a%2541", ["a%252f"] = "a%252f", ["a/"] = "a%2f", ["100%"] = "100%25",
      ["5% a"] = "5%25 a", ["%%41"] = "%25%41" } do
      local folder = check(root:CreateFolder { name = asked })
      assert.are.equal(name, check(folder:get "name"))
      local path = check(vc:path(folder))
      assert.are.equal("/DC0/vm/" .. name, path)
      assert.is_nil(seen[path])
      seen[path] = folder
    end
    for path, folder in pairs(seen) do
      assert.are.equal(folder, check(vc:one(path)))
      assert.are.equal(folder, (check(vc.content.searchIndex:FindByInventoryPath { inventoryPath = path })))
    end
    assert.are.equal(seen["/DC0/vm/100%25"], check(vc:one "/DC0/vm/100%"))
    sim:close_all()
    sim:stop()
  end)
end)
