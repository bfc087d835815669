--- build-support/compare-recording: what of a recording the test vCenter does not have, and the other way round.
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

describe("the comparison of a recording with the test vCenter", function()
  local l, folder
  setup(function()
    l = lab.start { speed = 200, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } },
      vms = { { name = "vm-a", host = "esx-1" } } } }
    folder = vcenter.shell("mktemp -d -t gpupt-compare.XXXXXX"):match "%S+"
  end)
  teardown(function()
    l:stop()
    os.execute("rm -rf " .. folder)
  end)

  local function record(name, words)
    return l:command(words, { env = { GPUPT_RECORD = folder .. "/" .. name } })
  end

  local function compare(words)
    local pipe = assert(io.popen(("build-support/compare-recording %s 2>&1"):format(words)))
    local text = pipe:read "a"
    local _, _, status = pipe:close()
    return text, status or 0
  end

  it("finds no difference between two recordings of the same", function()
    record("a", { "gpus" })
    record("b", { "gpus" })
    local text, status = compare(("--with %s/b %s/a"):format(folder, folder))
    assert.equal(0, status, text)
    assert.matches("no difference", text)
  end)

  it("lists fields, types, faults and unknown fields that differ", function()
    l.sim:trouble({ method = "RetrievePropertiesEx" }, { kind = "unknown-field" })
    record("c", { "gpus" })
    l.sim:trouble({ method = "CreateContainerView" }, { kind = "fault", fault = "NoPermission" })
    record("d", { "gpus" })
    l.sim:trouble({ method = "CreateContainerView", count = -1 }, { kind = "status", code = 503 })
    l:command({ "vim", "CurrentTime", "ServiceInstance", "--record", folder .. "/f" })
    record("e", { "gpus" })
    l.sim:calm()
    record("g", { "vim", "get", "/DC0/vm/vm-a", "--property", "config.hardware" })
    local text, status = compare(("--with %s/a %s/c %s/d %s/e %s/f %s/g"):format(folder, folder, folder, folder, folder, folder))
    assert.equal(1, status)
    assert.matches("Fields of the recording that the schema does not have\n  FIELD\n  [%w.]+", text)
    assert.matches("CreateContainerView +NoPermission x1, answered x%d +answered x1", text)
    assert.matches("CurrentTime +answered x1 +not called", text)
    assert.matches("VirtualHardware +recording +1", text)
    assert.matches("VirtualMachine +config.hardware +1 of %d +%-", text)
    assert.matches("e/%d+-CreateContainerView.txt: failed EHTTP, HTTP 503", text)
  end)

  it("records the test vCenter itself", function()
    local text, status = compare(folder .. "/a")
    assert.equal(1, status)
    assert.matches("recording: 6 exchanges", text, 1, true)
    assert.matches("QueryConfigTarget +not called +answered", text)
  end)

  it("says when there is nothing to compare", function()
    local text, status = compare "/tmp/no-such-folder"
    assert.equal(2, status)
    assert.matches("no recorded exchange in /tmp/no-such-folder", text, 1, true)
    assert.equal(2, (select(2, compare "")))
  end)
end)
