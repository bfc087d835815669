--- NVIDIA's Fabric Manager in a Linux guest: who needs it, which package has exactly the driver's version, whether it
-- runs. Nothing here talks to a guest.
--
--   fabric.needed(cards)              --> { board = "HGX H100 or H200", why = "..." }, or nil and a note
--   fabric.package("debian", "550.107.02")   --> "nvidia-fabricmanager-550=550.107.02*"
--   fabric.look(), fabric.read(text)  --> { version = "550.107.02", running = true, said = "" }
--
-- Fabric Manager refuses a driver of another version. Sources: the error of nv-fabricmanager ("... GPU driver interface
-- version A don't match with driver version B"); Ubuntu's packages nvidia-fabricmanager-BRANCH; NVIDIA's
-- yum-packaging-fabric-manager. That its RPM is called nvidia-fabric-manager in newer repositories is from memory.
local boards = require "gpupt.facts.boards"
local linux = require "gpupt.guest.linux"
local shell = require "gpupt.shell"

local fabric = {}

fabric.SERVICE = "nvidia-fabricmanager.service"

-- NVSwitches by PCI id: HGX A100, HGX H100 and H200.
local switches = { [0x1af1] = true, [0x22a3] = true }

--- Whether a guest with these PCI devices ({ vendor =, device = }) needs it: { board =, why = }; otherwise nil, and a
-- note for the user if there is something to say.
function fabric.needed(cards)
  local board, count = nil, 0
  for _, card in ipairs(cards) do
    if card.vendor == 0x10de and switches[card.device] then count = count + 1 end
    local one = card.vendor == 0x10de and boards.of(card)
    if one and one.fabric then board = one end
  end
  if count > 0 then
    return { board = board and board.name or "a board with NVSwitches",
      why = ("the guest has %d NVSwitch%s"):format(count, count == 1 and "" or "es") }
  end
  if board and board.fabric == "switches" then
    return nil, ("the guest has GPUs of %s and no NVSwitch, so Fabric Manager is not needed in it"):format(board.name)
  end
  if board then
    return nil, ("%s: its NVSwitches are no PCI devices; whether the guest needs Fabric Manager is unverified")
      :format(board.name)
  end
end

local packages = {
  debian = function(version, branch) return ("nvidia-fabricmanager-%s=%s*"):format(branch, version) end,
  rhel = function(version) return "nvidia-fabric-manager-" .. version end,
  suse = function(version) return "nvidia-fabric-manager=" .. version end,
}

--- The package with exactly this version; nil, message, "EREFUSED" for a family without one.
function fabric.package(family, version)
  local of = packages[family]
  if not of then
    return nil, ("NVIDIA has no Fabric Manager for the family '%s'"):format(tostring(family)), "EREFUSED"
  end
  return of(version, version:match "^%d+")
end

--- The shell text, for root, that starts it and keeps it started.
function fabric.start() return "systemctl enable --now " .. fabric.SERVICE end

--- The command that looks at it; needs no root.
function fabric.look()
  return { program = "/bin/sh", arguments = "-c " .. shell.quote([[export LC_ALL=C PATH=$PATH:/usr/sbin:/sbin
echo @version; nv-fabricmanager --version 2>/dev/null
echo @active; systemctl is-active nvidia-fabricmanager.service 2>/dev/null
echo @said; { journalctl -u nvidia-fabricmanager.service -n 20 --no-pager || ]]
    .. [[sudo -n journalctl -u nvidia-fabricmanager.service -n 20 --no-pager; } 2>/dev/null | grep -i 'fabric manager'
echo @end]]) }
end

--- Reads its output; nil, message, "EGUEST".
function fabric.read(output)
  local sections, message, code = linux.sections(output, "version active said")
  if not sections then return nil, message, code end
  return { version = table.concat(sections.version, " "):match "version is : ([%d.]+)",
    running = sections.active[1] == "active", said = sections.said[#sections.said] or "" }
end

--- Why it is not as the driver of this version needs it; nil if it is.
function fabric.problem(seen, version)
  if not seen.version then return "Fabric Manager is not installed" end
  if seen.version ~= version then
    return ("Fabric Manager %s does not work with the driver %s: it needs exactly that version"):format(seen.version,
      version)
  end
  if not seen.running then
    return ("the service %s does not run%s"):format(fabric.SERVICE, seen.said ~= "" and ": " .. seen.said or "")
  end
end

return fabric
