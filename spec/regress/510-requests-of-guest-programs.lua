--- Each program in a guest took eight requests: a folder of its own, the transfer of its script (two), the start, a list
-- of processes although it had ended, the transfer of its result (two), and the deletion of the folder. Now the
-- programs of a step share a folder, a Linux guest gets a short script with the start, and the first look is for the
-- result.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local requests = require "spec.support.requests"

local check = gpupt.check

describe("programs in a guest", function()
  local site, vc, guests

  setup(function()
    local function vm(name, installed, user)
      return { name = name, host = "esx-1", installed = installed, power = "poweredOn", memory_mb = 4096,
        version = "vmx-20", firmware = "efi", username = user, password = "Train-1-pass" }
    end
    site = lab.start { speed = 50, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-1" } } },
      vms = { vm("lin", "ubuntu", "ops"), vm("win", "windows", "Administrator") }, datastores = { { name = "ds-1" } } } }
    vc = site:client()
    guests = { linux = { vm = "lin", user = "ops", program = "/bin/echo", ending = "\n", temporary = "/tmp" },
      windows = { vm = "win", user = "Administrator", program = [[C:\Windows\System32\cmd.exe]], before = "/d /c echo ",
        ending = "\r\n", temporary = [[C:\Users\Administrator\AppData\Local\Temp]] } }
    for family, one in pairs(guests) do
      one.family = family
      one.vm = check(vc:one("/DC0/vm/" .. one.vm))
      one.login = { username = one.user, password = "Train-1-pass" }
      check(vc.guest:ready(one.vm))
      check(vc.guest:validate(one.vm, one.login))
    end
  end)
  teardown(function() site:stop() end)
  after_each(function() site.sim:calm() end)

  local function say(one, folder, word)
    return check(vc.guest:run(one.vm, one.login, { program = one.program, arguments = (one.before or "") .. word,
      family = one.family, folder = folder })).stdout
  end

  local function left(one)
    local list = {}
    for _, file in ipairs(check(vc.guest:files(one.vm, one.login, one.temporary))) do
      if file.path:find("gpupt-", 1, true) then list[#list + 1] = file.path end
    end
    return list
  end

  for _, family in ipairs { "linux", "windows" } do
    it("that share a folder take three requests each, and two more with a script that is a file: " .. family, function()
      local one = guests[family]
      local counts = requests.during(site.sim, function()
        local folder <close> = vc.guest:folder(one.vm, one.login)
        for _, word in ipairs { "one", "two", "three" } do assert.equal(word .. one.ending, say(one, folder, word)) end
      end)
      local polls = requests.of(counts, "ListProcessesInGuest") -- of a busy computer
      local text = requests.table { { name = family, counts = counts } }
      assert.equal(1, requests.of(counts, "CreateTemporaryDirectoryInGuest"), text)
      assert.equal(1, requests.of(counts, "DeleteDirectoryInGuest"), text)
      assert.equal(family == "linux" and 0 or 3, requests.of(counts, "InitiateFileTransferToGuest"), text)
      assert.is_true(counts.total - 2 * polls <= (family == "linux" and 11 or 17), text)
      assert.same({}, left(one))
    end)

    it("of a folder that is not used leave nothing and ask nothing: " .. family, function()
      local one = guests[family]
      local counts = requests.during(site.sim, function()
        local _ <close> = vc.guest:folder(one.vm, one.login) -- luacheck: ignore
      end)
      assert.equal(0, counts.total)
    end)

    it("are not taken for one another when the answer to a start is lost: " .. family, function()
      local one = guests[family]
      local folder <close> = vc.guest:folder(one.vm, one.login)
      assert.equal("one" .. one.ending, say(one, folder, "one"))
      site.sim:trouble({ method = "StartProgramInGuest", count = 1 }, { kind = "reset-before" })
      assert.equal("two" .. one.ending, say(one, folder, "two"))
      site.sim:calm()
      site.sim:trouble({ method = "StartProgramInGuest", count = 1 }, { kind = "reset-after" })
      assert.equal("three" .. one.ending, say(one, folder, "three"))
    end)

    it("get another folder when the guest has theirs no more: " .. family, function()
      local one = guests[family]
      local folder <close> = vc.guest:folder(one.vm, one.login)
      assert.equal("one" .. one.ending, say(one, folder, "one"))
      check(vc.guest:rmdir(one.vm, one.login, folder.path))
      assert.equal("two" .. one.ending, say(one, folder, "two"))
      folder:close()
      assert.same({}, left(one))
    end)
  end

  it("in Linux get a long script as a file", function()
    local one = guests.linux
    local word = ("x"):rep(20000)
    local counts = requests.during(site.sim, function()
      local folder <close> = vc.guest:folder(one.vm, one.login)
      assert.equal(word .. "\n", say(one, folder, word))
    end)
    assert.equal(1, requests.of(counts, "InitiateFileTransferToGuest"))
  end)
end)
