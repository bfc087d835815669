--- Whether the cards of a plan are still free when its run has claimed them.
-- A run with the same journal that was at work while the plan was made may have attached them since and have ended, so
-- that it claims them no more. The hosts are read again only if there was such a run.
local hosts = require "gpupt.fleet.host"
local visible = require "gpupt.visible"

-- Whether another run had claimed cards when the plan was made, or has started since.
local function others(plan, journal, run)
  if plan.world and plan.world.claims and next(plan.world.claims) then return true end
  local left = 2 -- newest first: this run, and the one before
  for one in journal:runs() do
    if one.id ~= run then return one.at >= plan.began end
    left = left - 1
    if left == 0 then return false end
  end
  return false
end

-- The VM targets that get cards of each host.
local function by_host(plan)
  local list, of_host = {}, {}
  for _, entry in ipairs(plan.entries) do
    local target = entry.target
    -- the server chooses the card of a dynamic backing
    if entry.changes and target.cards and not target.dynamic and target.host and not target.host.ours then
      if not of_host[target.host] then
        of_host[target.host] = {}
        list[#list + 1] = target.host
      end
      table.insert(of_host[target.host], target)
    end
  end
  return list, of_host
end

--- True; or nil, message, "EREFUSED", { again = true }.
return function(plan, journal, run)
  if not others(plan, journal, run) then return true end
  local fleet, gone = plan.fleet, {}
  local records, of_host = by_host(plan)
  for _, record in ipairs(records) do
    fleet:refresh_cards(record)
    for _, target in ipairs(of_host[record]) do
      for _, card in ipairs(target.cards) do
        local now = record.devices[card.address]
        for _, owner in ipairs(now and fleet:owners(now) or {}) do
          if owner.ref ~= target.ref then
            gone[#gone + 1] = ("%s: %s, planned for %s, is held by %s (%s) since"):format(record.name,
              hosts.short(card.address), target.name, owner.name, owner.power or "?")
          end
        end
      end
    end
  end
  if #gone == 0 then return true end
  return nil, visible.lines(gone), "EREFUSED", { again = true }
end
