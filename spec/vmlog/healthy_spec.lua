-- What must not be reported: healthy logs, whose warnings are those of disks, networks and tools.
local healthy = require "spec.vmlog.healthy"
local vmlog = require "gpupt.vmlog"

describe("a healthy log", function()
  for kind, form in pairs { vmware = "vmware.log", vmkernel = "vmkernel", dmesg = "dmesg" } do
    -- 4 MB are read as a stream, 0.6 MB as what may have been pasted
    for _, lines in ipairs { 30000, 4500 } do
      it(("of %d lines of %s has at most one line in 10,000 that is not understood"):format(lines, form), function()
        local result = assert(vmlog.scan { text = healthy[kind](lines) })
        assert.equal(form, result.form)
        assert.equal(lines, result.lines)
        local count = 0
        for _, one in ipairs(result.not_understood) do count = count + one.count end
        assert.is_true(count <= lines // 10000, count .. " lines, the first: " .. tostring((result.not_understood[1] or {}).text))
        for _, finding in ipairs(result.findings) do assert.equal("info", finding.severity, finding.text) end
        assert.same({}, result.repairs)
      end)
    end
  end

  it("becomes unclear by one line of trouble with a card, wherever it stands", function()
    local strange = "2024-03-01T00:00:00.000Z Wa(180) vmkernel: cpu1:2097152)WARNING: VMKPCIPassthru: 1: something else\n"
    local text = healthy.vmkernel(2000)
    for _, at in ipairs { 1, #text // 2, #text } do
      local cut = at == 1 and 0 or text:find("\n", at, true) or #text
      local result = assert(vmlog.scan { text = text:sub(1, cut) .. strange .. text:sub(cut + 1) })
      assert.equal("unclear", result.verdict)
      assert.equal(1, #result.not_understood)
      assert.equal("VMKPCIPassthru", result.not_understood[1].word)
    end
  end)
end)
