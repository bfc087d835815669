--- A wrong guest password is tried once; but fibers that started together each tried it once, and five attempts lock an
-- account. Until the guest has accepted a password, only one call sends it.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("a guest's password in many concurrent fibers", function()
  local sim, vc, vm
  local login = { username = "ops", password = "gu3st-Secret" }
  setup(function()
    sim = vcenter.start { fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } },
      vms = { { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
        firmware = "efi", installed = "ubuntu", power = "poweredOn", username = login.username,
        password = login.password } },
    } }
    vc = sim:connect()
    vm = check(vc:one "/DC0/vm/**/lin")
    check(vc.guest:ready(vm, { timeout = 30 }))
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  local function many(client, count, password, o)
    local works = {}
    for i = 1, count do
      works[i] = function()
        return { client.guest:validate(client:ref(tostring(vm)), { username = "ops", password = password }, o) }
      end
    end
    return loop.run(function() return loop.all(works) end)
  end

  it("is sent once if it is wrong", function()
    for _, results in ipairs(many(vc, 8, "wrong")) do
      assert.is_nil(results[1])
      assert.are.equal("InvalidGuestLogin", results[3])
    end
    assert.are.equal(1, sim:calls "ValidateCredentialsInGuest")
  end)

  it("is used by all if it is right, and then in parallel", function()
    for _, results in ipairs(many(vc, 8, login.password)) do assert.is_true(results[1]) end
    assert.are.equal(8, sim:calls "ValidateCredentialsInGuest")
    local from = loop.now()
    sim:trouble({ method = "ValidateCredentialsInGuest", count = -1 }, { kind = "hold", seconds = 0.3 })
    for _, results in ipairs(many(vc, 6, login.password)) do assert.is_true(results[1]) end
    assert.is_true(loop.now() - from < 1.2)
  end)

  it("is not waited for beyond the time limit", function()
    local fresh = sim:connect()
    sim:trouble({ method = "ValidateCredentialsInGuest", count = 1 }, { kind = "hold", seconds = 2 })
    local first, second
    loop.run(function()
      local fiber = loop.spawn(function() first = fresh.guest:validate(fresh:ref(tostring(vm)), login) end)
      loop.sleep(0.1)
      second = { fresh.guest:validate(fresh:ref(tostring(vm)), login, { timeout = 0.3 }) }
      fiber:join()
    end)
    assert.is_true(first)
    assert.are.equal("ETIMEDOUT", second[3])
  end)

  it("is tried by the next fiber if the first is cancelled", function()
    local fresh = sim:connect()
    sim:trouble({ method = "ValidateCredentialsInGuest", count = 1 }, { kind = "hold", seconds = 5 })
    local second
    loop.run(function()
      local fiber = loop.spawn(function() return fresh.guest:validate(fresh:ref(tostring(vm)), login) end)
      loop.sleep(0.1)
      local next_one = loop.spawn(function() second = fresh.guest:validate(fresh:ref(tostring(vm)), login) end)
      loop.sleep(0.1)
      fiber:cancel "enough"
      pcall(fiber.join, fiber)
      next_one:join()
    end)
    assert.is_true(second)
  end)
end)
