--- Public reports through the doctor: docs/notes/doctor-reports-config.md says where each comes from.
local gpupt = require "gpupt"

describe("the public report", function()
  for _, case in ipairs(require "spec.doctor.reports") do
    local function examine(doc)
      local logs = {}
      for name, text in pairs(case.log or {}) do logs[#logs + 1] = { name = name, text = text } end
      table.sort(logs, function(a, b) return a.name > b.name end)
      local pci = case.pci and gpupt.check(gpupt.pci.parse(case.pci))
      return gpupt.check(gpupt.doctor.examine { vmx = doc, log = #logs > 0 and logs or nil, pci = pci })
    end

    it(("%s, %s"):format(case.id, case.name), function()
      local doc = gpupt.check(gpupt.vmx.parse(case.vmx))
      local result = examine(doc)
      local found, wanted = {}, {}
      for i, finding in ipairs(result.findings) do
        found[i] = finding.severity .. " " .. finding.code
        local says = (case.says or {})[finding.code]
        if says then assert.matches(says, finding.cause) end
        local proposal = (case.proposal or {})[finding.code]
        if proposal then assert.truthy(finding.proposal:find(proposal, 1, true), finding.proposal) end
        -- no remedy is an example
        assert.is_nil((finding.remedy .. (finding.proposal or "")):find('"...', 1, true), finding.remedy)
      end
      for i, one in ipairs(case.expect) do wanted[i] = one end
      table.sort(found)
      table.sort(wanted)
      assert.same(wanted, found)
      assert.equal(case.verdict, result.verdict)
      assert.same({}, result.not_understood)
      if case.fixed then
        -- --fix never makes health out of what a person must decide, and never removes a card
        local cards = #require "gpupt.doctor.subject" { doc = doc }:present()
        local again = gpupt.check(gpupt.doctor.mend(result, doc, function() return examine(doc) end))
        assert.equal(case.fixed, again.verdict)
        assert.equal(cards, #require "gpupt.doctor.subject" { doc = doc }:present())
      end
    end)
  end
end)
