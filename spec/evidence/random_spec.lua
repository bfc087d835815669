--- Random texts: no reader raises, none takes long, whatever comes; and what is read stays within what is promised.
local evidence = require "gpupt.evidence"
local paste = require "gpupt.paste"

local PIECES = {
  "| NVIDIA-SMI 550.1  Driver Version: 550.1  CUDA Version: 12.4 |\n", "|   0  Tesla T4   Off |   00000000:13:00.0 Off |   ERR! |\n",
  "==============NVSMI LOG==============\n", "GPU 00000000:0B:00.0\n", "    Link Width\n        Max : 16x\n", "BAR1 Memory Usage\n Total : 131072 MiB\n",
  "GPU0\tGPU1\tCPU Affinity\n", "GPU0\t X \tSYS\t0-3\n", "GPU 0: T4 (UUID: GPU-1)\n", "Tesla T4, 00000000:0B:00.0, 15360 MiB, 535.1\n",
  "name, pci.bus_id\n", "GPU[0]\t\t: Device ID: 0x740f\n", "ROCm Concise Info\n", '{"card0": {"Device ID": "0x1900"}}\n', "GPU: 0\n    BDF: 0000:09:00.0\n",
  "0000:af:00.0\n   Graphics Type: Shared\n", "(vim.host.PciDevice) {\n id = \"0000:3b:00.0\",\n", "}\n", "10de ffff bridge false\n",
  '/device/00000:059:00.0/owner = "passthru"\n', "MSI (s) (1:2): MainEngineThread is returning 1603\n", "1: 2711 2: X\n",
  "Status  Class  InstanceId\n------  -----  ----------\n", "Error   Display  PCI\\VEN_10DE&DEV_1EB8&SUBSYS_12A210DE\n",
  "InstanceId : PCI\\VEN_10DE&DEV_1EB8\n", "Problem : CM_PROB_FAILED_POST_START\n", "ConfigManagerErrorCode=43\n", "Node,DeviceID,Name\n",
  "Bus : 97\nSlot : 0\nFunction : 0\nState : Active\nVendorId : -32634\n", "DeviceClass : DisplayController\nId : 0000:3b:00.0\nVendorName : x\n",
  "0000:04:00.0\n   Address: 0000:04:00.0\n   Vendor ID: 0x10de\n", "Reset Method: Bridge reset\n",
  "65:00.0 3D controller [0302]: NVIDIA [10de:20b5] (rev a1)\n",
  "pci 0000:13:00.0: BAR 1: no space for [mem size 0x1000 64bit pref]\n", "\tRegion 1: Memory at <unassigned> (64-bit)\n", "LnkSta: Speed 2.5GT/s, Width x8\n",
  "\xFF\xFE", "\0", "\27[31m", "&quot;", "&#39;", "<br>", "\xE2\x80\x9C", "\xC2\xA0", "> ", "\n\n", "\r\n", "DEBUG: ", "[root@esx:~] ", "PS C:\\> ",
  "\t", "    ", ":", "=", "|", ",", "\"", "[", "{", "%", "(", "\\", "99999999999999999999", "-", "0x", "FFFF", "é", "\x93", "\xF0\x28",
}

local function mutate(text)
  for _ = 1, math.random(0, 6) do
    local at = math.random(0, #text)
    local what = math.random(4)
    if what == 1 then
      text = text:sub(1, at) .. string.char(math.random(0, 255)) .. text:sub(at + 1)
    elseif what == 2 then
      text = text:sub(1, at) .. text:sub(at + math.random(1, 20))
    elseif what == 3 then
      text = text:sub(1, at) .. PIECES[math.random(#PIECES)] .. text:sub(at + 1)
    else
      text = text:sub(1, at) .. "\n" .. text:sub(at + 1)
    end
  end
  return text
end

local function check(card)
  for _, key in ipairs { "vendor", "device", "subvendor", "subdevice", "class" } do
    local value = card[key]
    assert(value == nil or math.type(value) == "integer" and value >= 0 and value <= 0xffff, key)
  end
  assert(card.file == "r.txt" and math.type(card.line) == "integer" and card.line >= 1)
  for _, bar in ipairs(card.bars or {}) do assert(bar.size > 0 and bar.size & (bar.size - 1) == 0) end
  if card.address then assert(card.slot <= 31 and card.func <= 7) end
end

describe("random texts", function()
  it("are read without raising, and facts stay in their ranges (4,000 texts)", function()
    math.randomseed(tonumber(os.getenv "GPUPT_SEED") or 20261130)
    local told = 0
    for n = 1, 4000 do
      local parts = {}
      for i = 1, math.random(1, 12) do parts[i] = PIECES[math.random(#PIECES)] end
      local text = mutate(table.concat(parts))
      local ok, result, message = pcall(evidence.read, { text = text, name = "r.txt" }, { names = false })
      assert(ok, ("text %d raised %s: %q"):format(n, tostring(result), text))
      assert(result, message)
      for _, card in ipairs(result.cards) do check(card) end
      for _, device in ipairs(result.devices or {}) do check(device) end
      for _, sign in ipairs(result.signs) do assert(sign.cause and sign.remedy and sign.line) end
      evidence.devices { result }
      evidence.summary(result)
      if not result.unread then told = told + 1 end
    end
    assert(told > 2000)
  end)

  it("are examined by the doctor without failing (600 texts)", function()
    math.randomseed(tonumber(os.getenv "GPUPT_SEED") or 20261131)
    local doctor = require "gpupt.doctor"
    for n = 1, 600 do
      local parts = {}
      for i = 1, math.random(1, 12) do parts[i] = PIECES[math.random(#PIECES)] end
      local text = mutate(table.concat(parts))
      local ok, result, message = pcall(doctor.examine, { evidence = { text = text, name = "r.txt" } })
      assert(ok, ("text %d raised %s: %q"):format(n, tostring(result), text))
      assert(result, message)
      for _, finding in ipairs(result.findings) do assert(finding.cause and finding.remedy and #finding.evidence > 0) end
    end
  end)

  it("are made plain in time that grows with their length", function()
    local unit = table.concat(PIECES)
    local function seconds(text)
      local before = os.clock()
      evidence.read({ text = text, name = "r.txt" }, { names = false })
      return os.clock() - before
    end
    seconds(unit)
    -- many short lines, one long line, and repetitions of each mark
    for _, piece in ipairs { unit, "a : b\n", "|   0  T4   Off |   0000:13:00.0 Off |   ERR! |\n", "&quot;", "\xE2\x80\x9C", "> x\n", "x,",
      "0000:04:00.0 ", "PCI\\VEN_10DE&DEV_1EB8 ", " ", "a", "0", ": ", "(", "<", "&", "\"", "{ ", "[", "----  ----\n", "a=b\n", "pci 0000:13:00.0: BAR 1: ",
      "[root@esx:~] x\n", "Tesla T4, 00000000:0B:00.0, 15360 MiB, 535.1\n", "GPU 0: T4 (UUID: GPU-1)\n", "No devices were found\n",
      "| NVIDIA-SMI 1.1 Driver Version: 1.1 |\n|   0  T4   Off |   0000:13:00.0 Off |   ERR! |\n", "a<br>", "$ lspci -s 1:2.3\nx\n",
      "0000:af:00.0\nGraphics Type: Shared\n", "10de ffff bridge false\n", "InstanceId : PCI\\VEN_10DE&DEV_1EB8\n\n", "x\n\n" } do
      local small, large = piece:rep(40000 // #piece), piece:rep(160000 // #piece)
      local a, b = seconds(small), seconds(large)
      assert(b < 0.3 or b < a * 12, ("%q: %.2f s for 40 kB, %.2f s for 160 kB"):format(piece:sub(1, 20), a, b))
      assert(b < 4, ("%q: %.2f s for 160 kB"):format(piece:sub(1, 20), b))
    end
  end)
end)

describe("paste.clean", function()
  it("never loses a line's number (2,000 texts)", function()
    math.randomseed(7)
    for _ = 1, 2000 do
      local parts = {}
      for i = 1, math.random(1, 8) do parts[i] = PIECES[math.random(#PIECES)] end
      local plain = paste.clean(table.concat(parts))
      for _, one in ipairs(plain.damage) do assert(one.line >= 1 and one.count >= 1 and one.text) end
      if plain.numbers then
        assert(#plain.numbers == #plain.lines)
        for i = 2, #plain.numbers do assert(plain.numbers[i] >= plain.numbers[i - 1]) end
      end
    end
  end)
end)
