-- A session that was opened by calling Login stayed on the server when the connection was closed; a connection that was
-- configured not to log in did so for the first page that it read; and each call after the end of the session sent again a
-- password that had already been refused, which locks an account.
local gpupt = require "gpupt"
local secrets = require "gpupt.vim.secrets"
local vcenter = require "spec.support.vcenter"

describe("a session", function()
  local sim, root
  setup(function() sim = vcenter.start {} end)
  teardown(function() sim:stop() end)
  before_each(function() sim:forget() end)
  after_each(function()
    sim:calm()
    sim:close_all()
    assert.are.equal(0, sim:leftovers().sessions)
  end)

  local function without_login(more)
    local o = sim:options(more)
    o.login = false
    return gpupt.check(gpupt.vim.connect(o))
  end

  local function by_hand(vc)
    return vc.content.sessionManager:Login { userName = sim.username, password = sim.password }
  end

  it("opened with Login is kept alive, opened again when it ends, and logged out at the end", function()
    local vc = without_login { keep_alive = 0.2 }
    gpupt.check(by_hand(vc))
    root = gpupt.check(vc.content.rootFolder:get "name")
    gpupt.loop.sleep(0.7)
    assert.is_true(sim:calls "CurrentTime" >= 1)
    sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "session-lost" })
    assert.are.equal(root, gpupt.check(vc.content.rootFolder:get "name"))
    assert.are.equal(2, sim:calls "Login")
    assert.are.equal(1, sim:leftovers().sessions)
    assert.is_true(vc:close())
    assert.are.equal(0, sim:leftovers().sessions)
  end)

  it("ended with Logout is not opened again", function()
    local vc = sim:connect()
    assert.is_true(vc.content.sessionManager:Logout())
    assert.are.equal("NotAuthenticated", select(3, vc.content.rootFolder:get "name"))
    assert.are.equal("NotAuthenticated", select(3, vc.content.rootFolder:CreateFolder { name = "x" }))
    assert.are.equal(1, sim:calls "Login")
    gpupt.check(by_hand(vc))
    assert.is_string(gpupt.check(vc.content.rootFolder:get "name"))
  end)

  it("is not opened by a connection that must not log in", function()
    local vc <close> = without_login()
    for _ = 1, 2 do
      assert.are.equal("NotAuthenticated", select(3, vc:collect_all { type = "VirtualMachine", paths = { "name" } }))
      assert.are.equal("NotAuthenticated", select(3, vc.content.rootFolder:get "name"))
    end
    assert.are.equal(0, sim:calls "Login")
  end)

  it("that ended is opened again with a refused password only once, until there is another password", function()
    local password = sim.password
    local vc = sim:connect { password = function() return password end }
    password = "changed"
    sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "session-lost" })
    sim:forget()
    local list = {}
    for i = 1, 12 do list[i] = function() return (select(3, vc.content.rootFolder:get "name")) end end
    for _, code in ipairs(gpupt.loop.all(list)) do assert.is_true(code == "InvalidLogin" or code == "NotAuthenticated") end
    local value, message, code = vc.content.rootFolder:get "name"
    assert.is_nil(value)
    assert.are.equal("InvalidLogin", code)
    assert.matches("refused the login", message)
    assert.are.equal(1, sim:calls "Login")
    password = sim.password
    sim:calm()
    assert.is_string(gpupt.check(vc.content.rootFolder:get "name"))
    assert.are.equal(2, sim:calls "Login")
    assert.are.equal(sim.password, password)
    assert.is_string(secrets[vc].cookie)
  end)
end)
