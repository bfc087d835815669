-- A .vmx that Notepad or PowerShell saved as UTF-16 was refused, where the doctor must read what people have; no host
-- reads it, so that is the first finding. Source: open-vm-tools, dictll.c (read byte by byte).
local command = require "spec.support.command"
local doctor = require "gpupt.doctor"

local TEXT = '.encoding = "UTF-8"\nconfig.version = "8"\nvirtualHW.version = "19"\nfirmware = "efi"\nmemSize = "8 GB"\n'
  .. 'pciPassthru0.present = "TRUE"\npciPassthru0.id = "0000:3b:00.0"\n'

local function utf16(text, mark) return (mark or "\xff\xfe") .. text:gsub(".", "%0\0") end

local function codes(given)
  local list = {}
  for _, one in ipairs(assert(doctor.examine(given)).findings) do list[one.code] = one end
  return list
end

describe("a .vmx in UTF-16", function()
  for how, mark in pairs { ["with its mark"] = "\xff\xfe", ["without a mark"] = "" } do
    it("is read and named, " .. how, function()
      local found = codes { vmx = { text = utf16(TEXT, mark), name = "a.vmx" } }
      assert.is_table(found["utf-16"])
      assert.matches("iconv %-f UTF%-16 %-t UTF%-8 a.vmx", found["utf-16"].remedy)
      assert.is_table(found["memory-size"], "the other findings are there as well")
    end)
  end

  it("a plain one has no such finding, a binary file is still refused", function()
    assert.is_nil(codes { vmx = { text = TEXT, name = "a.vmx" } }["utf-16"])
    assert.equal("EPARSE", (select(3, doctor.examine { vmx = { text = "MZ\0\0\1\2\3", name = "a.exe" } })))
  end)

  it("gpupt doctor reads it from a file; --fix says to convert it first", function()
    local path = os.tmpname()
    local file = assert(io.open(path, "wb"))
    file:write(utf16(TEXT))
    file:close()
    local status, out = command.run("doctor --vmx " .. path)
    assert.equal(1, status)
    assert.matches("The file is UTF%-16", out)
    local _, err
    status, _, err = command.run("doctor --fix --vmx " .. path)
    assert.equal(1, status)
    assert.matches("convert it", err)
    os.remove(path)
  end)
end)
