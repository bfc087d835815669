--- Which other VMs of the server name the cards that a VM names: powered off or not, they hold them. It is decided by
-- gpupt.fleet.ownership, as for `gpupt gpus` and gpu.attach.
local failure = require "gpupt.failure"
local ownership = require "gpupt.fleet.ownership"
local system_ids = require "gpupt.fleet.system_ids"
local vm_records = require "gpupt.fleet.vm"

local function vms_of(client)
  local vms = {}
  for object in client:collect { type = "VirtualMachine", paths = vm_records.claim_paths } do
    local cards = vm_records.cards(object["config.hardware.device"])
    if #cards > 0 then
      vms[object.ref] = { ref = object.ref, name = object.name, power = object["runtime.powerState"],
        host = object["runtime.host"], template = object["config.template"] == true, cards = cards }
    end
  end
  return vms
end

--- By address: {{name=, power=, template=, stale=}...}, of the VMs that name the card beside `ref`. `browser` is the
-- VM's environmentBrowser. nil, message when the other VMs could not be read.
return function(ref, host, browser)
  local vms, message = failure.catch(function() return vms_of(ref.client) end)
  if not vms then return nil, message end
  local mine = vms[ref]
  if not mine or not host then return {} end
  local ids = system_ids.new(ref.client)
  ids:of { ref = host, browser = browser }
  ids:learn(vms)
  local owners = ownership.of(vms, function(id) return ids.host_of[id] end)
  local others = {}
  for _, card in ipairs(mine.cards) do
    local address = card.kind == "fixed" and card.address or card.assigned
    local at = host
    if card.kind == "fixed" and card.system_id ~= "BYPASS" then at = ids.host_of[card.system_id] end
    for _, one in ipairs(address and at and owners:holders(at, address) or {}) do
      if one.ref ~= ref then
        others[address] = others[address] or {}
        table.insert(others[address], one)
      end
    end
  end
  return others
end
