-- The readers of the vendors accept the answers: pykickstart (Anaconda's own) for every release of the RHEL family that
-- it knows since 8, and cloud-init's own schema for user-data. Each of them refuses a file that is wrong.
local answer = require "gpupt.guest.answer"

local folder

local function run(command, text)
  local f = assert(io.open(folder .. "/file", "w"))
  f:write(text)
  f:close()
  local pipe = assert(io.popen("{ " .. command:format(folder .. "/file") .. "\n} 2>&1"))
  local output = pipe:read "a"
  return pipe:close() or false, output
end

setup(function()
  local pipe = io.popen "mktemp -d"
  folder = pipe:read "l"
  pipe:close()
end)
teardown(function() os.execute("rm -rf " .. folder) end)

describe("pykickstart", function()
  local function reads(version, text) return run("build/answers/bin/ksvalidator -v " .. version .. " %s", text) end
  local common = { hostname = "train-01", user = "ops", password = "it's a \"secret\" word" }
  local ways = {
    ["the defaults"] = {},
    ["a volume group on NVMe"] = { storage = "lvm", disk = "nvme0n1" },
    ["keys, packages, commands and another language"] = { ssh_keys = { "ssh-ed25519 AAAA it's \"x\"" }, locale = "de_DE.UTF-8", keyboard = "de",
      packages = { "gcc", "@development" }, commands = { "echo 'a' \"b\" > /x" }, environment = "@^minimal-environment" },
    ["no sudo"] = { sudo = false },
  }
  for _, version in ipairs { "RHEL8", "RHEL9", "RHEL10", "F40", "F42" } do
    it("accepts what gpupt writes, as " .. version, function()
      for name, way in pairs(ways) do
        local o = {}
        for key, value in pairs(common) do o[key] = value end
        for key, value in pairs(way) do o[key] = value end
        local ok, output = reads(version, assert(answer.kickstart(o)))
        assert.is_true(ok, name .. "\n" .. output)
        assert.is_nil(output:find "[Dd]eprecat", name .. "\n" .. output)
      end
    end)
  end

  it("refuses what gpupt calls a refusal", function()
    local good = assert(answer.kickstart(common))
    for _, swap in ipairs { { "zerombr", "zerombbr" }, { "%%packages", "%%package" }, { "%%end\n$", "" } } do
      local broken = good:gsub(swap[1], swap[2], 1)
      assert.is_false((reads("RHEL9", broken)), swap[1])
      assert.equal("error", answer.problems({ ["ks.cfg"] = broken })[1].severity)
    end
  end)
end)

describe("cloud-init's schema", function()
  local command = "PYTHONPATH=build/answers/cloud-init/usr/lib/python3/dist-packages /usr/bin/python3 -m cloudinit.cmd.main "
    .. "schema --config-file %s"
  local function made(o)
    local given = { hostname = "train-01", user = "ops", password = "x", autoinstall = false }
    for key, value in pairs(o) do given[key] = value end
    return assert(answer.cloud_init(given))["user-data"]
  end

  it("accepts what gpupt writes for cloud images", function()
    for _, o in ipairs { {}, { ssh_keys = { "ssh-ed25519 AAAA x" }, packages = { "gcc" }, runcmd = { "true", { "a", "b c" } } }, { sudo = false } } do
      local ok, output = run(command, made(o))
      assert.is_true(ok, output)
      assert.matches("Valid cloud%-config", output)
    end
  end)

  it("accepts what gpupt writes for the Ubuntu installer, and the part of it that cloud-init reads later", function()
    local ok, output = run(command, made { autoinstall = true, runcmd = { "true" }, late_commands = { "true" } })
    assert.is_true(ok, output)
  end)

  it("refuses a value of the wrong kind", function()
    assert.is_false((run(command, (made({}):gsub("lock_passwd: false", "lock_passwd: 3")))))
  end)
end)
