local run = require "spec.support.command".run
local json = require "gpupt.json"

local P40 = "PCIPassthru: Device 0000:42:00.0 barIndex 1 type 3 realaddr 0x3b800000000 size 34359738368 flags 12\n"
local LIMIT = "PCIPassthru: total number of pages needed (33566722) exceeds limit (917504), failing\n"
local BEGIN = "2023-07-21T09:40:50.413Z In(05) vmx - Log for VMware ESX pid=1 version=VMware ESXi 8.0.2 build=build-1 option=Release\n"

describe("gpupt log", function()
  it("of a healthy log gives the cards and status 0", function()
    local status, out, err = run("log -", P40)
    assert.equal(0, status)
    assert.equal("", err)
    assert.equal("0000:42:00.0  BAR1 32G  = 32 GiB\nMMIO: needed 32 GiB; 64bitMMIOSizeGB 32 holds it\nverdict: healthy\n", out)
  end)

  it("of a sick one gives evidence, cause and remedy, and status 1", function()
    local status, out = run("log -", LIMIT)
    assert.equal(1, status)
    assert.matches("standard input:1: error: mmio%-limit\n  PCIPassthru: total number", out)
    assert.matches("\n  cause:  The BARs of the card need 128 GiB %+ 48 MiB", out)
    assert.matches('\n  remedy: .*64bitMMIOSizeGB = "256"', out)
  end)

  it("says when nothing was found, and that a mere remark is no problem", function()
    local status, out = run("log -", "2023-07-21T09:40:50.413Z In(05) vmx - a\n2023-07-21T09:40:50.413Z In(05) vmx - b\n")
    assert.equal(0, status)
    assert.equal("nothing about passthrough in 2 lines of a vmware.log\nverdict: healthy\n", out)
    assert.equal(0, (run("log -", "PCIPassthru: 1750: Disable Domain for device 0000:05:00.0\n")))
  end)

  it("of several files shows each; the worst decides the status", function()
    local c <close> = setmetatable(require "spec.support.command".folder(), { __close = function(self) self.remove() end })
    c.write("vmware.log", P40)
    c.write("vmkernel.log", "2024-03-01T00:00:00.000Z Wa(180) vmkernel: cpu1:2097152)WARNING: VMKPCIPassthru: 1: x\n")
    local status, out = c.gpupt "log vmware.log vmkernel.log"
    assert.equal(1, status)
    assert.matches("^vmware.log:\n0000:42:00.0.*verdict: healthy\n\nvmkernel.log:\n.*verdict: unclear", out)
    status, out = c.gpupt "log vmware.log vmkernel.log --json"
    assert.equal(1, status)
    local list = json.decode(out)
    assert.equal("healthy", list[1].verdict)
    assert.equal("unclear", list[2].verdict)
  end)

  it("--words prints the words that are looked for, for grep", function()
    local status, out = run "log --words"
    assert.equal(0, status)
    local seen = {}
    for word in out:gmatch "[^\n]+" do
      assert.is_nil(seen[word])
      seen[word] = true
    end
    for _, word in ipairs { "NVRM: ", "DICT ", "PCIEHP", "is unresponsive after reset" } do assert.is_true(seen[word], word) end
    assert.equal(2, (run "log --words x"))
  end)

  it("--all shows each power-on", function()
    local status, out = run("log - --all", BEGIN .. LIMIT .. BEGIN .. P40)
    assert.equal(0, status)
    assert.matches("power%-on 1 at 2023%-07%-21T09:40:50.413Z, VMware ESXi 8.0.2", out)
    assert.matches("mmio%-limit.*power%-on 2", out)
  end)

  it("gives the Lua result as JSON, lists as lists", function()
    local status, out = run("log - --json", P40)
    assert.equal(0, status)
    assert.matches('"findings": %[%]', out)
    local result = json.decode(out)
    assert.equal("0000:42:00.0", result.devices[1].address)
    assert.equal(1, result.lines)
    assert.equal("[]", json.encode(json.decode(select(2, run("log - --json", "x"))).devices))
  end)

  it("prints foreign bytes in JSON as U+FFFD", function()
    local _, out = run("log - --json", "\xff AH No device hints found\n")
    assert.equal("\u{FFFD} AH No device hints found", json.decode(out).findings[1].text)
  end)

  it("--catalogue prints every message that is known", function()
    local status, out = run "log --catalogue"
    assert.equal(0, status)
    local list = json.decode(select(2, run "log --catalogue --json"))
    assert.equal(#require "gpupt.vmlog".catalogue(), #list)
    for _, entry in ipairs(list) do
      assert.matches("\n" .. entry.code .. " (", "\n" .. out, 1, true)
      assert.is_string(entry.source)
    end
  end)

  it("marks a partial result on stderr and by its status", function()
    local path = os.tmpname()
    os.execute(("printf '%s' | gzip | head -c 40 > %s"):format(P40:gsub("\n", "\\n"):rep(1), path))
    local status, _, err = run("log " .. path)
    os.remove(path)
    assert.equal(1, status)
    assert.matches("the gzip file ends too early", err)
  end)

  for words, want in pairs {
    ["log"] = { 2, "give files" }, ["log /no/such.log -"] = { 1, "/no/such.log" }, ["log /no/such.log"] = { 1, "/no/such.log" },
    ["log --catalogue x"] = { 2, "takes no file" }, ["log /dev"] = { 1, "no vmware%*.log in this folder" },
    ["log - --jsn"] = { 2, "did you mean '%-%-json'" },
  } do
    it(("%s: one message, status %d"):format(words, want[1]), function()
      local status, out, err = run(words)
      assert.equal(want[1], status)
      assert.equal("", out)
      assert.matches(want[2], err)
    end)
  end
end)
