--- Rules on the rest of the VM: memory, hot-add, nesting, bridges, limits. They concern a VM that has a card.
local devices_per_vm = require "gpupt.facts.devices_per_vm"

local function has_card(subject) return #subject:present() > 0 end

--- Adds evidence of one card, so that a reader sees why the rule is about this VM.
local function why(subject, evidence)
  evidence[#evidence + 1] = subject:field(subject:present()[1], "present")
  return evidence
end

local function switched_on(id, key, what, source)
  return {
    id = id, severity = "error", needs = "vmx",
    cause = what .. " is on, and excludes a passed-through card.", remedy = ("Set %s = \"FALSE\"."):format(key),
    source = source, keys = { key },
    check = function(subject, report)
      if has_card(subject) and subject:on(key) then
        report(why(subject, { subject:at(key) }), { changes = { { key = key, value = "FALSE" } } })
      end
    end,
  }
end

--- Reservation, lock and limit go together: all changes that a VM of this size needs, or nil without a size.
local function memory_changes(subject)
  local size = subject:number "memsize"
  if not size or size <= 0 or size % 4 ~= 0 then return nil end
  local changes = {}
  for _, key in ipairs { "sched.mem.min", "sched.mem.minSize" } do
    if subject:number(key) ~= size then changes[#changes + 1] = { key = key, value = tostring(size) } end
  end
  if subject:truth "sched.mem.pin" ~= true then changes[#changes + 1] = { key = "sched.mem.pin", value = "TRUE" } end
  local limit = subject:get "sched.mem.max"
  if limit and limit:lower() ~= "unlimited" and tonumber(limit) ~= -1 then
    changes[#changes + 1] = { key = "sched.mem.max", remove = true }
  end
  return changes
end

local BRIDGES = { "pciBridge4", "pciBridge5", "pciBridge6", "pciBridge7" }

return {
  {
    id = "memory-reservation", severity = "error", needs = "vmx",
    cause = "A VM with a card must have all its memory reserved.",
    remedy = "Set sched.mem.min and sched.mem.minSize to memsize, and sched.mem.pin to TRUE.",
    source = "Broadcom KB 2002779",
    keys = { "memsize", "sched.mem.min", "sched.mem.minSize", "sched.mem.pin" },
    check = function(subject, report)
      local size = subject:number "memsize"
      if not has_card(subject) or not size then return end
      local wrong = {}
      for _, key in ipairs { "sched.mem.min", "sched.mem.minSize" } do
        -- minSize follows min; alone it is not demanded
        if subject:number(key) ~= size and (key == "sched.mem.min" or subject:get(key)) then
          wrong[#wrong + 1] = subject:get(key) and ("%s is %s"):format(key, subject:get(key)) or key .. " is not set"
        end
      end
      if subject:truth "sched.mem.pin" ~= true and subject:get "sched.mem.pin" then
        wrong[#wrong + 1] = "sched.mem.pin is " .. subject:get "sched.mem.pin"
      end
      if #wrong == 0 then return end
      report(why(subject, { subject:at "memsize", subject:at "sched.mem.min" }), {
        cause = ("memsize is %d and %s, and a VM with a card must have all its memory reserved."):format(size,
          table.concat(wrong, ", ")),
        remedy = ("Reserve %d MB: sched.mem.min, sched.mem.minSize, and sched.mem.pin = \"TRUE\"."):format(size),
        changes = memory_changes(subject),
      })
    end,
  },
  {
    id = "memory-limit", severity = "error", needs = "vmx",
    cause = "The VM has a memory limit, and one with a card must not have any.",
    remedy = "Remove sched.mem.max.",
    source = "vSphere documentation: memory limit must be unlimited",
    keys = { "sched.mem.max" },
    check = function(subject, report)
      local value = subject:get "sched.mem.max"
      if not has_card(subject) or not value or value:lower() == "unlimited" or tonumber(value) == -1 then return end
      report(why(subject, { subject:at "sched.mem.max" }), {
        cause = ("sched.mem.max limits the memory to %s, and a VM with a card must not have a limit."):format(value),
        changes = memory_changes(subject),
        proposal = not memory_changes(subject) and "remove sched.mem.max, once memsize is set and all of it reserved"
          or nil,
      })
    end,
  },
  {
    id = "nested-hv", severity = "error", needs = "vmx",
    cause = "Nested hardware virtualization, or VBS that needs it, is on, and excludes a passed-through card.",
    remedy = "Switch both off: vhv.enable and windows.vbs.enabled = \"FALSE\".",
    source = "vSphere documentation; KB 2109231; KB 437651 (VBS)",
    keys = { "vhv.enable", "windows.vbs.enabled" },
    check = function(subject, report)
      if not has_card(subject) then return end
      local evidence, changes, names = {}, {}, {}
      for _, key in ipairs { "vhv.enable", "windows.vbs.enabled" } do
        if subject:on(key) then
          evidence[#evidence + 1] = subject:at(key)
          changes[#changes + 1] = { key = key, value = "FALSE" }
          names[#names + 1] = key
        end
      end
      if #changes == 0 then return end
      local both = #changes == 2
      report(why(subject, evidence), { changes = changes,
        cause = both and "Nested hardware virtualization and virtualization-based security are on. Each needs the "
          .. "other, and both exclude a passed-through card."
          or names[1] == "vhv.enable" and "Nested hardware virtualization is on, and excludes a passed-through card."
          or "Virtualization-based security is on: it needs nested virtualization, which excludes a passed-through "
            .. "card.",
        remedy = both and "Set vhv.enable and windows.vbs.enabled to \"FALSE\" together; in the guest, switch off "
          .. "what uses VBS (Credential Guard, memory integrity)."
          or ("Set %s = \"FALSE\"."):format(names[1]) })
    end,
  },
  switched_on("cpu-hot-add", "vcpu.hotadd", "Hot-add of CPUs", "Broadcom KB 89638"),
  switched_on("memory-hot-add", "mem.hotadd", "Hot-add of memory", "vSphere documentation of DirectPath I/O"),
  {
    id = "pcie-bridges", severity = "error", needs = "vmx",
    cause = "The VM has no PCIe root ports, so there is no slot for the card.",
    remedy = "Add pciBridge0 and pciBridge4 to pciBridge7.",
    source = "real files: No PCIe slot available for SCSI0",
    keys = { "pciBridge0.present", "pciBridge4.present" },
    check = function(subject, report)
      -- a server adds the bridges itself and need not list them
      if subject.remote or not has_card(subject) or (subject:number "virtualHW.version" or 0) < 7 then return end
      for _, bridge in ipairs(BRIDGES) do
        if subject:truth(bridge .. ".present") == true then return end
      end
      local changes = {}
      if subject:truth "pciBridge0.present" ~= true then
        changes[1] = { key = "pciBridge0.present", value = "TRUE" }
      end
      for _, bridge in ipairs(BRIDGES) do
        changes[#changes + 1] = { key = bridge .. ".present", value = "TRUE" }
        changes[#changes + 1] = { key = bridge .. ".virtualDev", value = "pcieRootPort" }
        changes[#changes + 1] = { key = bridge .. ".functions", value = "8" }
      end
      report(why(subject, { subject:at "pciBridge4.present" }), {
        cause = "None of pciBridge4 to pciBridge7 is there, and the card finds no PCIe slot (\"Too many PCI devices "
          .. "are already configured\").",
        remedy = "Add them as pcieRootPort with 8 functions, and pciBridge0.",
        changes = changes,
      })
    end,
  },
  {
    id = "too-many-devices", severity = "error", needs = "vmx",
    cause = "The VM has more cards than its hardware version allows.",
    remedy = "Upgrade the virtual hardware, or remove cards.",
    source = devices_per_vm.source,
    check = function(subject, report)
      local version, count = subject:number "virtualHW.version", #subject:present()
      if not version then return end
      local release = subject.facts.release
      local number = release and ("%d.%d.%d"):format(release.major, release.minor, release.update)
      local limit = devices_per_vm.most(version, number)
      local of_release = limit and limit < devices_per_vm.most(version)
      if limit and count > limit then
        report({ subject:at "virtualHW.version", of_release and release.evidence or nil }, {
          cause = ("%d cards are more than the %d of hardware version %d%s."):format(count, limit, version,
            of_release and " on " .. release.text or "") })
      elseif not limit and count > 128 then
        report({ subject:at "virtualHW.version" }, { severity = "warning",
          cause = ("%d cards: no figure is published for hardware version %d, and that of version 21 is "
            .. "128."):format(count,
            version), remedy = "Look the maximum of this release up (configmax.broadcom.com) before relying on it." })
      end
    end,
  },
  {
    id = "hardware-version", severity = "error", needs = "vmx",
    cause = "The hardware version is too old for this firmware.", remedy = "Upgrade the virtual hardware.",
    source = "vSphere documentation: EFI from version 8, Secure Boot from 13, Dynamic DirectPath from 17",
    check = function(subject, report)
      local version = subject:number "virtualHW.version"
      for _, device in ipairs(version and version < 17 and subject:present() or {}) do
        if device.dynamic then
          report({ subject:at "virtualHW.version", subject:field(device, "alloweddevices") }, {
            cause = ("Dynamic DirectPath needs hardware version 17, and this VM has %d."):format(version) })
          break
        end
      end
      if not version or not subject:offer().efi then return end
      if version < 8 then
        report({ subject:at "virtualHW.version", subject:at "firmware" }, {
          cause = ("EFI firmware needs hardware version 8, and this VM has %d."):format(version) })
      elseif version < 13 and subject:truth "uefi.secureBoot.enabled" == true then
        report({ subject:at "virtualHW.version", subject:at "uefi.secureBoot.enabled" }, {
          cause = ("Secure Boot needs hardware version 13, and this VM has %d."):format(version) })
      end
    end,
  },
  {
    id = "snapshot-disk", severity = "warning", needs = "vmx",
    cause = "The VM runs on a snapshot, which excludes a card's features.",
    remedy = "Delete the snapshots in the client before the card goes in.",
    source = "vSphere documentation: no snapshots with DirectPath I/O",
    check = function(subject, report)
      if not has_card(subject) then return end
      for key, value, line in subject.doc:each "*.fileName" do
        if value:find "%-%d%d%d%d%d%d%.vmdk$" then
          report({ subject:line(line) }, { cause = ("%s is %s, the disk of a snapshot."):format(key, value) })
        end
      end
    end,
  },
  {
    id = "hidden-hypervisor", severity = "warning", needs = "vmx",
    cause = "The hypervisor is hidden from a card that never needs it.",
    remedy = "Remove hypervisor.cpuid.v0: only GeForce cards with drivers before 465 need it.",
    source = "NVIDIA release notes of R465; a report that the key itself disabled a card",
    check = function(subject, report)
      if not has_card(subject) or subject:truth "hypervisor.cpuid.v0" ~= false then return end
      for _, device in ipairs(subject:present()) do
        local is = subject:kind_of(device)
        if is ~= "datacentre" and is ~= "workstation" then return end
      end
      -- a warning without a change: the key does no harm in most VMs, so removing it is the owner's choice
      report(why(subject, { subject:at "hypervisor.cpuid.v0" }), {})
    end,
  },
}
