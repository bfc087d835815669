--- What keeps a GPU from working inside a guest: each sign, its cause and its remedy.
-- One table, read by the parsers of gpupt.guest.proof. A finding is { code=, severity=, text=, cause=,
-- remedy=, fix=, address=, device= }: `code` is a stable word, `text` the evidence as the guest wrote it,
-- `fix` names the repair of the doctor that cures it, when one does. severity "error" fails a proof,
-- "warning" does not.
local causes = {}

local window = "the 64-bit MMIO window has no room for the card's BARs: pciPassthru.use64bitMMIO is missing, "
  .. "64bitMMIOSizeGB is too small, or the firmware is BIOS"
local window_remedy = "EFI firmware (chosen before the system was installed), pciPassthru.use64bitMMIO = TRUE "
  .. "and a 64bitMMIOSizeGB as `gpupt bar` computes it; then power the VM off and on"

local catalogue = {
  -- Windows: the problem codes of the Device Manager
  ["code-12"] = { window, window_remedy, fix = "mmio" },
  ["code-43"] = { "the driver stopped the card. A GeForce driver before 465 does so when it sees a hypervisor; with "
    .. "other cards the driver does not support them, or the card could not be reset",
    "install driver 465 or later; for an older GeForce driver set hypervisor.cpuid.v0 = FALSE. Otherwise power the "
    .. "VM off and on, and look into vmware.log" },
  ["code-28"] = { "no driver is installed for the card", "install the vendor's driver", driver = true },
  ["code-10"] = { "the driver could not start the card", "reinstall the driver in a release that supports this card; "
    .. "look into vmware.log for BAR or interrupt errors" },
  ["code-31"] = { "Windows could not load the driver of the card", "reinstall the vendor's driver" },
  ["code-14"] = { "the driver waits for a restart", "restart the guest" },
  ["code-22"] = { "somebody disabled the device in the guest", "enable it in the Device Manager" },
  ["code-52"] = { "Windows does not accept the driver's signature",
    "install a signed driver, or turn Secure Boot off" },
  ["code-other"] = { "Windows reports a problem of the device", "look the code up in the Device Manager" },
  -- Linux: lspci, the kernel's log, loaded modules
  ["bar-unassigned"] = { window, window_remedy, fix = "mmio" },
  ["bar1-0m"] = { window, window_remedy, fix = "mmio" },
  ["region-busy"] = { "another driver or a framebuffer holds the card's memory region",
    "keep nouveau, vesafb and efifb from the card: reboot the guest after the driver's installation" },
  ["no-driver"] = { "no driver of the card's vendor holds it",
    "install the vendor's driver (on Linux: and let the initramfs be rebuilt)", driver = true },
  ["nouveau"] = { "nouveau holds the card, so that the vendor's driver cannot",
    "blacklist nouveau, rebuild the initramfs, reboot the guest", driver = true },
  ["init-failed"] = { "the driver found the card but could not start it: its BARs are incomplete, the card was not "
    .. "reset, or it is a GeForce that the open kernel modules do not support",
    "check BAR1 in `lspci -vv`; power the VM off and on; for a GeForce NVreg_OpenRmEnableUnsupportedGpus=1" },
  ["probe-failed"] = { "the NVIDIA driver gave the card up",
    "the lines before it in dmesg say why; mostly a BAR without room, or nouveau" },
  ["no-nvidia-gpu"] = { "the NVIDIA driver runs, but sees no card of its own",
    "is the card assigned to this VM, and of a generation that this driver supports?" },
  ["no-resized-bar"] = { "no room for a larger BAR1: Resizable BAR is not supported with passthrough on ESXi",
    "none is needed: the card works with the BAR size that the host's firmware set", severity = "warning" },
  ["amdgpu-enomem"] = { window, window_remedy, fix = "mmio" },
  ["driver-silent"] = { "nvidia-smi reaches no working card: the kernel module is not loaded, or failed",
    "modprobe nvidia, and read dmesg; with Secure Boot the module must be signed", driver = true },
  ["smi-fewer"] = { "the driver works with fewer cards than the PCI bus shows",
    "the missing card failed to start: see the other findings, and dmesg" },
  -- both
  ["fewer-cards"] = { "the guest sees fewer cards than the VM was given",
    "are all cards assigned to this VM (power it off and on after a change), and of the vendor looked for?" },
  ["more-cards"] = { "the guest sees more cards than were expected",
    "is another step or person adding cards to this VM?", severity = "warning" },
  ["no-answer"] = { "the guest's command failed, so that nothing is proved",
    "run the command in the guest by hand" },
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

-- Lines of the Linux kernel's log; the wording is that of the drivers' sources (nv-pci.c, nv.c, amdgpu).
-- The first capture, when there is one, is the card's address as the driver writes it.
local kernel_lines = {
  { "NVRM: BAR(%d) is 0M @ 0x0 %(PCI:(%x+:%x+:%x+%.%x+)%)", "bar1-0m" },
  { "NVRM: request_mem_region failed for", "region-busy" },
  { "NVRM: GPU ([%x:%.]+): RmInitAdapter failed!", "init-failed" },
  { "NVRM: .*rm_init_adapter failed, device minor number %d+", "init-failed" },
  { "NVRM: No NVIDIA GPU found", "no-nvidia-gpu" },
  { "NVRM: The NVIDIA probe routine failed for %d+ device", "probe-failed" },
  { "NVRM: None of the NVIDIA devices were initialized", "probe-failed" },
  { "NVRM: No address space to allocate resized BAR1", "no-resized-bar" },
  { "amdgpu: probe of ([%x:%.]+) failed with error %-12", "amdgpu-enomem" },
  { "amdgpu ([%x:%.]+): probe with driver amdgpu failed with error %-12", "amdgpu-enomem" },
}

--- The finding in a line of the kernel's log, or nil.
function causes.of_kernel_line(line)
  for _, entry in ipairs(kernel_lines) do
    local first, second = line:match(entry[1])
    if first then
      local address = (second or first):match "^%x+:%x+:%x+%.%x+$"
      return causes.finding(entry[2], line, { address = address and address:lower() })
    end
  end
end

return causes
