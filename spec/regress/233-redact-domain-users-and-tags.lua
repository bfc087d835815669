-- A redacted report left Windows' "DOMAIN\user", iSCSI names, and serial numbers that stand without a colon, in JSON or
-- in XML.
local function redacted(text)
  local redact = require "gpupt.doctor.redact".new()
  redact:learn(text)
  return redact:apply(text)
end

describe("a redacted line has no", function()
  for what, line in pairs {
    ["user of a domain"] = [[hostd: [user=vpxuser:CONTOSO\jdoe] Task failed for CONTOSO\jdoe, GPU 0000:3b:00.0]],
    ["user of a domain in quotes"] = [[Login of user 'CONTOSO\jdoe' failed]],
    ["user in quotes"] = [[Permission denied for user "jdoe" on the VM]],
    ["iSCSI name"] = "naming iqn.1998-01.com.vmware:esx-contoso-4f2a lost",
    ["serial number without a colon"] = "nvidia: board serial 1324519087654 reports an error",
    ["serial number of nvidia-smi's XML"] = "<serial>1324519087654</serial>",
    ["serial number in JSON"] = [["serial": "1324519087654",]],
    ["service tag without a colon"] = "PowerEdge R750, Service Tag 7XK2LM3, fault",
    ["serial number of a table"] = "Serial Number  CZ2201ABCD",
  } do
    it(what, function()
      local shown = redacted(line)
      for _, secret in ipairs { "contoso", "jdoe", "1324519087654", "7XK2LM3", "CZ2201ABCD", "4f2a" } do
        assert.is_nil(shown:lower():find(secret:lower(), 1, true), shown)
      end
      assert.equal(shown, redacted(shown))
    end)
  end

  it("less than it had of what tells no one", function()
    for _, line in ipairs {
      [[PCI\VEN_10DE&DEV_1EB8&SUBSYS_12A210DE\4&1ad5cc0&0&00A8]], [[C:\Windows\System32\nvlddmkm.sys]],
      [[\SystemRoot\System32\drivers\nvlddmkm.sys]], [[HKLM\SYSTEM\CurrentControlSet]], [[NT AUTHORITY\SYSTEM]],
      [[\Device\Video3: Error occurred on GPUID: 1300]], "serial8250: ttyS0 at I/O 0x3f8", "Serial ATA 0000:00:1f.2",
      "user mode driver 535.104.05", "DISPLAY\\DEFAULT_MONITOR",
    } do
      assert.equal(line, redacted(line))
    end
  end)
end)
