--- The result of a run as tables: hosts and their cards, VMs and what was proved.
local hosts = require "gpupt.fleet.host"
local in_maintenance = require "gpupt.playbook.in_maintenance"
local visible = require "gpupt.visible"

local report = {}

-- How a host ended; of one that was interrupted without a last word too, whether it is still in maintenance mode.
local function ending(outcome)
  local text = outcome.brief or outcome.message or outcome.status
  return text or in_maintenance.add("interrupted", outcome.target_record)
end

local function host_rows(run)
  local rows = { { "HOST", "CARD", "MODEL", "STATE", "RESULT" } }
  for _, outcome in ipairs(run.outcomes) do
    local target = outcome.target_record
    if outcome.kind == "host" then
      local first = true
      for _, card in ipairs(target.record.cards) do
        rows[#rows + 1] = { first and outcome.target or "", hosts.short(card.address), card.name or "?",
          hosts.state(card), first and ending(outcome) or "" }
        first = false
      end
    end
  end
  for _, one in ipairs(run:unreached()) do
    if one.kind == "host" then rows[#rows + 1] = { one.target, "-", "-", "-", "skipped: " .. one.why } end
  end
  return rows
end

local function proof_of(outcome)
  if outcome.undone then return outcome.brief or outcome.message or outcome.status end
  local proof = outcome.proofs["guest.verify"]
  if proof and proof ~= "nothing to change" then return proof end
  return outcome.target_record.proof or proof or outcome.proofs["gpu.attach"] or outcome.status or "interrupted"
end

-- What an undo has proved: each of its steps found nothing left to take back.
local function taken_back(outcome)
  if outcome.undone or not (outcome.status == "changed" or outcome.status == "ok") then
    return outcome.brief or outcome.message or outcome.status or "interrupted"
  end
  return outcome.target_record.ref and "as before the run" or "deleted"
end

local function vm_rows(run)
  local proved = run.plan.playbook.undoes and taken_back or proof_of
  local rows = { { "VM", "HOST", "CARDS", "RESULT", "PROVED" } }
  for _, outcome in ipairs(run.outcomes) do
    local target = outcome.target_record
    if outcome.kind == "vm" then
      local cards = {}
      for i, card in ipairs(target.cards or {}) do cards[i] = hosts.short(card.address) end
      rows[#rows + 1] = { outcome.target, target.host and target.host.name or "?", table.concat(cards, " "),
        outcome.status or "interrupted", proved(outcome) }
    end
  end
  for _, one in ipairs(run:unreached()) do
    if one.kind == "vm" then rows[#rows + 1] = { one.target, "-", "-", "skipped", one.why } end
  end
  return rows
end

--- The result of a run as text: visible lines, without the last line end.
function report.text(run)
  local lines = {}
  for _, rows in ipairs { host_rows(run), vm_rows(run) } do
    if #rows > 1 then
      if #lines > 0 then lines[#lines + 1] = "" end
      table.move(visible.table(rows), 1, #rows, #lines + 1, lines)
    end
  end
  for i, one in ipairs(run.plan:left()) do
    if i == 1 and #lines > 0 then lines[#lines + 1] = "" end
    lines[#lines + 1] = ("left as it is: %s: %s"):format(one.target, one.text)
  end
  return visible.lines(lines)
end

return report
