--- Each new connection that is checked by a thumbprint read the system's file of authorities (200 kB, 20 ms of CPU),
-- and asked none of them: most of a run's CPU, with a connection for each file that is sent to a guest.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check

-- The bytes that this process has read, of files and sockets.
local function bytes_read()
  return math.tointeger(tonumber(vcenter.read "/proc/self/io":match "rchar: (%d+)"))
end

describe("a connection that is checked by a thumbprint", function()
  local sim

  setup(function() sim = vcenter.start {} end)
  teardown(function() sim:stop() end)

  local function reading(trust)
    local o = sim:options { ca_file = false }
    for name, value in pairs(trust) do o[name] = value end
    check(gpupt.vim.connect(o)):close() -- whatever is read once
    local before = bytes_read()
    check(gpupt.vim.connect(o)):close()
    return bytes_read() - before
  end

  it("reads no authorities", function()
    assert.is_true(reading { thumbprint = sim.thumbprint_sha256 } < 100000)
  end)

  it("nor does one that trusts any certificate", function()
    assert.is_true(reading { insecure = true } < 100000)
  end)
end)
