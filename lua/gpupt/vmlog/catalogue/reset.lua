--- Resets: what the host says when a card does not come back from one.
local evidence = require "gpupt.vmlog.evidence"

local function other_method(captures, session, found) return evidence.map_remedy(session, captures[1], "d3d0",
  found) end

local function figures(method)
  return function(captures) return { reset = true, method = method, address = captures[1] } end
end

return {
  {
    code = "reset-pending", severity = "warning", address = 1, word = "pending transactions",
    match = "Dev @? ?(%x+:%x+:%x+%.%x) did not complete its pending transactions prior to being reset",
    cause = function(captures)
      return ("%s still had transactions under way when it was reset: the reset may not take."):format(captures[1])
    end,
    remedy = "Shut the guest down before the VM is reset or stopped. If the card then is unresponsive, it needs "
      .. "another reset method in /etc/vmware/passthru.map.",
    detail = figures(nil),
    source = "octais.blogspot.com 2020-05 (vmkernel.log of ESXi 6.7)",
  },
  {
    code = "reset-unresponsive", severity = "error", address = 1, word = "is unresponsive after reset",
    match = "Dev (%x+:%x+:%x+%.%x) is unresponsive after reset",
    cause = function(captures) return ("%s does not survive its reset: it does not answer "
      .. "afterwards."):format(captures[1]) end,
    remedy = other_method, detail = figures "d3d0",
    source = "octais.blogspot.com 2020-05 (vmkernel.log of ESXi 6.7)",
  },
  {
    code = "link-down", severity = "error", word = "PCIe link to the device is down", address = 1,
    match = "Skipping device reset on (%x+:%x+:%x+%.%x) because PCIe link to the device is down",
    cause = function(captures)
      return ("The host does not reach %s any more: its PCIe link is down."):format(captures[1])
    end,
    remedy = "Power the host off and on (not a warm reboot); check power cable, riser and the card's firmware.",
    source = "public notes of 2026-02 on a lost card (vmkernel.log of ESXi 8)",
  },
  {
    code = "reset-not-ready", severity = "error", side = "guest", form = "dmesg", address = 1,
    word = { "not ready ", "ms after" },
    match = "(%x+:%x+:%x+%.%x): not ready (%d+)ms after ([%w ]+); giving up",
    cause = function(captures)
      return ("%s did not come back %s ms after its %s."):format(captures[1], captures[2], captures[3])
    end,
    remedy = "Power the VM off and on; if it comes again, power the host off and on, and give the card another reset "
      .. "method on the host (/etc/vmware/passthru.map).",
    source = "Dasharo/dasharo-issues#771; Linux, drivers/pci/pci.c",
  },
}
