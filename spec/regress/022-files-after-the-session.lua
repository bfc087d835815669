--- Files on datastores know the session by its cookie. When the session had ended (vCenter restarted), a download failed
-- with NotAuthenticated though reading may be repeated; and a download met by 503 was sent again without a pause, and had
-- its full time again for each try.
local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

describe("datastore files of a session that has ended", function()
  local sim, vc
  local text = ("a line of the log\n"):rep(1000)
  setup(function()
    sim = vcenter.start { fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1", files = { ["logs/vmware.log"] = { text = text } } } },
    } }
    vc = sim:connect()
    check(vc.datastore:stat "[ds-1] logs/vmware.log")
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
  end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  it("are downloaded after one new login", function()
    sim:post("sessions/drop", {})
    assert.are.equal(#text, check(vc.datastore:download("[ds-1] logs/vmware.log", sim.dir .. "/d")))
    assert.are.equal(text, vcenter.read(sim.dir .. "/d"))
    assert.are.equal(1, sim:calls "Login")
  end)

  it("are read on from where they were", function()
    local parts = {}
    for chunk in vc.datastore:read("[ds-1] logs/vmware.log", { chunk = 4096 }) do
      parts[#parts + 1] = chunk
      if #parts == 2 then sim:post("sessions/drop", {}) end
    end
    assert.are.equal(text, table.concat(parts))
    assert.are.equal(1, sim:calls "Login")
  end)

  it("are uploaded", function()
    vcenter.write(sim.dir .. "/up", text)
    sim:post("sessions/drop", {})
    assert.is_true(check(vc.datastore:upload(sim.dir .. "/up", "[ds-1] new/up")))
    assert.are.equal(text, check(vc.datastore:text "[ds-1] new/up"))
  end)

  it("end in NotAuthenticated when the server accepts no session", function()
    sim:trouble({ method = "HTTP GET", count = -1 }, { kind = "status", code = 401 })
    local got, message, code = vc.datastore:download("[ds-1] logs/vmware.log", sim.dir .. "/never")
    assert.is_nil(got)
    assert.are.equal("NotAuthenticated", code)
    assert.is_string(message)
    assert.are.equal(2, sim:calls "HTTP GET")
    assert.are.equal(1, sim:calls "Login")
    assert.is_nil(vcenter.read(sim.dir .. "/never.part"))
  end)

  it("give a server that is not available time, but no more than was given", function()
    sim:trouble({ method = "HTTP GET", count = 2 }, { kind = "status", code = 503 })
    local from = loop.now()
    check(vc.datastore:download("[ds-1] logs/vmware.log", sim.dir .. "/d"))
    assert.is_true(loop.now() - from > 0.25) -- 0.1 to 0.3 s, and 0.2 to 0.6 s
    vcenter.write(sim.dir .. "/long", ("x"):rep(1 << 20))
    check(vc.datastore:upload(sim.dir .. "/long", "[ds-1] long"))
    sim:trouble({ method = "HTTP GET", count = -1 }, { kind = "slow", bytes = 10000, seconds = 30 })
    from = loop.now()
    local got, _, code = vc.datastore:download("[ds-1] long", sim.dir .. "/never", { timeout = 0.5 })
    assert.is_nil(got)
    assert.are.equal("ETIMEDOUT", code)
    sim:calm()
    sim:trouble({ method = "HTTP GET", count = -1 }, { kind = "status", code = 503 })
    got = vc.datastore:download("[ds-1] logs/vmware.log", sim.dir .. "/never", { timeout = 0.5 })
    assert.is_nil(got)
    assert.is_true(loop.now() - from < 2.5)
    assert.is_nil(vcenter.read(sim.dir .. "/never.part"))
  end)
end)
