-- What `dkms status` and a make.log say about a driver without modules. The samples are of public reports
-- (NVIDIA/open-gpu-kernel-modules issues 526 and 635), with DKMS 2 and 3.
local dkms = require "gpupt.guest.dkms"

local STATUS = { "nvidia/390.157: added", "vboxhost/7.0.8_OSE, 6.4.1-zen1-1-zen, x86_64: installed",
  "vhba-module/20211218, 6.4.1-zen1-1-zen, x86_64: built" }
local KERNEL = "6.4.1-zen1-1-zen"

describe("dkms status", function()
  it("is read in the forms of DKMS 2 and 3", function()
    assert.same({ { version = "390.157", state = "added" } }, dkms.of(STATUS, "nvidia"))
    assert.same({ { version = "7.0.8_OSE", kernel = KERNEL, state = "installed" } }, dkms.of(STATUS, "vboxhost"))
    assert.same({ { version = "470.57.02", kernel = "5.14.6", state = "installed" } },
      dkms.of({ "nvidia, 470.57.02, 5.14.6, x86_64: installed", "Error! Could not locate dkms.conf file." }, "nvidia"))
    assert.same({ { version = "550.107.02", state = "added" } }, dkms.of({ "nvidia-srv/550.107.02: added" }, "nvidia"))
    assert.same({}, dkms.of({}, "nvidia"))
  end)

  local function why(status, log) return dkms.why(status, "nvidia", KERNEL, log) end

  it("has nothing to say where the module is installed, or DKMS does not have it", function()
    assert.is_nil(why { "nvidia/390.157, " .. KERNEL .. ", x86_64: installed" })
    assert.is_nil(why { "vboxhost/7.0.8_OSE: added" })
  end)

  it("names a build that was never tried, one for another kernel, and one that was not installed", function()
    assert.equal("DKMS has nvidia 390.157, and has not built it for the running kernel " .. KERNEL .. " (no make.log): "
      .. "install the headers of that kernel, then run dkms autoinstall", why(STATUS, ""))
    assert.equal("DKMS has built nvidia 390.157 for the kernel 6.3.9 only, not for the running " .. KERNEL
      .. ": install the headers of the running one, then run dkms autoinstall",
      why { "nvidia/390.157, 6.3.9, x86_64: installed" })
    assert.equal("DKMS has built nvidia 390.157 for " .. KERNEL .. " and not installed it: run dkms install "
      .. "nvidia/390.157", why { "nvidia/390.157, " .. KERNEL .. ", x86_64: built" })
  end)

  for line, cause in pairs {
    ["nv-pci.c:12:3: error: implicit declaration of function 'x'"] = "take a newer driver branch",
    ["nv.c:1:10: fatal error: linux/version.h: No such file or directory"] = "headers are missing or of another kernel",
    ["gcc: error: unrecognized command-line option '-ftrivial-auto-var-init=zero'"] = "install the gcc that the kernel",
    ["make[1]: cc: Command not found"] = "install gcc and make",
    ["Makefile:16: *** dma_resv->seq is missing., exit.... Stop."] = "the driver does not fit this kernel",
    ["ld: final link failed: No space left on device"] = "free space",
  } do
    it("explains the build's error: " .. line, function()
      local said = why(STATUS, "/var/lib/dkms/nvidia/390.157/build/make.log\n" .. line .. "\n")
      assert.matches("DKMS failed to build nvidia 390.157 for the running kernel " .. KERNEL .. " (" .. line .. "): ",
        said, 1, true)
      assert.matches(cause, said, 1, true)
      assert.matches("Its log in the guest: /var/lib/dkms/nvidia/390.157/build/make.log", said, 1, true)
    end)
  end

  it("quotes an error without a known cause", function()
    assert.matches("%(make: %*%*%* %[Makefile:81: modules%] Error 2%)%. Its log in the guest: /a/make%.log",
      why(STATUS, "/a/make.log\nmake: *** [Makefile:81: modules] Error 2\n"))
  end)
end)
