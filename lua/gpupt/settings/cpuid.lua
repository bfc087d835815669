--- Whether the hypervisor is hidden from the guest (hypervisor.cpuid.v0 = FALSE).
-- NVIDIA's Windows driver refused GeForce cards in VMs before R465 (problem code 43). Datacentre and workstation cards
-- never needed the key, and it hides paravirtual features from the guest. So auto sets it only for a GeForce in Windows
-- with an older or unknown driver.
local cpuid = {}

local codes = require "gpupt.facts.windows_codes"

--- "geforce", "workstation", "datacentre", "other" (no NVIDIA card) or "unknown", by name and PCI class. A name is the
-- card's own or the table's; a card of unknown name has no class, unless it is a 3D controller, as only
-- datacentre cards are.
function cpuid.kind(card)
  local name = card.name or ""
  if card.vendor ~= 0x10de then return "other" end
  if name == "" then
    local known = card.device and require "gpupt.bar".lookup(card.vendor, card.device)
    if known and known.name then name = known.name end
  end
  if name:find "GeForce" or name:find "TITAN" then return "geforce" end
  if name:find "Quadro" or name:find "NVS " or name:find "RTX A%d" or name:find "RTX %d000" or name:find "RTX PRO"
    or name:find "RTX %d%d%d%d Ada" then
    return "workstation"
  end
  if card.class == 0x0302 or name:find "Tesla" or name:find "GRID" then return "datacentre" end
  if name == "" then return "unknown" end
  -- the GeForce rows of a list may be named by their chip's series
  if name:find "^RTX %d%d%d%d" or name:find "^GTX %d" then return "geforce" end
  -- A100, H100 NVL, L40S, T4, B200: a letter or two and digits
  if name:find "%f[%w]%u%u?%d+%u?%f[%W]" then return "datacentre" end
  return "unknown"
end

--- Whether one of the cards is a GeForce.
function cpuid.has_geforce(gpus)
  for _, card in ipairs(gpus) do
    if cpuid.kind(card) == "geforce" then return true end
  end
  return false
end

--- Adds the choice with its reason; true when the key is to be set, nil for an invalid value.
function cpuid.choose(o, gpus, add, warn, allow)
  local wish = o.hide_hypervisor
  local geforce, others = false, {}
  for _, card in ipairs(gpus) do
    local kind = cpuid.kind(card)
    if kind == "geforce" then geforce = true elseif kind ~= "unknown" then others[#others + 1] = card end
  end
  if wish == true then
    if #others > 0 then
      allow[#allow + 1] = "hide-hypervisor"
      warn("hide_hypervisor = true: only GeForce cards ever need it, "
        .. "and one other card was reported to fail with it")
    end
    add("hypervisor.cpuid.v0", "FALSE", "as requested")
    return true
  elseif wish == false then
    add("hypervisor.cpuid.v0", "not set", "as requested")
    return false
  elseif wish ~= "auto" then
    return nil
  end
  if not geforce then
    add("hypervisor.cpuid.v0", "not set", "only GeForce cards with drivers before 465 need it")
    return false
  end
  if not (o.guest or "windows"):lower():find "^win" then
    add("hypervisor.cpuid.v0", "not set", "only the Windows driver of a GeForce needs it")
    return false
  end
  if codes.accepts_hypervisor(o.driver) then
    add("hypervisor.cpuid.v0", "not set", ("driver %s accepts a GeForce in a VM (since 465)"):format(o.driver))
    return false
  end
  add("hypervisor.cpuid.v0", "FALSE",
    o.driver and ("driver %s stops with Code 43 when it sees a hypervisor"):format(o.driver)
      or "drivers before 465 stop a GeForce with Code 43 when they see a hypervisor, and the driver version is unknown")
  return true
end

return cpuid
