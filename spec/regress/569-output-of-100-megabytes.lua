--- A program in a guest that printed more than is allowed was "/tmp/gpupt-.../result: the response is larger than 33554560
-- bytes": neither the program nor the limit that was set. And an installer's name in capitals (.EXE) was none.
local gpupt = require "gpupt"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

local check = gpupt.check
local LOGIN = { username = "ops", password = "Train-1-pass" }

describe("a program that prints much", function()
  local site, vm, vc

  setup(function()
    site = lab.start { speed = 100, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1") } } },
      datastores = { { name = "ds-1" } }, vms = { { name = "lin", host = "esx-1", installed = "ubuntu", power = "poweredOn",
        memory_mb = 4096, firmware = "efi", username = "ops", password = "Train-1-pass" } } } }
    vc = site:client()
    vm = check(vc:one "/DC0/vm/lin")
    check(vc.guest:ready(vm))
  end)
  teardown(function() site:stop() end)

  local function run(text, max)
    return vc.guest:run(vm, LOGIN, { program = "/bin/bash", arguments = "-c '" .. text .. "'", max = max })
  end

  it("fails with the limit and what to do", function()
    for _, text in ipairs { "yes | head -c 1001", "yes | head -c 1001 >&2", "yes | head -c 100000", "yes | head -c 3000000; exit 5",
      -- the result cannot be written: what there is of it is read
      "mkdir result.new; yes | head -c 1001" } do
      local result, message, code = run(text, 1000)
      assert.same({ nil, "ELIMIT" }, { result, code }, text)
      assert.equal("the program printed more than the 1000 bytes that are allowed: redirect its output into a file, and show its end",
        message)
    end
  end)

  it("may print as much as is allowed", function()
    local result = check(run("yes | head -c 1000; yes | head -c 1000 >&2; exit 3", 1000))
    assert.same({ 3, 1000, 1000 }, { result.rc, #result.stdout, #result.stderr })
  end)

  it("leaves nothing in the guest", function()
    for _, file in ipairs(check(vc.guest:files(vm, LOGIN, "/tmp"))) do
      assert.is_nil(file.path:find("gpupt-", 1, true), file.path)
    end
  end)
end)

describe("an installer of Windows", function()
  local site
  setup(function()
    site = lab.start { speed = 100, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1") } } },
      datastores = { { name = "ds-1" } }, vms = { { name = "win", host = "esx-1", installed = "windows", power = "poweredOn",
        memory_mb = 4096, firmware = "efi", username = "ops", password = "Train-1-pass" } } } }
  end)
  teardown(function() site:stop() end)

  it("may have its name in capitals", function()
    for name, fits in pairs { ["NVIDIA-551.61.EXE"] = true, ["nvidia.Exe"] = true, ["nvidia.exec"] = false } do
      local path = site.dir .. "/" .. name
      vcenter.write(path, "NVIDIA Display Driver 551.61\n")
      local ok, plan = pcall(site.plan, site, ([[return p.playbook { name = "v", p.vms { where = "/DC0/vm/win",
        login = p.login("ops", p.secret.command "echo Train-1-pass"), p.driver.install { from = %q } } }]]):format(path))
      assert.equal(fits, ok and plan ~= nil, name)
    end
  end)
end)
