--- One 502 or 503 of a gateway ended a program in a guest: at the temporary directory, at the address of a file, at the
-- file itself, and at the program's start, whose outcome the guest shows.
local gpupt = require "gpupt"
local vcenter = require "spec.support.vcenter"

describe("a program in a guest, when a gateway answers for the vCenter or the host,", function()
  local sim, vc, vms
  local login = { username = "ops", password = "gu3st-Secret" }

  setup(function()
    local function vm(name, guest, installed)
      return { name = name, host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = guest,
        firmware = "efi", installed = installed, power = "poweredOn", username = "ops", password = login.password }
    end
    sim = vcenter.start { fleet = { clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } },
      vms = { vm("linux", "ubuntu64Guest", "ubuntu"), vm("windows", "windows2019srv_64Guest", "windows") } } }
    vc = sim:connect { retries = 1, outage = 60 }
    vms = {}
    for _, name in ipairs { "linux", "windows" } do
      vms[name] = gpupt.check(vc:one("/DC0/vm/**/" .. name))
      gpupt.check(vc.guest:ready(vms[name], { timeout = 30 }))
      gpupt.check(vc.guest:validate(vms[name], login))
    end
  end)
  teardown(function()
    sim:close_all()
    sim:stop()
  end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  -- a program that leaves a line behind each time it runs; in Linux it takes a while
  local programs = {
    linux = function(file)
      return { program = "/bin/bash", arguments = ("-c 'echo ran >>/home/ops/%s; sleep 60; echo said'"):format(file) },
        "/home/ops/" .. file
    end,
    windows = function(file)
      return { program = "C:\\Windows\\System32\\cmd.exe",
        arguments = ("/c \"echo ran>>C:\\Users\\ops\\%s& echo said\""):format(file) }, "C:\\Users\\ops\\" .. file
    end,
  }
  local restarted = { kind = "restart-after", seconds = 1 }
  local number = 0

  for family, program_of in pairs(programs) do
    for i, case in ipairs {
      { "at the temporary directory", "CreateTemporaryDirectoryInGuest", { kind = "status", code = 502 } },
      { "at the address of the script", "InitiateFileTransferToGuest", { kind = "status", code = 503 } },
      { "at the script", "HTTP PUT", { kind = "status", code = 503 } },
      { "at its start, which took effect", "StartProgramInGuest", { kind = "reset-after" } },
      { "at its start, which did not take effect", "StartProgramInGuest", { kind = "status", code = 503 } },
      { "at its list of processes", "ListProcessesInGuest", restarted },
      { "at the address of its output", "InitiateFileTransferFromGuest", { kind = "status", code = 504 } },
      { "at its output", "HTTP GET", { kind = "status", code = 502 } },
      { "which restarts after the start", "StartProgramInGuest", restarted },
      { "which restarts before the start", "StartProgramInGuest", { kind = "restart-before", seconds = 1 } },
    } do
      -- the start differs between the families, and only a batch file is always sent as a file
      local wanted = family == "linux" and i ~= 2 and i ~= 3 or family == "windows" and i >= 2 and i <= 5
      if wanted then it(("%s: is run once on %s"):format(case[1], family), function()
        number = number + 1
        local program, trace = program_of("trace-" .. number)
        sim:trouble({ method = case[2] }, case[3])
        local result = gpupt.check(vc.guest:run(vms[family], login, program))
        assert.equal(0, result.rc)
        assert.matches("^said%s*$", result.stdout)
        assert.is_true(sim:calls(case[2]) > 0)
        assert.matches("^ran%s*$", gpupt.check(vc.guest:get(vms[family], login, trace)))
      end) end
    end
  end
end)
