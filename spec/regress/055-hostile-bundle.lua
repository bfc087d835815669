--- A named pipe in an unpacked vm-support folder made `gpupt doctor --bundle` wait forever, a link to / was followed, and
-- files outside the folder were read and shown. Only regular files inside the folder are opened; others are reported.
local command = require "spec.support.command"
local json = require "gpupt.json"

local CARD = 'firmware = "efi"\nmemsize = "1024"\npciPassthru0.present = "TRUE"\npciPassthru0.id = "00000:066:00.0"\n'
  .. 'pciPassthru0.deviceId = "0x1b38"\npciPassthru0.vendorId = "0x10de"\n'

describe("a vm-support folder", function()
  local folder, outside
  before_each(function()
    folder, outside = command.folder(), command.folder()
    os.execute(("cd '%s' && mkdir -p b/commands b/vmfs/volumes/ds1/good b/var/run/log"):format(folder.path))
    folder.write("b/vmfs/volumes/ds1/good/good.vmx", CARD)
  end)
  after_each(function()
    folder.remove()
    outside.remove()
  end)

  local function shell(line) assert(os.execute(("cd '%s/b' && %s"):format(folder.path, line))) end

  -- Runs the command for at most ten seconds; its status and its JSON.
  local function examine()
    local pipe = assert(io.popen(("timeout 20 bin/gpupt doctor --bundle '%s/b' --json 2>&1; echo \"status $?\""):format(folder.path)))
    local text = pipe:read "a"
    pipe:close()
    local out, status = text:match "^(.*)status (%d+)\n$"
    return tonumber(status), json.decode(out) or out
  end

  local function skipped(result, path)
    for _, one in ipairs(result.skipped) do
      if one.path:find(path, 1, true) then return one.why end
    end
  end

  local function one_vm(status, result)
    assert.is_true(status == 0 or status == 1, tostring(status))
    assert.equal(1, #result.vms)
    assert.matches("good%.vmx$", result.vms[1].vmx)
  end

  local paths = { "vmfs/volumes/ds1/good/vmware-1.log", "vmfs/volumes/ds1/good/vmware.log", "vmfs/volumes/ds1/bad.vmx",
    "commands/lspci.txt", "commands/localcli_hardware-pci-list.txt.FRAG-00001", "commands/system-uuid", "var/run/log/vmkernel.log" }
  for _, path in ipairs(paths) do
    it("with a named pipe does not hang: " .. path, function()
      shell("mkfifo " .. path)
      local status, result = examine()
      one_vm(status, result)
      assert.matches("named pipe", skipped(result, path))
    end)
  end

  it("with a link to /, to itself and to a parent folder is read once, and the links are reported", function()
    shell "ln -s / root && ln -s . vmfs/loop && ln -s ../.. vmfs/volumes/up"
    local status, result = examine()
    one_vm(status, result)
    for _, name in ipairs { "root", "vmfs/loop", "vmfs/volumes/up" } do
      assert.matches("symbolic link", skipped(result, "b/" .. name))
    end
  end)

  it("with links to files outside does not show them", function()
    outside.write("secret.vmx", CARD:gsub("good", "secret") .. 'annotation = "hidden-value"\n')
    outside.write("secret.log", "2026-01-02T00:00:01.000Z In(05) vmx - PCIPassthru: total number of pages needed (7) exceeds limit (1), failing hidden-value\n")
    shell(("ln -s %s/secret.vmx vmfs/volumes/ds1/x.vmx && ln -s %s/secret.log vmfs/volumes/ds1/good/vmware.log && "
      .. "ln -s %s/secret.log var/run/log/vmkernel.log && ln -s %s commands/more"):format(outside.path, outside.path, outside.path,
      outside.path))
    local status, result = examine()
    one_vm(status, result)
    assert.is_nil(json.encode(result):find("hidden-value", 1, true))
    assert.is_nil(json.encode(result):find("exceeds limit", 1, true))
    assert.matches("symbolic link", skipped(result, "x.vmx"))
  end)

  it("with a socket, a device, an unreadable folder and huge sparse files is read to its end", function()
    shell("python3 -c 'import socket; socket.socket(socket.AF_UNIX).bind(\"vmfs/volumes/ds1/good/vmware-2.log\")'")
    shell "truncate -s 3T commands/lspci-huge.txt var/run/log/vmkernel.log vmfs/volumes/ds1/good/vmware.log"
    shell "mkdir shut && chmod 0 shut && (mknod vmfs/volumes/ds1/dev.vmx c 1 5 2>/dev/null || true)"
    local status, result = examine()
    one_vm(status, result)
    assert.matches("socket", skipped(result, "vmware-2.log"))
    for _, name in ipairs { "lspci-huge.txt", "vmkernel.log", "vmware.log" } do assert.matches("limit", skipped(result, name)) end
  end)

  it("with more nested folders than a bundle has is read to the limit", function()
    shell("mkdir -p " .. ("d/"):rep(60) .. "")
    local status, result = examine()
    one_vm(status, result)
    assert.matches("folders deep", skipped(result, ("/d"):rep(12)))
  end)

  it("with a compressed log that unpacks to far more is read to the limit", function()
    shell "head -c 400000000 /dev/zero | gzip -1 > vmfs/volumes/ds1/good/vmware-3.log.gz"
    local status, result = examine()
    one_vm(status, result)
    assert.matches("in part", skipped(result, "good/"))
  end)
end)
