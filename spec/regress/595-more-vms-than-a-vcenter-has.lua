--- A `count` of a hundred million went through as many names before anything was said, and a number of 100 digits in a
-- name was an error of Lua's string.format.
local command = require "spec.support.command"

describe("595: a p.vms", function()
  local function plan(fields)
    local folder = command.folder()
    folder.write("play.lua", ([[local p = require "gpupt.playbook"
      return p.playbook { name = "x", p.vms { %s, place = { cluster = "a" }, p.vm.create { firmware = "efi",
        guest = "ubuntu64Guest", cpus = 4, memory = "8 GiB", disk = "60 GiB" } } }]]):format(fields))
    os.execute(("cd '%s' && timeout 20 '%s/bin/gpupt' plan play.lua --url 127.0.0.1:1 --username u >out 2>err"):format(
      folder.path, os.getenv "PWD"))
    local err = folder.read "err"
    folder.remove()
    return err
  end

  it("is refused with more VMs than one vCenter can have", function()
    for _, count in ipairs { "45001", "100000000", "math.maxinteger" } do
      local err = plan('name = "desk-{n}", count = ' .. count)
      assert.matches("count = %d+ is more VMs than one vCenter can have registered %(45000", err)
    end
  end)

  it("may have as many", function()
    local err = plan 'name = "desk-{n}", count = 45000'
    assert.is_nil(err:find("count", 1, true))
    assert.matches("127.0.0.1:1", err, 1, true)
  end)

  it("is refused with longer numbers than a name has room for", function()
    for _, width in ipairs { "100", "99999999999999999999" } do
      local err = plan(('name = "desk-{n:%s}", count = 2'):format(width))
      assert.matches(("has numbers of %s digits, and vCenter takes 80 characters at most"):format(width), err, 1, true)
    end
  end)
end)
