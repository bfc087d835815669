--- The doctor's rules, one table: `gpupt vmx check|fix` and `gpupt doctor` run the same ones.
-- A rule is data and one function:
--   id        stable word; also the code of its findings
--   severity  "error": the VM or the card does not work; "warning"; "info": says something, nothing is wrong
--   needs     what must be there for the rule to run: "vmx"
--   cause, remedy   one sentence each; a finding may say them with its own figures
--   source    where the rule comes from
--   keys      the settings it is about; a message of a log that was made with other values of them is old news
--   check(subject, report)   calls report(evidence, {cause=, remedy=, severity=, changes=}) for each fault found;
--             `changes`, a list of {key=, value=} or {key=, remove=true}, is what is safe to do to a .vmx that is off
-- The rules on the outputs of tools are in gpupt.evidence.rules.
-- Messages of logs (gpupt.vmlog's catalogue) belong to the rule that has the same fault in its care.
local rules = {}

for _, part in ipairs { "form", "device", "window", "vm" } do
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
  ["no-pcie-slot"] = "pcie-bridges", ["slot-reservation"] = "pcie-bridges",
}

--- Messages that only say that something failed: dropped when another one says what.
rules.consequences = {
  ["device-power-on"] = true, ["nvrm-none"] = true, ["nvrm-probe"] = true, ["iommu-reason"] = true,
}

return rules
