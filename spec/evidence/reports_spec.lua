--- Public reports that consist of the outputs of tools, rebuilt with values of our own: docs/notes/doctor-reports-inputs.md
-- names the sources, the answers that were given there, and what gpupt said before.
local root = os.getenv "PWD"
local folder = root .. "/spec/evidence/reports/"

local function gpupt(report, words)
  local pipe = assert(io.popen(("cd '%s%s' && '%s/bin/gpupt' %s 2>&1"):format(folder, report, root, words)))
  local out = pipe:read "a"
  local _, _, status = pipe:close()
  return status or 0, out
end

-- { report, command, exit status, what the answer has, what it has not }
local cases = {
  { "01-mi60", "pci --from lspci.txt '1002:*'", 0, { "0000:03:00.0  1002:66a1", "ids by name" } },
  { "01-mi60", "doctor --vmx vm.vmx --pci lspci.txt --fix --dry-run", 0, { "lspci; 5 devices; a guest's list" }, { "stale-backing" } },
  { "02-openshift-p40", "doctor --evidence guest.txt", 1,
    { "no address space for BAR 1 of 0000:13:00.0", 'pciPassthru.64bitMMIOSizeGB = "64"', 'firmware = "efi"' }, { "nvidia-smi-no-devices" } },
  { "03-k3s-p40", "doctor --evidence region.txt", 1, { "no address space for BAR 1 of 0000:05:00.0", "lspci -vv of the host shows it" } },
  { "04-recipe-4060", "doctor --evidence recipe.txt", 1, { "10de:2803 is given bridge and link", "recipe.txt:4: 10de 2803 d3d0 false", "Keep one line" } },
  { "04-recipe-4060", "pci --from recipe.txt", 0, { "0000:01:00.0", "configured owner passthru" } },
  { "05-v100-vgpu", "doctor --vmx vm.vmx --evidence host.txt", 1, { "the host's driver nvidia holds it", "host.txt:10:" } },
  { "06-shared-direct", "doctor --vmx vm.vmx --evidence host.txt", 1,
    { "the host's default graphics type is Shared", "graphics type of 0000:af:00.0 is Basic", "esxcli graphics host set --default-type SharedPassthru" } },
  { "07-unlicensed", "doctor --evidence guest.txt", 1, { "GRID A100-10C has no licence (Unlicensed (Unrestricted))" } },
  { "08-coral", "pci --from esxcli.txt", 0, { "0000:0c:00.0  1ac1:089a", "passthrough not possible (Passthru Capable: false)",
    "0000:0d:00.0  1ac1:089a" } },
  { "09-tools-appdefense", "doctor --evidence vmmsi.log", 1, { "names the feature AppDefense", "Remove AppDefense from" } },
  { "10-tools-windows-update", "doctor --evidence vmmsi.log", 1, { "Windows installed updates at the same time (0x800f0246)", "choose Repair" } },
  { "11-gt1030", "doctor --evidence video.txt", 1, { "this one is 432.00", "Install driver 465 or later" }, { "windows-code-43" } },
  { "12-run-together", "pci --from notes.txt", 0, { "0000:03:00.0", "0000:04:00.1", "0000:65:00.0  ?  ?\n    passthrough off" } },
  { "13-polaris-names", "pci --from lspci.txt gpu", 0, { "1002:67df", "BARs 0:256M, 2:2M, 4:256 io, 5:256K 32-bit", "link 8 of 8 GT/s, x16 of x16" } },
}

describe("the public report", function()
  for _, case in ipairs(cases) do
    it(("%s: gpupt %s"):format(case[1], case[2]), function()
      local status, out = gpupt(case[1], case[2])
      assert.equal(case[3], status)
      for _, part in ipairs(case[4]) do assert.matches(part, out, 1, true) end
      for _, part in ipairs(case[5] or {}) do assert.not_matches(part, out, 1, true) end
    end)
  end
end)
