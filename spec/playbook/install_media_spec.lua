-- Media of os.install, looked into by the plan: nothing that would fail after hours is started.
local answer = require "gpupt.guest.answer"
local iso = require "gpupt.iso"
local lab = require "spec.support.lab"
local vcenter = require "spec.support.vcenter"

-- A Windows medium with these editions, as the test vCenter's guests boot it.
local function windows(...)
  local xml = { "<WIM>" }
  for i, name in ipairs { ... } do xml[#xml + 1] = ('<IMAGE INDEX="%d"><NAME>%s</NAME></IMAGE>'):format(i, name) end
  local text = "\xff\xfe" .. (table.concat(xml) .. "</WIM>"):gsub(".", "%0\0")
  local header = "MSWIM\0\0\0" .. ("<I4I4I4I4"):pack(208, 0x10d00, 0, 0) .. ("\0"):rep(16) .. ("<I2I2I4"):pack(1, 1, select("#", ...))
    .. ("\0"):rep(24) .. ("<I8I8I8"):pack(#text | 2 << 56, 208, #text)
  return iso.write({ ["sources/install.wim"] = header .. ("\0"):rep(208 - #header) .. text, ["efi/boot/bootx64.efi"] = "efisys_noprompt\n",
    ["sources/boot.wim"] = "x" }, "WIN")
end

local function play(o)
  return ([[
local password = p.secret.callback(function() return "Secret-1-of-it" end)
return p.playbook { name = "media", max_failures = 9,
  p.vms { name = "vm-{n}", count = %d, place = { cluster = "gpu-a", datastore = "ds-1", network = "VM Network" },
    p.vm.create  { guest = "%s", cpus = 2, memory = "4 GiB", disk = "40 GiB" },
    p.os.install { iso = "[ds-1] iso/%s", answer = %s } } }]]):format(o.count or 1, o.guest or "ubuntu64Guest", o.iso, o.answer)
end

local WINDOWS = 'p.answer.windows { computer_name = "CAD-01", password = password%s }'
local CLOUD = 'p.answer.cloud_init { user = "ops", password = password }'
local SERVER = "windows2022srvNext_64Guest"

describe("a plan of an installation", function()
  local l, dir

  setup(function()
    dir = vcenter.shell "mktemp -d -t gpupt-media.XXXXXX":match "%S+"
    local files = {}
    local function add(name, bytes)
      vcenter.write(dir .. "/" .. name, assert(bytes))
      files["iso/" .. name] = { source = dir .. "/" .. name }
    end
    files["iso/windows.iso"] = { os = "windows" }
    files["iso/ubuntu.iso"] = { os = "ubuntu" }
    add("one.iso", windows "Windows 11 Enterprise LTSC")
    add("text.iso", ("this is no image\n"):rep(9000))
    local cloud = assert(answer.cloud_init { hostname = "a", user = "ops", password = "x" })
    add("seed.iso", iso.write(cloud, "SEED"))
    add("empty.iso", iso.write({ ["readme.txt"] = "x" }, "CIDATA"))
    add("no-tools.iso", iso.write({ ["user-data"] = cloud["user-data"]:gsub("open%-vm%-tools", "jq"), ["meta-data"] = "" }, "CIDATA"))
    add("data.iso", iso.write({ ["readme.txt"] = "no system" }, "DRIVERS"))
    add("good.iso", iso.write(cloud, "CIDATA"))
    l = lab.start { speed = 300, fleet = { clusters = { { name = "gpu-a", hosts = { lab.host "esx-a-1" } } },
      datastores = { { name = "ds-1", files = files } } } }
  end)
  teardown(function()
    if l then l:stop() end
    os.execute("rm -rf " .. dir)
  end)

  local function plan(o) return l:command { "plan", l:write(play(o)) } end

  local function refused(o, ...)
    local result = plan(o)
    assert.equal(1, result.status, result.out .. result.err)
    for _, words in ipairs { ... } do assert.is_truthy(result.err:find(words, 1, true), result.err) end
    assert.same({}, l:changing())
  end

  it("refuses a medium of another system, whatever its name", function()
    refused({ iso = "ubuntu.iso", guest = SERVER, answer = WINDOWS:format ", image = 1" },
      "play-1.lua:6: os.install: [ds-1] iso/ubuntu.iso: it is an Ubuntu medium, and p.answer.windows is not for it (vm-1)")
    refused({ iso = "windows.iso", answer = CLOUD }, "it is a Windows medium, and p.answer.cloud_init is not for it")
    refused({ iso = "windows.iso", answer = '"[ds-1] iso/good.iso"' }, "it is a Windows medium, and the guest id of the VM is one of Linux")
    refused({ iso = "text.iso", answer = CLOUD }, "[ds-1] iso/text.iso: it is not an image of a CD or DVD")
  end)

  it("remarks a medium without a known installer", function()
    local result = plan { iso = "data.iso", answer = CLOUD }
    assert.matches("[ds-1] iso/data.iso (DRIVERS) has none of the known installers. Is it the right ISO?", result.out, 1, true)
  end)

  it("refuses an edition that the medium does not have, and lists those that it has", function()
    refused({ iso = "windows.iso", guest = SERVER, answer = WINDOWS:format ", image = 7" }, "the medium has no image 7; it has 1 Windows Server "
      .. "2022 SERVERSTANDARDCORE, 2 Windows Server 2022 SERVERSTANDARD, 3 ")
    refused({ iso = "windows.iso", guest = SERVER, answer = WINDOWS:format ', image = "Windows Server 2022 SERVERSTANDART"' },
      "did you mean 'Windows Server 2022 SERVERSTANDARD'")
    refused({ iso = "windows.iso", guest = SERVER, answer = WINDOWS:format "" }, "image is not set, and the medium has several editions")
    assert.equal(0, plan({ iso = "windows.iso", guest = SERVER, answer = WINDOWS:format ', image = "Windows Server 2022 SERVERDATACENTER"' }).status)
    assert.equal(0, plan({ iso = "windows.iso", guest = SERVER, answer = WINDOWS:format ", product_key = password" }).status)
  end)

  it("refuses an answer medium that its installer would not look at, and remarks what else is wrong", function()
    refused({ iso = "ubuntu.iso", answer = '"[ds-1] iso/seed.iso"' },
      "[ds-1] iso/seed.iso: the medium's label is 'SEED': cloud-init requires CIDATA")
    refused({ iso = "ubuntu.iso", answer = '"[ds-1] iso/empty.iso"' }, "is in the root of the medium (it contains: readme.txt)")
    refused({ iso = "ubuntu.iso", answer = '"[ds-1] iso/text.iso"' }, "[ds-1] iso/text.iso: it is not an image of a CD or DVD")
    refused({ iso = "ubuntu.iso", answer = '"[ds-1] iso/none.iso"' }, "[ds-1] iso/none.iso does not exist")
    local remarked = plan { iso = "ubuntu.iso", answer = '"[ds-1] iso/no-tools.iso"' }
    assert.equal(0, remarked.status, remarked.err)
    assert.matches("[ds-1] iso/no-tools.iso (user-data:1): open-vm-tools is neither in packages", remarked.out, 1, true)
    assert.is_nil(plan({ iso = "ubuntu.iso", answer = '"[ds-1] iso/good.iso"' }).out:find "good.iso %(")
  end)

  it("reads each medium once, whatever the number of VMs", function()
    local function reads(count)
      l.sim:forget()
      assert.equal(0, plan({ iso = "ubuntu.iso", answer = CLOUD, count = count }).status)
      return l.sim:calls "HTTP GET"
    end
    local once = reads(1)
    assert.is_true(once > 0 and once < 10, once)
    assert.equal(once, reads(5))
  end)

  it("leaves the edition to a medium that has one: it is installed", function()
    local path = l:write(play { iso = "one.iso", guest = "windows11_64Guest", answer = WINDOWS:format "" })
    local result = l:command { "apply", path }
    assert.equal(0, result.status, result.err)
    assert.equal("windows", l:truth("vms", "vm-1").guest.os)
  end)
end)
