-- The proof of a guest read only the kernel's lines of NVRM and amdgpu that it knew: a card that fell off the bus, refused
-- atomics or found no place for its BAR was no finding.
local causes = require "gpupt.guest.causes"

local function found(log)
  local list = {}
  for _, one in ipairs(causes.of_kernel_log(log)) do list[one.code] = one end
  return list
end

describe("the kernel's log of a guest", function()
  it("tells the proof of every fault of a card", function()
    for code, line in pairs {
      ["xid-79"] = "[  9.1] NVRM: Xid (PCI:0000:13:00): 79, GPU has fallen off the bus.",
      ["kfd-atomics"] = "[  9.1] kfd kfd: amdgpu: skipped device 1002:67df, PCI rejects atomics",
      ["bar-no-space"] = "[  0.7] pci 0000:13:00.0: BAR 1: failed to assign [mem size 0x1000000000 64bit pref]",
      ["intel-small-bar"] = "[  5.1] xe 0000:03:00.0: [drm] Failed to resize BAR2 to 16384M (-ENOSPC). Consider enabling",
      ["nvrm-needs-open"] = "[  5.1] NVRM: installed in this system requires use of the NVIDIA open kernel modules.",
    } do
      local one = found(line .. "\n")[code]
      assert.is_table(one, code)
      assert.equal("error", one.severity)
    end
    assert.equal("mmio", found("[  0.7] pci 0000:13:00.0: BAR 1: failed to assign [mem size 0x1000000000 64bit pref]\n")["bar-no-space"].fix)
  end)

  it("does not fail a proof for what a program did", function()
    assert.equal("warning", found("[  9.1] NVRM: Xid (PCI:0000:13:00): 31, pid=1, name=x, MMU Fault\n")["xid-31"].severity)
  end)

  it("keeps a cause when its consequence is folded under it", function()
    local list = found("[  9.1] NVRM: Xid (PCI:0000:13:00): 79, GPU has fallen off the bus.\n"
      .. "[  9.2] NVRM: GPU 0000:13:00.0: RmInitAdapter failed! (0x24:0x72:1447)\n")
    assert.is_table(list["xid-79"])
  end)
end)
