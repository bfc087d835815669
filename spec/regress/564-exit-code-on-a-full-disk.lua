--- When a guest's disk was full after a program, the script could not write its result, and its own exit code (1) was taken
-- for the program's: one that had succeeded failed with 1, and one that had failed with 3 as well. Nothing named the disk.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local run_in = require "gpupt.vim.guest_run"
local script = require "gpupt.vim.guest_script"
local vcenter = require "spec.support.vcenter"

describe("the exit code of a program", function()
  local site

  teardown(function() if site then site:stop() end end)

  it("is the program's although the guest cannot write the result", function()
    site = lab.start { speed = 100, fleet = { clusters = { { name = "a", hosts = { lab.host "esx-1" } } },
      datastores = { { name = "ds-1" } }, vms = { { name = "lin", host = "esx-1", installed = "ubuntu", power = "poweredOn",
        memory_mb = 4096, firmware = "efi", username = "ops", password = "Train-1-pass" } } } }
    local vc = site:client()
    local vm = gpupt.check(vc:one "/DC0/vm/lin")
    gpupt.check(vc.guest:ready(vm))
    local function run(text)
      return vc.guest:run(vm, { username = "ops", password = "Train-1-pass" }, { program = "/bin/sh",
        arguments = "-c '" .. text .. "'" })
    end
    for _, rc in ipairs { 0, 5, 74 } do -- a folder in the place of the file stands for the full disk
      local result, message = run(("mkdir result.new; echo out; echo err >&2; exit %d"):format(rc))
      assert.same({ rc, "out\n", "err\n" }, { result and result.rc, result and result.stdout, result and result.stderr }, message)
    end
  end)

  it("is not that of the script, which says that it could not write", function()
    local dir = vcenter.shell "mktemp -d /tmp/gpupt-sh.XXXXXX":match "%S+"
    local name, text, inside = script.of("linux", dir, { { program = "/usr/bin/head", arguments = "-c 30000 /dev/zero" },
      { program = "/usr/bin/head", arguments = "-c 30000 /dev/zero" } })
    vcenter.write(inside .. name, text)
    -- files of at most 80 blocks: both outputs fit, and the result does not
    local _, _, rc = os.execute(("trap '' XFSZ; ulimit -f 80; /bin/sh '%s' 2>/dev/null"):format(inside .. name))
    local head = vcenter.read(inside .. "head-1")
    local result = vcenter.read(inside .. script.RESULT)
    os.execute("rm -rf " .. dir)
    assert.same({ 74, nil }, { rc, result })
    assert.equal(0, script.read_head(head))
  end)

  -- A guest with these files in its folder, after a script that ended with `rc`.
  local function guest(rc, files)
    local self = {}
    function self.family() return "windows" end
    function self.tempdir() return "T" end
    function self.put() return true end
    function self.list() return { { pid = 7, ended = true, rc = rc } } end
    function self.get(_, _, _, path)
      local text = files[path:match "[^\\]+$"]
      if text then return text end
      return nil, "no such file", "FileNotFound"
    end
    function self.rmdir() return true end
    local function operate() return 7 end
    return run_in(self, operate, "vm", {}, { { program = "p" }, { program = "p" } }, { timeout = 60, max = 1000, family = "windows" })
  end

  local full = { ["out-1"] = "a", ["err-1"] = "", ["head-1"] = "gpupt 3 1 0\r\n", ["out-2"] = "", ["err-2"] = "", ["head-2"] = "" }

  it("is unknown if the guest could not even write that, and the disk is named", function()
    for _, result in ipairs { false, "gpupt 3 1 0\r\n" } do -- none, or one that is cut
      full.result = result or nil
      local list, message, code = guest(1, full)
      assert.same({ nil, "NoDiskSpace" }, { list, code })
      assert.matches("its disk may be full", message, 1, true)
    end
  end)

  it("of a script that was killed is the script's for the programs that had not ended", function()
    local list = assert(guest(137, { ["out-1"] = "a", ["err-1"] = "", ["head-1"] = "gpupt 3 1 0\r\n", ["out-2"] = "b" }))
    assert.same({ 3, "a", 137, "b" }, { list[1].rc, list[1].stdout, list[2].rc, list[2].stdout })
  end)
end)
