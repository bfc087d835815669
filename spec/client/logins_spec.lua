-- The registry of refused logins: one for each run, for every kind of endpoint (guest, vCenter, later a BMC).
local gpupt = require "gpupt"
local logins = require "gpupt.logins"
require "gpupt.vim.guest" -- declares its kind of endpoint
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

logins.kind("spec-bmc", {
  noun = "BMC", refusal = "EREFUSED", shared = true,
  refused = function(code) return code == "E401" end,
  locked = { EWHATEVER = true },
  lost = function(code) return code == "ELOST" end,
})

describe("the registry of logins", function()
  local registry, sent

  --- Tries a login at `target` whose answer is `answer`: true, or { message, code }.
  local function try(target, account, password, answer, kind)
    return registry:attempt({ kind = kind or "spec-bmc", id = target, target = target, account = account,
      password = password, until_time = loop.now() + 5 }, function()
      sent[#sent + 1] = target
      if answer == true then return true end
      return nil, answer[1], answer[2]
    end)
  end
  local wrong = { "401 Unauthorized", "E401" }

  before_each(function() registry, sent = logins.new(), {} end)

  it("does not try a refused password at another target, and reports who refused it and why", function()
    assert.is_nil((try("bmc-1", "root", "x", wrong)))
    local ok, message, code, detail = try("bmc-2", "root", "x", true)
    assert.is_nil(ok)
    assert.equal("EREFUSED", code)
    assert.equal("the login as 'root' was not attempted: bmc-1 refused it in this run (401 Unauthorized)", message)
    assert.same({ refused_by = "bmc-1", cause = "401 Unauthorized", untried = true }, detail)
    assert.same({ "bmc-1" }, sent)
  end)

  it("tries another password for a local account, and the same password for another account", function()
    try("bmc-1", "root", "x", wrong)
    assert.is_true(try("bmc-2", "root", "y", true))
    assert.is_true(try("bmc-2", "admin", "x", true))
  end)

  it("recognizes an account of a domain in any spelling, and tries one password for it", function()
    try("bmc-1", "CORP\\ops", "x", wrong)
    for _, name in ipairs { "corp\\OPS", "ops@corp", "ops@corp.example.com" } do
      assert.is_nil((try("bmc-2", name, "x", true)))
      assert.is_nil((try("bmc-2", name, "y", true)))
    end
    assert.is_true(try("bmc-2", ".\\ops", "y", true))
    assert.is_true(try("bmc-2", "ops@other.example.com", "x", true))
  end)

  it("tries no password for a domain's account that is locked, not even an accepted one", function()
    assert.is_true(try("bmc-1", "CORP\\ops", "x", true))
    try("bmc-2", "CORP\\ops", "x", { "The account is locked out.", "EWHATEVER" })
    local ok, message = try("bmc-1", "CORP\\ops", "x", true)
    assert.is_nil(ok)
    assert.matches("bmc-2 reported that the account is locked, disabled or expired", message, 1, true)
  end)

  it("recognizes a locked account by its message, but not a locked file", function()
    for _, text in ipairs { "The referenced account is currently locked out and may not be logged on to.",
      "User account is locked", "This user's account has expired.", "The account is disabled",
      "The password has expired", "The user's password must be changed before signing in." } do
      assert.is_true(logins.says_locked(text), text)
    end
    assert.is_false(logins.says_locked "Unable to access file /srv/accounting/2024.xls since it is locked")
    assert.is_true(try("bmc-1", "root", "x", true))
    try("bmc-2", "root", "x", { "account locked", "EOTHER" }) -- a code that says nothing about logins
    assert.is_true(try("bmc-3", "root", "x", true))
  end)

  it("refuses across kinds of endpoints: what a BMC refused is not sent to a guest", function()
    try("bmc-1", "root", "x", wrong)
    local ok, message, code = try("desk-001", "root", "x", true, "guest")
    assert.is_nil(ok)
    assert.equal("InvalidGuestLogin", code)
    assert.matches("bmc-1 refused it", message, 1, true)
  end)

  it("asks each kind of endpoint with one login first, although another kind accepted it", function()
    assert.is_true(try("bmc-1", "root", "x", true))
    local order = {}
    loop.run(function()
      for i = 1, 3 do
        loop.spawn(function()
          registry:attempt({ kind = "guest", id = i, target = "desk-" .. i, account = "root", password = "x",
            until_time = loop.now() + 5 }, function(known)
            order[#order + 1] = (known and "known " or "new ") .. i
            loop.sleep(0.02)
            return true
          end)
        end)
      end
    end)
    assert.same({ "new 1", "known 2", "known 3" }, order)
  end)

  it("stops after two lost answers, and does not count a lost answer as a refusal", function()
    for i = 1, 2 do try("bmc-" .. i, "root", "x", { "gone", "ELOST" }) end
    local ok, message, code = try("bmc-3", "root", "x", true)
    assert.is_nil(ok)
    assert.equal("EUNKNOWN", code)
    assert.matches("2 attempts got no response", message, 1, true)
    registry, sent = logins.new(), {}
    try("bmc-1", "root", "x", { "gone", "ELOST" })
    assert.is_true(try("bmc-2", "root", "x", true))
    assert.is_true(try("bmc-3", "root", "x", true))
  end)

  it("continues where a password was accepted, one target at a time, until a second target refuses it", function()
    for i = 1, 4 do assert.is_true(try("bmc-" .. i, "root", "x", true)) end
    try("bmc-1", "root", "x", wrong)
    assert.is_true(try("bmc-2", "root", "x", true)) -- alone; then the others again
    assert.is_true(try("bmc-3", "root", "x", true))
    assert.is_nil((try("bmc-1", "root", "x", true)))
    try("bmc-2", "root", "x", wrong)
    for i = 1, 4 do assert.is_nil((try("bmc-" .. i, "root", "x", true))) end
  end)

  it("of a run sees its parent's refusals, and keeps its own separate", function()
    local parent = registry
    try("bmc-1", "root", "x", wrong)
    registry = logins.new(parent)
    assert.is_nil((try("bmc-2", "root", "x", true)))
    try("bmc-2", "admin", "y", wrong)
    registry = parent
    assert.is_true(try("bmc-3", "admin", "y", true))
  end)

  it("holds no password and no account, only hashes that another process cannot make", function()
    try("bmc-1", "adm1n-account", "s3cret-password", wrong)
    try("bmc-1", "adm1n-account", "s3cret-other", true)
    local plain = require "gpupt.sha256"
    local function walk(value)
      if type(value) == "table" then
        for key, inner in pairs(value) do walk(key) walk(inner) end
      elseif type(value) == "string" then
        assert.is_nil(value:find("s3cret", 1, true))
        assert.is_nil(value:find("adm1n", 1, true))
        assert.not_equal(plain "s3cret-password", value)
      end
    end
    walk(registry)
  end)

  it("raises for an undeclared kind, and for a kind without its rules", function()
    assert.error_matches(function() try("x", "a", "b", true, "toaster") end, "no kind toaster")
    assert.error_matches(function() logins.kind("toaster", { noun = "toaster" }) end, "refusal is missing")
  end)
end)

describe("a password for two vCenters", function()
  it("that the first refuses is not sent to the second", function()
    local one, two = vcenter.start {}, vcenter.start {}
    finally(function()
      one:stop()
      two:stop()
    end)
    local registry = logins.new()
    local function connect(sim, password)
      return gpupt.vim.connect(sim:options { password = password, logins = registry })
    end
    assert.equal("InvalidLogin", select(3, connect(one, "wr0ng-secret")))
    local vc, message, code = connect(two, "wr0ng-secret")
    assert.is_nil(vc)
    assert.equal("InvalidLogin", code)
    assert.matches("was not attempted: https://" .. one.host, message, 1, true)
    assert.equal(0, two:calls "Login")
    vc = gpupt.check(connect(two, two.password))
    vc:close()
  end)
end)

describe("a password that was changed during a session", function()
  it("is sent once, however many calls find that the session ended", function()
    local sim = vcenter.start {}
    finally(function()
      sim:close_all()
      sim:stop()
    end)
    local given = sim.password
    local vc = sim:connect { password = function() return given end }
    given = "wr0ng-secret"
    sim:forget()
    sim:trouble({ method = "CurrentTime", count = 1 }, { kind = "session-lost" })
    local works = {}
    for i = 1, 6 do works[i] = function() return { vc.instance:CurrentTime {} } end end
    for _, result in ipairs(loop.run(function() return loop.all(works) end)) do assert.is_nil(result[1]) end
    for _ = 1, 3 do assert.is_nil((vc.instance:CurrentTime {})) end
    assert.equal(1, sim:calls "Login")
  end)
end)
