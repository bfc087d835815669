local gpupt = require "gpupt"
local loop = require "gpupt.loop"
local vcenter = require "spec.support.vcenter"

describe("guest operations", function()
  local sim, vc, linux, windows
  local login = { username = "ops", password = "gu3st-Secret" }
  setup(function()
    sim = vcenter.start { speed = 200, fleet = {
      clusters = { { name = "c", hosts = { { name = "h1" } } } },
      datastores = { { name = "ds-1" } },
      vms = {
        { name = "lin", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
          firmware = "efi", installed = "ubuntu", power = "poweredOn", username = "ops", password = login.password },
        { name = "win", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "windows2019srv_64Guest",
          firmware = "efi", installed = "windows", power = "poweredOn", username = "ops", password = login.password },
        { name = "bare", host = "h1", datastore = "ds-1", memory_mb = 1024, disk_gb = 10, guest = "ubuntu64Guest",
          firmware = "efi", power = "poweredOn" },
      },
    } }
    vc = sim:connect()
    linux, windows = gpupt.check(vc:one "/DC0/vm/**/lin"), gpupt.check(vc:one "/DC0/vm/**/win")
    gpupt.check(vc.guest:ready(linux, { timeout = 30 }))
    gpupt.check(vc.guest:ready(windows, { timeout = 30 }))
  end)
  teardown(function()
    sim:close_all()
    local left = sim:leftovers()
    sim:stop()
    assert.are.equal(0, left.sessions)
    assert.are.equal(0, left.filters)
  end)
  before_each(function() sim:forget() end)
  after_each(function() sim:calm() end)

  local function sh(text, more)
    local o = { program = "/bin/bash", arguments = "-c '" .. text:gsub("'", "'\\''") .. "'" }
    for key, value in pairs(more or {}) do o[key] = value end
    return vc.guest:run(linux, login, o)
  end

  it("know the family", function()
    assert.are.equal("linux", vc.guest:family(linux))
    assert.are.equal("windows", vc.guest:family(windows))
  end)

  it("check a login; a bad password is tried once", function()
    assert.is_true(gpupt.check(vc.guest:validate(linux, login)))
    for _ = 1, 3 do
      local ok, message, code = vc.guest:validate(linux, { username = "ops", password = "wrong" })
      assert.is_nil(ok)
      assert.are.equal("InvalidGuestLogin", code)
      assert.is_nil(message:find("wrong", 1, true))
    end
    assert.are.equal(2, sim:calls "ValidateCredentialsInGuest")
    assert.is_true(vc.guest:validate(linux, { username = "ops", password = function() return login.password end }))
    local ok, message = pcall(vc.guest.validate, vc.guest, linux, {})
    assert.is_false(ok)
    assert.matches("no username", message)
  end)

  it("put, get, list and delete files", function()
    local path = sim.dir .. "/file.bin"
    vcenter.write(path, ("some bytes \0\r\n"):rep(5000))
    local directory = gpupt.check(vc.guest:tempdir(linux, login))
    gpupt.check(vc.guest:put(linux, login, path, directory .. "/x.bin", { permissions = 384 }))
    assert.are.equal(vcenter.read(path), gpupt.check(vc.guest:get(linux, login, directory .. "/x.bin")))
    gpupt.check(vc.guest:get(linux, login, directory .. "/x.bin", path .. ".back"))
    assert.are.equal(vcenter.read(path), vcenter.read(path .. ".back"))
    local names = {}
    for _, file in ipairs(gpupt.check(vc.guest:files(linux, login, directory))) do names[file.path] = file.size end
    assert.are.equal(#vcenter.read(path), names["x.bin"] or names[directory .. "/x.bin"])
    local got, _, code = vc.guest:get(linux, login, directory .. "/x.bin", nil, { max = 100 })
    assert.is_nil(got)
    assert.are.equal("ELIMIT", code)
    local ok
    ok, _, code = vc.guest:put(linux, login, nil, directory .. "/x.bin", { text = "y", overwrite = false })
    assert.is_nil(ok)
    assert.are.equal("FileAlreadyExists", code)
    gpupt.check(vc.guest:delete(linux, login, directory .. "/x.bin"))
    got, _, code = vc.guest:get(linux, login, directory .. "/x.bin")
    assert.is_nil(got)
    assert.are.equal("FileNotFound", code)
    gpupt.check(vc.guest:rmdir(linux, login, directory))
  end)

  it("run a program: output, errors and exit code apart", function()
    local out = gpupt.check(sh "echo out; echo err >&2; exit 3")
    assert.are.equal(3, out.rc)
    assert.are.equal("out\n", out.stdout)
    assert.are.equal("err\n", out.stderr)
    assert.are.equal(0, gpupt.check(sh "exit 0").rc)
    assert.are.equal("it's \"quoted\" $HOME\n", gpupt.check(sh [[printf '%s\n' "it's \"quoted\" \$HOME"]]).stdout)
  end)

  it("leave nothing in the guest", function()
    local before = #gpupt.check(vc.guest:files(linux, login, "/tmp"))
    gpupt.check(sh "echo x")
    assert.are.equal(before, #gpupt.check(vc.guest:files(linux, login, "/tmp")))
  end)

  it("list and kill programs", function()
    local from = loop.now()
    loop.run(function()
      local fiber = loop.spawn(function() return sh "sleep 100000; echo never" end)
      local pid
      repeat
        loop.sleep(0.05)
        for _, process in ipairs(gpupt.check(vc.guest:list(linux, login))) do
          if not process.ended and (process.command or ""):find("run.sh", 1, true) then pid = process.pid end
        end
      until pid or loop.now() - from > 10
      assert.is_not_nil(pid)
      gpupt.check(vc.guest:kill(linux, login, pid))
      local out = gpupt.check(fiber:join())
      assert.are_not.equal(0, out.rc)
    end)
    assert.is_true(loop.now() - from < 30)
    local ok, message, code = vc.guest:kill(linux, login, 999999)
    assert.is_nil(ok)
    assert.is_string(message)
    assert.are.equal("GuestProcessNotFound", code)
  end)

  it("stop at the time given, and end the program", function()
    local from = loop.now()
    local out, message, code = sh("sleep 100000", { timeout = 1.5 })
    assert.is_nil(out)
    assert.are.equal("ETIMEDOUT", code)
    assert.is_string(message)
    assert.is_true(loop.now() - from < 8)
    for _, process in ipairs(gpupt.check(vc.guest:list(linux, login))) do
      assert.is_false(process.ended == nil and (process.command or ""):find("run.sh", 1, true) ~= nil)
    end
  end)

  it("wait for Tools that are busy or away", function()
    sim:trouble({ method = "StartProgramInGuest", count = 2 }, { kind = "fault", fault = "GuestOperationsUnavailable" })
    assert.are.equal("ok\n", gpupt.check(sh "echo ok").stdout)
    assert.are.equal(3, sim:calls "StartProgramInGuest")
    sim:calm()
    sim:trouble({ method = "ListProcessesInGuest", count = 2 }, { kind = "fault", fault = "GuestOperationsUnavailable" })
    assert.are.equal("ok\n", gpupt.check(sh "sleep 100; echo ok").stdout)
    assert.is_true(sim:calls "ListProcessesInGuest" > 2)
  end)

  it("find the result although Tools forgot the program", function()
    sim:trouble({ method = "ListProcessesInGuest", count = 2 }, { kind = "fault", fault = "GuestProcessNotFound" })
    local out = gpupt.check(sh "sleep 100; echo done; exit 7")
    assert.are.equal(7, out.rc)
    assert.are.equal("done\n", out.stdout)
    assert.is_true(sim:calls "ListProcessesInGuest" > 1)
  end)

  it("find the result although Tools were restarted under the program", function()
    -- as the installer of a driver or of Tools does it; the Tools that come back know nothing of the program
    local root = { username = "root", password = "r00t-Secret" }
    gpupt.check(sh "echo root:r00t-Secret | sudo chpasswd")
    local before = #gpupt.check(vc.guest:files(linux, login, "/tmp"))
    local out, message, code = vc.guest:run(linux, root, { program = "/bin/bash",
      arguments = "-c 'systemctl restart open-vm-tools; sleep 5; echo after; exit 9'", timeout = 60 })
    assert.is_table(out, tostring(message) .. " " .. tostring(code))
    assert.are.equal(9, out.rc)
    assert.are.equal("after\n", out.stdout)
    local list, _, gone = vc.guest:list(linux, root, { out.pid })
    assert.is_true(gone == "GuestProcessNotFound" or #list == 0)
    assert.are.equal(before, #gpupt.check(vc.guest:files(linux, login, "/tmp")))
  end)

  it("run in Windows, too", function()
    local out = gpupt.check(vc.guest:run(windows, login, { program = [[C:\Windows\System32\cmd.exe]],
      arguments = "/c echo hello" }))
    assert.are.equal(0, out.rc)
    assert.matches("hello", out.stdout)
    out = gpupt.check(vc.guest:run(windows, login, { program = [[C:\Windows\System32\cmd.exe]], arguments = "/c exit 5" }))
    assert.are.equal(5, out.rc)
  end)

  it("report a VM without a guest that answers", function()
    local bare = gpupt.check(vc:one "/DC0/vm/**/bare")
    local ok, message, code = vc.guest:validate(bare, login, { timeout = 1 })
    assert.is_nil(ok)
    assert.is_string(message)
    assert.are.equal("GuestOperationsUnavailable", code)
    local ready, _, late = vc.guest:ready(bare, { timeout = 0.2 })
    assert.is_nil(ready)
    assert.are.equal("ETIMEDOUT", late)
  end)

  it("keep the guest's password out of trace and messages", function()
    local events = {}
    local traced = sim:connect { trace = function(event) events[#events + 1] = event end }
    local vm = traced:ref(tostring(linux))
    gpupt.check(traced.guest:run(vm, login, { program = "/bin/bash", arguments = "-c 'echo hi'" }))
    traced:close()
    assert.is_true(#events > 5)
    for _, event in ipairs(events) do assert.is_nil(event.request:find(login.password, 1, true)) end
  end)
end)
