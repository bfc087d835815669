--- What a guest says of its cards, for steps that prove them.
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

--- The outputs of gpupt.guest.proof's commands by name. All of them run in one go; if one does not end (nvidia-smi may
-- hang with a broken card), each runs on its own, and an optional one may fail. nil, message, code.
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
  end
  return outputs
end

return cards
