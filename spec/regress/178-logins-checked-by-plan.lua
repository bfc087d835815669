--- A wrong guest password was found in the middle of a run. `plan --check-logins` tries the account in one guest that
-- runs first; a refused password is tried on no other VM.
local lab = require "spec.support.lab"

local function playbook(password)
  return ([[return p.playbook { name = "x", p.vms { where = { "/DC0/vm/run-*", "/DC0/vm/off" },
  login = p.login("ops", p.secret.callback(function() return "%s" end)),
  p.guest.verify { gpus = 0 } } }]]):format(password)
end

describe("plan --check-logins", function()
  local site
  setup(function()
    local function vm(name, more)
      local one = { name = name, host = "esx-1", guest = "ubuntu64Guest", firmware = "efi", installed = "ubuntu",
        username = "ops", password = "the-right-one", power = "poweredOn" }
      for key, value in pairs(more or {}) do one[key] = value end
      return one
    end
    site = lab.start { speed = 500, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1" } } },
      vms = { vm("run-{n}", { count = 3 }), vm("off", { power = "poweredOff" }) } } }
    local vc = site:client()
    for _, ref in ipairs(assert(vc:find "/DC0/vm/run-*")) do
      assert(vc:wait_for(ref, { "guest.guestOperationsReady" }, function(props)
        return props["guest.guestOperationsReady"] == true
      end, { timeout = 60 }))
    end
  end)
  teardown(function() site:stop() end)
  before_each(function() site.sim:forget() end)

  local function command(password, ...)
    return site:command { "plan", site:write(playbook(password)), ... }
  end

  it("reports a password that the guest refuses, and tries it once", function()
    local result = command("wrong", "--check-logins")
    assert.equal(1, result.status)
    assert.matches("play%-%d+.lua:3: run%-%d: the guest does not accept the account 'ops'", result.err)
    assert.matches("run%-%d.*run%-%d.*run%-%d", result.err)
    assert.equal(1, site.sim:calls "ValidateCredentialsInGuest")
    assert.same({}, site:changing())
  end)

  it("accepts the right one, and says which guests do not run", function()
    local result = command("the-right-one", "--check-logins")
    assert.equal(0, result.status, result.err)
    assert.matches("! [^\n]*p.login: unverified: the guest does not run %(off%)", result.out)
    assert.equal(3, site.sim:calls "ValidateCredentialsInGuest")
  end)

  it("is needed: a plan alone tries no password", function()
    assert.equal(0, command("wrong").status)
    assert.equal(0, site.sim:calls "ValidateCredentialsInGuest")
  end)
end)
