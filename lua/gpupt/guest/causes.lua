--- Why a GPU does not work inside a guest: each symptom, its cause and its remedy.
-- One table, read by the parsers of gpupt.guest.proof. A finding is { code=, severity=, text=, cause=,
-- remedy=, fix=, address=, device= }: `code` is stable, `text` is the evidence as the guest wrote it,
-- `fix` names the doctor's repair for it, if there is one. severity "error" fails a proof,
-- "warning" does not.
local codes = require "gpupt.facts.windows_codes"
local vmlog = require "gpupt.vmlog"

local causes = {}

local window = "the card's BARs do not fit in the 64-bit MMIO window: pciPassthru.use64bitMMIO is missing, "
  .. "64bitMMIOSizeGB is too small, or the firmware is BIOS"
local window_remedy = "use EFI firmware (chosen before the guest OS is installed), set pciPassthru.use64bitMMIO = TRUE "
  .. "and the 64bitMMIOSizeGB that `gpupt bar` computes, then power the VM off and on"

local catalogue = {
  -- Windows: the problem codes of the Device Manager
  ["code-12"] = { codes.clause(12), window_remedy, fix = "mmio" },
  ["code-43"] = { codes.clause(43) .. "; otherwise the driver does not support the card, or the card was not reset",
    "install driver 465 or later; for an older GeForce driver set hypervisor.cpuid.v0 = FALSE. Otherwise power the "
    .. "VM off and on, and read vmware.log" },
  ["code-28"] = { codes.clause(28), "install the vendor's driver", driver = true },
  ["code-10"] = { codes.clause(10), "install a driver release that supports this card; "
    .. "read vmware.log for BAR or interrupt errors" },
  ["code-31"] = { codes.clause(31), "reinstall the vendor's driver" },
  ["code-14"] = { "the driver needs a restart of the guest", "restart the guest" },
  ["code-22"] = { "the device was disabled in the guest", "enable it in Device Manager" },
  ["code-52"] = { "Windows does not accept the driver's signature",
    "install a signed driver, or turn Secure Boot off" },
  ["code-other"] = { "Windows reports a problem with the device",
    "look up the code in Microsoft's list of Device Manager error codes" },
  -- Linux: lspci and nvidia-smi; the kernel's log is read by the catalogue of gpupt.vmlog
  ["bar-unassigned"] = { window, window_remedy, fix = "mmio" },
  ["no-driver"] = { "the vendor's driver is not in use for the card",
    "install the vendor's driver (on Linux also rebuild the initramfs)", driver = true },
  ["nouveau"] = { "nouveau holds the card, so the vendor's driver cannot use it",
    "blacklist nouveau, rebuild the initramfs, reboot the guest", driver = true },
  ["driver-silent"] = { "nvidia-smi finds no working card: the kernel module is not loaded, or failed",
    "run modprobe nvidia and read dmesg; with Secure Boot the module must be signed", driver = true },
  ["smi-fewer"] = { "the driver uses fewer cards than are on the PCI bus",
    "the missing card failed to start: see the other findings, and dmesg" },
  -- both
  ["fewer-cards"] = { "the guest sees fewer cards than the VM was given",
    "check that all cards are assigned to this VM (power it off and on after a change) and of the expected vendor" },
  ["more-cards"] = { "the guest sees more cards than expected",
    "check whether another step or user adds cards to this VM", severity = "warning" },
  ["other-card"] = { "the guest sees another card than the VM was given",
    "look at the VM's PCI devices: they may have changed since, or a dynamic device allows several models" },
  ["link-width"] = { "the card's PCIe link is narrower than the card",
    "on the host look at the slot, the riser and the BIOS's bifurcation; a VM does not change it",
    severity = "warning" },
  ["link-generation"] = { "the card's PCIe link is of an older generation than the card",
    "on the host look at the slot, the riser and the BIOS's setting of the slot's speed; a VM does not change it",
    severity = "warning" },
  ["memory-less"] = { "the card reports less memory than its data sheet says",
    "look for retired pages (nvidia-smi -q -d PAGE_RETIREMENT, ROW_REMAPPER), a MIG partition, or another model",
    severity = "warning" },
  ["numa-nodes"] = { "the VM's cards are on different NUMA nodes of the guest",
    "attach cards of one socket, or pin the programs to the node of their card", severity = "warning" },
  ["amd-silent"] = { "AMD's tool cannot read the cards: the amdgpu driver is not loaded, or failed",
    "run modprobe amdgpu and read dmesg", driver = true },
  ["ecc-off"] = { "the card's ECC is switched off",
    "nvidia-smi -e 1 and a reboot of the guest switch it on", severity = "warning" },
  ["no-answer"] = { "the command in the guest failed, so nothing is proved",
    "run the command in the guest by hand" },
  ["no-lspci"] = { "lspci is not installed in the guest, so nothing is proved",
    "install the package pciutils there" },
}

--- Makes a finding of the catalogue. `more` adds or overrides fields (address, device, severity...).
function causes.finding(code, text, more)
  local entry = assert(catalogue[code], code)
  local finding = {
    code = code, text = text, cause = entry[1], remedy = entry[2], fix = entry.fix,
    severity = entry.severity or "error",
    about_driver = entry.driver,
  }
  for key, value in pairs(more or {}) do finding[key] = value end
  return finding
end

--- The code for a Windows problem number.
function causes.windows_code(number)
  local code = ("code-%d"):format(number)
  return catalogue[code] and code or "code-other"
end

--- All codes with cause and remedy, sorted: for the reference.
function causes.list()
  local list = {}
  for code, entry in pairs(catalogue) do
    list[#list + 1] = { code = code, cause = entry[1], remedy = entry[2], fix = entry.fix,
      severity = entry.severity or "error" }
  end
  table.sort(list, function(a, b) return a.code < b.code end)
  return list
end

-- A BAR without an address: fixed by the window.
local window_codes = { ["nvrm-bar-invalid"] = true, ["nvrm-bar-unassigned"] = true, ["amdgpu-memory"] = true,
  ["bar-no-space"] = true }

-- What a program did, or the card counted, does not say that the card is not there.
local harmless_xids = { application = true, event = true }

-- Whose cards a family of messages is about; messages of nouveau are in "linux".
local vendors = { nvidia = 0x10de, xid = 0x10de, amd = 0x1002, intel = 0x8086 }

--- The findings in the Linux kernel's log, by the catalogue of gpupt.vmlog (what it says of guests). `vendor`
-- is the one whose cards a finding is about; nil: any.
function causes.of_kernel_log(log)
  local found = {}
  for _, one in ipairs((vmlog.scan { text = log, pasted = false }).findings) do
    if one.side == "guest" and one.severity ~= "info" and one.family ~= "windows" then
      local mild = one.detail and harmless_xids[one.detail.kind]
      found[#found + 1] = { code = one.code, severity = mild and "warning" or one.severity, text = one.text,
        cause = one.cause, remedy = one.remedy, address = one.detail and one.detail.address or one.address,
        vendor = vendors[one.family] or one.code:find "^nouveau" and vendors.nvidia or nil,
        fix = window_codes[one.code] and "mmio" or nil, about_driver = one.family == "linux" or nil }
    end
  end
  return found
end

return causes
