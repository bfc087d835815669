--- The doctor's rules on evidence: what the texts of tools say, alone and beside the .vmx. Form as in
-- gpupt.doctor.rules.
local bar = require "gpupt.bar"
local codes = require "gpupt.facts.windows_codes"
local causes = require "gpupt.guest.causes"
local pci = require "gpupt.pci"
local pending = require "gpupt.evidence.pending"
local reset = require "gpupt.evidence.reset"

local rules = {}

local function at(fact) return { file = fact.file, line = fact.line, text = fact.text } end

local function results(subject) return subject.evidence or {} end

local function each_card(subject, where)
  local list = {}
  for _, result in ipairs(results(subject)) do
    for _, card in ipairs(result.cards) do
      if not where or card.where == where then list[#list + 1] = card end
    end
  end
  return list
end

-- Devices of guests' lists, each with its evidence.
local function guests(subject)
  local list = {}
  for _, result in ipairs(results(subject)) do
    for _, device in ipairs(result.where == "guest" and result.devices or {}) do list[#list + 1] = device end
  end
  return list
end

local function name_of(card)
  return card.name or card.device_name or card.vendor and card.device and ("%04x:%04x"):format(card.vendor, card.device)
    or card.address or "the card"
end

local function sentence(text) return (text:gsub("^%l", string.upper):gsub("%.?$", ".")) end

local function gpu_like(card)
  if card.vendor ~= 0x10de and card.vendor ~= 0x1002 and card.vendor ~= 0x8086 then return false end
  return card.class == nil or card.class >> 8 == 0x03 or card.class == 0x1200
end

-- They run only where there is evidence of this kind.
local function add(rule)
  rule.evidence = true
  rules[#rules + 1] = rule
end

add {
  id = "pasted-output", severity = "info",
  cause = "A text was changed by copying; it was read anyway.",
  remedy = "The file itself, or the command's output redirected to a file, is better evidence.",
  source = "docs/guide/evidence.md",
  check = function(subject, report)
    for _, result in ipairs(results(subject)) do
      local words, first = {}, nil
      for _, one in ipairs(result.damage) do
        if one.code ~= "prompt" and one.code ~= "utf-16" then
          words[#words + 1] = one.text
          first = first or one.line
        end
      end
      -- a .vmx is judged as it is, by rules of its own
      if #words > 0 and not result.unread and not result.kind then
        report({ { file = result.name, line = first, text = table.concat(words, "; ") } },
          { cause = ("%s was changed by copying: %s. It was read anyway."):format(result.name,
            table.concat(words, "; ")) })
      end
    end
  end,
}

add {
  id = "reset-map", severity = "warning",
  cause = "passthru.map names the same device twice with different methods.",
  remedy = "Keep one line for each vendor and device, then reboot the host.",
  source = "passthru.map's own heading; which of two lines counts is documented nowhere",
  check = function(subject, report)
    for _, result in ipairs(results(subject)) do
      for _, pair in ipairs(reset.contradictions(result.resets)) do
        report({ at(pair[1]), at(pair[2]) }, {
          cause = ("%04x:%04x is given %s and %s; it is not documented which of them the host uses.")
            :format(pair[1].vendor, pair[1].device, pair[1].method, pair[2].method) })
      end
    end
  end,
}

add {
  id = "pending-reboot", severity = "warning",
  cause = "Passthrough of a card is enabled and not in effect yet.", remedy = "Reboot the host.",
  source = "vSphere API: HostPciPassthruInfo.passthruActive; esxcli's Configured and Current Owner",
  check = function(subject, report)
    if subject.doc then return end -- the rule not-enabled says it for the VM's own cards
    for _, device in ipairs(subject.pci or {}) do
      local wanted = device.enabled or (device.configured_owner or ""):lower():find "passthr" ~= nil
      local owner = device.owner and device.owner:lower()
      local there = device.active or owner and owner:find "passthr" ~= nil
      if wanted and not there and (device.active == false or owner) and gpu_like(device) then
        local remedy, evidence = pending.remedy(subject, device)
        table.insert(evidence, 1, { file = device.file or subject.pci_name, line = device.line,
          text = device.text or device.address })
        report(evidence, { remedy = remedy,
          cause = ("%s (%s) is enabled for passthrough and not active%s."):format(device.address, name_of(device),
            device.owner and ": its owner is still " .. device.owner or "") })
      end
    end
  end,
}

add {
  id = "not-capable", severity = "warning",
  cause = "The host cannot pass a GPU through.",
  remedy = "Check IOMMU (VT-d, AMD-Vi) in the host's firmware, and whether the card is the host's console.",
  source = "esxcli hardware pci list: Passthru Capable; magic-blue-smoke/Dual-Edge-TPU-Adapter#37",
  check = function(subject, report)
    if subject.doc then return end
    for _, device in ipairs(subject.pci or {}) do
      if device.capable == false and pci.is_gpu(device) then
        report({ { file = device.file or subject.pci_name, line = device.line,
          text = device.address .. " Passthru Capable: false" } },
          { cause = ("The host cannot pass %s (%s) through."):format(device.address, name_of(device)) })
      end
    end
  end,
}

add {
  id = "host-driver", severity = "error", needs = "vmx",
  cause = "A driver of the host holds a card that the .vmx passes through.",
  remedy = "Enable passthrough of the card and reboot the host, or use a vGPU profile instead.",
  source = "frankdenneman.nl (esxcli graphics device list); NVIDIA vGPU documentation for vSphere",
  check = function(subject, report)
    for _, device in ipairs(subject:present()) do
      for _, card in ipairs(each_card(subject, "host")) do
        local ours = device.address and card.address == tostring(device.address)
        if ours and (card.form == "nvidia-smi" or card.graphics_type) and card.driver then
          report({ subject:field(device, "id"), at(card) }, {
            cause = ("%s passes %s through, and the host's driver %s holds it: a card that is passed through is not "
              .. "seen by the host."):format(device.prefix, card.address, card.driver) })
          break
        end
      end
    end
  end,
}

local function has_vgpu(subject)
  for _, device in ipairs(subject.devices or {}) do
    if device.present and device.vgpu then return device end
  end
end

add {
  id = "graphics-mode", severity = "error", needs = "vmx",
  cause = "The .vmx has a vGPU, and the host's graphics are not Shared Direct.",
  remedy = "Run esxcli graphics host set --default-type SharedPassthru and /etc/init.d/xorg restart, or reboot the "
    .. "host.",
  source = "frankdenneman.nl, vSphere ML Accelerator Spectrum; NVIDIA vGPU documentation for vSphere",
  check = function(subject, report)
    local vgpu = has_vgpu(subject)
    if not vgpu then return end
    for _, result in ipairs(results(subject)) do
      local graphics = result.host.graphics
      if graphics and graphics.type ~= "SharedPassthru" then
        report({ subject:field(vgpu, vgpu.fields.vgpu and "vgpu" or "virtualdev"), at(graphics) }, {
          cause = ("%s is a vGPU, and the host's default graphics type is %s, which shares cards by VMware's own "
            .. "driver."):format(vgpu.prefix, graphics.type) })
      end
    end
  end,
}

add {
  id = "graphics-device", severity = "error", needs = "vmx",
  cause = "The .vmx has a vGPU, and no card of the host is given to vGPUs.",
  remedy = "Install the vendor's host driver and give the card the type Shared Direct.",
  source = "frankdenneman.nl, vSphere ML Accelerator Spectrum (esxcli graphics device list)",
  check = function(subject, report)
    local vgpu, first = has_vgpu(subject), nil
    if not vgpu then return end
    for _, card in ipairs(each_card(subject, "host")) do
      if card.graphics_type == "SharedPassthru" or card.graphics_type == "sharedDirect" then return end
      if card.graphics_type then first = first or card end
    end
    if not first then return end
    report({ subject:field(vgpu, vgpu.fields.vgpu and "vgpu" or "virtualdev"), at(first) }, {
      cause = ("%s is a vGPU, and the graphics type of %s is %s%s."):format(vgpu.prefix, first.address,
        first.graphics_type, first.driver and "" or "; no driver of the host holds it"),
      remedy = first.driver and "Set the card to Shared Direct (esxcli graphics host set --default-type "
        .. "SharedPassthru), then restart Xorg or reboot the host."
        or "Install NVIDIA's vGPU host driver (a VIB) of the same release as the guests' drivers, and reboot the "
          .. "host; a card that is enabled for passthrough has to be disabled first." })
  end,
}

add {
  id = "other-kind", severity = "warning", needs = "vmx",
  cause = "The guest's driver sees another kind of card than the .vmx gives.",
  remedy = "Check that the outputs are of this VM; a vGPU needs the driver of NVIDIA's vGPU software.",
  source = "nvidia-smi -q, GPU Virtualization Mode",
  check = function(subject, report)
    local vgpu, passed = has_vgpu(subject), subject:present()[1]
    for _, card in ipairs(each_card(subject)) do
      local mode = (card.virtualization or ""):lower()
      if mode == "vgpu" and passed and not vgpu then
        report({ subject:field(passed, "present"), at(card) }, {
          cause = ("%s passes a card through, and the guest's driver says that it has a vGPU."):format(passed.prefix) })
      elseif mode:find "pass" and vgpu and not passed then
        report({ subject:field(vgpu, "present"), at(card) }, {
          cause = ("%s is a vGPU, and the guest's driver says that it has a card passed through.")
            :format(vgpu.prefix) })
      end
    end
  end,
}

add {
  id = "vgpu-licence", severity = "warning",
  cause = "A vGPU has no licence, so its driver slows it down.",
  remedy = "Put the client configuration token of the licence server into the guest, and restart its licence service.",
  source = "NVIDIA/gpu-operator#628 (nvidia-smi -q, License Status)",
  check = function(subject, report)
    for _, card in ipairs(each_card(subject)) do
      if (card.license or ""):lower():find "^unlicensed" then
        report({ at(card) }, { cause = ("%s has no licence (%s), so its driver slows it down.")
          :format(name_of(card), card.license) })
      end
    end
  end,
}

add {
  id = "guest-bar-unassigned", severity = "error",
  cause = "A guest has no address space for a BAR of its card.",
  remedy = "Widen the MMIO window.",
  source = "Linux drivers/pci/setup-res.c; lspci's <unassigned>",
  check = function(subject, report)
    local reported = {}
    for _, result in ipairs(results(subject)) do reported[result.name] = result.bar_told end
    for _, device in ipairs(guests(subject)) do
      if device.unassigned and not reported[device.file] and (pci.is_gpu(device) or not device.vendor) then
        local names = {}
        for i, index in ipairs(device.unassigned) do names[i] = "BAR " .. index end
        local sized = 0
        for _, one in ipairs(device.bars) do
          for _, index in ipairs(device.unassigned) do
            if one.index == index then sized = sized + 1 end
          end
        end
        local card = { vendor = device.vendor, device = device.device, count = 1 }
        if sized == #device.unassigned then card.bars = device.bars end
        local window = (card.bars or (card.vendor and card.device and bar.lookup(card.vendor, card.device)))
          and bar.window({ card }) or nil
        local remedy
        -- a lone BAR that fills its window leaves no room for the others of the card, which this text does not show
        local lone = window and card.bars and #card.bars == #device.unassigned and not device.device
        if window and window.needed then
          remedy = ("Set firmware = \"efi\" (before the guest is installed), pciPassthru.use64bitMMIO = \"TRUE\" and "
            .. "pciPassthru.64bitMMIOSizeGB = \"%d\" for one such card, then power the VM off and on.")
            :format(lone and window.gb << 30 == window.bytes and 2 * window.gb or window.gb)
        elseif window then
          remedy = "The card needs no 64-bit window: reboot the guest, and compare with the BARs in vmware.log."
        else
          remedy = "The size of the BAR is not known here: vmware.log or lspci -vv of the host shows it, and gpupt "
            .. "bar computes the window from it."
        end
        report({ { file = device.file, line = device.line, text = ("%s %s unassigned"):format(device.address,
          table.concat(names, ", ")) } }, {
          cause = ("The guest has no address space for %s of %s%s."):format(table.concat(names, ", "),
            device.address, device.device_name and " (" .. device.device_name .. ")" or ""), remedy = remedy })
      end
    end
  end,
}

add {
  id = "guest-nouveau", severity = "error",
  cause = "nouveau holds the card, so the vendor's driver cannot use it.",
  remedy = "Blacklist nouveau, rebuild the initramfs and restart the guest.",
  source = "lspci -k, Kernel driver in use",
  check = function(subject, report)
    for _, device in ipairs(guests(subject)) do
      if device.driver == "nouveau" and gpu_like(device) then
        report({ { file = device.file, line = device.line,
          text = device.address .. " Kernel driver in use: nouveau" } })
      end
    end
  end,
}

-- The problem codes of the Device Manager, each a rule: its words are those of the guest's proof.
local function problem(number, id, check)
  local known = causes.finding(causes.windows_code(number), "")
  add {
    id = id, severity = number == 14 and "warning" or "error", cause = sentence(known.cause),
    remedy = sentence(known.remedy), source = "Microsoft: Device Manager error messages",
    check = check or function(subject, report)
      for _, card in ipairs(each_card(subject, "guest")) do
        if card.problem_code == number and gpu_like(card) then
          report({ at(card) }, { cause = ("%s: Code %d: %s."):format(name_of(card), number, known.cause) })
        end
      end
    end,
  }
end

problem(10, "guest-code-10")
problem(12, "guest-code-12", function(subject, report)
  local reported = {}
  for _, result in ipairs(results(subject)) do reported[result.name] = result.told and result.told[12] end
  for _, card in ipairs(each_card(subject, "guest")) do
    if card.problem_code == 12 and gpu_like(card) and not reported[card.file] then
      local window = card.vendor and card.device and bar.lookup(card.vendor, card.device)
        and bar.window { { vendor = card.vendor, device = card.device, count = 1 } }
      report({ at(card) }, {
        cause = ("%s: Code 12: %s."):format(name_of(card), codes.clause(12)),
        remedy = window and window.needed
          and ("Set pciPassthru.use64bitMMIO = \"TRUE\" and pciPassthru.64bitMMIOSizeGB = \"%d\" for one such card, "
            .. "with EFI firmware, then power the VM off and on."):format(window.gb)
          or "The card's BARs are not known here: vmware.log or lspci -vv of the host shows them, and gpupt bar "
            .. "computes the window." })
    end
  end
end)
problem(14, "guest-code-14")
problem(22, "guest-code-22")
problem(28, "guest-code-28")
problem(31, "guest-code-31")
problem(43, "guest-code-43", function(subject, report)
  for _, card in ipairs(each_card(subject, "guest")) do
    if card.problem_code == 43 and gpu_like(card) then
      local geforce = name_of(card):find "GeForce" or name_of(card):find "TITAN"
      local cause, remedy, changes
      if card.vendor == 0x10de and geforce and codes.accepts_hypervisor(card.driver_release) then
        cause = ("%s: Code 43: driver %s accepts a GeForce in a VM (since 465), so the hypervisor is not the "
          .. "cause."):format(name_of(card), card.driver_release)
        remedy = "Compare the MMIO window with the card's BARs (vmware.log), reinstall the driver, and power the VM "
          .. "off and on; a card that was not reset keeps this code."
      elseif card.vendor == 0x10de and geforce then
        cause = ("%s: Code 43: drivers before 465 stop a GeForce when they see a hypervisor%s."):format(name_of(card),
          card.driver_release and ", and this one is " .. card.driver_release or "")
        remedy = "Install driver 465 or later, or set hypervisor.cpuid.v0 = \"FALSE\"."
        if subject.doc and subject:truth "hypervisor.cpuid.v0" == false then
          remedy = "Install driver 465 or later (hypervisor.cpuid.v0 is FALSE already), and look for MMIO findings."
        elseif subject.doc and #subject:present() > 0 then
          changes = { { key = "hypervisor.cpuid.v0", value = "FALSE" } }
        end
      else
        cause = ("%s: Code 43: the driver stopped the card."):format(name_of(card))
        remedy = "Install a driver that supports this card and this Windows, and look into vmware.log for reset and "
          .. "MMIO messages; power the VM off and on."
      end
      report({ at(card) }, { cause = cause, remedy = remedy, changes = changes })
    end
  end
end)
problem(52, "guest-code-52")

add {
  id = "guest-code", severity = "error", cause = "Windows reports a problem of the card.",
  remedy = "Look up the code in Device Manager.", source = "Microsoft: Device Manager error messages",
  check = function(subject, report)
    local known = { [0] = true, [45] = true }
    for _, number in ipairs { 10, 12, 14, 22, 28, 31, 43, 52 } do known[number] = true end
    for _, card in ipairs(each_card(subject, "guest")) do
      if card.problem_code and not known[card.problem_code] and gpu_like(card) then
        report({ at(card) }, { cause = ("%s: Code %d."):format(name_of(card), card.problem_code) })
      elseif not card.problem_code and card.id and gpu_like(card) and (card.state or ""):lower() == "error" then
        report({ at(card) }, { cause = ("%s is in error, and the list does not show the code."):format(name_of(card)),
          remedy = "Run Get-PnpDevice -Class Display | fl InstanceId, Problem, ProblemDescription." })
      end
    end
  end,
}

-- What a text itself says is wrong: a rule for each code, so that the list of rules is the whole list.
for _, sign in ipairs {
  { "nvidia-smi-no-driver", "error", "nvidia-smi cannot reach a working card." },
  { "nvidia-smi-no-devices", "error", "The NVIDIA driver is loaded but started no card." },
  { "nvidia-smi-mismatch", "error", "The loaded NVIDIA module and the installed library are of different releases." },
  { "nvidia-smi-lost", "error", "The card fell off the bus while the driver used it." },
  { "nvidia-smi-no-handle", "error", "The NVIDIA driver found the card and cannot open it." },
  { "nvidia-smi-err", "error", "The NVIDIA driver cannot read the state of a card (ERR!)." },
  { "rocm-smi-no-driver", "error", "The kernel module amdgpu is not loaded." },
  { "installer-failed", "error", "An installation in the guest failed." },
  { "installer-reboot", "info", "An installation in the guest needs a restart." },
  { "tools-installer-error", "warning", "The installer of VMware Tools logged errors." },
} do
  add {
    id = sign[1], severity = sign[2], cause = sign[3], remedy = "See the finding.", source = "docs/guide/evidence.md",
    check = function(subject, report)
      local follows = false
      for _, device in ipairs(guests(subject)) do follows = follows or device.unassigned ~= nil end
      -- a driver that starts no card is no news where a card has no address
      if follows and sign[1]:find "^nvidia%-smi%-no%-d" then return end
      for _, result in ipairs(results(subject)) do
        for _, one in ipairs(result.signs) do
          if one.code == sign[1] then
            report({ at(one) }, { cause = one.cause, remedy = one.remedy, severity = one.severity })
          end
        end
      end
    end,
  }
end

return rules
