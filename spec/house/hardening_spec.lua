-- build-support/hardening, which lint runs: it finds no fault in our libraries, and all faults in an unprotected one.
local describe_build = os.getenv "GPUPT_SANITIZED" and function() end or describe

local function sh(text)
  local pipe = assert(io.popen("{ " .. text .. "\n} 2>&1"))
  local output = pipe:read "a"
  return pipe:close(), output
end

describe_build("the check of hardening", function()
  it("finds nothing missing in the libraries", function()
    local ok, output = sh(("build-support/hardening %s/lib/gpupt"):format(os.getenv "GPUPT_BUILD" or "build"))
    assert.is_true(ok, output)
    assert.equal("", output)
  end)

  it("names everything that an unprotected library lacks", function()
    local _, dir = sh "mktemp -d"
    dir = dir:match "%S+"
    finally(function() os.execute("rm -rf " .. dir) end)
    assert(sh(("env -u MAKEFLAGS make --no-print-directory -s store BUILD=%s CFLAGS='-O2 -g -fno-stack-protector -fcf-protection=none "
      .. "-U_FORTIFY_SOURCE' LDFLAGS='-Wl,-z,norelro -Wl,-z,lazy -Wl,-z,execstack'"):format(dir)))
    local ok, output = sh(("build-support/hardening %s/lib/gpupt"):format(dir))
    assert.is_nil(ok)
    for _, flag in ipairs { "-z relro", "-z now", "-z noexecstack", "-fstack-protector-strong", "-D_FORTIFY_SOURCE" } do
      assert.matches(flag, output, 1, true)
    end
  end)

  it("does not accept an empty folder", function()
    local ok, output = sh "build-support/hardening spec/house"
    assert.is_nil(ok)
    assert.matches("no library", output, 1, true)
  end)
end)
