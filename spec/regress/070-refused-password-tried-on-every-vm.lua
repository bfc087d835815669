-- "One attempt with a password" counted for each VM: a wrong domain password on 40 desktops was 40 attempts, and the
-- account was locked. A refused password is not tried on other targets of the run; a new account is tried on one VM first.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local loop = require "gpupt.loop"

local check = gpupt.check
local COUNT = 6
local PASSWORD = "gu3st-Secret"

local function fleet()
  local vms = {}
  for i = 1, COUNT do
    vms[i] = { name = "desk-" .. i, host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10,
      guest = "ubuntu64Guest", firmware = "efi", installed = "ubuntu", power = "poweredOn", username = "ops",
      password = PASSWORD }
  end
  return { clusters = { { name = "c", hosts = { { name = "h1" } } } }, datastores = { { name = "ds-1" } }, vms = vms }
end

local function playbook(password, user)
  return ([[return p.playbook { name = "desks", p.vms { where = "/DC0/vm/desk-*",
    login = p.login([=[%s]=], p.secret.callback(function() return "%s" end)),
    p.guest.verify { gpus = 0 } } }]]):format(user or "ops", password)
end

describe("a guest account that many VMs share", function()
  local l, vc
  setup(function()
    l = lab.start { speed = 200, fleet = fleet() }
    vc = l:client()
    for i = 1, COUNT do check(vc.guest:ready(check(vc:one("/DC0/vm/desk-" .. i)), { timeout = 30 })) end
  end)
  teardown(function() l:stop() end)
  before_each(function() l.sim:forget() end)
  after_each(function() l.sim:calm() end)

  --- How many calls contained a guest's password.
  local function attempts()
    local count = 0
    for _, method in ipairs(l.sim:calls()) do
      if method:find "[nmo]Guest$" then count = count + 1 end -- ...InGuest, ...FromGuest, ...ToGuest
    end
    return count
  end

  local function refs(client)
    local list = {}
    for i = 1, COUNT do list[i] = check(client:one("/DC0/vm/desk-" .. i)) end
    return list
  end

  --- Tries the login on all VMs in parallel; the results by VM.
  local function all_at_once(client, password, user)
    local works, list = {}, refs(client)
    l.sim:forget()
    for i, vm in ipairs(list) do
      works[i] = function() return { client.guest:validate(vm, { username = user or "ops", password = password }) } end
    end
    return loop.run(function() return loop.all(works) end)
  end

  it("is tried once in a run if its password is wrong, and the messages for the others name the VM that refused it", function()
    local result, _, rows = l:apply(playbook "wr0ng-Secret")
    assert.equal("failed", result.status)
    assert.equal(1, attempts())
    local refused, informed = nil, 0
    for _, one in ipairs(result.targets) do
      if (one.message or ""):find("the guest does not accept the account", 1, true) then
        assert.is_nil(refused)
        refused = one.target
      end
    end
    assert.is_string(refused)
    for _, one in ipairs(result.targets) do
      assert.is_nil((one.message or ""):find("wr0ng-Secret", 1, true))
      if one.target ~= refused and one.status == "failed" then
        informed = informed + 1
        assert.equal("InvalidGuestLogin", one.code)
        assert.matches(refused .. " refused", one.message, 1, true)
        assert.matches("Failed to authenticate with the guest operating system", one.message, 1, true)
        assert.matches("gpupt apply --resume " .. result.id, one.message, 1, true)
      end
    end
    assert.is_true(informed > 0)
    for _, row in ipairs(rows) do assert.is_nil((row.detail or ""):find("wr0ng-Secret", 1, true)) end
  end)

  it("is tried once more when the run is resumed, because nothing about the password is stored", function()
    local journal = l:journal()
    local text = playbook "wr0ng-Secret"
    local result = l:apply(text, { journal = journal })
    assert.equal("failed", result.status)
    l.sim:forget()
    result = l:apply(text, { journal = journal, resume = result.id })
    assert.equal("failed", result.status)
    assert.equal(1, attempts())
  end)

  it("is tried on one VM first, and on all if that one accepts it", function()
    local hold = 1
    l.sim:trouble({ method = "ValidateCredentialsInGuest", count = 1 }, { kind = "hold", seconds = hold })
    local during
    local client = l.sim:connect()
    local list = refs(client)
    l.sim:forget()
    loop.run(function()
      local fibers = {}
      for i, vm in ipairs(list) do
        fibers[i] = loop.spawn(function()
          assert.is_true(client.guest:validate(vm, { username = "ops", password = PASSWORD }))
        end)
      end
      loop.sleep(hold / 2)
      during = l.sim:calls "ValidateCredentialsInGuest"
      for _, fiber in ipairs(fibers) do fiber:join() end
    end)
    assert.is_true(during <= 1) -- the journal lists a call when it is answered
    assert.equal(COUNT, l.sim:calls "ValidateCredentialsInGuest")
    assert.equal("done", l:apply(playbook(PASSWORD)).status)
  end)

  it("is tried once by guest operations of a program too", function()
    local client = l.sim:connect()
    local refused = 0
    for _, one in ipairs(all_at_once(client, "wr0ng-Secret")) do
      assert.is_nil(one[1])
      assert.equal("InvalidGuestLogin", one[3])
      if one[2]:find("was not attempted", 1, true) then refused = refused + 1 end
    end
    assert.equal(COUNT - 1, refused)
    assert.equal(1, attempts())
  end)

  it("is one account, however its domain is written", function()
    local client = l.sim:connect()
    all_at_once(client, "wr0ng-Secret", [[CORP\Ops]])
    all_at_once(client, "wr0ng-Secret", "ops@corp.example.com")
    assert.equal(0, attempts())
  end)

  it("with two passwords for one domain account is tried with one of them only", function()
    local client = l.sim:connect()
    all_at_once(client, "wr0ng-Secret", [[CORP\ops]])
    assert.equal(1, attempts())
    all_at_once(client, "wr0ng-Secret-2", [[CORP\ops]])
    assert.equal(0, attempts())
  end)

  it("with a different password in each VM is tried in each: these are different local accounts", function()
    local client = l.sim:connect()
    local list = refs(client)
    l.sim:forget()
    for i, vm in ipairs(list) do client.guest:validate(vm, { username = "ops", password = "wr0ng-" .. i }) end
    assert.equal(COUNT, attempts())
  end)

  it("is tried once if the guest reports that the account is locked", function()
    local client = l.sim:connect()
    l.sim:trouble({ method = "ValidateCredentialsInGuest", count = -1 }, { kind = "fault", fault = "SystemError",
      message = "The referenced account is currently locked out and may not be logged on to." })
    for _, one in ipairs(all_at_once(client, PASSWORD)) do assert.is_nil(one[1]) end
    assert.equal(1, attempts())
  end)

  it("is tried twice at most if it was right and is refused during the run", function()
    local client = l.sim:connect()
    for _, one in ipairs(all_at_once(client, PASSWORD)) do assert.is_true(one[1]) end
    local list = refs(client)
    l.sim:forget()
    l.sim:trouble({ method = "ListProcessesInGuest", count = -1 }, { kind = "fault", fault = "InvalidGuestLogin" })
    for _, vm in ipairs(list) do
      local got, _, code = client.guest:list(vm, { username = "ops", password = PASSWORD })
      assert.is_nil(got)
      assert.equal("InvalidGuestLogin", code)
    end
    assert.is_true(attempts() <= 2, attempts() .. " attempts")
  end)

  it("is still used where it was accepted if only one VM refuses it", function()
    local client = l.sim:connect()
    local list = refs(client)
    local login = { username = "ops", password = PASSWORD }
    for i = 1, 3 do assert.is_true(client.guest:validate(list[i], login)) end
    l.sim:trouble({ method = "ValidateCredentialsInGuest", count = 1 }, { kind = "fault", fault = "InvalidGuestLogin" })
    assert.is_nil((client.guest:validate(list[4], login)))
    assert.is_table(client.guest:list(list[1], login))
    assert.is_table(client.guest:list(list[2], login))
    l.sim:forget()
    assert.is_nil((client.guest:validate(list[5], login))) -- it has not accepted it yet
    assert.equal(0, attempts())
  end)

  it("is not considered refused if Tools are busy", function()
    local client = l.sim:connect()
    l.sim:trouble({ method = "ValidateCredentialsInGuest", count = 3 },
      { kind = "fault", fault = "GuestOperationsUnavailable" })
    for _, one in ipairs(all_at_once(client, PASSWORD)) do assert.is_true(one[1], one[2]) end
  end)

  it("does not wait for a VM whose Tools never answer", function()
    local client = l.sim:connect()
    local list = refs(client)
    local fiber_result
    loop.run(function()
      l.sim:trouble({ method = "ValidateCredentialsInGuest", count = 4 },
        { kind = "fault", fault = "GuestOperationsUnavailable" })
      local first = loop.spawn(function() client.guest:validate(list[1], { username = "ops", password = PASSWORD }) end)
      loop.sleep(0.1)
      local from = loop.now()
      fiber_result = { client.guest:validate(list[2], { username = "ops", password = PASSWORD }) }
      assert.is_true(loop.now() - from < 5)
      first:join()
    end)
    assert.is_true(fiber_result[1])
  end)

  it("is not sent repeatedly if the answers are lost", function()
    local client = l.sim:connect()
    l.sim:trouble({ method = "ValidateCredentialsInGuest", count = -1 }, { kind = "reset-after" })
    for _, one in ipairs(all_at_once(client, "wr0ng-Secret")) do assert.is_nil(one[1]) end
    assert.is_true(attempts() <= 2, attempts() .. " attempts")
  end)

  it("leaves no password in the client's data", function()
    local client = l.sim:connect()
    all_at_once(client, "wr0ng-Secret")
    all_at_once(client, PASSWORD)
    local seen, found = {}, nil
    local function walk(value)
      if type(value) == "string" then
        found = found or (value:find("wr0ng-Secret", 1, true) or value:find(PASSWORD, 1, true)) and value
      elseif type(value) == "table" and not seen[value] then
        seen[value] = true
        for key, inner in next, value do walk(key) walk(inner) end
      end
    end
    walk(client)
    assert.is_nil(found)
  end)
end)
