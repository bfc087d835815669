-- Media of other programs: genisoimage and xorriso write the same files in every format, wimlib writes the images.
local disc = require "gpupt.guest.disc"
local install_iso = require "gpupt.guest.install_iso"

local function sh(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1"))
  local output = pipe:read "a"
  return assert(pipe:close(), output), output
end

describe("media of other programs", function()
  local dir

  local function opened(name)
    local file = assert(io.open(dir .. "/" .. name, "rb"))
    return function(at, length)
      file:seek("set", at)
      return file:read(length) or ""
    end
  end

  setup(function()
    local pipe = io.popen "mktemp -d"
    dir = pipe:read "l"
    pipe:close()
    sh(("cd %s && mkdir -p img dvd/sources dvd/efi/boot many && head -c 3000000 /dev/urandom > img/big && echo x > dvd/efi/boot/bootx64.efi && "
      .. "for i in $(seq 400); do echo $i > many/a-long-name-of-file-number-$i.txt; done"):format(dir))
    sh(("cd %s && wimlib-imagex capture img dvd/sources/install.wim 'Windows 11 Pro' && "
      .. "wimlib-imagex append img dvd/sources/install.wim 'Windows 11 Enterprise'"):format(dir))
  end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  it("are read in every format", function()
    local ways = { ["genisoimage -quiet -udf"] = "udf", ["genisoimage -quiet -udf -allow-limited-size"] = "udf", ["genisoimage -quiet -J -r"] = "joliet",
      ["genisoimage -quiet -r"] = "rock", ["xorriso -as mkisofs -quiet -iso-level 3"] = "plain", ["xorriso -as mkisofs -quiet -R -J -joliet-long"] = "both" }
    for way, name in pairs(ways) do
      sh(("cd %s && %s -V TEST_MEDIUM -o %s.iso dvd"):format(dir, way, name))
      local is = assert(install_iso(opened(name .. ".iso")))
      assert.same({ "TEST_MEDIUM", "windows", "Windows 11 Pro", "Windows 11 Enterprise" },
        { is.label, is.family, is.images and is.images[1].name or is.unread, is.images and is.images[2].name }, way)
    end
  end)

  it("with folders of many sectors list every name, and every byte of a file is that of the file", function()
    for name, way in pairs { udf = "genisoimage -quiet -udf", rock = "genisoimage -quiet -r", joliet = "genisoimage -quiet -J" } do
      sh(("cd %s && cp img/big many/big.bin && %s -o many-%s.iso many"):format(dir, way, name))
      local medium = assert(disc.open(opened("many-" .. name .. ".iso")))
      local root, count = assert(medium:list ""), 0
      for _ in pairs(root) do count = count + 1 end
      assert.equal(401, count, way)
      assert.is_truthy(root["a-long-name-of-file-number-400.txt"], way)
      local file = assert(io.open(dir .. "/img/big", "rb"))
      assert.is_true(file:read "a" == medium:read(root["big.bin"], 0, 3000000), way)
      file:close()
    end
  end)

  it("of compressed and split images list their editions too", function()
    sh(("cd %s && mkdir -p esd/sources swm/sources && wimlib-imagex export dvd/sources/install.wim all esd/sources/install.esd --solid && "
      .. "wimlib-imagex split dvd/sources/install.wim swm/sources/install.swm 1 && genisoimage -quiet -udf -V A -o esd.iso esd && "
      .. "genisoimage -quiet -udf -V A -o swm.iso swm"):format(dir))
    for _, name in ipairs { "esd", "swm" } do
      local is = assert(install_iso(opened(name .. ".iso")))
      assert.equal("Windows 11 Enterprise", is.images and is.images[2].name or is.unread, name)
    end
  end)
end)
