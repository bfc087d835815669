--- A download to a local file began again by its retries only, so a vCenter that restarted ended it; and a try that waited
-- for the server wrote the file's beginning behind what had come before.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check
local TEXT = ("a line of the log\n"):rep(1000)

describe("a download to a local file, while the vCenter restarts,", function()
  local sim, vc, there

  setup(function()
    sim = vcenter.start { fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1", files = { ["logs/vmware.log"] = { text = TEXT } } } },
    } }
  end)
  teardown(function() sim:stop() end)
  before_each(function()
    vc = sim:connect { retries = 1, outage = 60 }
    there = os.tmpname()
    sim:forget()
  end)
  after_each(function()
    os.remove(there)
    sim:calm()
    sim:close_all()
  end)

  local function download(options) return vc.datastore:download("[ds-1] logs/vmware.log", there, options) end

  it("goes on when the server is back", function()
    check(vc:one "/DC0")
    sim:restart { seconds = 2 }
    assert.equal(#TEXT, check(download()))
    assert.equal(TEXT, vcenter.read(there))
  end)

  it("has each byte once when its answers were cut", function()
    sim:trouble({ method = "HTTP GET", count = 4 }, { kind = "truncate", bytes = 3000 })
    assert.equal(#TEXT, check(download()))
    assert.equal(TEXT, vcenter.read(there))
  end)

  it("is cut by the restart and goes on where it was", function()
    local restarted
    sim:trouble({ method = "HTTP GET" }, { kind = "truncate", bytes = 5000 })
    assert.equal(#TEXT, check(download { progress = function()
      if not restarted then sim:restart { seconds = 2 } end
      restarted = true
    end }))
    assert.equal(TEXT, vcenter.read(there))
  end)

  it("ends with the server's own words when the outage lasts too long", function()
    vc:close()
    vc = sim:connect { retries = 1, outage = 1 }
    sim:trouble({ method = "HTTP GET", count = -1 }, { kind = "status", code = 503 })
    local size, message, code = download { timeout = 1 }
    assert.is_nil(size)
    assert.equal("EHTTP", code)
    assert.matches("[ds-1] logs/vmware.log: ", message, 1, true)
    assert.is_nil(vcenter.read(there .. ".part"))
  end)
end)
