local vmlog = require "gpupt.vmlog"

describe("the prefix of a line", function()
  -- One line of each era, as the field has seen them: {line, time, thread, level, operation, message}.
  local eras = {
    ["ESX 4 and 5.0"] = { "Mar 04 11:22:33.444: vmx| PCIPassthru: x", "Mar 04 11:22:33.444", "vmx", nil, nil,
      "PCIPassthru: x" },
    ["ESXi 5.x to 6.7"] = { "2018-09-01T10:00:00.123Z| vmx| I125: PCIPassthru: x", "2018-09-01T10:00:00.123Z", "vmx", 5,
      nil, "PCIPassthru: x" },
    ["ESXi 6.x, a warning"] = { "2018-09-01T10:00:00.123Z| vcpu-0| W123: x", "2018-09-01T10:00:00.123Z", "vcpu-0", 3, nil,
      "x" },
    ["ESXi 7.0, no operation"] = { "2022-04-22T03:04:15.771Z| vmx| | I005: PCIPassthru: x", "2022-04-22T03:04:15.771Z",
      "vmx", 5, nil, "PCIPassthru: x" },
    ["ESXi 7.0 with an operation"] = { "2022-04-22T03:04:15.771Z| vmx| 5e2a-11| E002: x", "2022-04-22T03:04:15.771Z",
      "vmx", 2, "5e2a-11", "x" },
    ["ESXi 8"] = { "2023-07-21T09:40:52.413Z In(05) vmx - PCIPassthru: x", "2023-07-21T09:40:52.413Z", "vmx", 5, nil,
      "PCIPassthru: x" },
    ["ESXi 8 with an operation"] = { "2023-07-21T09:40:52.413Z In(05) vmx vim-cmd-09-a45d SnapshotVMX_x: y",
      "2023-07-21T09:40:52.413Z", "vmx", 5, "vim-cmd-09-a45d", "SnapshotVMX_x: y" },
    ["ESXi 8, a warning"] = { "2023-07-21T09:40:52.413Z Wa(03) vcpu-0 - x", "2023-07-21T09:40:52.413Z", "vcpu-0", 3, nil,
      "x" },
    ["ESXi 8, an error"] = { "2023-07-21T09:40:52.413Z Er(02) mks - x", "2023-07-21T09:40:52.413Z", "mks", 2, nil, "x" },
    ["Workstation 15"] = { "2020-05-01T10:00:00.500+03:00| vmx| I005: x", "2020-05-01T10:00:00.500+03:00", "vmx", 5, nil,
      "x" },
    ["Workstation 17, without a dash"] = { "2023-05-01T10:00:00.500Z In(05) vmx Log for VMware Workstation",
      "2023-05-01T10:00:00.500Z", "vmx", 5, nil, "Log for VMware Workstation" },
    ["vmkernel.log"] = {
      "2026-02-07T09:29:18.734Z In(182) vmkernel: cpu59:2099897)PCI: 1401: x", "2026-02-07T09:29:18.734Z", "vmkernel",
      nil, nil, "cpu59:2099897)PCI: 1401: x" },
    ["a cut screenshot"] = { "PCIPassthru: x", nil, nil, nil, nil, "PCIPassthru: x" },
    ["no message"] = { "2023-07-21T09:40:52.413Z In(05) vmx -", "2023-07-21T09:40:52.413Z", "vmx", 5, nil, "" },
    ["nothing"] = { "", nil, nil, nil, nil, "" },
  }
  for era, want in pairs(eras) do
    it("of " .. era, function()
      local got = vmlog.prefix(want[1])
      assert.same({ time = want[2], thread = want[3], level = want[4], operation = want[5], message = want[6] }, got)
    end)
  end
end)

describe("the line of a BAR", function()
  local function devices(text) return assert(vmlog.scan { text = text }).devices end

  local P40 = {
    "PCIPassthru: Device 0000:42:00.0 barIndex 0 type 2 realaddr 0xd4000000 size 16777216 flags 0",
    "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12",
    "PCIPassthru: Device 0000:42:00.0 barIndex 3 type 3 realaddr 0x3b7fe000000 size 33554432 flags 12",
  }

  it("gives index, kind, size, address (a Tesla P40 on ESXi 8.0.2)", function()
    assert.same({ {
      address = "0000:42:00.0", line = 1, bytes = (32 << 30) + (48 << 20),
      bars = {
        { index = 0, kind = "mem32", size = 16 << 20, prefetchable = false, address = 0xd4000000 },
        { index = 1, kind = "mem64", size = 32 << 30, prefetchable = true, address = 0x3b800000000 },
        { index = 3, kind = "mem64", size = 32 << 20, prefetchable = true, address = 0x3b7fe000000 },
      },
    } }, devices(table.concat(P40, "\n")))
  end)

  for _, prefix in ipairs {
    "", "Mar 04 11:22:33.444: vmx| ", "2018-09-01T10:00:00.123Z| vmx| I125: ", "2022-04-22T03:04:15.771Z| vmx| | I005: ",
    "2023-07-21T09:40:52.413Z In(05) vmx - ", "2020-05-01T10:00:00.500+03:00| vmx| I005: ",
    "2023-05-01T10:00:00.500Z In(05) vmx ", "|  ", "> > ",
  } do
    it(("is found behind '%s'"):format(prefix), function()
      local lines = {}
      for i, line in ipairs(P40) do lines[i] = prefix .. line end
      assert.equal(3, #devices(table.concat(lines, "\r\n"))[1].bars)
    end)
  end

  it("may be I/O ports", function()
    local one = devices "PCIPassthru: Device 0000:42:00.0 barIndex 5 type 1 realaddr 0xe000 size 128 flags 1"[1]
    assert.same({ index = 5, kind = "io", size = 128, prefetchable = false, address = 0xe000 }, one.bars[1])
    assert.equal(0, one.bytes)
  end)

  it("may be 64-bit without prefetch (flags 4)", function()
    local one = devices "PCIPassthru: Device 0000:42:00.0 barIndex 0 type 3 realaddr 0xe0000000 size 16384 flags 4"[1]
    assert.is_false(one.bars[1].prefetchable)
  end)

  it("may end behind the size", function()
    assert.equal(32 << 30, devices "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b size 34359738368"
      [1].bars[1].size)
  end)

  for what, line in pairs {
    ["a size that is no power of two"] = "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x0 size 100 flags 12",
    ["a size beyond 64 bits"] = "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x0 size 99999999999999999999 flags 12",
    ["an index of 6"] = "PCIPassthru: Device 0000:42:00.0 barIndex 6 type 3 realaddr 0x0 size 4096 flags 12",
    ["a type of 4"] = "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 4 realaddr 0x0 size 4096 flags 12",
    ["no device"] = "PCIPassthru: Device barIndex 1 type 3 realaddr 0x0 size 4096 flags 12",
    ["a word missing"] = "PCIPassthru: Device 0000:42:00.0 barIndex 1 realaddr 0x0 size 4096 flags 12",
    ["a cut size"] = "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x0 size ",
    ["another spelling"] = "PCIPassthrough: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x0 size 4096 flags 12",
  } do
    it("with " .. what .. " is not one", function() assert.same({}, devices(line)) end)
  end

  it("of several devices are separated and sorted by index", function()
    local list = devices(table.concat({
      "PCIPassthru: Device 0000:65:00.0 barIndex 3 type 3 realaddr 0x1 size 33554432 flags 12",
      "PCIPassthru: Device 0000:ca:00.0 barIndex 0 type 2 realaddr 0x1 size 16777216 flags 0",
      "PCIPassthru: Device 0000:65:00.0 barIndex 1 type 3 realaddr 0x1 size 137438953472 flags 12",
      "PCIPassthru: Device 10000:01:00.0 barIndex 0 type 2 realaddr 0x1 size 4096 flags 0",
    }, "\n"))
    assert.equal(3, #list)
    assert.equal("0000:65:00.0", list[1].address)
    assert.equal(1, list[1].bars[1].index)
    assert.equal(3, list[1].bars[2].index)
    assert.equal("10000:01:00.0", list[3].address)
  end)

  it("tells the window that the cards need", function()
    local window = assert(vmlog.scan { text = table.concat(P40, "\n") }).window
    assert.equal(64, window.min_gb)
    assert.is_true(window.needed)
  end)
end)
