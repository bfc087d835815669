--- What a guest says of its cards, for steps that prove them.
local loop = require "gpupt.loop"

local cards = {}

--- The vendors of the cards that the VM was given; nil if it has none.
function cards.vendors(target)
  local set, list = {}, {}
  for _, card in ipairs(target.cards or {}) do
    if not set[card.vendor] then
      set[card.vendor] = true
      list[#list + 1] = card.vendor
    end
  end
  return #list > 0 and list or nil
end

-- What a step has proved is what the next one proves, because nothing is in between but the mark of the proof; not if
-- that took longer than this.
local KNOWN_SECONDS = 30

local function key(commands)
  local words = {}
  for i, command in ipairs(commands) do words[i] = command.program .. "\0" .. (command.arguments or "") end
  return table.concat(words, "\n")
end

--- Keeps the outputs of commands that prove everything, for the next step; the next program in the guest ends that.
function cards.keep(target, session, commands, outputs)
  target.guest_known = { key = key(commands), outputs = outputs, boot_time = session.boot_time, at = loop.now() }
end

--- The outputs that the step right before has kept of the same commands in the same boot; nil if there are none. Only
-- to confirm: what they do not prove is asked again.
function cards.kept(target, session, commands)
  local known = target.guest_known
  target.guest_known = nil
  if not known or not known.boot_time or known.boot_time ~= session.boot_time or known.key ~= key(commands)
    or loop.now() - known.at > KNOWN_SECONDS then
    return nil
  end
  return known.outputs
end

--- The outputs of gpupt.guest.proof's commands by name. All of them run in one go; if one does not end (nvidia-smi may
-- hang with a broken card), each runs on its own, and an optional one may fail. Where one fails that has `instead`,
-- that is run too. nil, message, code.
function cards.outputs(session, commands)
  local outputs = {}
  local results, message, code = session:look(commands)
  for i, command in ipairs(commands) do
    local one = results and results[i]
    if not results and code == "ETIMEDOUT" then
      local why, failed
      one, why, failed = session:run(command)
      if not one and not command.optional then
        return nil, ("%s cannot be run in the guest: %s"):format(command.name, why), failed
      end
    elseif not results then
      return nil, ("%s cannot be run in the guest: %s"):format(command.name, message), code
    end
    outputs[command.name] = one and { out = one.out, status = one.status }
    if command.instead and not (one and one.status == 0) then
      local other = session:look { command.instead }
      outputs[command.instead.name] = other and { out = other[1].out, status = other[1].status }
    end
  end
  return outputs
end

-- What makes findings one: the repair that they need, or their cause.
local function kind(finding) return finding.fix or finding.code .. (finding.cause or finding.text) end

--- The errors of a proof in words: each cause once, with how many findings have it and what to do; nil without errors.
function cards.complaint(findings)
  local list, by_kind = {}, {}
  for _, finding in ipairs(findings) do
    if finding.severity == "error" then
      local one = by_kind[kind(finding)]
      if one then
        one.count = one.count + 1
      else
        one = { finding = finding, count = 1 }
        by_kind[kind(finding)] = one
        list[#list + 1] = one
      end
    end
  end
  local words = {}
  for i, one in ipairs(list) do
    local finding = one.finding
    local number = finding.code:match "^code%-(%d+)$"
    words[i] = ("%s%s%s%s"):format(number and "Code " .. number .. ": " or "", finding.cause or finding.text,
      one.count > 1 and (" (%d findings)"):format(one.count) or "",
      finding.remedy and ". " .. finding.remedy:gsub("^%l", string.upper):gsub("%.$", "") or "")
  end
  return #words > 0 and table.concat(words, "; ") or nil
end

return cards
