-- The optional library gpupt.iso: what it writes is read back by other programs.
local found, iso = pcall(require, "gpupt.iso")

local function sh(command)
  local pipe = assert(io.popen("{ " .. command .. "\n} 2>&1"))
  local output = pipe:read "a"
  return pipe:close(), output
end

describe("an answer medium", function()
  if not found then return pending "gpupt.iso is built only where libarchive is found" end
  local dir
  local big = ("0123456789abcdef"):rep(4096)
  local files = { ["user-data"] = "#cloud-config\n", ["meta-data"] = "", ["scripts/first logon.cmd"] = "@echo off\r\n",
    ["$WinPEDriver$/a/long-name-of-more-than-eight.inf"] = "x", ["big.bin"] = big }

  setup(function()
    dir = select(2, sh "mktemp -d"):match "%S+"
    local f = assert(io.open(dir .. "/o.iso", "wb"))
    local bytes = assert(iso.write(files, "CIDATA"))
    f:write(bytes)
    f:close()
  end)
  teardown(function() sh("rm -rf " .. dir) end)

  it("is read back by bsdtar, byte for byte", function()
    assert(sh(("mkdir %s/x && bsdtar -xf %s/o.iso -C %s/x"):format(dir, dir, dir)))
    local count = 0
    for path, bytes in pairs(files) do
      local f = assert(io.open(dir .. "/x/" .. path, "rb"))
      assert.equal(bytes, f:read "a", path)
      f:close()
      count = count + 1
    end
    local _, listed = sh(("find %s/x -type f | wc -l"):format(dir))
    assert.equal(count, tonumber(listed))
  end)

  it("has its label and names for xorriso too", function()
    local ok, output = sh(("xorriso -indev stdio:%s/o.iso -find / -type f"):format(dir))
    assert.is_true(ok, output)
    assert.matches("Volume id    : 'CIDATA'", output)
    for path in pairs(files) do assert.is_truthy(output:find("'/" .. path .. "'", 1, true), path) end
  end)

  it("has a Joliet tree with whole names, which is what Windows reads", function()
    local _, output = sh(("bsdtar --options 'iso9660:!rockridge' -tf %s/o.iso"):format(dir))
    for path in pairs(files) do assert.is_truthy(output:find(path, 1, true), path .. " in\n" .. output) end
  end)

  it("holds the files uncompressed: no other system reads libarchive's zisofs default", function()
    local f = assert(io.open(dir .. "/o.iso", "rb"))
    assert.is_truthy(f:read("a"):find(big, 1, true))
    f:close()
  end)
end)

describe("a medium that cannot be written", function()
  if not found then return pending "gpupt.iso is built only where libarchive is found" end
  local function refused(files, label, words)
    local bytes, message, code = iso.write(files, label)
    assert.is_nil(bytes)
    assert.matches(words, message)
    assert.equal("EINVAL", code)
  end

  it("is refused for its label", function()
    for _, label in ipairs { "", "cidata", "TWO WORDS", ("A"):rep(17), "A\nB" } do
      refused({ a = "" }, label, "volume label")
    end
  end)

  it("is refused for its names", function()
    refused({}, "A", "at least one file")
    for _, path in ipairs { "/a", "", "a/", "a//b" } do refused({ [path] = "" }, "A", "not a relative path") end
    for _, path in ipairs { "../a", "a/../b", "." } do refused({ [path] = "" }, "A", "leads outside the medium") end
    for _, path in ipairs { "a:b", "a\\b", "ä", "a\n" } do refused({ [path] = "" }, "A", "printable ASCII") end
    refused({ [("n"):rep(65)] = "" }, "A", "at most 64")
    refused({ ["1/2/3/4/5/6/7/8"] = "" }, "A", "deep")
    refused({ a = "", A = "" }, "A", "the same name")
    refused({ a = "", ["A/b"] = "" }, "A", "both a file and a folder")
  end)

  it("misuse raises", function()
    assert.error_matches(function() iso.write({ "a" }, "A") end, "path = bytes")
    assert.error_matches(function() iso.write({ a = {} }, "A") end, "path = bytes")
    assert.error_matches(function() iso.write({ ["a\0b"] = "" }, "A") end, "NUL byte")
    assert.error(function() iso.write({ a = "" }) end)
  end)
end)

describe("without the library", function()
  it("answer.iso says how to install it, and how to work without it", function()
    local answer = require "gpupt.guest.answer"
    local loaded, preload = package.loaded["gpupt.iso"], package.preload["gpupt.iso"]
    package.loaded["gpupt.iso"] = nil
    package.preload["gpupt.iso"] = function() error "module 'gpupt.iso' not found" end
    local bytes, message, code = answer.iso({ a = "" }, "A")
    package.loaded["gpupt.iso"], package.preload["gpupt.iso"] = loaded, preload
    assert.is_nil(bytes)
    assert.equal("ENOLIBRARY", code)
    assert.matches("libarchive", message)
    assert.matches("xorriso %-as mkisofs", message)
  end)
end)
