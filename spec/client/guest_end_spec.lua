-- What becomes of a program in a guest that is not waited for to its end: a timeout leaves nothing of it in the guest, and a
-- restart of the guest is told at once.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"

local check = gpupt.check

describe("a program in a guest", function()
  local site, vc, guests

  setup(function()
    local function vm(name, installed, user)
      return { name = name, host = "esx-1", installed = installed, power = "poweredOn", memory_mb = 4096,
        version = "vmx-20", firmware = "efi", username = user, password = "Train-1-pass" }
    end
    site = lab.start { speed = 50, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } },
      vms = { vm("lin", "ubuntu", "ops"), vm("win", "windows", "Administrator") }, datastores = { { name = "ds-1" } } } }
    vc = site:client()
    guests = { lin = { user = "ops", program = "/bin/sleep", arguments = "100000", temporary = "/tmp" },
      win = { user = "Administrator", program = [[C:\Windows\System32\ping.exe]], arguments = "-n 100000 localhost",
        temporary = [[C:\Users\Administrator\AppData\Local\Temp]] } }
    for name, one in pairs(guests) do
      one.vm = check(vc:one("/DC0/vm/" .. name))
      one.login = { username = one.user, password = "Train-1-pass" }
      check(vc.guest:ready(one.vm))
    end
  end)
  teardown(function() site:stop() end)

  for _, name in ipairs { "lin", "win" } do
    it("that takes too long is ended, and leaves nothing in the guest: " .. name, function()
      local one = guests[name]
      local result, message, code = vc.guest:run(one.vm, one.login, { program = one.program, arguments = one.arguments,
        timeout = 2 })
      assert.is_nil(result)
      assert.equal("ETIMEDOUT", code)
      assert.matches("still running", message, 1, true)
      for _, process in ipairs(check(vc.guest:list(one.vm, one.login))) do
        local left = not process.ended and (process.command or ""):find("gpupt-", 1, true)
        assert.is_nil(left or nil, process.command)
      end
      for _, file in ipairs(check(vc.guest:files(one.vm, one.login, one.temporary))) do
        assert.is_nil(file.path:find("gpupt-", 1, true), file.path)
      end
    end)

    it("under which the guest restarts has no exit code, and says so at once: " .. name, function()
      local one, result, message, code = guests[name], nil, nil, nil
      gpupt.loop.run(function()
        local program = gpupt.loop.spawn(function()
          result, message, code = vc.guest:run(one.vm, one.login, { program = one.program, arguments = one.arguments,
            timeout = 60 })
        end)
        gpupt.loop.sleep(1)
        check(one.vm:RebootGuest {})
        program:join()
      end)
      assert.is_nil(result)
      assert.equal("ERESTARTED", code, message)
      assert.matches("the guest restarted while the program ran, so its exit code is lost", message, 1, true)
      check(vc.guest:ready(one.vm))
    end)
  end
end)
