--- Names of new VMs: vCenter refuses a name without text, and one of more than 80 characters, of which an escape
-- sequence (%2f) counts as one (API reference: VirtualMachine.name, InvalidName). A playbook is refused before it has
-- created the first of them.
local per_vcenter = require "gpupt.facts.vms_per_vcenter"
local units = require "gpupt.units"
local visible = require "gpupt.visible"

local vm_name = {}

local LONGEST = 80

--- What is wrong with the `count` of a p.vms; nil if it is right.
function vm_name.count_problem(count)
  if count < 1 then return "count must be at least 1" end
  if count > per_vcenter.most then
    return ("count = %.0f is more VMs than one vCenter can have registered (%d, %s)"):format(count, per_vcenter.most,
      per_vcenter.source)
  end
end

--- What is wrong with the `name` of a p.vms that is for `count` VMs; nil if it is right.
function vm_name.problem(pattern, count)
  if not pattern:find "%S" then return "name is empty" end
  if pattern:find "[%c\127]" then return ("name = '%s' contains a control character"):format(visible(pattern)) end
  if not utf8.len(pattern) then return ("name = '%s' is not UTF-8"):format(visible(pattern)) end
  for width in pattern:gmatch "{n:(%d+)}" do
    if #width > 2 then -- string.format takes no more; the length below judges the others
      return ("name = '%s' has numbers of %s digits, and vCenter takes %d characters at most"):format(pattern, width,
        LONGEST)
    end
  end
  local longest = units.numbered(pattern, count)
  local characters = utf8.len((longest:gsub("%%%x%x", "x")))
  if characters > LONGEST then
    return ("name = '%s' has %d characters, and vCenter takes %d at most"):format(longest, characters, LONGEST)
  end
end

return vm_name
