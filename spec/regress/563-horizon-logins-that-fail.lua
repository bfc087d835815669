--- A login that a Connection Server refused with 400 or 403 was sent again for each VM of the plan, which locks the account;
-- and a server that failed was asked again for each VM, one after the other: 40 VMs waited 40 times.
local lab = require "spec.support.lab"
local liar = require "spec.support.liar"

describe("a Connection Server that does not let three VMs in", function()
  local l, server
  local plans = 0 -- each with an account of its own: the lab's client remembers refused ones

  setup(function()
    l = lab.start { speed = 400, fleet = { datastores = { { name = "ds-1" } },
      clusters = { { name = "vdi", hosts = { lab.host "esx-1" } } }, vms = { { name = "desk-1", host = "esx-1" },
        { name = "desk-2", host = "esx-1" }, { name = "desk-3", host = "esx-1" } } } }
    server = liar.start()
  end)
  teardown(function()
    server:stop()
    l:stop()
  end)
  before_each(function() server:calm() end)

  local function plan()
    plans = plans + 1
    return l:plan(([[return p.playbook { name = "pool", p.vms { where = "/DC0/vm/desk-*",
      p.horizon.pool { id = "W11", server = "https://127.0.0.1:%d", ca_file = "%s/cert",
        login = p.login("CORP\\vdi-%d", p.secret.callback(function() return "Pw-1-long" end)) } } }]]):format(server.port, server.dir, plans))
  end

  for status, code in pairs { ["400 Bad Request"] = "InvalidLogin", ["401 Unauthorized"] = "InvalidLogin",
    ["403 Forbidden"] = "InvalidLogin", ["500 Internal Server Error"] = "EHORIZON", ["404 Not Found"] = "ENOENT" } do
    it("is asked once: " .. status, function()
      server:answer("POST", ('a.reply(b"{}", "%s", "application/json")'):format(status))
      local seen, message, got = plan()
      assert.same({ nil, code }, { seen, got }, message)
      assert.is_truthy(message:find("HTTP " .. status:match "%d+", 1, true), message)
      assert.equal(1, server:requests "POST")
    end)
  end

  it("is asked once when it hangs up", function()
    server:answer("POST", "a.connection.close()")
    assert.is_nil((plan()))
    assert.equal(1, server:requests "POST")
  end)
end)
