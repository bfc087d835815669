--- gpupt vmx get|set|unset|diff.
local command = require "spec.support.command"
local json = require "gpupt.json"

local TEXT = '#!/usr/bin/vmware\r\nfirmware = "bios" # old\r\nannotation = "a |22b|22"\r\npciPassthru0.present = "TRUE"\r\n'

describe("gpupt vmx", function()
  local folder
  local write, read, gpupt, remove
  before_each(function()
    local made = command.folder()
    folder, write, read, gpupt, remove = made.path, made.write, made.read, made.gpupt, made.remove
    write("a.vmx", TEXT)
  end)
  after_each(function() remove() end)

  it("get prints the bare value of one key", function()
    assert.same({ 0, "bios\n", "" }, { gpupt "vmx get a.vmx FIRMWARE" })
    assert.same({ 0, 'a "b"\n', "" }, { gpupt "vmx get a.vmx annotation" })
  end)

  it("get prints lines as in a .vmx for several keys or a pattern", function()
    assert.same({ 0, 'firmware = "bios"\nannotation = "a |22b|22"\n', "" }, { gpupt "vmx get a.vmx firmware annotation" })
    assert.same({ 0, 'pciPassthru0.present = "TRUE"\n', "" }, { gpupt "vmx get a.vmx 'pcipassthru*'" })
    local _, out = gpupt "vmx get a.vmx"
    assert.equal(3, select(2, out:gsub("\n", "")))
  end)

  it("get of an absent key exits with 1 and says so", function()
    local status, out, err = gpupt "vmx get a.vmx nested firmware"
    assert.equal(1, status)
    assert.equal('firmware = "bios"\n', out)
    assert.equal("gpupt: a.vmx: nested is not set\n", err)
    assert.equal(1, (gpupt "vmx get a.vmx 'x*'"))
  end)

  it("get --json gives an object", function()
    local _, out = gpupt "vmx get a.vmx firmware annotation --json"
    assert.same({ annotation = 'a "b"', firmware = "bios" }, json.decode(out))
  end)

  it("set changes its line and no other, silently", function()
    assert.same({ 0, "", "" }, { gpupt "vmx set a.vmx firmware=efi pciPassthru.use64bitMMIO=TRUE 'annotation=x=y'" })
    assert.equal((TEXT:gsub('"bios"', '"efi"'):gsub('"a |22b|22"', '"x=y"')) .. 'pciPassthru.use64bitMMIO = "TRUE"\r\n', read "a.vmx")
  end)

  it("set --dry-run shows the difference and changes nothing", function()
    local status, out = gpupt "vmx set a.vmx firmware=efi --dry-run"
    assert.equal(0, status)
    assert.equal("--- a.vmx\n+++ a.vmx (edited)\n@@ -1,4 +1,4 @@\n #!/usr/bin/vmware\n-firmware = \"bios\" # old\n+firmware = \"efi\" # old\n"
      .. " annotation = \"a |22b|22\"\n pciPassthru0.present = \"TRUE\"\n", out)
    assert.equal(TEXT, read "a.vmx")
  end)

  it("set --json gives the changes", function()
    local _, out = gpupt "vmx set a.vmx firmware=efi --json"
    local result = json.decode(out)
    assert.is_true(result.changed)
    assert.is_true(result.saved)
    assert.equal(1, #result.changes)
    assert.same({ "firmware", "bios", "efi", 2 }, { result.changes[1].key, result.changes[1].before, result.changes[1].after, result.changes[1].line })
    _, out = gpupt "vmx set a.vmx firmware=efi --json"
    result = json.decode(out)
    assert.is_false(result.changed)
    assert.truthy(out:find('"changes": []', 1, true))
  end)

  it("set of a duplicated key to the value it has leaves one line, and says that it changed something", function()
    write("two.vmx", 'a = "1"\nb = "2"\nA = "1"\n')
    local _, out = gpupt "vmx set two.vmx a=1 --json"
    assert.is_true(json.decode(out).changed)
    assert.equal('b = "2"\nA = "1"\n', read "two.vmx")
  end)

  it("unset removes keys and patterns; an absent one is not a failure", function()
    assert.same({ 0, "", "" }, { gpupt "vmx unset a.vmx 'pciPassthru*' annotation nested" })
    assert.equal('#!/usr/bin/vmware\r\nfirmware = "bios" # old\r\n', read "a.vmx")
  end)

  it("diff shows what differs", function()
    write("b.vmx", (TEXT:gsub("bios", "efi")))
    local status, out = gpupt "vmx diff a.vmx b.vmx"
    assert.equal(0, status)
    assert.truthy(out:find('--- a.vmx\n+++ b.vmx\n', 1, true), out)
    assert.truthy(out:find('\n-firmware = "bios" # old\n+firmware = "efi" # old\n', 1, true), out)
    assert.same({ 0, "", "" }, { gpupt "vmx diff a.vmx a.vmx" })
    status, out = gpupt "vmx diff a.vmx b.vmx --json"
    assert.equal(0, status)
    assert.equal("efi", json.decode(out)[1].after)
  end)

  describe("with bad input", function()
    local function fails(words, wanted, status)
      local got, out, err = gpupt(words)
      assert.equal(status or 1, got, err)
      assert.equal("", out)
      assert.truthy(err:find(wanted, 1, true), err)
      assert.is_nil(err:find("traceback", 1, true))
    end

    it("edits no malformed file, names the line, and makes no half-made change", function()
      local text = 'a = "1"\nfirmware = "bios\nb = "2"\n'
      write("bad.vmx", text)
      fails("vmx set bad.vmx a=2 b=3", "bad.vmx:2: the quoted value has no closing quote")
      fails("vmx unset bad.vmx a", "not edited")
      assert.equal(text, read "bad.vmx")
      assert.equal(0, (gpupt "vmx set bad.vmx a=2 --force"))
      assert.equal((text:gsub('"1"', '"2"')), read "bad.vmx")
    end)

    it("refuses all edits when one of them is impossible", function()
      fails("vmx set a.vmx firmware=efi 'two words=1'", "cannot hold blanks")
      assert.equal(TEXT, read "a.vmx")
    end)

    it("says what is wrong with a folder, a missing, a binary and a huge file", function()
      fails("vmx get . a", "Is a directory")
      fails("vmx get none.vmx a", "none.vmx: No such file")
      write("disk.vmdk", "KDMV\1\0\0\0")
      fails("vmx get disk.vmdk a", "disk.vmdk: line 1 holds a zero byte: this is not a .vmx but a binary file")
      os.execute(("truncate -s 200M '%s/big.vmx'"):format(folder))
      fails("vmx set big.vmx a=1", "big.vmx: larger than the limit of 16777216 bytes")
    end)

    it("reads a file that is not UTF-8, says so, and gives valid JSON", function()
      write("latin.vmx", 'displayName = "caf\233"\n')
      local status, out, err = gpupt "vmx get latin.vmx displayName"
      assert.same({ 0, "caf\233\n" }, { status, out })
      assert.matches("latin.vmx:1: the line is not UTF%-8", err)
      status, out = gpupt "vmx get latin.vmx displayName --json"
      assert.equal(0, status)
      assert.equal("caf\239\191\189", json.decode(out).displayName)
    end)

    it("is wrong usage without action, file or KEY=VALUE, naming the nearest action", function()
      fails("vmx", "get, set, unset, check, fix or diff?", 2)
      fails("vmx sett a.vmx a=1", "unknown action 'sett' (did you mean 'set'?)", 2)
      fails("vmx get", "get needs a FILE", 2)
      fails("vmx set a.vmx", "set needs KEY=VALUE", 2)
      fails("vmx set a.vmx firmware", "'firmware' is not KEY=VALUE", 2)
      fails("vmx unset a.vmx", "unset needs a KEY", 2)
      fails("vmx diff a.vmx", "diff needs two files", 2)
      fails("vmx set a.vmx a=1 --dry-runn", "did you mean '--dry-run'?", 2)
    end)
  end)
end)
