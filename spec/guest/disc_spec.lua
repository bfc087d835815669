-- Images of installation DVDs, read by ranges: what the medium is, its editions, and answer media. The Windows image was
-- made by genisoimage and wimlib (media/README.md), the others here.
local answer = require "gpupt.guest.answer"
local answer_iso = require "gpupt.guest.answer_iso"
local disc = require "gpupt.guest.disc"
local found, iso = pcall(require, "gpupt.iso")
local install_iso = require "gpupt.guest.install_iso"
local look = require "gpupt.step.install_iso"

local function bytes_of(image)
  local reads = { count = 0, bytes = 0 }
  return function(at, length)
    reads.count, reads.bytes = reads.count + 1, reads.bytes + length
    return image:sub(at + 1, at + length)
  end, reads
end

local function windows()
  local pipe = assert(io.popen("gzip -dc spec/guest/media/windows-udf.iso.gz", "r"))
  local image = pipe:read "a"
  assert(pipe:close())
  return image
end

describe("an installation medium", function()
  if not found then return pending "gpupt.iso is built only where libarchive is found" end
  local image

  setup(function() image = windows() end)

  local function linux(...)
    local files = { ["readme.txt"] = "x" }
    for _, name in ipairs { ... } do files[name] = "x" end
    return assert(iso.write(files, "LINUX"))
  end

  it("of Windows is known by its UDF, with its label and editions, by a few reads", function()
    local read, reads = bytes_of(image)
    local is = assert(install_iso(read))
    assert.same({ "SSS_X64FREE_EN-US_DV9", "windows", "windows" }, { is.label, is.family, is.system })
    local names = {}
    for i, one in ipairs(is.images) do
      assert.equal(i, one.index)
      names[i] = one.name
    end
    assert.same({ "Windows Server 2022 SERVERSTANDARDCORE", "Windows Server 2022 SERVERSTANDARD", "Windows Server 2022 SERVERDATACENTERCORE",
      "Windows Server 2022 SERVERDATACENTER" }, names)
    assert.is_true(reads.count <= 4 and reads.bytes <= 512 << 10, reads.count .. " reads, " .. reads.bytes .. " bytes")
  end)

  it("lists its folders and files, and reads parts of them", function()
    local opened = assert(disc.open((bytes_of(image))))
    local root = assert(opened:list "")
    assert.is_true(root.sources.folder and root.efi.folder and not root["readme.txt"].folder)
    assert.is_truthy(opened:list("EFI/Boot")["bootx64.efi"])
    assert.is_false(opened:list "no/such")
    assert.equal("MSWIM\0\0\0", opened:read(opened:list "sources"["install.wim"], 0, 8))
    assert.equal("UDF\n", opened:read(root["readme.txt"], 6, 4))
    assert.matches("shorter than needed", select(2, opened:read(root["readme.txt"], 6, 40)))
  end)

  it("of Linux is known by what is in its root, of Joliet and Rock Ridge alike", function()
    for name, system in pairs { ["casper/vmlinuz"] = "ubuntu", ["BaseOS/x"] = "rhel", ["media.1/x"] = "suse", ["install.amd/x"] = "debian" } do
      local is = assert(install_iso((bytes_of(linux(name)))))
      assert.same({ "LINUX", "linux", system }, { is.label, is.family, is.system })
    end
    local other = assert(install_iso((bytes_of(linux()))))
    assert.is_nil(other.family)
  end)

  it("is refused when its end is missing, and any other file is", function()
    local function refused(bytes, words)
      local is, message, code = install_iso((bytes_of(bytes)))
      assert.is_nil(is)
      assert.matches(words, message)
      assert.equal("EPARSE", code)
    end
    refused("", "not an image of a CD or DVD")
    refused(("x"):rep(200000), "not an image of a CD or DVD")
    refused(image:sub(1, 257 * 2048 - 100), "not copied completely")
    refused(image:sub(1, 262 * 2048), "not copied completely")
  end)

  it("with editions that cannot be read says why", function()
    local broken = image:gsub("MSWIM", "XSWIM", 1)
    assert.matches("sources/install.wim: it is not a Windows image", assert(install_iso((bytes_of(broken)))).unread)
    local at = image:find("MSWIM\0\0\0", 1, true)
    local compressed = image:sub(1, at + 78) .. "\6" .. image:sub(at + 80)
    assert.matches("list of editions is compressed", assert(install_iso((bytes_of(compressed)))).unread)
    local esd = assert(iso.write({ ["sources/install.esd"] = image:sub(at, at + 207) }, "ESD"))
    assert.matches("sources/install.esd: a file of it is shorter", assert(install_iso((bytes_of(esd)))).unread)
  end)

  it("never ends in an error, whatever is in it", function()
    local random = 12345
    for _ = 1, 300 do
      random = (random * 1103515245 + 12345) % 2147483648
      local at = 16 * 2048 + random % (280 * 2048 - 16 * 2048)
      local changed = image:sub(1, at) .. string.char(random % 256) .. image:sub(at + 2)
      local ok, is, message = pcall(install_iso, (bytes_of(changed)))
      assert.is_true(ok, tostring(is))
      assert.is_true(is ~= nil or #message > 5)
    end
  end)

  it("has the edition that is meant, or the message lists them", function()
    local images = assert(install_iso((bytes_of(image)))).images
    assert.equal(2, look.edition(images, 2))
    assert.equal(4, look.edition(images, "Windows Server 2022 SERVERDATACENTER"))
    assert.equal(1, look.edition({ { index = 1, name = "x" } }, nil))
    assert.matches("no image 5; it has 1 Windows Server 2022 SERVERSTANDARDCORE, 2 ", select(2, look.edition(images, 5)))
    local _, message = look.edition(images, "Windows Server 2022 SERVERSTANDART")
    assert.matches("did you mean 'Windows Server 2022 SERVERSTANDARD'", message, 1, true)
    assert.matches("several editions: 1 Windows", select(2, look.edition(images, nil)))
  end)
end)

describe("an answer medium that is already an ISO", function()
  if not found then return pending "gpupt.iso is built only where libarchive is found" end
  local function codes(files, label)
    local list = {}
    for i, one in ipairs(assert(answer_iso((bytes_of(assert(iso.write(files, label))))))) do list[i] = one.code end
    return table.concat(list, " ")
  end
  local cloud = assert(answer.cloud_init { hostname = "a", user = "ops", password = "x" })
  local ks = assert(answer.kickstart { hostname = "a", user = "ops", password = "x" })

  it("is checked with its label", function()
    assert.equal("", codes(cloud, "CIDATA"))
    assert.equal("wrong-label", codes(cloud, "SEED"))
    assert.equal("", codes({ ["ks.cfg"] = ks }, "OEMDRV"))
    assert.equal("wrong-label", codes({ ["ks.cfg"] = ks }, "KS"))
    assert.equal("", codes({ ["Autounattend.xml"] = assert(answer.windows { computer_name = "A", password = "x", image = 1 }) }, "ANY"))
    assert.equal("no-answer", codes({ ["sub/ks.cfg"] = ks }, "OEMDRV"))
    assert.equal("no-tools", codes({ ["ks.cfg"] = ks:gsub("open%-vm%-tools", "jq") }, "OEMDRV"))
  end)

  it("shows none of its text in what is wrong", function()
    local problems = assert(answer_iso((bytes_of(assert(iso.write({ ["user-data"] = "#cloud-config\nautoinstall: [ 'pass', x: ]", ["meta-data"] = "" },
      "CIDATA"))))))
    for _, one in ipairs(problems) do assert.is_nil(one.message:find "pass") end
  end)
end)
