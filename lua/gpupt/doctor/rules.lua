--- The doctor's rules, one table: `gpupt vmx check|fix` and `gpupt doctor` run the same ones.
-- A rule is data and one function:
--   id        stable word; also the code of its findings
--   severity  "error": the VM or the card does not work; "warning"; "info": says something, nothing is wrong
--   needs     what must be there for the rule to run: "vmx", "pci" (a list of devices), "map" (passthru.map)
--   cause, remedy   one sentence each; a finding may say them with its own figures
--   source    where the rule comes from
--   keys      the settings it is about; a message of a log that was made with other values of them is old news
--   check(subject, report)   calls report(evidence, {cause=, remedy=, severity=, changes=, proposal=}) for each fault;
--             `changes`, a list of {key=, value=} or {key=, remove=true}, is what is safe to do to a .vmx that is off:
--             never the removal of a device, a relaxation, another firmware or a guessed name. Those are a `proposal`:
--             a text or a list of lines for a person to decide on.
-- Every number, id and path in a remedy comes from the evidence; what is missing is said, with the file that has it.
-- The rules on the outputs of tools are in gpupt.evidence.rules.
-- Messages of logs (gpupt.vmlog's catalogue) belong to the rule that has the same fault in its care.
local rules = {}

for _, part in ipairs { "form", "device", "window", "vm", "board", "guest" } do
  for _, rule in ipairs(require("gpupt.doctor.rules_" .. part)) do rules[#rules + 1] = rule end
end
for _, rule in ipairs(require "gpupt.evidence.rules") do rules[#rules + 1] = rule end

--- Log message code -> rule id.
rules.of_message = {
  ["mmio-limit"] = "mmio-window", ["mmio-firmware"] = "mmio-window", ["mmio-error"] = "mmio-window",
  ["hang-after-mapping"] = "mmio-window", ["map-mmio"] = "mmio-window", ["bar-memory"] = "mmio-window",
  ["nvrm-bar-invalid"] = "mmio-window", ["nvrm-bar-unassigned"] = "mmio-window", ["bar-unassigned"] = "mmio-window",
  ["amdgpu-memory"] = "mmio-window", ["windows-code-12"] = "mmio-window",
  ["memory-reservation"] = "memory-reservation", ["nested-hv"] = "nested-hv",
  ["system-id"] = "stale-backing", ["no-suitable-device"] = "stale-backing",
  ["no-device-hints"] = "hex-id", ["no-predicates"] = "incomplete-device",
  ["bar-no-space"] = "mmio-window", ["cuda-802"] = "nvswitch-board", ["fabric-failed"] = "nvswitch-board",
  ["fabric-no-switch"] = "nvswitch-board",
  ["no-pcie-slot"] = "pcie-bridges", ["slot-reservation"] = "pcie-bridges",
}

--- Rules that take a message before the one above, when they found something, and those that take it after it did not.
rules.before = { ["stale-backing"] = { "id-spelling", "not-enabled" } }
rules.instead = { ["mmio-window"] = { "uncertain-bars" } }

--- Messages that only say that something failed: folded under the finding that says what.
rules.consequences = {
  ["device-power-on"] = true, ["nvrm-none"] = true, ["nvrm-probe"] = true, ["nvrm-init"] = true,
  ["iommu-reason"] = true, ["vectors-msix"] = true, ["vectors-device"] = true, ["platform-not-supported"] = true,
  ["adapter-failed"] = true,
}

return rules
