--- Answers that stop an installer after the plan had accepted them: a time zone as the other system names it, a package
-- that is an option of apt, and a login that the answers do not create, refused by the guest after the installation.
local answer = require "gpupt.guest.answer"
local lab = require "spec.support.lab"

local function windows(more)
  local o = { computer_name = "CAD-01", password = "Pw-1-long", image = 1 }
  for key, value in pairs(more) do o[key] = value end
  return answer.windows(o)
end

local function linux(kind, more)
  local o = { hostname = "train-01", user = "ops", password = "Pw-1-long", salt = "abc" }
  for key, value in pairs(more) do o[key] = value end
  return answer[kind](o)
end

describe("the answers", function()
  it("take a time zone as the system names it", function()
    for _, zone in ipairs { "UTC", "UTC+12", "UTC-02", "W. Europe Standard Time", "Central Standard Time (Mexico)",
      "W. Europe Standard Time_dstoff" } do
      assert(windows { timezone = zone })
    end
    for _, zone in ipairs { "Europe/Berlin", "Etc/UTC", "CET", "Berlin" } do
      local text, message, code = windows { timezone = zone }
      assert.same({ nil, "EINVAL" }, { text, code }, zone)
      assert.matches("tzutil /l", message, 1, true)
    end
    for _, kind in ipairs { "cloud_init", "kickstart" } do
      for _, zone in ipairs { "UTC", "Etc/GMT+12", "America/Argentina/Buenos_Aires", "America/Port-au-Prince" } do
        assert(linux(kind, { timezone = zone }))
      end
      for _, zone in ipairs { "W. Europe Standard Time", "Europe/Berlin; x", "../../etc/shadow", "/etc/localtime" } do
        local text, message, code = linux(kind, { timezone = zone })
        assert.same({ nil, "EINVAL" }, { text, code }, zone)
        assert.matches("such as Europe/Berlin", message, 1, true)
      end
    end
  end)

  it("take names of packages, and no options", function()
    for _, kind in ipairs { "cloud_init", "kickstart" } do
      for _, name in ipairs { "--reinstall", "-y", "a b", "a;b", "$(x)", "a'b" } do
        local text, _, code = linux(kind, { packages = { "gcc", name } })
        assert.same({ nil, "EINVAL" }, { text, code }, name)
      end
    end
    assert(linux("cloud_init", { packages = { "g++", "libc6:amd64", "linux-image-6.8.0-40=6.8.0-40.40~22.04.3+1",
      "ubuntu-desktop^", "nvidia-driver-550-server", { "docker", "1.2" } } }))
  end)

  describe("of an installation", function()
    local site
    setup(function()
      site = lab.start { speed = 400, fleet = { clusters = { { name = "a", hosts = { lab.host("esx-1") } } },
        networks = { "VM Network" }, datastores = { { name = "ds-1",
          files = { ["iso/u.iso"] = { os = "ubuntu" }, ["iso/w.iso"] = { os = "windows" } } } } } }
    end)
    teardown(function() site:stop() end)

    local function plan(login, guest, os)
      return tostring(assert(site:plan(([=[local function pw() return "Train-1-pass" end
        return p.playbook { name = "v", p.vms { name = "train-1", login = p.login(%q, p.secret.callback(pw)),
        place = { cluster = "a", datastore = "ds-1", network = "VM Network" },
        p.vm.create { firmware = "efi", guest = %q, cpus = 4, memory = "8 GiB", disk = "60 GiB" },
        p.os.install { %s } } }]=]):format(login, guest, os))))
    end

    local UBUNTU = 'iso = "[ds-1] iso/u.iso", answer = p.answer.cloud_init { user = "ops", password = p.secret.callback(pw) }'
    local WINDOWS = 'iso = "[ds-1] iso/w.iso", answer = p.answer.windows { image = 1, password = p.secret.callback(pw) %s }'
    local NOTE = "the answers create the account '%s', and login is '%s'"

    it("create the account of the login, or the plan says that they do not", function()
      for _, one in ipairs { { "root", "ubuntu64Guest", UBUNTU, "ops" }, { "LAB\\ops", "ubuntu64Guest", UBUNTU, "ops" },
        { "ops", "windows2022srvNext_64Guest", WINDOWS:format "", "Administrator" },
        { "Administrator", "windows2022srvNext_64Guest", WINDOWS:format ', user = "cad"', "cad" } } do
        assert.matches(NOTE:format(one[4], one[1]), plan(one[1], one[2], one[3]), 1, true)
      end
      for _, one in ipairs { { "ops", "ubuntu64Guest", UBUNTU }, { "administrator", "windows2022srvNext_64Guest", WINDOWS:format "" },
        { ".\\cad", "windows2022srvNext_64Guest", WINDOWS:format ', user = "cad"' } } do
        assert.is_nil(plan(one[1], one[2], one[3]):find("the answers create", 1, true))
      end
    end)
  end)
end)
