-- Passwords of guests: every source, one for each VM by a function or a command, tried on no other VM once it was refused,
-- and in no journal, message or trace.
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

describe("the passwords of guests", function()
  local site
  local passwords = { ["vm-1"] = "P1-dJ3kq81Zx", ["vm-2"] = "P2-Kd93nqLq7", ["vm-3"] = "P3-Vb72mmQe1" }

  setup(function()
    local vms = {}
    for name, password in pairs(passwords) do
      vms[#vms + 1] = { name = name, host = "esx-1", installed = "ubuntu", power = "poweredOn", memory_mb = 2048,
        version = "vmx-20", firmware = "efi", username = "ops", password = password }
      vcenter.write("/tmp/gpupt-login-" .. name, password .. "\nsecond line\n")
    end
    site = lab.start { speed = 400, fleet = { clusters = { { name = "gpu", hosts = { lab.host "esx-1" } } }, vms = vms,
      datastores = { { name = "ds-1" } } } }
  end)
  teardown(function()
    site:stop()
    for name in pairs(passwords) do os.remove("/tmp/gpupt-login-" .. name) end
  end)
  before_each(function() site.sim:forget() end)

  local function apply(where, login, o)
    o = o or {}
    local path = site:write(([[
local own = { ["vm-1"] = "A", ["vm-2"] = "B", ["vm-3"] = "C" }
return p.playbook { name = "logins", p.vms { where = "/DC0/vm/%s", login = %s, p.tools.ensure { desktop = %s } } }]]):format(
      where, login, tostring(o.desktop or false)))
    local journal, trace = os.tmpname(), os.tmpname()
    local result = site:command({ "apply", path, "--journal", journal }, { env = { GPUPT_TRACE = trace,
      PW_A = passwords["vm-1"], PW_B = passwords["vm-2"], PW_C = passwords["vm-3"] } })
    for _, text in ipairs { result.out, result.err, vcenter.read(journal) or "", vcenter.read(journal .. "-wal") or "",
      vcenter.read(trace) or "" } do
      for _, password in pairs(passwords) do assert.is_nil(text:find(password, 1, true)) end
    end
    for _, file in ipairs { journal, journal .. "-wal", journal .. "-shm", trace } do os.remove(file) end
    return result.status, result.out .. result.err
  end

  it("come from the environment, a file or a command", function()
    for i, source in ipairs { 'p.secret.env "PW_A"', 'p.secret.file "/tmp/gpupt-login-vm-1"',
      'p.secret.command "cat /tmp/gpupt-login-vm-1"' } do
      local status, said = apply("vm-1", ('p.login("ops", %s)'):format(source), { desktop = i % 2 == 0 })
      assert.equal(0, status, said)
    end
  end)

  it("are one for each VM by a function of it", function()
    local status, said = apply("vm-*", 'function(vm) return p.login("ops", p.secret.env("PW_" .. own[vm.name])) end',
      { desktop = true })
    assert.equal(0, status, said)
    assert.equal(3, site.sim:calls "ValidateCredentialsInGuest")
  end)

  it("are one for each VM by a command with its name", function()
    local status, said = apply("vm-*",
      'function(vm) return p.login("ops", p.secret.command("cat /tmp/gpupt-login-" .. vm.name)) end')
    assert.equal(0, status, said)
  end)

  -- libsecret's secret-tool prints the secret of the attributes, without a line end, and ends with 1 if there is none
  it("come from a keyring by its own command, one for each VM", function()
    local tool = site.dir .. "/bin/secret-tool"
    os.execute(("mkdir -p %s/bin"):format(site.dir))
    vcenter.write(tool, "#!/bin/sh\n[ \"$1 $2\" = 'lookup vm' ] || exit 2\n"
      .. "[ -e \"/tmp/gpupt-login-$3\" ] || exit 1\nhead -n 1 \"/tmp/gpupt-login-$3\" | tr -d '\\n'\n")
    os.execute("chmod +x " .. tool)
    local login = ('function(vm) return p.login("ops", p.secret.command("%s lookup vm " .. vm.name)) end'):format(tool)
    local status, said = apply("vm-*", login)
    assert.equal(0, status, said)
    status, said = apply("vm-1", ('p.login("ops", p.secret.command "%s lookup vm other")'):format(tool), { desktop = true })
    assert.is_true(status ~= 0)
    assert.matches("secret%-tool %.%.%.: it ended with status 1", said)
  end)

  it("that one guest refused are tried on no other", function()
    local status, said = apply("vm-*", 'p.login("ops", p.secret.command "echo wrong-one")', { desktop = true })
    assert.equal(1, status, said)
    assert.equal(1, site.sim:calls "ValidateCredentialsInGuest")
    assert.equal(0, site.sim:calls "StartProgramInGuest")
    assert.is_nil(said:find("wrong-one", 1, true) and not said:find("echo wrong-one", 1, true) or nil)
  end)

  it("that a source does not have are reported before anything is sent to a guest", function()
    local status, said = apply("vm-1", 'p.login("ops", p.secret.env "PW_NONE")', { desktop = true })
    assert.is_true(status ~= 0)
    assert.matches("the environment variable PW_NONE is not set", said, 1, true)
    assert.equal(0, site.sim:calls "ValidateCredentialsInGuest")
  end)
end)
