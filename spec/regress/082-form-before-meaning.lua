-- Messages were matched on one line, in UTF-8, as the host wrote them: a wrapped, quoted or converted log said nothing.
local run = require "spec.support.command".run

local function wide(text) return "\xff\xfe" .. text:gsub(".", "%0\0") end

describe("gpupt log", function()
  local message = "2022-04-22T03:04:15.771Z| vmx| | I005: PCIPassthru: total number of pages needed (4206594) exceeds limit (917504), failing\n"
  for what, text in pairs {
    ["wrapped"] = "2022-04-22T03:04:15.771Z| vmx| | I005: PCIPassthru: total \nnumber of pages needed (4206594) exceeds limit (917504), \nfailing\n",
    ["quoted in a mail, and wrapped there"] = "> 2022-04-22T03:04:15.771Z| vmx| | I005: PCIPassthru: total number of\n"
      .. "> pages needed (4206594) exceeds limit (917504), failing\n",
    ["with non-breaking blanks"] = message:gsub(" ", "\u{A0}"),
    ["with colour codes"] = message:gsub("pages", "\27[31mpages\27[0m"),
    ["in UTF-16"] = wide(message),
  } do
    it("reads a message " .. what, function()
      local status, out = run("log -", text)
      assert.equal(1, status)
      assert.matches("standard input:1: error: mmio-limit", out, 1, true)
      assert.matches("cleaned before reading: ", out, 1, true)
    end)
  end

  it("reads a message that was pasted without its log, and wrapped", function()
    local status, out = run("log -", 'Start-VM The operation for the entity\n"desk-61-4" failed with the following message: "The systemId does not match\n'
      .. "the current system or the deviceId, and the vendorId does not match the device\ncurrently at 97:0.0.\". \n")
    assert.equal(1, status)
    assert.matches("standard input:2: error: system-id", out, 1, true)
  end)

  it("reads what clients translate by what they do not: ids, module names, numbers", function()
    for text, code in pairs {
      ["[msg.pciPassthru.createAdapterFailedPlatformNotSupported] Das Ger\u{E4}t konnte nicht registriert werden."] = "platform-not-supported",
      ["モジュール「DevicePowerOn」のパワーオンに失敗しました。"] = "device-power-on",
      ["Windows ha detenido este dispositivo porque inform\u{F3} de problemas. (C\u{F3}digo 43)"] = "windows-code-43",
    } do
      local status, out = run("log -", text .. "\n")
      assert.equal(1, status)
      assert.matches("error: " .. code, out, 1, true)
    end
  end)

  it("takes no command for a message", function()
    local status, out = run("log -", "[root@esx:~] grep -i 'NVRM: No NVIDIA GPU found.' /var/log/vmkernel.log\n")
    assert.equal(1, status)
    assert.not_matches("nvrm%-no%-gpu", out)
  end)
end)
