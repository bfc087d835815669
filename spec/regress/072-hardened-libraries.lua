-- The libraries were built without a stack protector and checked copies and with lazy binding, and two builds of the same
-- sources in two folders differed.

local function sh(text)
  local pipe = assert(io.popen("{ " .. text .. "\n} 2>&1"))
  local output = pipe:read "a"
  return pipe:close(), output
end

local function must(text)
  local ok, output = sh(text)
  assert(ok, text .. "\n" .. output)
  return output
end

local function has(library, what)
  local headers, dynamic = must("readelf -lW " .. library), must("readelf -dW " .. library)
  local symbols = must("readelf --dyn-syms -W " .. library)
  return ({
    ["relocations that are read-only"] = headers:find("GNU_RELRO", 1, true) ~= nil,
    ["symbols bound at load"] = dynamic:find "BIND_NOW" ~= nil or dynamic:find "Flags:[^\n]*NOW" ~= nil,
    ["a stack that is not executable"] = headers:find "GNU_STACK[^\n]*RW " ~= nil,
    ["a stack protector"] = symbols:find("__stack_chk_fail", 1, true) ~= nil,
    ["checked copies"] = symbols:find("__snprintf_chk", 1, true) ~= nil,
  })[what]
end

local wanted = { "relocations that are read-only", "symbols bound at load", "a stack that is not executable",
  "a stack protector", "checked copies" }

-- store.so is small, and built like the others
local describe_build = os.getenv "GPUPT_SANITIZED" and function() end or describe

describe_build("the libraries", function()
  local dir
  setup(function() dir = must("mktemp -d"):match "%S+" end)
  teardown(function() os.execute("rm -rf " .. dir) end)

  --- Builds one library into a folder of its own, as `make` is called with `words`.
  local function build(name, words)
    must(("env -u CFLAGS -u LDFLAGS -u CPPFLAGS -u MAKEFLAGS make --no-print-directory store BUILD=%s/%s %s"):format(dir, name, words))
    return ("%s/%s/lib/gpupt/store.so"):format(dir, name)
  end

  local function assert_all(library, but)
    for _, what in ipairs(wanted) do assert.is_true(has(library, what) or what == but, what) end
  end

  it("are protected as built by default, every one of them", function()
    local folder = (os.getenv "GPUPT_BUILD" or "build") .. "/lib/gpupt/"
    for name in must("ls " .. folder):gmatch "%S+" do assert_all(folder .. name) end
  end)

  it("are protected with the flags of luarocks instead of ours", function()
    assert_all(build("rocks", "CFLAGS='-O2 -fPIC' LUA_INCDIR=/usr/include/lua5.4"))
  end)

  it("are protected with a distribution's flags, which are kept", function()
    assert_all(build("debian", "CPPFLAGS='-Wdate-time -D_FORTIFY_SOURCE=2' CFLAGS='-g -O2 -fstack-protector-strong' "
      .. "LDFLAGS='-Wl,-z,relro'"))
  end)

  it("are protected in a sanitized build, except for what needs optimization", function()
    assert_all(build("asan", "SANITIZE=1"), "checked copies")
  end)

  it("can be built without optimization, without checked copies", function()
    assert_all(build("plain", "CFLAGS='-O0 -g'"), "checked copies")
  end)
end)

describe_build("two builds of the same sources", function()
  it("have the same bytes if built in two folders", function()
    local dir = must("mktemp -d"):match "%S+"
    finally(function() os.execute("rm -rf " .. dir) end)
    local sums = {}
    for i, name in ipairs { "a", "a-folder with another/name" } do
      local folder = ("'%s/%s'"):format(dir, name)
      must(("mkdir -p %s && cp -R Makefile csrc %s/ && cd %s && env -u CFLAGS -u LDFLAGS -u MAKEFLAGS make --no-print-directory -s "
        .. "store core"):format(folder, folder, folder))
      sums[i] = must(("cd %s && sha256sum build/lib/gpupt/*.so"):format(folder))
    end
    assert.equal(sums[1], sums[2])
    assert.matches("store.so", sums[1], 1, true)
  end)
end)
