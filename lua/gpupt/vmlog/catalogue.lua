--- The messages that say why a passthrough VM does not start, or what a guest sees, as data: one file for each family.
-- Each entry:
--   code      stable word
--   family    the file that it is in
--   side      "host" (vmware.log, vmkernel.log) or "guest"
--   form      the kind of file that has such a message (see kind.lua)
--   severity  "error": the VM or the card does not work; "warning"; "info": says something, nothing is wrong
--   word      a fixed part of the message, sought first in the log (at least 4 bytes; entries may share one)
--   match     Lua pattern on the line, or a list of which any may fit; its captures go to the functions below
--   cause     text, or function(captures, session, found) -> text
--   remedy    the same
--   detail    function(captures, session) -> table of figures, or nil; false says that the line is no such finding
--   address   which capture is a PCI address
--   consequence  true: says only that something failed, and stands under the finding that says why
--   unless    patterns of lines that it does not mean
--   number    the number by which a line chooses this entry from many, found by the pattern `numbered`
--   unclear   true: is shown as not understood
--   note      what the session keeps of it for other entries ("card", "driver")
--   covers    how many lines of the same message follow
--   lead      true: no finding of its own, but names the card that the next lines speak of
--   source    where the message is documented
local families = { "power", "device", "mmio", "reset", "vectors", "hotplug", "reboot", "iommu", "vgpu", "nvidia", "xid",
  "amd", "intel", "linux", "windows" }
local sides = { nvidia = "guest", xid = "guest", amd = "guest", intel = "guest", linux = "guest", windows = "guest" }
local forms = { windows = "guest text", reset = "vmkernel", vectors = "vmkernel", hotplug = "vmkernel",
  iommu = "vmkernel" }

local list = {}
for _, family in ipairs(families) do
  for _, entry in ipairs(require("gpupt.vmlog.catalogue." .. family)) do
    entry.family = family
    entry.side = entry.side or sides[family] or "host"
    entry.form = entry.form or forms[family] or (entry.side == "guest" and "dmesg" or "vmware.log")
    list[#list + 1] = entry
  end
end

return list
