--- Rules on the rest of the VM: memory, hot-add, nesting, bridges, limits. They concern a VM that has a card.
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
      if has_card(subject) and subject:truth(key) == true then
        report(why(subject, { subject:at(key) }), { changes = { { key = key, value = "FALSE" } } })
      end
    end,
  }
end

-- Devices per VM by hardware version (KB 309986). Version 20 is that of 8.0 (32) and of 8.0 U1 (64): a .vmx does not
-- tell which of them runs it, so the larger counts.
local limits = { { 21, 128 }, { 20, 64 }, { 0, 16 } }

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
      local changes, wrong = {}, {}
      for _, key in ipairs { "sched.mem.min", "sched.mem.minSize" } do
        if subject:number(key) ~= size then
          -- minSize follows min; alone it is not demanded
          if key == "sched.mem.min" or subject:get(key) then
            wrong[#wrong + 1] = subject:get(key) and ("%s is %s"):format(key, subject:get(key)) or key .. " is not set"
          end
          changes[#changes + 1] = { key = key, value = tostring(size) }
        end
      end
      if subject:truth "sched.mem.pin" ~= true then
        changes[#changes + 1] = { key = "sched.mem.pin", value = "TRUE" }
        if subject:get "sched.mem.pin" then wrong[#wrong + 1] = "sched.mem.pin is " .. subject:get "sched.mem.pin" end
      end
      if #wrong == 0 then return end
      report(why(subject, { subject:at "memsize", subject:at "sched.mem.min" }), {
        cause = ("memsize is %d and %s, and a VM with a card must have all its memory reserved."):format(size,
          table.concat(wrong, ", ")),
        remedy = ("Reserve %d MB: sched.mem.min, sched.mem.minSize, and sched.mem.pin = \"TRUE\"."):format(size),
        changes = changes,
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
        changes = { { key = "sched.mem.max", remove = true } },
      })
    end,
  },
  switched_on("nested-hv", "vhv.enable", "Nested hardware virtualization", "vSphere documentation; KB 2109231"),
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
        cause = "None of pciBridge4 to pciBridge7 is there, and the card finds no PCIe slot (\"Too many PCI "
          .. "devices are already configured\").",
        remedy = "Add them as pcieRootPort with 8 functions, and pciBridge0.",
        changes = changes,
      })
    end,
  },
  {
    id = "too-many-devices", severity = "error", needs = "vmx",
    cause = "The VM has more cards than its hardware version allows.",
    remedy = "Upgrade the virtual hardware, or take cards away.",
    source = "Broadcom KB 309986",
    check = function(subject, report)
      local version, count = subject:number "virtualHW.version", #subject:present()
      if not version then return end
      for _, limit in ipairs(limits) do
        if version >= limit[1] then
          if count > limit[2] then
            report({ subject:at "virtualHW.version" }, {
              cause = ("%d cards are more than the %d of hardware version %d."):format(count, limit[2], version) })
          end
          return
        end
      end
    end,
  },
  {
    id = "hardware-version", severity = "error", needs = "vmx",
    cause = "The hardware version is too old for this firmware.", remedy = "Upgrade the virtual hardware.",
    source = "vSphere documentation: EFI from version 8, Secure Boot from 13",
    check = function(subject, report)
      local version = subject:number "virtualHW.version"
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
      local kind = require "gpupt.settings.cpuid".kind
      for _, device in ipairs(subject:present()) do
        if not device.vendor or not device.device then return end
        local listed = subject:listed(device.address)
        local is = kind { vendor = device.vendor, device = device.device, class = listed and listed.class,
          name = listed and listed.device_name }
        if is ~= "datacentre" and is ~= "workstation" then return end
      end
      -- a warning without a change: the key does no harm in most VMs, so removing it is the owner's choice
      report(why(subject, { subject:at "hypervisor.cpuid.v0" }), {})
    end,
  },
}
