--- Rules on a card as a part of its board and its slot: NVSwitches, audio functions, several GPUs, the bridge above.
local is_passthru = require "gpupt.doctor.owners".is_passthru
local pci = require "gpupt.pci"
local reset = require "gpupt.doctor.reset"

-- NVSwitches by PCI id, and the GPUs of the boards that have them. NVIDIA AI Enterprise 8.0 and 9 release notes.
local switches = { [0x1ac2] = "V100", [0x1af1] = "A100", [0x22a3] = "Hopper" }
local on_switch = {}
for _, device in ipairs { 0x20b0, 0x20b2, 0x20b3, 0x20bd, 0x20f3 } do on_switch[device] = "A100" end
for _, device in ipairs { 0x2330, 0x2335, 0x2339, 0x2324, 0x2329, 0x232c, 0x233a } do on_switch[device] = "Hopper" end
for _, device in ipairs { 0x1db8 } do on_switch[device] = "V100" end
-- The switches of these boards are no PCI devices: their fabric is reached through bridge functions of the network
-- cards.
local hidden_switch = { [0x2901] = "B200", [0x3182] = "B300" }

-- Boards that carry several GPUs of one id. 25b6 is the A2 as well, of one GPU.
local several = { [0x25b6] = { "A16", 4 }, [0x13bd] = { "Tesla M10", 4 }, [0x0ff2] = { "GRID K1", 4 },
  [0x13f2] = { "Tesla M60", 2 }, [0x102d] = { "Tesla K80", 2 }, [0x11bf] = { "GRID K2", 2 } }

local function with_ids(subject, wanted)
  local list = {}
  for _, device in ipairs(subject:present()) do
    if device.vendor == 0x10de and device.device and wanted(device.device) then list[#list + 1] = device end
  end
  return list
end

local function listed_ids(subject, wanted)
  local list = {}
  for _, device in ipairs(subject.pci or {}) do
    if device.vendor == 0x10de and device.device and wanted(device.device) then list[#list + 1] = device end
  end
  return list
end

local function fabric_manager(subject)
  local driver = subject.facts.driver
  return driver and ("NVIDIA Fabric Manager %s, exactly the driver's version,"):format(driver.version)
    or "NVIDIA Fabric Manager of exactly the driver's version"
end

local UNSUPPORTED = "NVIDIA does not support GPU passthrough under vSphere on systems with NVSwitch."

local function nvswitch(subject, report)
  local mine = with_ids(subject, function(id) return on_switch[id] or hidden_switch[id] end)
  if #mine == 0 then return end
  local fabric = subject.facts.fabric
  local hidden = hidden_switch[mine[1].device]
  local board = on_switch[mine[1].device]
  local there = listed_ids(subject, function(id) return board and switches[id] == board end)
  local gpus = listed_ids(subject, function(id) return id == mine[1].device end)
  local taken = with_ids(subject, function(id) return switches[id] ~= nil end)
  if #there == 0 and #fabric == 0 and not hidden then return end
  local evidence = { subject:field(mine[1], "deviceid") }
  for i = 1, math.min(#there, 2) do
    evidence[#evidence + 1] = subject:listed_at(pci.address(there[i].address, "hex"))
  end
  for i = 1, math.min(#fabric, 2) do evidence[#evidence + 1] = fabric[i] end
  local has = #gpus > 0 and ("%d of the %d GPUs of its board"):format(#mine, #gpus)
    or ("%d GPU%s of a board with NVSwitches"):format(#mine, #mine == 1 and "" or "s")
  local cause, remedy
  if hidden then
    cause = ("The VM has %s (%s), whose NVSwitches are not PCI devices: without the board's fabric CUDA reports "
      .. "error 802.")
      :format(has, hidden)
    remedy = ("The fabric is managed through bridge functions of the board's network cards, with %s. %s"):format(
      fabric_manager(subject), UNSUPPORTED)
  elseif #there > 0 and #taken >= #there and #mine >= #gpus then
    cause = ("The VM has the whole board, %d GPUs and %d NVSwitches."):format(#mine, #taken)
    remedy = ("%s must run in the guest. %s"):format(fabric_manager(subject):gsub(",$", ""), UNSUPPORTED)
  else
    cause = ("The VM has %s and %s: the fabric never comes up, and CUDA reports error 802."):format(has,
      #there > 0 and ("%s of its %d NVSwitches"):format(#taken == 0 and "none" or tostring(#taken), #there)
      or "none of its NVSwitches")
    remedy = ("Give the GPUs and NVSwitches of a board to one VM together, with %s in it. %s"):format(
      fabric_manager(subject), UNSUPPORTED)
  end
  report(evidence, { cause = cause, remedy = remedy, severity = #fabric > 0 and "error" or "warning" })
end

local function is_gpu(device, listed)
  local class = listed and listed.class
  if class then return class >> 8 == 0x03 or class == 0x1200 end
  return device.vendor == 0x10de or device.vendor == 0x1002
end

--- The audio, USB and USB-C functions of a GPU, which travel with it. (The ports of a network card do not.)
local travels = { [0x0403] = true, [0x0c03] = true, [0x0c80] = true }

local function companions(subject, device)
  local list = {}
  local mine = device.address
  if not is_gpu(device, subject:listed(mine)) then return list end
  for _, other in ipairs(subject.pci or {}) do
    local address = pci.address(other.address, "hex")
    if mine and address and address.domain == mine.domain and address.bus == mine.bus and address.slot == mine.slot
      and address.func ~= mine.func and (other.class == nil or travels[other.class]) then
      list[#list + 1] = other
    end
  end
  return list
end

--- The lines of an entry for another function of an entry's card, under the next free number.
local function entry_of(subject, device, other)
  local number = 0
  for _, one in ipairs(subject.devices) do number = math.max(number, one.number + 1) end
  local lines = {}
  local function put(name, value)
    if value then lines[#lines + 1] = ('pciPassthru%d.%s = "%s"'):format(number, name, value) end
  end
  put("present", "TRUE")
  put("id", pci.address(other.address, "hex"):vmx())
  put("deviceId", other.device and ("0x%04x"):format(other.device))
  put("vendorId", other.vendor and ("0x%04x"):format(other.vendor))
  put("systemId", device.system_id)
  return lines
end

local function left_behind(subject, report)
  local given = {}
  for _, device in ipairs(subject:present()) do
    if device.address then given[tostring(device.address)] = true end
  end
  for _, device in ipairs(subject:present()) do
    for _, other in ipairs(companions(subject, device)) do
      if not given[other.address] then
        local host = other.configured_owner and not is_passthru(other.configured_owner)
        local what = other.class == 0x0403 and "audio function" or "function"
        report({ subject:field(device, "id"), subject:listed_at(pci.address(other.address, "hex")) }, {
          severity = host and "warning" or "info",
          cause = ("%s is in the VM, and its card's %s %s %s."):format(device.prefix, what, other.address,
            host and "is still the host's (" .. other.configured_owner .. ")" or "is not"),
          remedy = host and ("Enable passthrough of %s as well: the functions of a card are reset together."):format(
            other.address) or ("Add %s to the VM if its driver needs it; a reset of the card resets it too."):format(
            other.address),
          proposal = not host and entry_of(subject, device, other) or nil,
        })
      end
    end
  end
end

local function boards(subject, report)
  for id, board in pairs(several) do
    local mine = with_ids(subject, function(one) return one == id end)
    local all = {}
    for _, device in ipairs(listed_ids(subject, function(one) return one == id end)) do
      -- 157e is the A2 (NVIDIA open-gpu-kernel-modules README), a board of one GPU
      if device.subdevice ~= 0x157e then all[#all + 1] = device end
    end
    local given, others = {}, {}
    for _, device in ipairs(mine) do
      if device.address then given[tostring(device.address)] = true end
    end
    for _, device in ipairs(all) do
      if not given[device.address] and device.owner and not is_passthru(device.owner) then
        others[#others + 1] = device
      end
    end
    if #mine > 0 and #all >= board[2] and #others > 0 then
      local evidence = { subject:field(mine[1], "id") }
      for i = 1, math.min(3, #others) do
        evidence[#evidence + 1] = subject:listed_at(pci.address(others[i].address, "hex"))
      end
      report(evidence, {
        cause = ("The %s has %d GPUs; the VM has %d, and %d of this host's %d are not given to passthrough "
          .. "(%s)."):format(
          board[1], board[2], #mine, #others, #all, others[1].owner),
        remedy = "Give all GPUs of a board the same mode, passthrough or vGPU: they share the board's power, slot "
          .. "and reset.",
      })
    end
  end
end

local function bridge_reset(subject, report)
  local map = subject.facts.map
  local wanted = {}
  for _, device in ipairs(subject:present()) do
    if device.address then wanted[tostring(device.address)] = device end
  end
  for _, listed in ipairs(subject.pci) do
    local gpu = listed.class and (listed.class >> 8 == 0x03 or listed.class == 0x1200)
    local judged = wanted[listed.address] or (not subject.doc and gpu and is_passthru(listed.configured_owner))
    if judged and listed.vendor and listed.device and reset.method(listed.reset_method) == "bridge" then
      local line = reset.in_map(map, listed.vendor, listed.device)
      local lines = reset.lines(listed.vendor, listed.device, "bridge", map)
      local evidence = { subject:listed_at(pci.address(listed.address, "hex")) }
      evidence[1].text = ("%s: Reset Method: %s"):format(listed.address, listed.reset_method)
      if wanted[listed.address] then table.insert(evidence, 1, subject:field(wanted[listed.address], "id")) end
      if line then evidence[#evidence + 1] = line.evidence end
      local above = listed.dependent and listed.dependent ~= listed.address
      local bridge = above and listed.dependent or listed.parent
      local kept = not line or line.device ~= listed.device or line.method == "bridge" or line.method == "default"
      local remedy = ("Give %04x:%04x another method in /etc/vmware/passthru.map (the first of these lines, then the "
        .. "other), then reboot the host."):format(listed.vendor, listed.device)
      if not kept then
        lines, remedy = nil, ("passthru.map names %s for it already, and the host does not use it: run "
          .. "/sbin/auto-backup.sh, so that the edited file is kept, and reboot the host."):format(line.method)
      end
      report(evidence, { severity = (above or not subject.doc) and "warning" or "info",
        cause = ("%s is reset through the bridge above it%s, which takes down all that is behind the bridge."):format(
          listed.address, bridge and " (" .. bridge .. ")" or ""),
        remedy = remedy, proposal = lines })
    end
  end
end

local function map_only(subject, report)
  local map = subject.facts.map
  if not map or subject.pci then return end
  if not subject.doc then
    for _, line in ipairs(map) do
      if line.method == "bridge" and (line.vendor == 0x10de or line.vendor == 0x1002 or line.vendor == 0x8086) then
        report({ line.evidence }, {
          cause = ("%s is reset through the bridge above it, and all that is behind the bridge with it."):format(
            line.device == 0xffff and ("Every card of the vendor %04x"):format(line.vendor)
              or ("%04x:%04x"):format(line.vendor, line.device)),
          remedy = "If a card does not come back after a reset, give it another method. The host's list of devices "
            .. "(--pci) has its ids for the line." })
      end
    end
    return
  end
  for _, line in ipairs(map) do
    for _, device in ipairs(subject:present()) do
      if device.vendor == line.vendor and (line.device == device.device or line.device == 0xffff)
        and line.method == "bridge" and reset.in_map(map, device.vendor, device.device) == line then
        report({ line.evidence, subject:field(device, "deviceid") }, { severity = "info",
          cause = ("passthru.map resets %04x:%04x through the bridge above it, and all that is behind the bridge "
            .. "with it.")
            :format(device.vendor, device.device),
          remedy = "If the card does not come back after a reset, try another method, then reboot the host.",
          proposal = reset.lines(device.vendor, device.device, "bridge", map) })
      end
    end
  end
end

return {
  {
    id = "nvswitch-board", severity = "warning", needs = "vmx",
    cause = "GPUs of a board with NVSwitches are in the VM without the board.",
    remedy = "Keep the GPUs and NVSwitches of a board together. " .. UNSUPPORTED,
    source = "NVIDIA AI Enterprise 8.0 and 9 release notes; Fabric Manager guide (error 802)",
    check = nvswitch,
  },
  {
    id = "function-left-behind", severity = "warning", needs = "vmx",
    cause = "A function of the card is not in the VM.", remedy = "Give the functions of a card to one VM.",
    source = "vSphere documentation: dependent devices; public posts on audio functions",
    check = left_behind,
  },
  {
    id = "board-split", severity = "warning", needs = "vmx",
    cause = "The GPUs of one board are used in different modes.", remedy = "Give all GPUs of a board the same mode.",
    source = "board layouts of NVIDIA's vGPU guide; that modes should not be mixed is inferred",
    check = boards,
  },
  {
    id = "bridge-reset", severity = "warning", needs = "pci",
    cause = "A card is reset through the bridge above it.",
    remedy = "Give it another reset method in /etc/vmware/passthru.map.",
    source = "ESXi's passthru.map; public posts on Quadro cards",
    check = bridge_reset,
  },
  {
    id = "map-bridge-reset", severity = "info", needs = "map",
    cause = "passthru.map resets the card through the bridge above it.", remedy = "Another method, if it does not "
      .. "come back.",
    source = "ESXi's passthru.map",
    check = map_only,
  },
}
