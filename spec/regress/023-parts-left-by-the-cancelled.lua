--- An upload that was cancelled while the server moved the file to its name left "NAME.xxxxxxxx.part" on the datastore,
-- and fetching a guest's file left "TARGET.part" here.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("a transfer that ends early", function()
  local sim, vc
  local login = { username = "ops", password = "gu3st-Secret" }
  setup(function()
    sim = vcenter.start { fleet = {
      delays = { MoveDatastoreFile_Task = 200 }, -- a second of the fleet's clock
      clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
        firmware = "efi", installed = "ubuntu", power = "poweredOn", username = login.username,
        password = login.password } },
    } }
    vc = sim:connect()
    vcenter.write(sim.dir .. "/d", ("y"):rep(100000))
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)
  after_each(function() sim:calm() end)

  local function files_there()
    local list = {}
    for _, entry in ipairs(check(vc.datastore:list("[ds-1]", { recursive = true }))) do
      if not entry.folder and entry.path:find("new/", 1, true) then list[#list + 1] = entry.path end
    end
    return list
  end

  -- Runs fn in a fiber, cancels it when `ready` says so, and gives the error's code.
  local function cancel(fn, ready)
    return loop.run(function()
      local fiber = loop.spawn(fn)
      local till = loop.now() + 10
      repeat loop.sleep(0.05) until ready() or loop.now() > till
      fiber:cancel "enough"
      local ok, err = pcall(fiber.join, fiber)
      assert.is_false(ok)
      return err.code
    end)
  end

  local function cancelled_upload(name)
    sim:forget()
    assert.are.equal("ECANCELLED", cancel(function() return vc.datastore:upload(sim.dir .. "/d", name) end,
      function() return sim:calls "MoveDatastoreFile_Task" > 0 end))
    assert.are.equal(1, sim:calls "CancelTask")
  end

  it("by cancelling in the move, which then does not succeed, leaves no part on the datastore", function()
    sim:trouble({ method = "MoveDatastoreFile_Task", count = 1 }, { kind = "task-fail", fault = "FileLocked" })
    cancelled_upload "[ds-1] new/x"
    assert.are.same({}, files_there())
  end)

  it("by cancelling in the move, which the server does not stop, leaves the whole file and no part", function()
    cancelled_upload "[ds-1] new/y"
    assert.are.same({ "[ds-1] new/y" }, files_there())
    assert.are.equal(vcenter.read(sim.dir .. "/d"), check(vc.datastore:text "[ds-1] new/y"))
    check(vc.datastore:delete "[ds-1] new/y")
  end)

  it("in a move that fails leaves what was there before", function()
    check(vc.datastore:upload(sim.dir .. "/ready", "[ds-1] new/x"))
    sim:trouble({ method = "MoveDatastoreFile_Task", count = 1 }, { kind = "task-fail", fault = "FileLocked" })
    local ok, _, code = vc.datastore:upload(sim.dir .. "/d", "[ds-1] new/x")
    assert.is_nil(ok)
    assert.are.equal("FileLocked", code)
    assert.are.same({ "[ds-1] new/x" }, files_there())
    assert.are.equal(vcenter.read(sim.dir .. "/ready"), check(vc.datastore:text "[ds-1] new/x"))
  end)

  it("by cancelling, out of a guest, leaves no part here", function()
    local vm = check(vc:one "/DC0/vm/**/lin")
    check(vc.guest:ready(vm, { timeout = 30 }))
    check(vc.guest:put(vm, login, nil, "/tmp/big", { text = ("x"):rep(1 << 20) }))
    sim:trouble({ method = "HTTP GET", count = -1 }, { kind = "slow", bytes = 10000, seconds = 20 })
    local target = sim.dir .. "/big"
    assert.are.equal("ECANCELLED", cancel(function() return vc.guest:get(vm, login, "/tmp/big", target) end,
      function() return vcenter.read(target .. ".part") ~= nil end))
    assert.is_nil(vcenter.read(target .. ".part"))
    assert.is_nil(vcenter.read(target))
  end)
end)
