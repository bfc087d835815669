--- Several texts as one list: what belongs together, and what does not.
local doctor = require "gpupt.doctor"
local evidence = require "gpupt.evidence"

local function read(text, name) return assert(evidence.read({ text = text, name = name or "t.txt" })) end

local HOST = "0000:0b:00.0\n   Address: 0000:0b:00.0\n   Vendor ID: 0x8086\n   Device ID: 0x1572\n   Device Class: 0x0200\n"
  .. "   Current Owner: VMkernel\n\n0000:3b:00.0\n   Address: 0000:3b:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x1eb8\n"
  .. "   Device Class: 0x0302\n   Current Owner: VM Passthru\n   Passthru Capable: true\n"
local SMI = "| NVIDIA-SMI 535.1  Driver Version: 535.1  CUDA Version: 12.2 |\n|   0  Tesla T4   Off |   00000000:0B:00.0 Off |   0 |\n"
local MAP = "10de ffff bridge false\n"

local function by_address(list, where)
  local found = {}
  for _, device in ipairs(list) do
    if device.address and (not where or device.where == where) then found[device.address] = device end
  end
  return found
end

describe("evidence.devices", function()
  it("joins what texts of one machine say of an address", function()
    local list = evidence.devices { read(HOST), read "0000:3b:00.0     true\n0000:0b:00.0    false\n",
      read '/device/00000:059:00.0/owner = "passthru"\n' }
    assert.equal(2, #list)
    local t4 = by_address(list)["0000:3b:00.0"]
    assert.same({ true, "VM Passthru", "passthru", 0x1eb8 }, { t4.enabled, t4.owner, t4.configured_owner, t4.device })
  end)

  it("keeps host and guest apart, also where a text does not say whose it is", function()
    local list = evidence.devices { read(HOST), read(SMI) }
    assert.equal(3, #list)
    list = evidence.devices { read(HOST), read("user@vm:~$ nvidia-smi\n" .. SMI) }
    assert.equal(3, #list)
    assert.equal("Tesla T4", by_address(list, "guest")["0000:0b:00.0"].name)
    assert.equal(2, #evidence.devices({ read(HOST), read("user@vm:~$ nvidia-smi\n" .. SMI) }, "host"))
    assert.equal(1, #evidence.devices({ read(HOST), read("user@vm:~$ nvidia-smi\n" .. SMI) }, "guest"))
  end)

  it("adds lists by number to the card that has the number", function()
    local list = evidence.devices { read(SMI), read "GPU 0: Tesla T4 (UUID: GPU-11111111-2222-3333-4444-555555555555)\n",
      read "\tGPU0\tCPU Affinity\tNUMA Affinity\nGPU0\t X \t0-7\t1\n" }
    assert.equal(1, #list)
    assert.same({ "GPU-11111111-2222-3333-4444-555555555555", 1 }, { list[1].uuid, list[1].numa_node })
  end)

  it("reads several forms in one text, each line once", function()
    local result = read("[root@esx01:~] esxcli hardware pci list\n" .. HOST .. "[root@esx01:~] cat /etc/vmware/passthru.map\n" .. MAP
      .. "[root@esx01:~] esxcli graphics host get\n   Default Graphics Type: Shared\n[root@esx01:~] vmware -v\nVMware ESXi 8.0.3 build-24280767\n")
    local names = {}
    for _, form in ipairs(result.forms) do names[form.form] = form.line end
    assert.same({ ["esxcli hardware pci list"] = 2, ["passthru.map"] = 17, ["esxcli graphics host get"] = 19, ["vmware -v"] = 21 }, names)
    assert.same({ 2, 1, "Shared" }, { #result.devices, #result.resets, result.host.graphics.type })
  end)
end)

describe("the doctor", function()
  local VMX = 'config.version = "8"\nvirtualHW.version = "20"\nfirmware = "efi"\npciPassthru0.present = "TRUE"\npciPassthru0.id = "00000:099:00.0"\n'
    .. 'pciPassthru0.deviceId = "0x1eb8"\npciPassthru0.vendorId = "0x10de"\npciPassthru0.systemId = "BYPASS"\n'

  local function severity_of(...)
    local result = assert(doctor.examine { vmx = assert(require "gpupt.vmx".parse(VMX)), evidence = { ... } })
    for _, finding in ipairs(result.findings) do
      if finding.code == "stale-backing" or finding.code == "not-in-list" then return finding.severity end
    end
  end
  local BRIDGE = "\n0000:00:00.0\n   Address: 0000:00:00.0\n   Vendor ID: 0x8086\n   Device ID: 0x0e00\n   Device Class: 0x0600\n"

  it("proves absence by one complete list, even next to a shorter one", function()
    assert.equal("warning", severity_of { text = HOST, name = "a" })
    assert.equal("error", severity_of({ text = "[root@esx:~] esxcli hardware pci list -c 0x0302\n" .. HOST, name = "a" },
      { text = HOST .. BRIDGE, name = "b" }))
    assert.equal("error", severity_of { name = "a", text = "(vim.host.PciDevice) {\nid = \"0000:00:00.0\",\nclassId = 1536,\n}\n"
      .. "(vim.host.PciDevice) {\nid = \"0000:3b:00.0\",\nclassId = 770,\n}\n" })
  end)

  it("takes neither the host's nvidia-smi nor esx.conf for a list", function()
    assert.is_nil(severity_of { text = "[root@esx01:~] nvidia-smi\n" .. SMI, name = "a" })
    assert.is_nil(severity_of { text = '/device/00000:059:00.0/owner = "passthru"\n', name = "a" })
  end)

  it("does not take a driver's list of unknown origin for the host's", function()
    local vmx = assert(require "gpupt.vmx".parse('config.version = "8"\nvirtualHW.version = "20"\npciPassthru0.present = "TRUE"\n'
      .. 'pciPassthru0.id = "00000:011:00.0"\npciPassthru0.deviceId = "0x1eb8"\npciPassthru0.vendorId = "0x10de"\npciPassthru0.systemId = "BYPASS"\n'))
    local result = assert(doctor.examine { vmx = vmx, evidence = { text = SMI, name = "smi.txt" } })
    for _, finding in ipairs(result.findings) do assert.not_equal("host-driver", finding.code) end
  end)
end)
