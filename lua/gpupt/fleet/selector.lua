--- p.gpus: selects cards.
-- A card matches if it is a GPU of the allow-list (never a BMC's VGA, whatever its class) and all given fields match:
-- `match` ("10de:20b5", "10de:25b6:10de:159a", "10de:*"), `class`, `address`, `label`.
local bar = require "gpupt.later" "gpupt.bar"
local pci = require "gpupt.pci"

local selector = {}

local function as_list(value)
  if value == nil then return nil end
  return type(value) == "table" and value or { value }
end

local function any(list, test)
  if not list then return true end
  for _, one in ipairs(list) do if test(one) then return true end end
  return false
end

-- What is wrong with measured BARs, or nil.
local function bars_problem(bars)
  local _, message
  if type(bars) == "string" then _, message = bar.parse(bars) end
  if type(bars) == "table" then _, message = bar.window({ { bars = bars } }, { rule = "safe" }) end
  return message and "bars: " .. message
end

--- Checks the patterns of a node when the playbook is loaded; a message or nil.
function selector.problem(node)
  local o = node.options
  if not (o.match or o.class or o.address or o.label) then
    return "needs at least one of match, class, address and label"
  end
  for _, pattern in ipairs(as_list(o.match) or {}) do
    local ok = type(pattern) == "string" and pattern:match "^[%x*]+:[%x*]+$"
      or type(pattern) == "string" and pattern:match "^[%x*]+:[%x*]+:[%x*]+:[%x*]+$"
    if not ok then
      return ("match: '%s' is not vendor:device[:subvendor:subdevice] in hexadecimal"):format(tostring(pattern))
    end
  end
  for _, address in ipairs(as_list(o.address) or {}) do
    local known, message = pci.address(address)
    if not known then return "address: " .. tostring(message) end
  end
  return bars_problem(o.bars)
end

--- Whether a selector with a label has other fields: then the label is what these cards have to have, and
-- p.host.enable sets it.
function selector.names_more(node)
  local o = node.options
  return (o.match or o.class or o.address) ~= nil
end

--- The label that the selected cards get, or nil.
function selector.label(node)
  local label = node.options.label
  return type(label) == "string" and selector.names_more(node) and label or nil
end

--- True if the selector matches this card ({vendor=, device=, subvendor=, subdevice=, class=, address=, label=}).
-- `any_label`: whatever its label.
function selector.matches(node, card, any_label)
  local o = node.options
  return any(as_list(o.match), function(pattern) return pci.match(card, pattern) end)
    and any(as_list(o.class), function(class) return pci.match(card, class) end)
    and any(as_list(o.address), function(address) return tostring(pci.address(address)) == card.address end)
    and (any_label or any(as_list(o.label), function(label) return card.label == label end))
end

--- The selector as text for messages.
function selector.describe(node)
  local words = {}
  for _, name in ipairs { "match", "class", "address", "label" } do
    local list = as_list(node.options[name])
    if list then words[#words + 1] = (name == "match" and "" or name .. " ") .. table.concat(list, "|") end
  end
  return table.concat(words, ", ")
end

return selector
