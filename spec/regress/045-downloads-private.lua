-- TARGET.part of a download was opened through symbolic links, and was readable by all users until it was complete.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("a download", function()
  local sim, vc, vm
  local login = { username = "ops", password = "gu3st-Secret" }

  setup(function()
    sim = vcenter.start { fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } },
      vms = { { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
        firmware = "efi", installed = "ubuntu", power = "poweredOn", username = login.username,
        password = login.password } } } }
    vc = sim:connect()
    vcenter.write(sim.dir .. "/source", ("y"):rep(100000))
    check(vc.datastore:upload(sim.dir .. "/source", "[ds-1] folder/file"))
    vm = check(vc:one "/DC0/vm/**/lin")
    check(vc.guest:ready(vm, { timeout = 30 }))
    check(vc.guest:put(vm, login, nil, "/tmp/big", { text = ("y"):rep(100000) }))
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)
  after_each(function() sim:calm() end)

  local function mode(path) return (vcenter.shell(("stat -c %%a '%s' 2>/dev/null"):format(path)):match "%d+") end

  local ways = {
    ["of a datastore's file"] = function(target) return vc.datastore:download("[ds-1] folder/file", target) end,
    ["of a guest's file"] = function(target) return vc.guest:get(vm, login, "/tmp/big", target) end,
  }
  local number = 0

  for name, fetch in pairs(ways) do
    it(name .. " does not write through a link at TARGET.part", function()
      number = number + 1
      local target = ("%s/target-%d"):format(sim.dir, number)
      vcenter.write(sim.dir .. "/victim", "precious\n")
      assert(os.execute(("ln -s %s/victim %s.part"):format(sim.dir, target)))
      assert.equal(100000, check(fetch(target)))
      assert.equal("precious\n", vcenter.read(sim.dir .. "/victim"))
      assert.equal(100000, #vcenter.read(target))
      assert.equal("", vcenter.shell(("find %s -name '*.part'"):format(sim.dir)))
    end)

    it(name .. " is readable only by its owner until it is complete", function()
      number = number + 1
      local target = ("%s/target-%d"):format(sim.dir, number)
      sim:trouble({ method = "HTTP GET", count = -1 }, { kind = "slow", bytes = 10000, seconds = 2 })
      local seen
      loop.run(function()
        local fiber = loop.spawn(function() return fetch(target) end)
        local till = loop.now() + 10
        repeat
          loop.sleep(0.05)
          seen = mode(target .. ".part")
        until seen or loop.now() > till
        sim:calm()
        fiber:join()
      end)
      assert.equal("600", seen)
      assert.equal("644", mode(target), "the umask of these specs is 022")
    end)
  end

  it("that continues an earlier part does not follow a link", function()
    local target = sim.dir .. "/resumed"
    vcenter.write(sim.dir .. "/victim", "precious\n")
    assert(os.execute(("ln -s %s/victim %s.part"):format(sim.dir, target)))
    local ok, message = vc.datastore:download("[ds-1] folder/file", target, { resume = true })
    assert.is_nil(ok)
    assert.matches("symbolic link", message, 1, true)
    assert.equal("precious\n", vcenter.read(sim.dir .. "/victim"))
  end)

  it("continues its own earlier part", function()
    local target = sim.dir .. "/partial"
    vcenter.write(target .. ".part", ("y"):rep(40000))
    assert.equal(100000, check(vc.datastore:download("[ds-1] folder/file", target, { resume = true })))
    assert.equal(("y"):rep(100000), vcenter.read(target))
  end)
end)
