--- gpupt bar --learn: measured BARs go into the user's own table, which bar, settings and doctor use.
local command = require "spec.support.command"
local json = require "gpupt.json"

local LOG = [[
Log for VMware ESX pid=1 version=VMware ESXi 8.0.2 build=build-22380479 option=Release
DICT   pciPassthru0.id = "00000:066:00.0"
DICT   pciPassthru0.deviceId = "0x%s"
DICT   pciPassthru0.vendorId = "0x10de"
PCIPassthru: Device 0000:42:00.0 barIndex 0 type 2 realaddr 0xd4000000 size 16777216 flags 0
PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12
PCIPassthru: Device 0000:42:00.0 barIndex 3 type 3 realaddr 0x3b7fe000000 size 33554432 flags 12
]]

local LSPCI = [[
00:00.0 Host bridge [0600]: Intel Corporation Device [8086:2020]
3b:00.0 3D controller [0302]: NVIDIA Corporation Device [10de:9999] (rev a1)
	Region 0: Memory at c0000000 (32-bit, non-prefetchable) [size=16M]
	Region 1: Memory at 1ff000000000 (64-bit, prefetchable) [size=512G]
	Region 3: Memory at 1ff800000000 (64-bit, prefetchable) [size=32M]
03:00.0 VGA compatible controller [0300]: ASPEED Technology, Inc. ASPEED Graphics Family [1a03:2000]
	Region 0: Memory at b0000000 (32-bit, non-prefetchable) [size=64M]
]]

describe("gpupt bar --learn", function()
  local c, table_file
  local function run(words)
    return c.gpupt(words, "XDG_DATA_HOME='" .. c.path .. "/data'")
  end
  before_each(function()
    c = command.folder()
    table_file = "data/gpupt/cards"
  end)
  after_each(function() c.remove() end)

  it("takes the BARs of a vmware.log with the ids of its settings; bar then answers from them", function()
    assert.equal(1, (run "bar 10de:abcd"))
    c.write("vmware.log", LOG:format "abcd")
    local status, out = run "bar --learn vmware.log"
    assert.equal(0, status)
    assert.matches("^10de:abcd | 10de:abcd |  | 0:mem32:16M 1:mem64:32G 3:mem64:32M | L | measured %d%d%d%d%-%d%d%-%d%d: vmware.log\n", out)
    assert.matches("1 learned, 0 known already", out)
    status, out = run "bar 10de:abcd"
    assert.equal(0, status)
    assert.matches("measured on your hosts", out)
    assert.matches("10de:abcd | 10de:abcd", select(2, run "bar --table"), 1, true)
  end)

  it("takes lspci -vv -nn, and no console graphics of a management controller", function()
    c.write("lspci.txt", LSPCI)
    local status, out = run "bar --learn lspci.txt"
    assert.equal(0, status)
    assert.matches("10de:9999", out)
    assert.is_nil(c.read(table_file):find("1a03", 1, true))
    assert.matches('64bitMMIOSizeGB = "1024"', select(2, run "bar 10de:9999"), 1, true)
  end)

  it("takes several files and standard input, and learns a thing once", function()
    c.write("vmware.log", LOG:format "abcd")
    c.write("lspci.txt", LSPCI)
    assert.matches("2 learned", select(2, run "bar --learn vmware.log lspci.txt"))
    assert.matches("0 learned, 2 known already", select(2, run "bar --learn - < lspci.txt"))
    assert.equal(2, select(2, c.read(table_file):gsub("\n10de:", "")))
  end)

  it("keeps two measured forms of a card, the larger one first", function()
    c.write("small.log", (LOG:format "abcd":gsub("34359738368", "268435456")))
    c.write("large.log", LOG:format "abcd")
    run "bar --learn small.log"
    run "bar --learn large.log"
    local result = json.decode(select(2, run "bar 10de:abcd --json"))
    assert.equal(2, #result.devices[1].variants)
    assert.equal(34359738368, result.devices[1].bars[2].size)
  end)

  it("is what the doctor uses: a card that was uncertain is certain", function()
    c.write("a.vmx", 'firmware = "efi"\nvirtualHW.version = "19"\nmemsize = "1024"\nsched.mem.min = "1024"\nsched.mem.pin = "TRUE"\n'
      .. 'pciBridge4.present = "TRUE"\npciPassthru0.present = "TRUE"\npciPassthru0.id = "00000:066:00.0"\n'
      .. 'pciPassthru0.deviceId = "0x2204"\npciPassthru0.vendorId = "0x10de"\npciPassthru0.systemId = "5f1c"\n')
    local status, out = run "doctor --vmx a.vmx"
    assert.equal(1, status)
    assert.matches("warning: uncertain%-bars", out)
    c.write("vmware.log", LOG:format "2204")
    run "bar --learn vmware.log"
    status, out = run "doctor --vmx a.vmx"
    assert.equal(1, status)
    assert.matches("error: mmio%-window", out)
    assert.is_nil(out:find("uncertain", 1, true))
  end)

  it("--dry-run writes nothing", function()
    c.write("lspci.txt", LSPCI)
    local status, out = run "bar --learn --dry-run lspci.txt"
    assert.equal(0, status)
    assert.matches("dry run: 1 learned", out)
    assert.is_nil((io.open(c.path .. "/" .. table_file)))
  end)

  it("says what it could not learn and which file would tell", function()
    c.write("x.txt", "hello\n")
    local status, _, err = run "bar --learn x.txt"
    assert.equal(1, status)
    assert.matches("nothing to learn: x.txt: it has no BARs of a GPU", err, 1, true)
    c.write("noids.log", (LOG:format "abcd":gsub("DICT[^\n]*\n", "")))
    status, _, err = run "bar --learn noids.log"
    assert.equal(1, status)
    assert.matches("0000:42:00.0: the log has its BARs but not its ids", err, 1, true)
    c.write("esxcli.txt", "0000:42:00.0\n   Vendor ID: 0x10de\n   Device ID: 0x20b5\n   Device Class: 0x0302\n")
    assert.matches("no BAR sizes", select(3, run "bar --learn esxcli.txt"), 1, true)
    assert.equal(2, (run "bar --learn"))
    assert.equal(1, (run "bar --learn nowhere.log"))
  end)

  it("writes through no symbolic link, and leaves the table whole when a row cannot be read", function()
    c.write("lspci.txt", LSPCI)
    c.write("secret", "# precious\n")
    os.execute(("mkdir -p '%s/data/gpupt' && ln -s '%s/secret' '%s/%s'"):format(c.path, c.path, c.path, table_file))
    local status, _, err = run "bar --learn lspci.txt"
    assert.equal(1, status)
    assert.matches("symbolic link", err)
    assert.equal("# precious\n", c.read "secret")
    os.remove(c.path .. "/" .. table_file)
    c.write(table_file, "# mine\n10de:77 | broken\n")
    status, _, err = run "bar --learn lspci.txt"
    assert.equal(1, status)
    assert.matches("cards:2: ", err)
    assert.matches("10de:77", c.read(table_file))
    status, _, err = run "bar 10de:20b5"
    assert.equal(1, status)
    assert.matches("cards:2: 2 columns instead of 6", err)
  end)

  it("gives the Lua result as JSON", function()
    c.write("lspci.txt", LSPCI)
    local result = json.decode(select(2, run "bar --learn lspci.txt --json"))
    assert.equal(1, #result.learned)
    assert.equal("L", result.learned[1].mark)
    assert.matches("/data/gpupt/cards$", result.path)
  end)
end)
