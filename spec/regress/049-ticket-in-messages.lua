-- A server's error page repeated the one-time address of a guest's file with its ticket, and the message showed it.
local esx_host = require "spec.support.esx_host"
local vcenter = require "spec.support.vcenter"

describe("the ticket of a guest's file", function()
  local site, sim
  local login = esx_host.login

  setup(function()
    site = esx_host.start()
    sim = site.sim
  end)
  teardown(function() assert.are.equal(0, site:stop().sessions) end)

  it("is in no message", function()
    local vc, lin = site:connect()
    site:modes "echo"
    for _, try in ipairs {
      function() return vc.guest:get(lin, login, "/etc/hostname") end,
      function() return vc.guest:get(lin, login, "/etc/hostname", sim.dir .. "/hostname") end,
      function() return vc.guest:put(lin, login, nil, "/tmp/x", { text = "x" }) end,
    } do
      local ok, message = try()
      assert.is_nil(ok)
      assert.matches("HTTP 400", message, 1, true)
      assert.is_nil(message:find "token=%x", message)
      assert.is_nil(message:find "=%w%w%w%w%w%w%w%w", message)
      assert.is_nil(vcenter.read(sim.dir .. "/hostname.part"))
    end
  end)
end)
