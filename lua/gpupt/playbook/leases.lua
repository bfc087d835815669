--- The claims of a run: hosts, cards and roll slots that no other run of the same journal may change meanwhile.
--
--   host/UUID               a host whose configuration the run changes
--   card/UUID/ADDRESS       a card that the run gives to a VM
--   slot/VCENTER/CLUSTER    the right to take a host of a cluster out of service, when only one may be
local failure = require "gpupt.failure"

local leases = {}

--- How long a lease lasts.
local LEASE_SECONDS = 4 * 3600

--- Claims a resource for the run; nil, message, code, detail if another run holds it.
function leases.claim(run, resource)
  local ok, message, code, detail = run.journal:claim(resource, run.id, LEASE_SECONDS)
  if ok then return true end
  return nil, message, code == "EHELD" and "EREFUSED" or code, detail
end

function leases.host(record) return "host/" .. record.uuid end

function leases.slot(vc, cluster)
  return ("slot/%s/%s"):format(vc.about.instanceUuid or vc.host, cluster.ref.value)
end

local claimed = {
  host = function(target) return target.record and { leases.host(target.record) } or {} end,
  cards = function(target)
    local list = {}
    for i, card in ipairs(target.cards or {}) do list[i] = "card/" .. target.host.uuid .. "/" .. card.address end
    return list
  end,
}

--- Claims what the steps with changes declare; raises if another run holds one of them.
function leases.claim_all(run)
  for _, entry in ipairs(run.plan.entries) do
    for _, one in ipairs(entry.steps) do
      for _, kind in ipairs(#one.changes > 0 and one.instance.step.claims or {}) do
        for _, resource in ipairs(claimed[kind](entry.target)) do failure.check(leases.claim(run, resource)) end
      end
    end
  end
end

--- Releases one claim of the run.
function leases.release(run, resource) return run.journal:release(run.id, resource) end

--- Releases the claims of a run that ended: all, or after a failure those of cards.
function leases.close(run, failed)
  if not failed then run.journal:release(run.id) end
  for _, target in ipairs(run.plan.vms) do
    for _, resource in ipairs(claimed.cards(target)) do leases.release(run, resource) end
  end
end

return leases
