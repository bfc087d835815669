local vmlog = require "gpupt.vmlog"

local BEGIN = "2023-07-%02dT09:40:50.413Z In(05) vmx - Log for VMware ESX pid=1 version=VMware ESXi 8.0.2 build=build-22380479 option=Release\n"
local BAR = "PCIPassthru: Device 0000:%02x:00.0 barIndex %d type 3 realaddr 0x3b800000000 size %d flags 12\n"
local LIMIT = "PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing\n"

describe("a log with several power-ons", function()
  it("answers from the last one: a failure that was repaired is gone", function()
    local r = assert(vmlog.scan { text = BEGIN:format(1) .. BAR:format(0x42, 1, 1 << 35) .. LIMIT
      .. BEGIN:format(2) .. BAR:format(0x42, 1, 1 << 36) })
    assert.same({}, r.findings)
    assert.equal(1 << 36, r.devices[1].bytes)
    assert.equal(2, r.session_count)
    assert.equal(1, #r.sessions)
    assert.equal("2023-07-02T09:40:50.413Z", r.sessions[1].time)
  end)

  it("gives all of them on demand", function()
    local r = assert(vmlog.scan({ text = BEGIN:format(1) .. BAR:format(0x42, 1, 1 << 35) .. LIMIT
      .. BEGIN:format(2) .. BAR:format(0x42, 1, 1 << 36) }, { sessions = "all" }))
    assert.equal(2, #r.sessions)
    assert.equal("mmio-limit", r.sessions[1].findings[1].code)
    assert.same({}, r.sessions[2].findings)
    assert.equal(1, r.sessions[1].line)
    assert.equal(4, r.sessions[2].line)
  end)

  it("is cut where a BAR comes again, when the first line of a power-on is missing", function()
    local once = BAR:format(0x42, 1, 1 << 35) .. BAR:format(0x42, 3, 1 << 25) .. BAR:format(0x65, 1, 1 << 35)
    local r = assert(vmlog.scan({ text = once .. LIMIT .. once }, { sessions = "all" }))
    assert.equal(2, #r.sessions)
    assert.same({}, r.findings)
    assert.equal(2, #r.devices)
    assert.equal(5, r.devices[1].line)
    assert.equal(2, #r.devices[1].bars)
  end)

  it("keeps the cards measured last when the last power-on failed before it logged them", function()
    for _, sessions in ipairs { "last", "all" } do
      local r = assert(vmlog.scan({ text = BEGIN:format(1) .. BAR:format(0x42, 1, 1 << 35)
        .. BEGIN:format(2) .. "AH No device hints found\n" }, { sessions = sessions }))
      assert.equal("0000:42:00.0", r.devices[1].address)
      assert.equal("no-device-hints", r.findings[1].code)
    end
  end)

  it("counts as many as there are and keeps the newest 256", function()
    local parts = {}
    for i = 1, 300 do parts[i] = BEGIN:format(1) .. BAR:format(i % 256, 1, 1 << 35) end
    local r = assert(vmlog.scan({ text = table.concat(parts) }, { sessions = "all" }))
    assert.equal(300, r.session_count)
    assert.equal(256, #r.sessions)
    assert.equal(("0000:%02x:00.0"):format(300 % 256), r.devices[1].address)
  end)

  it("lists the settings that the VM was started with, the last value of each", function()
    local r = assert(vmlog.scan { text = BEGIN:format(1) .. 'DICT pciPassthru.64bitMMIOSizeGB = "32"\n' .. BEGIN:format(2)
      .. 'x DICT      pciPassthru.64bitMMIOSizeGB = "64"\nDICT  scsi0.present = "TRUE"\nDICT pciPassthru0.id = "00000:066:00.0"\n'
      .. BAR:format(0x42, 1, 1 << 36) .. BAR:format(0x42, 3, 1 << 25) })
    assert.equal("64", r.config["pcipassthru.64bitmmiosizegb"].value)
    assert.equal(4, r.config["pcipassthru.64bitmmiosizegb"].line)
    assert.is_nil(r.config["scsi0.present"])
    assert.equal(64, r.window.offered_gb)
    assert.equal(128, r.window.min_gb)
  end)

  it("stays bounded whatever it holds", function()
    local parts = {}
    for i = 1, 2000 do
      parts[#parts + 1] = ("PCIPassthru: Device %04x:00:00.0 barIndex 0 type 2 realaddr 0x0 size 4096 flags 0\n"):format(i)
      parts[#parts + 1] = ("PCI passthru device %04x:00:00.0 caused an IOMMU fault type 5 at address 0x0\n"):format(i)
      parts[#parts + 1] = ('DICT pciPassthru%d.id = "x"\n'):format(i)
    end
    local r = assert(vmlog.scan { text = table.concat(parts) })
    assert.equal(1024, #r.devices)
    assert.equal(512, #r.findings)
    local count = 0
    for _ in pairs(r.config) do count = count + 1 end
    assert.equal(1024, count)
  end)
end)
